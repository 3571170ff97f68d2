"""Checkpoints of a run: all that a bit-exact resume needs, written so that a crash leaves the old one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch

CHECKPOINT = "checkpoint.pt"
RECIPE = "recipe.json"
START = "start.txt"  # what the run started from, in words


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Replaces `folder/checkpoint.pt` in one step: it is the old or the new one, never half of one."""
    temporary = folder / f".{CHECKPOINT}.part"
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, folder / CHECKPOINT)


def load_checkpoint(folder: Path) -> dict[str, Any]:
    """Reads the checkpoint of a run.

    Raises:
        ValueError: there is none, or the file is damaged.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        raise ValueError(f"{folder} has no {CHECKPOINT}: nothing to resume; leave --resume out to start")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise ValueError(f"{path} can't be read ({type(error).__name__}): the file is damaged") from error


def check_same_recipe(folder: Path, recipe: dict[str, Any]) -> None:
    """Writes the recipe of a new run, or checks that a resumed run's is the same.

    Raises:
        ValueError: the recipes differ; the message names the keys.
    """
    path, now = folder / RECIPE, json.loads(json.dumps(recipe))
    if not path.is_file():
        path.write_text(json.dumps(now, indent=2) + "\n")
        return
    before = json.loads(path.read_text())
    if before != now:
        keys = [k for k in sorted(now.keys() | before.keys()) if now.get(k) != before.get(k)]
        raise ValueError(
            f"{folder} was started with another recipe ({', '.join(keys)} differ): use another --out"
        )
