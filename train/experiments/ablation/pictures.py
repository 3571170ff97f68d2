"""What the rows reached, and how their losses fell, as pictures."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from train.experiments.ablation.page import title
from train.experiments.ablation.runs import Run
from train.log import LOG, read_log

OURS, PAPER = "#2f6f4f", "#8a93a6"
LOSSES = "losses.webp"
SMOOTH = 10  # lines of the log whose mean is drawn
# The terms that mean the same in all rows: `total` has BM's and STN's where there is a BEM.
TERMS = {"mask": "cross entropy of SM_1 to SM_4", "dice": "1 - Dice of SM_1 to SM_4"}


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Overall IoU of every row with its interval and seeds, the paper's beside it."""
    from matplotlib.figure import Figure  # half a second that only pictures pay

    places = range(len(rows))
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    ours, theirs = figure.subplots(1, 2, sharey=True)
    for axes, colour, values, of in (
        (ours, OURS, [100 * r["overall_iou"] for r in rows], f"here: {rows[0]['split']}, {rows[0]['n']} expressions"),
        (theirs, PAPER, [r["paper"] for r in rows], "the paper: UNC val"),
    ):
        axes.barh(places, values, color=colour, height=0.6)
        axes.set_xlabel(f"overall IoU, %\n{of}")
        axes.spines[["top", "right"]].set_visible(False)
    for place, r in zip(places, rows, strict=True):
        ours.plot([100 * end for end in r["interval"]], [place, place], color="black", linewidth=1.2)
        seeds = r["overall_iou_of_seeds"]
        ours.plot([100 * x for x in seeds], [place] * len(seeds), "o", color="white", markeredgecolor="black", ms=4)
    ours.set_yticks(list(places), [title(r["name"]) for r in rows])
    ours.invert_yaxis()
    figure.savefig(path, dpi=120)


def keep_logs(runs: Sequence[Run], folder: Path) -> None:
    """Copies every run's log to `ROW-SEED.csv`, and draws the losses of each row's first seed."""
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    panels = dict(zip(TERMS, figure.subplots(1, len(TERMS)), strict=True))
    logged = [run for run in runs if (run.folder / LOG).is_file()]  # a run of fewer steps than a line has none
    for run in logged:
        shutil.copyfile(run.folder / LOG, folder / f"{run.folder.name}.csv")
        lines = read_log(run.folder / LOG)
        for name, axes in panels.items():
            if run.seed == 0:
                axes.plot(*smooth(lines, name), label=title(run.row), linewidth=1.2)
    for name, axes in panels.items():
        axes.set(xlabel="step", title=TERMS[name])
        axes.grid(alpha=0.3)
    if logged:
        panels["mask"].legend(fontsize=8)
    figure.savefig(folder / LOSSES, dpi=120)


def smooth(lines: list[dict[str, float]], name: str) -> tuple[list[float], list[float]]:
    """The last step of every `SMOOTH` lines, and the mean of a column over them."""
    ends = range(SMOOTH, len(lines) + 1)
    return ([lines[end - 1]["step"] for end in ends],
            [sum(line[name] for line in lines[end - SMOOTH : end]) / SMOOTH for end in ends])  # fmt: skip
