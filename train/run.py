"""`python -m train run RECIPE --data DIR` and `train.fit`: a recipe's run, on one process or on several (torchrun)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from cefnet.files import write_whole
from cefnet.weights import MODEL
from train import recipes
from train.checkpoint import CHECKPOINT, RECIPE, START, STATUS, new_or_same, only_one
from train.data.reader import ReferData
from train.distributed import join, plain_words
from train.loop import Run, stage_folder, where
from train.recipes.recipe import Recipe, change
from train.start import Sources, origin, prepare_text


def fit(
    recipe: str | Recipe,
    data: str | Path,
    out: str | Path | None = None,
    *,
    init: str | None = None,
    begin: str = "",
    settings: Sequence[str] = (),
    embeddings: str | Path | None = None,
    backbone: str | None = None,
    allow_drop: bool = False,
    steps: int | None = None,
    stop: int | None = None,
    resume: bool = False,
    device: str = "auto",
    workers: int = 1,
) -> Path:
    """Trains a model by a recipe: all of its stages, one after the other.

    On one CPU, a run that was ended anywhere and resumed equals an undisturbed one bit for bit.

    Args:
        recipe: A recipe or its name (`train.recipes.RECIPES`).
        data: Data folder (`train.data.reader.ReferData.open`).
        out: Run folder; None: `runs/` and the recipe's name.
        init: Model to start from, instead of the recipe's start: a shipped name, a folder or a Hub id. Its
            architecture, weights, tokenizer and decision are taken.
        begin: Name of the stage to begin with, from the weights of `init`; empty: the first.
        settings: Changes of the recipe, `key=value` (`train.recipes.recipe.change`).
        embeddings: Word vectors for a new network: a file with `words` and `vectors`.
        backbone: ImageNet weights for a new network's encoder: a file or Hub id.
        allow_drop: Whether tensors of the start may find no place in the network.
        steps: Length of the whole; the recipe's stages in proportion. A run that goes on changes its last stage alone.
        stop: Step of the whole at which to end now, of the same schedule.
        resume: Go on with the run in the folder.
        device: `cpu`, `cuda`, ...; `auto` = a GPU if there is one.
        workers: Processes that read data.

    Returns:
        The run folder, which is a weights folder.

    Raises:
        ValueError: Unknown recipe or key, no data, a folder with another run, a start that does not fit, a loss that is
            not finite, too many damaged photos, a process of the run that was killed.
        SystemExit: With status 143 after SIGTERM; what was done is saved.
    """
    chosen = recipes.find(recipe) if isinstance(recipe, str) else recipe
    chosen = change(replace(chosen, start=init) if init else chosen, settings)
    first = chosen.number(begin) if begin else 0
    if first and not isinstance(chosen.start, str):
        raise ValueError(f"to begin with {begin!r}, name the model that it starts from: --init MODEL")
    chosen = chosen.with_steps(steps) if steps and not resume else chosen
    folder = Path(out) if out else Path("runs") / chosen.name
    folder.mkdir(parents=True, exist_ok=True)
    sources = Sources(Path(embeddings) if embeddings else None, backbone, allow_drop)
    advice = f"--resume goes on from the last checkpoint in {folder}, if there is one"
    with join(device) as team, plain_words(advice), only_one(folder) if team.first else nullcontext():
        if team.first:
            check_folder(folder, chosen, resume)
        tables = ReferData.open(data)
        if team.first:
            prepare_text(Path(data), folder, chosen.start)
            chosen = new_or_same(folder, chosen, begin, steps, lambda: where(folder, chosen, first))
            write_whole(folder / START, origin(chosen.start, sources) + "\n")
        team.wait()  # the others read what the first one wrote
        if not team.first:
            chosen = new_or_same(folder, chosen, begin, steps, lambda: where(folder, chosen, first))
        text = prepare_text(Path(data), folder, chosen.start)
        stop = min(stop or chosen.steps, chosen.steps)
        done, terminated = Run(chosen, first, tables, text, folder, team, sources, workers).go(stop)
        if team.first or terminated:
            report(folder, chosen, done, stop, terminated)
    return folder


def check_folder(folder: Path, recipe: Recipe, resume: bool) -> None:
    """Refuses to start over a run, or to go on with none.

    Raises:
        ValueError: As said.
    """
    begun = [folder / CHECKPOINT, *(stage_folder(folder, recipe, i) / MODEL for i in range(len(recipe.stages)))]
    if not resume and any(file.is_file() for file in begun):
        raise ValueError(f"{folder} holds a run already: --resume goes on with it, --out FOLDER starts another")
    if resume and not (folder / RECIPE).is_file():
        raise ValueError(f"{folder} holds no run: nothing to resume; leave --resume out to start")


def report(folder: Path, recipe: Recipe, done: int, stop: int, terminated: bool) -> None:
    """Says how far the run is.

    Raises:
        SystemExit: It was ended by SIGTERM.
    """
    if terminated:
        print(f"ended by SIGTERM after step {done}, which is saved: --resume goes on", file=sys.stderr)
        sys.exit(STATUS)
    print(f"{folder}: step {done} of {recipe.steps}")
    if done < stop:
        i = next(i for i in range(len(recipe.stages)) if recipe.before(i) == done)
        print(f"the stage {recipe.stages[i].name!r} is done in one go, up to step {recipe.before(i + 1)}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", help=f"one of: {', '.join(recipes.RECIPES)}")
    parser.add_argument("--data", type=Path, required=True, help="data folder (instances.json, refs.json, photos)")
    parser.add_argument("--out", type=Path, help="run folder (default: runs/RECIPE)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in the folder")
    parser.add_argument("--init", metavar="MODEL", help="start from this model: its architecture, weights, tokenizer")
    parser.add_argument("--from", dest="begin", default="", metavar="STAGE", help="begin with this stage, from --init")
    parser.add_argument("--allow-drop", action="store_true", help="tensors of the start may find no place")
    parser.add_argument("--backbone", metavar="FILE_OR_HUB_ID", help="ImageNet weights, torchvision names")
    parser.add_argument("--embeddings", type=Path, metavar="NPZ", help="word vectors to start from (words, vectors)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, ... (default: auto)")
    parser.add_argument("--steps", type=int, metavar="N", help="length of the run over all stages")
    parser.add_argument("--stop", type=int, metavar="N", help="end now at step N of the same schedule")
    parser.add_argument("--workers", type=int, default=1, help="processes that read data (default: 1)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe")


def main(args: argparse.Namespace) -> None:
    """Starts or resumes a run; exit status 143 after SIGTERM.

    Raises:
        ValueError: As `fit`.
    """
    fit(
        args.recipe, args.data, args.out, init=args.init, begin=args.begin, settings=args.set,
        embeddings=args.embeddings, backbone=args.backbone, allow_drop=args.allow_drop, steps=args.steps,
        stop=args.stop, resume=args.resume, device=args.device, workers=args.workers,
    )  # fmt: skip
