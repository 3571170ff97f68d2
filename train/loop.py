"""`python -m train run RECIPE --data DIR`: the training loop, on one process or, by torchrun, on several."""

from __future__ import annotations

import argparse
import copy
import math
import sys
from collections.abc import Generator
from contextlib import closing, nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Subset

from cefnet.config import Decision
from cefnet.files import write_whole
from cefnet.model import CEFNet
from cefnet.text import Tokenizer
from cefnet.weights import TOKENIZER, load, save
from train import recipes
from train.checkpoint import CHECKPOINT, START, check_same_recipe, load_checkpoint, only_one, save_checkpoint
from train.damage import Damage
from train.data.batch import Batch
from train.data.batches import Batches
from train.data.reader import ReferData
from train.distributed import Team, join, plain_words
from train.interrupt import STATUS, ignore_sigterm, on_sigterm
from train.learner import Learner
from train.losses import Objective
from train.recipe import Recipe
from train.runlog import Timed, draw_curves, progress
from train.start import load_embeddings, load_imagenet, origin, prepare_text, start_from


class Run:
    """One run in one folder: what it learns from, where it starts, what it saves.

    Args:
        recipe: what to do.
        data: the data set.
        tokenizer: the run's own.
        folder: of the run.
        team: the processes that share it.
    """

    def __init__(self, recipe: Recipe, data: ReferData, tokenizer: Tokenizer, folder: Path, team: Team) -> None:
        self.recipe, self.data, self.tokenizer, self.folder, self.team = recipe, data, tokenizer, folder, team
        torch.manual_seed(recipe.seed)
        self.model = CEFNet(recipe.model)
        self.objective = Objective(recipe.losses, recipe.model, len(data.categories))
        photos = len({ref.image_id for ref in data.refs_of("train")})
        self.damage = Damage(folder if team.first else None, photos)
        self.decision = Decision()

    def start(self, embeddings: Path | None, init: str | None, backbone: str | None = None) -> None:
        """Gives the new model its first weights: ImageNet, word vectors, or those of another model."""
        if init:
            checkpoint = load(init, "cpu")
            start_from(self.model, checkpoint.model)
            self.decision = checkpoint.decision
        elif self.recipe.pretrained:
            load_imagenet(self.model, backbone)
            if self.recipe.model.normalisation == "batch":  # with l2, E and F are of unit length anyway
                first = Batches(self.data, self.tokenizer, self.recipe.data, self.recipe.seed)[0]
                self.model.eval().match_strength(first.images.float() / 255, self.recipe.fusion_strength)
        if embeddings and not init:
            load_embeddings(self.model, self.tokenizer, embeddings)
        if self.team.first:
            write_whole(self.folder / START, origin(self.recipe, embeddings, init, backbone) + "\n")
        self.learner = Learner(self.model, self.objective, self.recipe, self.team)

    def resume(self) -> None:
        """Takes up the folder's checkpoint."""
        state = load_checkpoint(self.folder)
        self.learner = Learner(self.model, self.objective, self.recipe, self.team)
        try:
            self.learner.load_state(state)
        except (LookupError, TypeError, RuntimeError) as error:
            raise ValueError(f"{self.folder / CHECKPOINT} is of another model or version: {error}") from error
        self.damage.found.update(state.get("damaged", []))  # not in the first checkpoints
        self.decision = Decision(**state.get("decision", {}))  # likewise

    def save(self, words: dict[str, int]) -> None:
        """Writes the checkpoint, and the result so far as a weights folder: the first process only."""
        if not self.team.first:
            return
        more = {"damaged": sorted(self.damage.found), "decision": asdict(self.decision)}
        save_checkpoint(self.folder, {**self.learner.state(), **more})
        result = copy.deepcopy(self.model)
        if self.learner.average:
            result.load_state_dict(self.learner.average.state)
        card = f"Run of the recipe `{self.recipe.name}`, step {self.learner.steps} of {self.recipe.steps}.\n"
        save(self.folder, result, self.decision, self.folder / TOKENIZER, words, card)
        draw_curves(self.folder)

    def batches(self, stop: int, workers: int) -> Generator[Batch, None, None]:
        """This process's share of the steps from now to `stop`, each a function of (seed, step) and its size."""
        starts = [math.ceil(share * self.recipe.steps) for share, _ in self.recipe.sizes]
        ends = [*starts[1:], self.recipe.steps]
        places = self.team.share(self.recipe.data.photos)
        for (_, size), first, end in zip(self.recipe.sizes, starts, ends, strict=True):
            steps = range(max(first, self.learner.steps), min(end, stop))
            if not steps:
                continue
            spec = replace(self.recipe.data, image_size=size)
            seed, length = self.recipe.seed, self.recipe.steps
            yield from DataLoader(
                Subset(Batches(self.data, self.tokenizer, spec, seed, steps=length, places=places), steps),
                batch_size=None,
                num_workers=workers,
                pin_memory=self.team.device.type == "cuda",
                generator=torch.Generator(),  # the loader must not draw from the run's
                worker_init_fn=ignore_sigterm,
            )

    def train(self, words: dict[str, int], stop: int, workers: int) -> bool:
        """Trains up to step `stop`, with checkpoints on the way and at the end.

        Returns:
            False if SIGTERM ended it earlier, with a checkpoint.
        """
        samples, learner = self.recipe.data.photos * self.recipe.data.expressions, self.learner
        shown = progress(self.folder, learner.steps, self.recipe.steps, samples, self.team.first)
        timed = closing(Timed(self.batches(stop, workers)))
        with shown as told, on_sigterm() as terminated, timed as batches:
            for batch in batches:
                values = learner.step(batch)
                if told:
                    told.add(learner.steps - 1, values, batches.waited)
                self.damage.add(self.team.gather(batch.skipped))
                if self.team.any(terminated()):
                    break
                if learner.steps % self.recipe.checkpoint_every == 0 and learner.steps < stop:
                    self.save(words)
            self.save(words)
        return learner.steps >= stop


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", help=f"one of: {', '.join(recipes.RECIPES)}")
    parser.add_argument("--data", type=Path, required=True, help="data folder (instances.json, refs.json, photos)")
    parser.add_argument("--out", type=Path, help="run folder (default: runs/RECIPE)")
    parser.add_argument("--resume", action="store_true", help="go on from the folder's checkpoint")
    parser.add_argument("--init", metavar="MODEL", help="start from this model's weights and tokenizer")
    parser.add_argument("--backbone", metavar="FILE_OR_HUB_ID", help="ImageNet weights, torchvision names")
    parser.add_argument("--embeddings", type=Path, metavar="NPZ", help="word vectors to start from (words, vectors)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, ... (default: auto)")
    parser.add_argument("--steps", type=int, metavar="N", help="length of the run, instead of the recipe's")
    parser.add_argument("--stop", type=int, metavar="N", help="end now at step N of the same schedule")
    parser.add_argument("--workers", type=int, default=1, help="processes that read data (default: 1)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe")


def main(args: argparse.Namespace) -> None:
    """Starts or resumes a run; exit status 143 after SIGTERM.

    Raises:
        ValueError: unknown recipe or key, no data, a folder with another run, a loss that is not finite, too many
            damaged photos, a process of the run that was killed.
    """
    recipe = recipes.change(recipes.find(args.recipe), args.set)
    recipe = replace(recipe, steps=args.steps) if args.steps else recipe
    folder = args.out or Path("runs") / recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    advice = f"--resume goes on from the last checkpoint in {folder}, if there is one"
    with join(args.device) as team, plain_words(advice), only_one(folder) if team.first else nullcontext():
        execute(args, recipe, folder, team)


def execute(args: argparse.Namespace, recipe: Recipe, folder: Path, team: Team) -> None:
    """What each process of a run does."""
    if team.first and (folder / CHECKPOINT).is_file() and not args.resume:
        raise ValueError(f"{folder} holds a run already: --resume goes on with it, --out FOLDER starts another")
    data = ReferData.open(args.data)
    if team.first:
        prepare_text(args.data, folder, recipe.model.vocabulary, args.init)
    team.wait()  # the others read what the first one wrote
    tokenizer, words = prepare_text(args.data, folder, recipe.model.vocabulary, args.init)
    recipe = replace(recipe, model=replace(recipe.model, vocabulary=tokenizer.size))
    if team.first:
        check_same_recipe(folder, recipe.to_dict())
    run = Run(recipe, data, tokenizer, folder, team)
    if args.resume:
        run.resume()
    else:
        run.start(args.embeddings, args.init, args.backbone)
    finished = run.train(words, min(args.stop or recipe.steps, recipe.steps), args.workers)
    if team.first:
        print(f"{folder}: step {run.learner.steps} of {recipe.steps}")
    if not finished:
        print(f"ended by SIGTERM after step {run.learner.steps}, which is saved: --resume goes on", file=sys.stderr)
        sys.exit(STATUS)
