"""Choosing the presence threshold, below which a model answers with "nothing", and bringing scores to probabilities."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from train.metrics import Record, calibration_error, counted, overlap, scores_and_truth


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
    referring = counted(records)
    if not referring:
        raise ValueError("the presence threshold needs expressions of objects that are in the photo")
    hits = np.array([overlap([record], refusal=False)["mean_iou"] >= 0.5 for record in referring])
    scores = np.array([record.presence for record in referring])
    absent = np.array([record.presence for record in records if not record.ann_ids])
    chosen = 0.0
    for threshold in np.arange(steps + 1) / steps:  # present means presence >= threshold
        if hits.mean() - np.mean(hits & (scores >= threshold)) < cost:
            chosen = float(threshold)
    return {
        "presence_threshold": chosen,
        "precision_0.5": float(np.mean(hits & (scores >= chosen))),
        "precision_0.5_without_refusal": float(hits.mean()),
        "absent_accuracy": float(np.mean(absent < chosen)) if len(absent) else None,
    }


def scaled(records: Sequence[Record], rounds: int = 50) -> dict[str, float]:
    """The line that makes logits of scores into those of probabilities (Platt scaling).

    A model is right more often on the photos that it was trained on than on others, so that its own `right` is too
    high. Scale and shift are those of maximum likelihood; `train ship` works them into the output's last layer.

    Args:
        records: Of present and absent expressions, before refusal; not of photos that it was trained on.
        rounds: Of Newton's method.

    Returns:
        `score_scale`, `score_shift` (logit = scale * logit + shift), and `calibration_error` before and `..._after`.

    Raises:
        ValueError: All masks are right, or none is.
    """
    scores, right = scores_and_truth(records)
    if right.all() or not right.any():
        raise ValueError("scores can't be scaled: all masks are right, or none is")
    logits = np.log(np.clip(scores, 1e-6, 1 - 1e-6)) - np.log(np.clip(1 - scores, 1e-6, 1))
    seen, line = np.stack([logits, np.ones_like(logits)], axis=1), np.array([1.0, 0.0])
    for _ in range(rounds):
        chance = 1 / (1 + np.exp(-seen @ line))
        curvature = (seen * (chance * (1 - chance))[:, None]).T @ seen + 1e-6 * np.eye(2)
        line = line + np.clip(np.linalg.solve(curvature, seen.T @ (right - chance)), -1, 1)
    after = calibration_error(1 / (1 + np.exp(-seen @ line)), right)
    return {
        "score_scale": float(line[0]),
        "score_shift": float(line[1]),
        "calibration_error": calibration_error(scores, right),
        "calibration_error_after": after,
    }


def decide(records: Sequence[Record], presence_threshold: float) -> list[Record]:
    """The same records with `present` by another threshold: presence >= presence_threshold."""
    return [replace(record, present=record.presence >= presence_threshold) for record in records]
