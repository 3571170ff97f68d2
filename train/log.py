"""What a run tells: progress, a CSV of its losses, their curves, and the photos that could not be used."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from cefnet.files import replacing, write_whole

LIST = "damaged.txt"
LIMIT = 0.01  # of the photos


class Damage:
    """What a run could not use so far.

    Args:
        folder: Of the run; `damaged.txt` in it lists what was found, also before the run was resumed. None: nothing is
            written.
        photos: Number of photos of the split that is trained on.
    """

    def __init__(self, folder: Path | None, photos: int) -> None:
        self.folder, self.photos, self.found = folder, photos, set[str]()
        if folder is not None and (folder / LIST).is_file():
            self.found.update((folder / LIST).read_text(encoding="utf-8").splitlines())

    def add(self, messages: Iterable[str]) -> None:
        """Adds what a step could not use.

        Raises:
            ValueError: It is more than 1% of the photos by now.
        """
        new = sorted(set(messages) - self.found)
        if not new:
            return
        self.found.update(new)
        if self.folder is not None:
            write_whole(self.folder / LIST, "".join(f"{line}\n" for line in sorted(self.found)))
            for message in new:
                tqdm.write(f"skipped: {message}")
        if len(self.found) > LIMIT * self.photos:
            raise ValueError(
                f"{len(self.found)} photos or masks can't be used, more than {LIMIT:.0%} of {self.photos} photos: "
                f"mend or remove them ({LIST} in the run's folder names all found so far), then --resume; "
                f"the last: {new[-1]}"
            )


LOG = "log.csv"
CURVES = "curves.png"
T = TypeVar("T")


class RunLog:
    """Averages what it is given and writes a line every `every` steps.

    Args:
        folder: Of the run; `log.csv` is continued, without the lines after `start`.
        start: First step that will be added.
        every: Steps a line.
    """

    def __init__(self, folder: Path, start: int, every: int = 20) -> None:
        self.path, self.every = folder / LOG, every
        self.sums: dict[str, float] = {}
        self.count = 0
        self.columns: list[str] = []
        if self.path.is_file():
            kept = [r for r in read_log(self.path) if r["step"] <= start]
            self.columns = list(dict.fromkeys(name for row in kept for name in row))
            self._write(kept)

    def add(self, step: int, values: dict[str, float]) -> None:
        """Adds step `step` (counted from 0)."""
        for key, value in values.items():
            self.sums[key] = self.sums.get(key, 0.0) + value
        self.count += 1
        if (step + 1) % self.every == 0:
            row = {"step": step + 1, **{k: round(v / self.count, 6) for k, v in self.sums.items()}}
            if set(row) - set(self.columns):  # another stage has other losses
                self.columns += [name for name in row if name not in self.columns]
                self._write(read_log(self.path) if self.path.is_file() else [])
            with self.path.open("a", newline="") as file:
                csv.DictWriter(file, self.columns, restval="").writerow(row)
            self.sums, self.count = {}, 0

    def _write(self, rows: list[dict[str, float]]) -> None:
        lines = io.StringIO(newline="")
        writer = csv.DictWriter(lines, self.columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        write_whole(self.path, lines.getvalue())


class Timed(Iterator[T]):
    """A generator that knows how long its last item let wait.

    Attributes:
        waited: Seconds.
    """

    def __init__(self, items: Generator[T, None, None]) -> None:
        self.items, self.waited = items, 0.0

    def __next__(self) -> T:
        start = time.perf_counter()
        item = next(self.items)
        self.waited = time.perf_counter() - start
        return item

    def close(self) -> None:
        """Ends the generator; the processes that read data would otherwise outlive the loop, and hold up the exit."""
        self.items.close()


class Progress:
    """Log and progress bar of a run.

    Args:
        folder: Of the run.
        step: First step that will be added, counted over all stages.
        steps: All steps of the run.
        stage: Name of the stage, for the bar.
    """

    def __init__(self, folder: Path, step: int, steps: int, stage: str) -> None:
        self.log, self.step, self.began = RunLog(folder, step), step, time.perf_counter()
        self.bar = tqdm(total=steps, initial=step, unit="step", smoothing=0.05, desc=stage)

    def add(self, values: dict[str, float], samples: int, waited: float = 0.0) -> None:
        """Adds a step: its losses and `learning_rate`, its expressions, and the seconds it waited for data."""
        now = time.perf_counter()
        took = now - self.began
        speed, self.began = samples / took, now
        self.log.add(self.step, {**values, "samples_per_second": speed})
        self.step += 1
        self.bar.update()
        rate = values["learning_rate"]
        speeds = f"{speed:.1f} expressions/s, {waited / took:.0%} waiting for data"
        self.bar.set_postfix_str(f"loss {values['total']:.3f}, lr {rate:.1e}, {speeds}")


@contextmanager
def progress(folder: Path, step: int, steps: int, stage: str, shown: bool) -> Iterator[Progress | None]:
    """Log and progress bar, closed at the end; None where they are not `shown` (all processes but the first)."""
    if not shown:
        yield None
        return
    told = Progress(folder, step, steps, stage)
    try:
        yield told
    finally:
        told.bar.close()


def read_log(path: Path) -> list[dict[str, float]]:
    """The lines of a `log.csv`, each with the values it has, without any that a crash or a full disk damaged."""
    content = path.read_text(encoding="utf-8", errors="replace").replace("\0", "")
    complete = content[: content.rfind("\n") + 1]  # what follows the last line's end was cut off
    rows = []
    for row in csv.DictReader(io.StringIO(complete, newline="")):
        try:
            values = {name: float(value) for name, value in row.items() if value != ""}
        except (TypeError, ValueError):  # too short, too long, or no numbers
            continue
        rows += [values] if "step" in values else []
    return rows


def draw_curves(folder: Path) -> None:
    """Draws the losses of `log.csv` into `curves.png`."""
    rows = read_log(folder / LOG) if (folder / LOG).is_file() else []
    if not rows:
        return
    from matplotlib.figure import Figure  # half a second that only training pays

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for name in dict.fromkeys(name for row in rows for name in row):
        if name not in ("step", "learning_rate", "samples_per_second"):
            drawn = [row for row in rows if name in row]
            axes.plot([row["step"] for row in drawn], [row[name] for row in drawn], label=name)
    axes.set(xlabel="step", ylabel="loss (mean of the steps since the last line)", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    with replacing(folder / CURVES) as file:
        figure.savefig(file, dpi=110, format="png")
