"""How good masks are: IoU, precision, boundary F-measure, refusal, and how sure we can be of the numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)

# Expression lengths in words, (first, last) of each bin, as the paper's tables group them.
BINS: dict[str, tuple[tuple[int, int], ...]] = {
    "unc": ((1, 2), (3, 3), (4, 5), (6, 20)),
    "gref": ((1, 5), (6, 7), (8, 10), (11, 20)),
    "referit": ((1, 1), (2, 2), (3, 4), (5, 20)),
}

SHORT, LONG = 2, 6  # words: at most, at least


@dataclass(frozen=True)
class Record:
    """What came out for one expression, before refusal.

    Attributes:
        image_id: The photo.
        ann_ids: The objects that the expression means, mostly one; empty if it names something absent.
        expression: As it was given to the model.
        kind: The data set's kind of expression ("location", "look", ...; "absent" for absent things).
        score: The model's probability that its mask is right, 0..1.
        presence: The model's "is it there at all", 0..1.
        present: Whether the model answered with a mask rather than with "nothing".
        truth: Pixels of the true mask.
        predicted: Pixels of the predicted mask, whatever `present` says.
        intersection: Pixels in both.
        boundary_f: Boundary F-measure of the predicted mask, 0..1.
        shortened: Whether the model could not read the whole expression.
    """

    image_id: int
    ann_ids: tuple[int, ...]
    expression: str
    kind: str
    score: float
    presence: float
    present: bool
    truth: int
    predicted: int
    intersection: int
    boundary_f: float
    shortened: bool = False

    @property
    def words(self) -> int:
        """The expression's length in words."""
        return len(self.expression.split())


def iou(intersection: float, union: float) -> float:
    """Intersection over union, 0..1; an empty union is full agreement: 1."""
    return float(intersection / union) if union else 1.0


def contour(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask (H x W bool) that touch its outside by a side; the photo's edge is no contour."""
    inside = cv2.erode(mask.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
    return mask & (inside == 0)


def boundary_f(predicted: np.ndarray, truth: np.ndarray, tolerance: float = 2.0, scale: float = 320.0) -> float:
    """F-measure of a mask's contour: 2PR / (P + R) (as in the DAVIS benchmark).

    P is the share of the predicted contour that lies within the tolerance of the true one, R the share of the
    true contour within it of the predicted one. The masks are compared at the photo's own size, where nothing
    small is lost in resizing; the tolerance grows with it: `tolerance` pixels if the photo's sides had the
    geometric mean `scale`.

    Args:
        predicted: H x W bool.
        truth: H x W bool.
        tolerance: Euclidean distance in pixels at `scale`.
        scale: Side in pixels at which the tolerance is meant.

    Returns:
        0..1. If neither mask has a contour (empty, or the whole photo): 1 if they are equal, else 0.
    """
    ours, true = contour(predicted), contour(truth)
    if not ours.any() or not true.any():
        return float(np.array_equal(predicted, truth))
    reach = tolerance * (truth.shape[0] * truth.shape[1]) ** 0.5 / scale
    precision = np.mean(_distance_to(true)[ours] <= reach)
    recall = np.mean(_distance_to(ours)[true] <= reach)
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def _distance_to(pixels: np.ndarray) -> np.ndarray:
    """Every place's Euclidean distance to the nearest of the given pixels, H x W float32."""
    return cv2.distanceTransform((~pixels).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def counts(records: Sequence[Record], refusal: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Intersections, unions and IoUs; with refusal, "nothing" is an empty mask."""
    answered = [record.present or not refusal for record in records]
    intersections = np.array([r.intersection * a for r, a in zip(records, answered, strict=True)], dtype=np.float64)
    predicted = np.array([r.predicted * a for r, a in zip(records, answered, strict=True)], dtype=np.float64)
    unions = predicted + [r.truth for r in records] - intersections
    return intersections, unions, np.array([iou(i, u) for i, u in zip(intersections, unions, strict=True)])


def overlap(records: Sequence[Record], refusal: bool = True) -> dict[str, Any]:
    """Overall IoU, mean IoU and precision of some expressions.

    Overall IoU is the sum of intersections over the sum of unions, so large objects count more; mean IoU
    counts every expression alike; precision at X is the share of expressions with IoU >= X.

    Args:
        records: Of expressions whose object is in the photo.
        refusal: Whether an expression answered with "nothing" counts as an empty mask.

    Returns:
        `overall_iou`, `mean_iou` and `precision` ("0.5" .. "0.9"), all 0..1; None each without records.
    """
    if not records:
        return {"overall_iou": None, "mean_iou": None, "precision": {str(x): None for x in THRESHOLDS}}
    intersections, unions, ious = counts(records, refusal)
    return {
        "overall_iou": iou(intersections.sum(), unions.sum()),
        "mean_iou": float(ious.mean()),
        "precision": {str(x): float(np.mean(ious >= x)) for x in THRESHOLDS},
    }


def photo_sums(records: Sequence[Record]) -> np.ndarray:
    """Photos x 4, in the order of their ids: intersections, unions, IoUs (with refusal) and expressions, summed."""
    return summed(records, np.stack(counts(records, refusal=True), axis=1))


def summed(records: Sequence[Record], values: np.ndarray) -> np.ndarray:
    """N x K values of expressions summed by photo, in the order of their ids: photos x (K + 1), last how many."""
    photos, place = np.unique([record.image_id for record in records], return_inverse=True)
    sums = np.zeros((len(photos), values.shape[1] + 1))
    np.add.at(sums, place, np.column_stack([values, np.ones(len(records))]))
    return sums


def draw_photos(photos: int, draws: int = 1000, seed: int = 0) -> np.ndarray:
    """How often each photo is in each resampling: draws x photos. Photos are drawn with replacement, not
    expressions: those of one photo succeed and fail together."""
    return np.random.default_rng(seed).multinomial(photos, np.full(photos, 1 / photos), size=draws)


def from_sums(sums: np.ndarray) -> dict[str, np.ndarray]:
    """`overall_iou` and `mean_iou` of summed `photo_sums`, one each for every row of ... x 4."""
    intersections, unions, ious, expressions = np.moveaxis(sums, -1, 0)
    overall = np.where(unions > 0, intersections / np.maximum(unions, 1), 1.0)
    return {"overall_iou": overall, "mean_iou": ious / expressions}


def interval(values: np.ndarray) -> list[float]:
    """[low, high]: the 2.5% and 97.5% quantiles."""
    return [float(q) for q in np.quantile(values, (0.025, 0.975))]


def bootstrap(records: Sequence[Record], draws: int = 1000, seed: int = 0) -> dict[str, list[float]]:
    """95% intervals of overall and mean IoU (with refusal) over resampled photos.

    Returns:
        `overall_iou` and `mean_iou`: [low, high].
    """
    sums = photo_sums(records)
    values = from_sums(draw_photos(len(sums), draws, seed) @ sums)
    return {name: interval(value) for name, value in values.items()}


def mean_intervals(records: Sequence[Record], values: np.ndarray, draws: int = 1000, seed: int = 0) -> np.ndarray:
    """95% intervals of means over expressions, over resampled photos: K x 2, low and high.

    Args:
        records: N, which say what photo an expression is of.
        values: N x K, what is averaged.
        draws: Resamplings of the photos.
        seed: Of the resampling.
    """
    sums = summed(records, values)
    drawn = draw_photos(len(sums), draws, seed) @ sums
    return np.array([interval(mean) for mean in (drawn[:, :-1] / drawn[:, -1:]).T])


def by_length(records: Sequence[Record], bins: str = "unc") -> dict[str, dict[str, Any]]:
    """IoU by words an expression has.

    Returns:
        "1-2" and so on -> `overall_iou`, `mean_iou` (None in an empty bin) and `n`.

    Raises:
        ValueError: `bins` is no key of `BINS`.
    """
    return {name: _brief(some) for name, some in in_bins(records, bins).items()}


def in_bins(records: Sequence[Record], bins: str = "unc") -> dict[str, list[Record]]:
    """The records by the words of their expression, "1-2" and so on; the last bin also takes longer ones (the
    paper's models read 20 words).

    Raises:
        ValueError: `bins` is no key of `BINS`.
    """
    if bins not in BINS:
        raise ValueError(f"no length bins {bins!r}; choose from {', '.join(BINS)}")
    last = BINS[bins][-1][1]
    return {
        str(low) if low == high else f"{low}-{high}": [r for r in records if low <= min(r.words, last) <= high]
        for low, high in BINS[bins]
    }


def by_kind(records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """IoU by kind of expression: kind -> `overall_iou`, `mean_iou`, `n`."""
    return {kind: _brief(some) for kind, some in of_kinds(records).items()}


def of_kinds(records: Sequence[Record]) -> dict[str, list[Record]]:
    """The records by their expression's kind."""
    kinds = sorted({record.kind for record in records})
    return {kind: [record for record in records if record.kind == kind] for kind in kinds}


def _brief(records: Sequence[Record]) -> dict[str, Any]:
    numbers = overlap(records)
    return {"overall_iou": numbers["overall_iou"], "mean_iou": numbers["mean_iou"], "n": len(records)}


RIGHT = 0.5  # the IoU from which on a mask is right


def scores_and_truth(records: Sequence[Record]) -> tuple[np.ndarray, np.ndarray]:
    """Each record's score and whether its mask, before refusal, is right; of an absent thing no mask is."""
    ious = counts(records, refusal=False)[2]
    right = (ious >= RIGHT) & np.array([bool(record.ann_ids) for record in records])
    return np.array([record.score for record in records], dtype=np.float64), right


def calibration_error(scores: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: how far, on average, a score is from the share of masks that are right.

    Args:
        scores: N in 0..1.
        right: N bool.
        bins: Of equal width; in each the mean score is compared with the share that is right, and bins count by how
            many scores they hold (Guo et al., "On calibration of modern neural networks", 2017).
    """
    place = np.minimum((scores * bins).astype(int), bins - 1)
    gaps = np.bincount(place, weights=scores - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(scores))


def boundaries(records: Sequence[Record]) -> list[float]:
    """Boundary F-measure of each, with refusal: "nothing" is an empty mask."""
    return [r.boundary_f if r.present else float(r.truth == 0) for r in records]


def counted(records: Sequence[Record]) -> list[Record]:
    """The records that numbers are of: expressions that mean one thing; where there are none, those of several."""
    singular = [record for record in records if len(record.ann_ids) == 1]
    return singular or [record for record in records if record.ann_ids]


def summarise(records: Sequence[Record], bins: str = "unc") -> dict[str, Any]:
    """All numbers of a run.

    Args:
        records: One for each expression, absent ones too.
        bins: Which of `BINS` `by_length` uses.

    Returns:
        JSON-ready: `overall_iou`, `mean_iou`, `precision`, `without_refusal` (the same three), `boundary_f`
        (mean, 0 where refused), `by_length`, `by_kind`, `intervals`, `refused` (share of expressions of
        present objects answered with "nothing"), `n`, `shortened` (how many expressions were too long, absent
        ones too), `plural` (of expressions that mean several objects; None without any), `short` and `long` (of at
        most 2 and at least 6 words), `calibration_error` (of `score`, over all records before refusal), and, from
        absent expressions alone, `absent_accuracy` (share answered with "nothing"; None without any) and `n_absent`.
        Absent and plural expressions are in no other number; where all are plural, all numbers are theirs.

    Raises:
        ValueError: No expression of a present object, or unknown bins.
    """
    referring = counted(records)
    plural = [record for record in records if len(record.ann_ids) > 1]
    absent = [record for record in records if not record.ann_ids]
    if not referring:
        raise ValueError("no expressions to measure")
    return {
        **overlap(referring),
        "without_refusal": overlap(referring, refusal=False),
        "boundary_f": float(np.mean(boundaries(referring))),
        "by_length": by_length(referring, bins),
        "by_kind": by_kind(referring),
        "short": _brief([r for r in referring if r.words <= SHORT]),
        "long": _brief([r for r in referring if r.words >= LONG]),
        "plural": _brief(plural) if plural else None,
        "calibration_error": calibration_error(*scores_and_truth(records)),
        "intervals": bootstrap(referring),
        "refused": float(np.mean([not r.present for r in referring])),
        "absent_accuracy": float(np.mean([not r.present for r in absent])) if absent else None,
        "shortened": sum(r.shortened for r in records),
        "n": len(referring),
        "n_absent": len(absent),
    }


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
