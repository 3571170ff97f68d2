"""Thousands of inputs that nobody meant, for everything that reads other people's files and words.

    python tests/stress/fuzz.py                                    # all targets, 10 minutes together (make fuzz)
    python tests/stress/fuzz.py --seconds 60 --only photo shard    # some of them

Hypothesis makes the inputs: sound ones with bytes changed, cut, moved and repeated, and some of nothing. Every target
runs in a process of its own, so that a crash of a C library or an endless loop is seen too. An input fails where
anything but a plain ValueError comes of it, or an answer that can't be, or where it takes more than 2 seconds of
processor time or, for photos, 500 MB. Failing inputs, shrunk, are kept in --out. Prints a JSON summary; exit status 1
if anything failed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.stress.process import kilobytes  # noqa: E402  # isort: skip
from tests.stress.targets import TARGETS, Target  # noqa: E402  # isort: skip
from bad_photos import MEGABYTES, SECONDS  # noqa: E402

BATCH = 200  # inputs of one seed
ENOUGH = 3  # failures of one target
PATIENCE = 120.0  # seconds over a target's time after which its last input is taken to hang


@dataclass
class Told:
    """What came of a target: inputs tried, seconds taken, failures with the files that hold their inputs."""

    inputs: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)


def once(target: Target, value: Any, folder: Path) -> None:
    """One input, with what it took."""
    (folder / "input").write_bytes(value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass"))
    idle = 0
    if target.memory:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
        idle = kilobytes("VmRSS")
    start = time.process_time()
    target.check(value, folder)
    took = time.process_time() - start
    assert took < SECONDS, f"it took {took:.1f} s"
    assert not target.memory or (most := (kilobytes("VmHWM") - idle) / 1024) < MEGABYTES, f"it took {most:.0f} MB"


def work(name: str, seconds: float, number: int, folder: Path, out: Path) -> None:
    """What the process of one target does; its account is in `folder` after every batch."""
    target, told, start = TARGETS[name](), Told(), time.monotonic()
    while time.monotonic() - start < seconds and len(told.failures) < ENOUGH:
        try:
            batch(target, told, number, folder, start + seconds)
        except Exception as error:
            told.failures.append(f"{keep(name, number, folder, out)}: {type(error).__name__}: {str(error)[:200]}")
        number += 1
        told.seconds = time.monotonic() - start
        (folder / "told.json").write_text(json.dumps(asdict(told)))


def batch(target: Target, told: Told, number: int, folder: Path, end: float) -> None:
    """The inputs of one seed, until `end`; one that fails is made as small as it can be and raises."""
    failed = False

    @seed(number)
    @settings(
        max_examples=BATCH, deadline=None, database=None, phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    @given(target.inputs)
    def attempt(value: Any) -> None:
        nonlocal failed
        if time.monotonic() > end and told.inputs and not failed:  # the first may be late: Hypothesis makes its tables
            return
        told.inputs += 1
        try:
            once(target, value, folder)
        except Exception:
            failed = True
            raise

    attempt()


def keep(name: str, number: int, folder: Path, out: Path) -> Path:
    """Keeps the input that was last tried."""
    out.mkdir(parents=True, exist_ok=True)
    kept = out / f"{name}-{number}"
    kept.write_bytes((folder / "input").read_bytes())
    return kept


def run(name: str, seconds: float, number: int, out: Path) -> Told:
    """One target in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.stress.targets"])  # seconds of imports, once
        process = context.Process(target=work, args=(name, seconds, number, folder, out))
        process.start()
        process.join(seconds + PATIENCE)
        hangs = process.exitcode is None
        if hangs:
            process.kill()
            process.join()
        told = Told(**json.loads((folder / "told.json").read_text())) if (folder / "told.json").exists() else Told()
        if process.exitcode != 0:
            fate = "it hangs" if hangs else f"the process ended with {process.exitcode}"
            kept = keep(name, number, folder, out) if (folder / "input").exists() else "before the first input"
            told.failures.append(f"{kept}: {fate}")
        return told


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, help="of all targets together (default 600)")
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=list(TARGETS), help="targets (default all)")
    parser.add_argument("--seed", type=int, default=0, help="another one makes other inputs (default 0)")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"), help="for failing inputs (default build/fuzz)")
    args = parser.parse_args(argv)
    told = {name: asdict(run(name, args.seconds / len(args.only), args.seed, args.out)) for name in args.only}
    print(json.dumps(told, indent=2))
    return int(any(one["failures"] or not one["inputs"] for one in told.values()))


if __name__ == "__main__":
    sys.exit(main())
