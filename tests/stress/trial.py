"""A run of `python -m train` that something is done to, and the one that it must equal in the end."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from photoref_fixture import make_photoref  # noqa: E402

from cefnet.weights import MODEL  # noqa: E402
from train.checkpoint import CHECKPOINT, load_checkpoint  # noqa: E402

EVERY = 3  # steps between checkpoints
PATIENCE = 1800  # seconds that a run may take before it is taken to hang


class Lost(Exception):
    """A fault was not survived; says how."""


def check(good: bool, otherwise: str) -> None:
    """Raises `Lost` unless `good`."""
    if not good:
        raise Lost(otherwise)


@dataclass
class Bench:
    """Where the torture happens.

    Attributes:
        folder: For all that is written.
        steps: Of each run.
        chance: Of all that is left to it.
        photos: In the data; with fewer than 100 of `train`, a damaged one is too much.
        seconds: An undisturbed run took.
        data: A data folder.
    """

    folder: Path
    steps: int
    chance: random.Random
    photos: int = 160
    seconds: float = field(default=0.0, init=False)
    data: Path = field(init=False)

    def __post_init__(self) -> None:
        self.data = make_photoref(self.folder / "data", photos=self.photos)

    def start(
        self,
        out: Path,
        *more: str,
        prefix: Sequence[str] = (),
        wrapper: Sequence[str] = ("-m", "train"),
        most: int | None = None,
    ) -> Popen:
        """Starts a run in `out`, or goes on with the one there.

        Args:
            out: The run's folder.
            more: Words for its command line.
            prefix: A command that starts it.
            wrapper: What Python runs.
            most: Bytes that a file may have.
        """
        words = ["run", "smoke", "--data", str(self.data), "--out", str(out), "--device", "cpu"]
        words += ["--steps", str(self.steps), "--set", "model.vocabulary=400", "--set", f"checkpoint_every={EVERY}"]
        words += ["--resume"] if (out / CHECKPOINT).is_file() else []
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        return Popen(
            [*prefix, sys.executable, *wrapper, *words, *more], cwd=self.folder, env=environment, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
            preexec_fn=most and (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))),
        )  # fmt: skip

    def run(self, out: Path, *more: str, **options: object) -> tuple[int, str]:
        """A run from where it is to its end: exit status and what it said."""
        return self.end(self.start(out, *more, **options))  # type: ignore[arg-type]

    def end(self, process: Popen) -> tuple[int, str]:
        """Waits for the end of a run; its exit status and what it said."""
        try:
            said = process.communicate(timeout=PATIENCE)[1]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise Lost(f"it hung for {PATIENCE} s") from None
        return process.returncode, said

    def undisturbed(self) -> Path:
        """The run that nothing happens to."""
        out = self.folder / "undisturbed"
        if not out.is_dir():
            began = time.monotonic()
            status, said = self.run(out)
            check(status == 0, f"even the undisturbed run failed: {said}")
            self.seconds = time.monotonic() - began
        return out

    def reaches(self, process: Popen, out: Path) -> None:
        """Waits until a run has written its first checkpoint."""
        limit = time.monotonic() + PATIENCE
        while not (out / CHECKPOINT).is_file():
            check(process.poll() is None and time.monotonic() < limit, "it ended before its first checkpoint")
            time.sleep(0.01)

    def finish(self, out: Path, wanted: Path | None = None) -> None:
        """Resumes a run to its end, and compares what it made with the undisturbed run's, bit for bit."""
        status, said = self.run(out)
        check(status == 0, f"it could not be resumed: {said}")
        wanted = wanted or self.undisturbed()
        differing = difference(load_checkpoint(wanted), load_checkpoint(out))
        check(not differing, f"the checkpoint differs from the undisturbed run's in {differing}")
        check((wanted / MODEL).read_bytes() == (out / MODEL).read_bytes(), "the weights differ")


def difference(a: object, b: object, where: str = "checkpoint") -> str:
    """Where two states first differ; empty if nowhere."""
    if type(a) is not type(b):
        return where
    if isinstance(a, torch.Tensor):
        return "" if a.dtype == b.dtype and torch.equal(a, b) else where  # type: ignore[attr-defined, arg-type]
    if isinstance(a, dict):
        inside = [(a.get(key), b.get(key), key) for key in a.keys() | b.keys()]  # type: ignore[attr-defined]
    elif isinstance(a, list | tuple) and len(a) == len(b):  # type: ignore[arg-type]
        inside = [(x, y, i) for i, (x, y) in enumerate(zip(a, b, strict=True))]  # type: ignore[call-overload]
    else:
        return "" if a == b else where
    return next((found for x, y, key in inside if (found := difference(x, y, f"{where}.{key}"))), "")
