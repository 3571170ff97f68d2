"""Choosing the presence threshold: below which score a model answers with "nothing"."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from train.metrics import Record, overlap


def calibrate(records: Sequence[Record], cost: float = 0.02, steps: int = 1000) -> dict[str, Any]:
    """The presence threshold that refuses as much as Prec@0.5 can pay for.

    The higher the threshold, the more absent things are answered with "nothing" and the more present ones are
    lost; so the best affordable threshold is the highest. It belongs into the model's `config.json`
    (`presence_threshold`). Choose it on `study` or on photos kept out of training, never on the split whose
    numbers are reported.

    Args:
        records: Of present objects and of absent ones; their `present` is not used.
        cost: Prec@0.5 must fall by less than this from what it is without refusal.
        steps: Thresholds tried: 0, 1/steps, ..., 1.

    Returns:
        `presence_threshold`, and at it `precision_0.5`, `absent_accuracy` (None without absent expressions),
        and `precision_0.5_without_refusal`.

    Raises:
        ValueError: No expression of a present object.
    """
    referring = [record for record in records if record.ann_ids]
    if not referring:
        raise ValueError("the presence threshold needs expressions of objects that are in the photo")
    hits = np.array([overlap([record], refusal=False)["mean_iou"] >= 0.5 for record in referring])
    scores = np.array([record.score for record in referring])
    absent = np.array([record.score for record in records if not record.ann_ids])
    chosen = 0.0
    for threshold in np.arange(steps + 1) / steps:  # present means score >= threshold
        if hits.mean() - np.mean(hits & (scores >= threshold)) < cost:
            chosen = float(threshold)
    return {
        "presence_threshold": chosen,
        "precision_0.5": float(np.mean(hits & (scores >= chosen))),
        "precision_0.5_without_refusal": float(hits.mean()),
        "absent_accuracy": float(np.mean(absent < chosen)) if len(absent) else None,
    }


def decide(records: Sequence[Record], presence_threshold: float) -> list[Record]:
    """The same records with `present` by another threshold: score >= presence_threshold."""
    return [replace(record, present=record.score >= presence_threshold) for record in records]
