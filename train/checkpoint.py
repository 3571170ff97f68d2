"""Checkpoints of a run: all that a bit-exact resume needs, written so that a crash leaves the old one."""

from __future__ import annotations

import json
import struct
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from cefnet.config import Decision, ModelConfig
from cefnet.files import replacing, write_whole
from train.recipe import Recipe

CHECKPOINT = "checkpoint.pt"
RECIPE = "recipe.json"
START = "start.txt"  # what the run started from, in words
LOCK = ".lock"
MAY_CHANGE = ("accumulate", "checkpoint_every")  # between the parts of a run: they say how, not what


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Replaces `folder/checkpoint.pt` in one step: it is the old or the new one, never half of one.

    Raises:
        OSError: it can't be written (disk full?); the old one is as it was.
    """
    path = folder / CHECKPOINT
    try:
        with replacing(path) as file:
            torch.save(state, file)
    except (OSError, RuntimeError) as error:  # torch makes a RuntimeError of a full disk
        cause = error if isinstance(error, OSError) else error.__cause__ or error.__context__
        if not isinstance(cause, OSError):
            raise  # a process that reads data has died meanwhile, say
        raise OSError(f"{path} of step {state['step']} can't be written ({cause}); "
                      "the one before it, if any, is as it was") from error  # fmt: skip


def load_checkpoint(folder: Path) -> dict[str, Any]:
    """Reads the checkpoint of a run.

    Raises:
        ValueError: there is none, or the file is damaged.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        raise ValueError(f"{folder} has no {CHECKPOINT}: nothing to resume; leave --resume out to start")
    check_sums(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise ValueError(f"{path} can't be read ({type(error).__name__}): the file is damaged") from error


def check_sums(path: Path) -> None:
    """Compares a torch file's parts with the check sums written with them, which torch itself does not.

    Raises:
        ValueError: they differ, or a part is packed, which torch never does: it may unpack to anything.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            packed = [part.filename for part in archive.infolist() if part.compress_type != zipfile.ZIP_STORED]
            wrong = packed[0] if packed else archive.testzip()
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError, struct.error) as error:
        raise ValueError(f"{path} can't be read ({error}): the file is damaged") from error
    if wrong:
        raise ValueError(f"{path} is damaged: {wrong} in it is not what was written")


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Inside, no other process on this machine runs in the folder.

    Raises:
        ValueError: one does already.
    """
    if sys.platform == "win32":  # has no flock
        yield
        return
    import fcntl

    with (folder / LOCK).open("w") as file:
        try:
            # not flock: the processes that read data would inherit it, and outlive a killed run for seconds
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise ValueError(f"another run is going on in {folder}: wait for its end, or use another --out") from None
        yield


def complete(saved: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """A recipe as an earlier version wrote it, with the keys that came later at their defaults."""
    both = {**defaults, **saved}
    nested = {k: complete(v, defaults[k]) for k, v in both.items() if isinstance(v, dict) and k in defaults}
    return both | nested


def check_same_recipe(folder: Path, recipe: dict[str, Any]) -> None:
    """Writes the recipe of a new run, or checks that a resumed run's is the same but for what may change.

    Raises:
        ValueError: the recipes differ; the message names the keys.
    """
    path, now = folder / RECIPE, json.loads(json.dumps(recipe))
    if not path.is_file():
        write_whole(path, json.dumps(now, indent=2) + "\n")
        return
    defaults = json.loads(json.dumps(asdict(Recipe("", ModelConfig()))))
    before = complete(json.loads(path.read_text()), defaults)
    for name in (*asdict(Decision()), "one_region"):  # earlier versions had the decision among the model's fields
        before["model"].pop(name, None)
    keys = [k for k in sorted(now.keys() | before.keys()) if now.get(k) != before.get(k) and k not in MAY_CHANGE]
    if keys:
        raise ValueError(f"{folder} was started with another recipe ({', '.join(keys)} differ): use another --out")
