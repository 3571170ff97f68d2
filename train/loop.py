"""`python -m train run RECIPE --data DIR`: the training loop."""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm

from cefnet.model import CEFNet
from cefnet.text import Tokenizer
from cefnet.weights import TOKENIZER, load, pick_device, save
from train import recipes
from train.checkpoint import START, check_same_recipe, load_checkpoint, save_checkpoint
from train.data.batches import Batch, Batches
from train.data.reader import ReferData
from train.losses import Objective
from train.optim import Average, build_optimiser, freeze, learning_rate, set_learning_rate, train_mode
from train.recipes import Recipe
from train.runlog import RunLog, draw_curves
from train.start import load_embeddings, load_imagenet, origin, prepare_text, start_from


class Run:
    """One run in one folder: model, objective, optimiser, average and step, and how they move.

    Args:
        recipe: what to do.
        data: the data set.
        tokenizer: the run's own.
        folder: of the run.
        device: where to train.
    """

    def __init__(
        self, recipe: Recipe, data: ReferData, tokenizer: Tokenizer, folder: Path, device: torch.device
    ) -> None:
        self.recipe, self.data, self.tokenizer, self.folder, self.device = (
            recipe,
            data,
            tokenizer,
            folder,
            device,
        )
        torch.manual_seed(recipe.seed)
        self.model = CEFNet(recipe.model)
        self.objective = Objective(recipe.losses, recipe.model.decoder_widths[0], len(data.categories))
        self.step = 0

    def start(self, embeddings: Path | None, init: str | None) -> None:
        """Gives the new model its first weights: ImageNet, word vectors, or those of another model."""
        if init:
            start_from(self.model, load(init, "cpu").model)
        elif self.recipe.pretrained:
            load_imagenet(self.model)
            first = Batches(self.data, self.tokenizer, self.recipe.data, self.recipe.seed)[0]
            self.model.eval().match_strength(first.images.float() / 255)
        if embeddings and not init:
            load_embeddings(self.model, self.tokenizer, embeddings)
        (self.folder / START).write_text(origin(self.recipe, embeddings, init) + "\n")
        self._ready()

    def _ready(self) -> None:
        freeze(self.model, self.recipe)
        self.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.objective.to(self.device)
        self.optimiser = build_optimiser(self.model, self.objective, self.recipe)
        self.average = Average(self.model, self.recipe.ema) if self.recipe.ema else None

    def state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "objective": self.objective.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average.state if self.average else {},
            "rng": torch.get_rng_state(),
        }

    def resume(self) -> None:
        """Takes up the folder's checkpoint."""
        self._ready()
        state = load_checkpoint(self.folder)
        self.model.load_state_dict(state["model"])
        self.objective.load_state_dict(state["objective"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.average:
            self.average.state = {k: v.to(self.device) for k, v in state["average"].items()}
        torch.set_rng_state(state["rng"])
        self.step = state["step"]

    def save(self, words: dict[str, int]) -> None:
        """Writes the checkpoint, and the result so far as a weights folder."""
        save_checkpoint(self.folder, self.state())
        result = copy.deepcopy(self.model)
        if self.average:
            result.load_state_dict(self.average.state)
        card = f"Run of the recipe `{self.recipe.name}`, step {self.step} of {self.recipe.steps}.\n"
        save(self.folder, result, self.folder / TOKENIZER, words, card)
        draw_curves(self.folder)

    def batches(self, stop: int, workers: int) -> Iterator[Batch]:
        """The batches of the steps from now to `stop`, each a function of (seed, step) and its size."""
        starts = [math.ceil(share * self.recipe.steps) for share, _ in self.recipe.sizes]
        ends = [*starts[1:], self.recipe.steps]
        for (_, size), first, end in zip(self.recipe.sizes, starts, ends, strict=True):
            steps = range(max(first, self.step), min(end, stop))
            if not steps:
                continue
            spec = replace(self.recipe.data, image_size=size)
            stream = Batches(self.data, self.tokenizer, spec, self.recipe.seed, steps=self.recipe.steps)
            yield from DataLoader(
                Subset(stream, steps),
                batch_size=None,
                num_workers=workers,
                pin_memory=self.device.type == "cuda",
                generator=torch.Generator(),  # the loader must not draw from the run's
            )

    def train_step(self, batch: Batch) -> dict[str, float]:
        """One optimiser step; returns the loss terms.

        Raises:
            ValueError: the loss is not finite.
        """
        batch = batch.to(self.device)
        rate = learning_rate(self.recipe, self.step)
        set_learning_rate(self.optimiser, rate)
        images = batch.images.float().div(255).contiguous(memory_format=torch.channels_last)
        with precision(self.device):
            photo = self.model.encode_photo(images)
            output = self.model(photo, batch.ids, batch.token_mask, batch.photo_index)
            terms = self.objective(output, batch.masks, batch.present, batch.classes[batch.photo_index])
        if not torch.isfinite(terms["total"]):
            raise ValueError(
                f"the loss is {terms['total'].item()} at step {self.step}; samples {batch.sample_ids}"
            )
        self.optimiser.zero_grad(set_to_none=True)
        terms["total"].backward()
        if self.recipe.clip:
            nn.utils.clip_grad_norm_(self.parameters(), self.recipe.clip)
        self.optimiser.step()
        if self.average:
            self.average.update(self.model, self.step)
        self.step += 1
        return {**{k: v.item() for k, v in terms.items()}, "learning_rate": rate}

    def parameters(self) -> list[nn.Parameter]:
        return [p for group in self.optimiser.param_groups for p in group["params"]]

    def train(self, words: dict[str, int], stop: int, workers: int) -> None:
        """Trains up to step `stop`, with checkpoints on the way and at the end."""
        train_mode(self.model, self.recipe)
        log = RunLog(self.folder, self.step)
        samples = self.recipe.data.photos * self.recipe.data.expressions
        bar = tqdm(total=self.recipe.steps, initial=self.step, unit="step", smoothing=0.05)
        began = time.perf_counter()
        for batch in self.batches(stop, workers):
            values = self.train_step(batch)
            now = time.perf_counter()
            values["samples_per_second"] = samples / (now - began)
            began = now
            log.add(self.step - 1, values)
            bar.update()
            bar.set_postfix_str(
                f"loss {values['total']:.3f}, lr {values['learning_rate']:.1e}, "
                f"{values['samples_per_second']:.1f} expressions/s"
            )
            if self.step % self.recipe.checkpoint_every == 0 and self.step < stop:
                self.save(words)
        bar.close()
        self.save(words)


def precision(device: torch.device) -> AbstractContextManager:
    """bf16 where the device computes in it, else fp32."""
    if device.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16, enabled=torch.cuda.is_bf16_supported())
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.autocast("cpu", torch.bfloat16, enabled=fast)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", help=f"one of: {', '.join(recipes.RECIPES)}")
    parser.add_argument(
        "--data", type=Path, required=True, help="data folder (instances.json, refs.json, photos)"
    )
    parser.add_argument("--out", type=Path, help="run folder (default: runs/RECIPE)")
    parser.add_argument("--resume", action="store_true", help="go on from the folder's checkpoint")
    parser.add_argument("--init", metavar="MODEL", help="start from this model's weights and tokenizer")
    parser.add_argument(
        "--embeddings", type=Path, metavar="NPZ", help="word vectors to start from (words, vectors)"
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda, ... (default: auto)")
    parser.add_argument("--steps", type=int, metavar="N", help="length of the run, instead of the recipe's")
    parser.add_argument("--stop", type=int, metavar="N", help="end now at step N of the same schedule")
    parser.add_argument("--workers", type=int, default=1, help="processes that read data (default: 1)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe")


def main(args: argparse.Namespace) -> None:
    """Starts or resumes a run.

    Raises:
        ValueError: unknown recipe or key, no data, a folder with another run, a loss that is not finite.
    """
    recipe = recipes.change(recipes.find(args.recipe), args.set)
    recipe = replace(recipe, steps=args.steps) if args.steps else recipe
    data = ReferData.open(args.data)
    folder = args.out or Path("runs") / recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "checkpoint.pt").is_file() and not args.resume:
        raise ValueError(
            f"{folder} holds a run already: --resume goes on with it, --out FOLDER starts another"
        )
    tokenizer, words = prepare_text(args.data, folder, recipe.model.vocabulary, args.init)
    recipe = replace(recipe, model=replace(recipe.model, vocabulary=tokenizer.size))
    check_same_recipe(folder, recipe.to_dict())
    run = Run(recipe, data, tokenizer, folder, pick_device(args.device))
    if args.resume:
        run.resume()
    else:
        run.start(args.embeddings, args.init)
    run.train(words, min(args.stop or recipe.steps, recipe.steps), args.workers)
    print(f"{folder}: step {run.step} of {recipe.steps}")
