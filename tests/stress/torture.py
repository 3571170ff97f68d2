"""Training, tortured: killed, starved of disk, photos, helpers and time. Does it end as if nothing had happened?

    python tests/stress/torture.py                              # 20 kills and every other fault: some minutes
    python tests/stress/torture.py --kills 5 --only kills clock # a part of it

Each fault is done to a run of the recipe `smoke` on drawn photos; then the run is resumed, and its checkpoint and
weights must be those of a run that nothing happened to, bit for bit. Prints a Markdown table; exit status 1 if a fault
was not survived.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cefnet.weights import MODEL, load  # noqa: E402
from tests.stress.trial import EVERY, PATIENCE, Bench, Lost, check  # noqa: E402
from train.checkpoint import CHECKPOINT, load_checkpoint, save_checkpoint  # noqa: E402
from train.data.reader import ReferData  # noqa: E402
from train.data.samples import Sampler  # noqa: E402
from train.data.shards import Place  # noqa: E402
from train.recipes import Masks, find  # noqa: E402

PART = f".{CHECKPOINT}.part"
# `python -m train`, killed so many seconds after it opens a file of that name.
DYING = """
import os, signal, sys, threading
from train.__main__ import main
name, seconds = sys.argv[1], float(sys.argv[2])
def watch(event, args):
    if event == "open" and str(args[0]).endswith("/" + name):
        threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
sys.addaudithook(watch)
sys.exit(main(sys.argv[3:]))
"""
# `python -m train` while somebody sets the clock, back to 1970 and ahead to 2100, at every look at it.
JUMPING = """
import itertools, sys, time, tqdm.std
jumps, now = itertools.cycle([0.0, 4.1e9, 1.0, 86400.0]), time.time
time.time = tqdm.std.time = lambda: next(jumps) + now() % 1
from train.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def moments() -> Iterator[str | None]:
    """When to kill: soon after a file of that name is opened, or every other time at any moment (None)."""
    yield from (".tokenizer.model.part", ".recipe.json.part", None, f".{MODEL}.part")
    while True:
        yield from (None, PART)


def kills(bench: Bench, count: int, when: Iterator[str | None]) -> str:
    """kill -9 of one run, so many times."""
    wanted, out = load_checkpoint(bench.undisturbed()), bench.folder / "kills"
    began = time.monotonic()
    save_checkpoint(bench.folder, wanted)
    writing = time.monotonic() - began
    step, inside, killed = 0, 0, 0
    for name in islice(when, 3 * count):  # a run may end before it is killed
        wrapper = ("-m", "train") if name is None else ("-c", DYING, name, str(bench.chance.uniform(0, writing)))
        process = bench.start(out, wrapper=wrapper)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=PATIENCE if name else bench.chance.uniform(0.2, 0.8) * bench.seconds)
        process.kill()
        status, said = bench.end(process)
        check(status in (0, -signal.SIGKILL), f"after {killed} kills it ended with status {status}: {said}")
        killed += status == -signal.SIGKILL
        inside += (out / PART).is_file()
        if (out / CHECKPOINT).is_file():
            now = load_checkpoint(out)["step"]
            check(now >= step, f"after {killed} kills the checkpoint is of step {now}, before it was of {step}")
            step = now
        if (out / MODEL).is_file():
            load(out, "cpu")
        if killed == count:
            break
    bench.finish(out)
    check(killed == count, f"only {killed} of {count} kills came before the run's end: give it more --steps")
    return f"{killed} kills, {inside} of them inside the writing of a checkpoint"


def sigterm(bench: Bench) -> str:
    """SIGTERM to all processes of a run, as job systems send it."""
    out = bench.folder / "sigterm"
    process = bench.start(out)
    bench.reaches(process, out)
    os.killpg(process.pid, signal.SIGTERM)
    status, said = bench.end(process)
    check(status == 143 and "ended by SIGTERM" in said, f"exit status {status}: {said}")
    step = load_checkpoint(out)["step"]
    bench.finish(out)
    return f"ended after step {step}, with a checkpoint and exit status 143"


def reader(bench: Bench) -> str:
    """kill -9 of the process that reads the data."""
    out = bench.folder / "reader"
    process = bench.start(out)
    bench.reaches(process, out)
    child = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
    check(bool(child), "there is no process that reads data")
    os.kill(int(child[-1]), signal.SIGKILL)
    status, said = bench.end(process)
    check(status == 2 and "reads data was killed" in said and "Traceback" not in said, f"status {status}: {said}")
    bench.finish(out)
    return "the run ended with exit status 2 and said why"


def full_disk(bench: Bench) -> str:
    """The disk is full when a later checkpoint is written: a small tmpfs, or where none can be made a file limit."""
    out = bench.folder / "disk"
    with small_disk(out) as disk:
        status, said = bench.run(out, "--stop", str(EVERY))
        check(status == 0, said)
        size = (out / CHECKPOINT).stat().st_size
        before = (out / CHECKPOINT).read_bytes()
        if disk:
            (out / "filler").write_bytes(bytes(shutil.disk_usage(out).free - size // 2))
        status, said = bench.run(out, most=None if disk else size // 2)
        check(status == 2 and "can't be written" in said and "Traceback" not in said, f"status {status}: {said}")
        check((out / CHECKPOINT).read_bytes() == before, "the checkpoint before was touched")
        (out / "filler").unlink(missing_ok=True)
        bench.finish(out)
    return f"{'tmpfs' if disk else 'file limit'}: the checkpoint before stayed as it was"


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A tmpfs of 256 MiB at a folder, and whether there is one: it takes root."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(folder)], capture_output=True)
    try:
        yield mounted.returncode == 0
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def between(bench: Bench, fault: Callable[[Bench, Path], str]) -> str:
    """Does something between two parts of a run, after which it goes on."""
    out = bench.folder / fault.__name__
    status, said = bench.run(out, "--stop", str(EVERY))
    check(status == 0, said)
    result = fault(bench, out)
    bench.finish(out)
    return result


def refused_folder(bench: Bench, out: Path) -> str:
    """What a run says whose folder has become read-only."""
    plain = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")  # root may write anywhere; it lays that down
    out.chmod(0o500)
    status, said = bench.run(out, prefix=plain if os.getuid() == 0 else ())
    out.chmod(0o700)
    check(status == 2 and "Permission denied" in said and str(out) in said, f"status {status}: {said}")
    return "refused with exit status 2, the folder named"


def clock(bench: Bench) -> str:
    """The clock jumps to 1970, 2100 and back all the time."""
    out = bench.folder / "clock"
    status, said = bench.run(out, wrapper=("-c", JUMPING))
    check(status == 0, f"status {status}: {said}")
    bench.finish(out)
    return "not noticed"


def overwrite(place: Place, content: bytes) -> None:
    """Other bytes for a photo in its shard."""
    with Path(place.shard).open("r+b") as shard:
        shard.seek(place.offset)
        shard.write(content)


def photos(bench: Bench) -> str:
    """A photo is damaged in its shard; a killed run then equals an undisturbed one on the same photos."""
    whole, out = bench.folder / "damaged", bench.folder / "photos"
    data, recipe = ReferData.open(bench.data), find("smoke")
    [stage] = recipe.stages
    assert isinstance(stage, Masks)
    drawn = Sampler(data, stage.data, "train").photos(np.random.default_rng((recipe.seed, EVERY + 1)))
    place = data.files[data.images[drawn[0]].file_name]
    kept = place.read()
    overwrite(place, bytes(place.size))
    status, said = bench.run(whole)
    check(status == 0, f"status {status}: {said}")
    process = bench.start(out)
    bench.reaches(process, out)
    process.kill()
    bench.end(process)
    bench.finish(out, whole)
    found = load_checkpoint(out)["damaged"]
    check(len(found) == 1, f"one photo is damaged, but found were {found}")
    overwrite(place, kept)
    return f"named, and replaced by another, in both alike: {found[0]}"


def refused_shard(bench: Bench, out: Path) -> str:
    """What a run says of half a shard, which is whole again afterwards."""
    path = sorted(bench.data.glob("*.tar"))[-1]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    status, said = bench.run(out)
    path.write_bytes(whole)
    check(status == 2 and f"{path.name} is no tar file, or damaged or cut off" in said, f"status {status}: {said}")
    return "refused with exit status 2, the shard named"


FAULTS: dict[str, Callable[[Bench], str]] = {
    "sigterm": sigterm, "reader": reader, "full-disk": full_disk, "clock": clock, "photos": photos,
    "read-only": lambda bench: between(bench, refused_folder), "shard": lambda bench: between(bench, refused_shard),
}  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Does what is asked; 1 if a fault was not survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="kill -9 so often (default: 20)")
    parser.add_argument("--steps", type=int, default=60, metavar="N", help="of each run (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    parser.add_argument("--only", nargs="+", choices=["kills", *FAULTS], help="faults (default: all)")
    args = parser.parse_args(argv)
    faults = {"kills": lambda bench: kills(bench, args.kills, moments()), **FAULTS}
    lost = 0
    print("| fault | what happened | seconds |\n|:--|:--|--:|")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), args.steps, random.Random(args.seed))
        for name in args.only or faults:
            began = time.monotonic()
            try:
                result = f"survived: {faults[name](bench)}"
            except Lost as error:
                lost, result = lost + 1, "LOST: " + " ".join(str(error).split())
            print(f"| {name} | {result} | {time.monotonic() - began:.0f} |", flush=True)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
