"""What the runs reached and cost, JSON-ready."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from cefnet.config import ABLATION
from cefnet.cost import MEGABYTE, attention_memory, work_of
from cefnet.inference import folded
from cefnet.model.fusion import Fusion
from cefnet.predictor import Predictor
from cefnet.weights import load
from train.evaluation.compare import compare
from train.evaluation.metrics import (
    THRESHOLDS,
    Record,
    bootstrap,
    boundaries,
    counts,
    in_bins,
    mean_intervals,
    of_kinds,
    summarise,
)
from train.experiments.ablation.runs import Run, expressions_of
from train.experiments.speed.latency import ours
from train.experiments.speed.timing import medians
from train.paper import ablated

SIDES = (20, 40, 96)
KEPT = ("overall_iou", "mean_iou", "precision", "boundary_f", "by_length", "by_kind")
# Each row beside the one that it adds a module to, or replaces one of; last, all parts beside none.
NEIGHBOURS = (
    ("dfn", "efn"), ("efn", "efn-vcm"), ("efn", "efn-acm"), ("efn-vcm", "efn-acm"), ("efn-vcm", "efn-vcm-bem"),
    ("efn-acm", "efn-acm-bem"), ("efn-vcm-bem", "efn-acm-bem"), ("dfn", "efn-acm-bem"),
)  # fmt: skip


def rows(runs: Sequence[Run], size: int, rounds: int) -> list[dict[str, Any]]:
    """One row of the table a row of the ablation, all of its seeds together, beside its neighbours before it.

    Args:
        runs: Trained and measured.
        size: Side of the square that the network sees, in pixels.
        rounds: Of the timing.
    """
    by_row = {row: [run for run in runs if run.row == row] for row in ABLATION}
    by_row = {row: of for row, of in by_row.items() if of}
    costs = cost({row: of[0] for row, of in by_row.items()}, size, rounds)
    pairs, again = differences(runs), noise(runs)
    compared = {row: {"differences": [p for p in pairs if p["to"] == row],
                      "noise": [p for p in again if p["name"] == row]} for row in by_row}  # fmt: skip
    return [reached(row, of) | costs[row] | compared[row] for row, of in by_row.items()]


def reached(row: str, runs: Sequence[Run]) -> dict[str, Any]:
    """What one row reached: IoU over the answers of all its seeds, the photos resampled."""
    each = [run.records() for run in runs]
    together = [record for records in each for record in records]
    numbers = summarise(together)
    wrongly = summarise([record for run in runs for record in run.records("shuffled")])
    return {
        "name": row,
        "paper": ablated(row.upper().split("-")),
        "config": ABLATION[row],
        "seeds": [run.seed for run in runs],
        "expressions": expressions_of(runs[0]),
        "n": len(each[0]),
        **{key: numbers[key] for key in KEPT},
        **spread(together),
        "interval": numbers["intervals"]["overall_iou"],
        "mean_interval": numbers["intervals"]["mean_iou"],
        "overall_iou_of_seeds": [summarise(records)["overall_iou"] for records in each],
        "shuffled_overall_iou": wrongly["overall_iou"],
    }


def spread(records: Sequence[Record]) -> dict[str, Any]:
    """95% intervals over resampled photos, of expressions whose object is in the photo.

    Returns:
        `precision_interval` ("0.5" .. "0.9") and `boundary_f_interval`, [low, high] each, and of overall IoU
        `kind_interval` and `length_interval`: group -> [low, high], None where it has no expression.
    """
    *_, ious = counts(records, refusal=True)
    values = np.column_stack([*(ious >= x for x in THRESHOLDS), boundaries(records)])
    *precision, boundary = mean_intervals(records, values).tolist()
    groups = {"kind_interval": of_kinds(records), "length_interval": in_bins(records)}
    return {
        "precision_interval": dict(zip(map(str, THRESHOLDS), precision, strict=True)),
        "boundary_f_interval": boundary,
        **{key: {name: bootstrap(of)["overall_iou"] if of else None for name, of in group.items()}
           for key, group in groups.items()},
    }  # fmt: skip


def differences(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Every two `NEIGHBOURS`, the second minus the first: the seeds that both have, the photos resampled together."""
    found = []
    for first, second in NEIGHBOURS:
        of = {row: {run.seed: run for run in runs if run.row == row} for row in (first, second)}
        if shared := sorted(of[first].keys() & of[second].keys()):
            a, b = ([x for seed in shared for x in of[row][seed].records()] for row in (first, second))
            names = ablated(first.upper().split("-")), ablated(second.upper().split("-"))
            found.append({"from": first, "to": second, "seeds": shared, "paper": names[1] - names[0], **compare(a, b)})
    return found


def noise(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """How a row's other seeds differ from its first one: what a difference of rows must be more than."""
    firsts = {run.row: run for run in runs if run.seed == 0}
    return [
        {"name": run.row, "seeds": [0, run.seed], **compare(firsts[run.row].records(), run.records())}
        for run in runs
        if run.seed and run.row in firsts
    ]


@torch.no_grad()
def cost(runs: dict[str, Run], size: int, rounds: int) -> dict[str, dict[str, Any]]:
    """Parameters, arithmetic, milliseconds of a further expression, memory of a stage's co-attention by its side."""
    device = torch.device("cpu")
    predictors: dict[str, Predictor] = {}
    told: dict[str, dict[str, Any]] = {}
    for row, run in runs.items():
        checkpoint = load(run.folder, device)
        model = checkpoint.model
        fusion, width = model.fusions["5"], checkpoint.config.width
        assert isinstance(fusion, Fusion)
        attention, work = fusion.attention, work_of(model, size)
        memory = {str(side): attention_memory(attention, width, side, side) if attention else 0 for side in SIDES}
        told[row] = {
            "parameters": sum(p.numel() for p in model.parameters()),
            "gflop": work.total / 1e9,
            "gflop_expression": work.expression / 1e9,
            "attention_mb": {side: value / MEGABYTE for side, value in memory.items()},
        }
        predictors[row] = Predictor(folded(model), checkpoint.tokenizer, device, decision=checkpoint.decision)
    for row, ms in medians({row: ours(one, size)["next"] for row, one in predictors.items()}, rounds).items():
        told[row]["ms"] = ms
    return told
