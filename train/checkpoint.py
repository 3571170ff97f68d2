"""Checkpoints of a run: all that a bit-exact resume needs, written so that a crash leaves the old one."""

from __future__ import annotations

import json
import signal
import struct
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from cefnet.config import ModelConfig
from cefnet.files import replacing, write_whole
from train.recipes.recipe import New, Recipe

STATUS = 128 + signal.SIGTERM  # exit status of a run that was told to stop: 143


@contextmanager
def on_sigterm() -> Iterator[Callable[[], bool]]:
    """Inside, SIGTERM only makes the given function return True; other threads hear of none."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def ended_by_sigterm(advice: str) -> Iterator[None]:
    """Inside, SIGTERM ends the process at once; for what has nothing to save.

    Args:
        advice: What is printed.

    Raises:
        SystemExit: With status 143.
    """

    def end(*_: object) -> None:
        print(advice, file=sys.stderr)
        sys.exit(STATUS)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def ignore_sigterm(_worker: int) -> None:
    """For the processes that read data: job systems signal all processes, and the step needs its batch."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


CHECKPOINT = "checkpoint.pt"
RECIPE = "recipe.json"
START = "start.txt"  # what the run started from, in words
LOCK = ".lock"
MAY_CHANGE = ("accumulate", "checkpoint_every")  # between the parts of a run: they say how, not what


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Replaces `folder/checkpoint.pt` in one step: it is the old or the new one, never half of one.

    Raises:
        OSError: It can't be written (disk full?); the old one is as it was.
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
        ValueError: There is none, or the file is damaged.
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
        ValueError: They differ, or a part is packed, which torch never does: it may unpack to anything.
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
        ValueError: One does already.
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


def new_or_same(
    folder: Path, recipe: Recipe, begin: str, steps: int | None, done: Callable[[], tuple[int, int]]
) -> Recipe:
    """Writes the recipe of a new run, or takes up that of the one in the folder.

    Args:
        folder: Of the run.
        recipe: As the command line has it.
        begin: Name of the stage that the run begins with; empty = the first.
        steps: The length that the command line asks for, if it does.
        done: Gives the stage under way, counted from 0, and its steps so far.

    Returns:
        The recipe; where a run goes on, with the length of its stages and what may change between its parts.

    Raises:
        ValueError: The run in the folder is of another recipe, or can't be of that length any more.
    """
    path = folder / RECIPE
    if not path.is_file():
        _write(path, recipe, begin)
        return recipe
    before = json.loads(path.read_text(encoding="utf-8"))
    planned = [stage.get("steps", 0) for stage in before.get("stages", [])]
    if steps is not None and len(planned) == len(recipe.stages):
        before_last = sum(planned[:-1])
        if steps <= before_last:
            raise ValueError(f"--steps is {steps}; the stages before the last one of {folder} have {before_last}")
        recipe = recipe.with_stage_steps([*planned[:-1], steps - before_last])
    now = _flat(json.loads(json.dumps(recipe.to_dict() | {"from": begin})))
    was = _defaults(recipe) | _flat(before)
    last = f"{recipe.stages[-1].name}.steps"
    differing = [key for key in sorted(now.keys() | was.keys()) if now.get(key) != was.get(key)]
    keys = [key for key in differing if key.rpartition(".")[2] not in MAY_CHANGE]
    if keys == [last] and steps is not None:
        _check_length(recipe, planned[-1], *done())
        keys = []
    if keys:
        length = f" (it is planned with {sum(planned)} steps: --steps {sum(planned)})" if last in keys else ""
        raise ValueError(
            f"{folder} was started with another recipe: {', '.join(keys)} differ{length}; use another --out, or the "
            "command that started it with --resume"
        )
    _write(path, recipe, begin)
    return recipe


def _check_length(recipe: Recipe, planned: int, under_way: int, steps: int) -> None:
    """Refuses another length of the last stage once its rates or sizes have been those of the old length.

    Raises:
        ValueError: They have; says what to do instead.
    """
    stage = recipe.stages[-1]
    until = min(stage.settled(), replace(stage, steps=planned).settled())
    if under_way == len(recipe.stages) - 1 and steps > until:
        why = "its rate or its input size has already changed by the old length" if until else "its rate depends on it"
        raise ValueError(
            f"the length of {stage.name!r} can't change after {steps} of {planned} steps: {why}. Let it end, and go on "
            "from its weights in another run (--init); a stage with schedule.kind=constant can be made longer until "
            "its rate falls"
        )


def _write(path: Path, recipe: Recipe, begin: str) -> None:
    text = json.dumps(recipe.to_dict() | {"from": begin}, indent=2) + "\n"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_whole(path, text)


def _flat(part: dict[str, Any], before: str = "") -> dict[str, Any]:
    """All values by their keys as `--set` names them."""
    found: dict[str, Any] = {}
    for key, value in part.items():
        if key == "stages":
            for stage in value:
                found |= _flat(stage, f"{stage.get('name')}.")
        else:
            found |= _flat(value, f"{before}{key}.") if isinstance(value, dict) else {before + key: value}
    return found


def _defaults(recipe: Recipe) -> dict[str, Any]:
    """For a run that began before there were some keys: their values."""
    stages = tuple(type(stage)(stage.name) for stage in recipe.stages)
    start = New(ModelConfig()) if isinstance(recipe.start, New) else recipe.start
    plain = _flat(json.loads(json.dumps(Recipe(recipe.name, start, stages).to_dict())))
    return {key: value for key, value in plain.items() if ".model." not in key or key.startswith("start.")}
