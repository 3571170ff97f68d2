"""Trains the rows, and measures them on a split."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cefnet.config import ABLATION
from cefnet.predictor import Predictor
from cefnet.weights import load
from train import recipes
from train.checkpoint import CHECKPOINT, RECIPE
from train.data.reader import ReferData
from train.evaluation.command import measure, read_results, write_results
from train.evaluation.metrics import Record, decide
from train.evaluation.questions import ask, queries, shuffled

ROOT = Path(__file__).resolve().parents[3]
RESULTS = {"": "results.jsonl", "shuffled": "shuffled.jsonl"}


@dataclass(frozen=True)
class Run:
    """One row with one seed.

    Attributes:
        row: A key of `cefnet.config.ABLATION`.
        seed: Of its weights and of the order of its data, which is the same for all rows.
        folder: Of the run.
    """

    row: str
    seed: int
    folder: Path

    def records(self, which: str = "") -> list[Record]:
        """What `measured` wrote, the expressions of absent objects left out."""
        return [record for record in read_results(self.folder / RESULTS[which]) if record.ann_ids]


def all_runs(out: Path, rows: Sequence[str], seeds: int, again: Sequence[str]) -> list[Run]:
    """The first seed of every row, then further ones: of the rows in `again`, and `seeds` of all.

    Raises:
        ValueError: Unknown row, or `seeds` is below 1.
    """
    for row in (*rows, *again):
        if row not in ABLATION:
            raise ValueError(f"there is no row {row!r}; the rows are: {', '.join(ABLATION)}")
    if seeds < 1:
        raise ValueError(f"--seeds is {seeds}; every row needs one at least")
    wanted = [(row, seed) for seed in range(seeds) for row in rows]
    wanted += [(row, 1) for row in rows if row in again and seeds == 1]
    return [Run(row, seed, out / f"{row}-{seed}") for row, seed in wanted]


def train(run: Run, args: argparse.Namespace) -> None:
    """Trains a run in a process of its own, from its checkpoint if it has one, unless it is done already.

    Raises:
        ValueError: The training ended with an error (which it has printed), or was ended.
    """
    if (run.folder / RESULTS[""]).is_file():
        return
    settings = [f"sizes=((0.0,{args.size}),)", f"seed={run.seed}", *args.set]
    recipe = recipes.change(recipes.find(f"ablation-{run.row}"), settings)
    steps = -(-args.expressions // expressions_a_step(recipe.to_dict()["stages"][0]))
    command = [sys.executable, "-m", "train", "run", recipe.name, "--data", str(args.data.resolve()),
               "--out", str(run.folder.resolve()), "--steps", str(steps), "--device", args.device]  # fmt: skip
    command += [word for setting in settings for word in ("--set", setting)]
    command += ["--embeddings", str(args.embeddings.resolve())] if args.embeddings else []
    command += ["--resume"] if (run.folder / CHECKPOINT).is_file() else []
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    if status:
        raise ValueError(f"the training of {run.folder} ended with status {status}; the same command goes on with it")


def measured(run: Run, args: argparse.Namespace) -> None:
    """Asks a run all expressions of the split, and the same dealt wrongly; never answered with "nothing"."""
    if all((run.folder / name).is_file() for name in RESULTS.values()):
        return
    data, checkpoint = ReferData.open(args.data), load(run.folder, args.device)
    checkpoint.model.config = replace(checkpoint.config, image_size=args.size)
    predictor = Predictor.from_checkpoint(checkpoint)
    photos = queries(data, args.split, args.limit, 0)
    for which, asked in (("shuffled", shuffled(photos, 0)), ("", photos)):
        records = measure(ask(predictor, data), data, asked, progress=True)
        write_results(run.folder / RESULTS[which], decide(records, 0.0))


def expressions_of(run: Run) -> int:
    """How many expressions a run learned from, by its recipe."""
    [stage] = json.loads((run.folder / RECIPE).read_text(encoding="utf-8"))["stages"]
    return stage["steps"] * expressions_a_step(stage)


def expressions_a_step(stage: dict[str, Any]) -> int:
    """Of a stage as `recipe.json` has it."""
    return stage["data"]["photos"] * stage["data"]["expressions"]
