"""train/evaluation/metrics.py and train/evaluation/metrics.py on cases computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.evaluation.metrics import (
    BINS,
    Record,
    bootstrap,
    boundary_f,
    by_kind,
    by_length,
    calibrate,
    calibration_error,
    contour,
    decide,
    iou,
    mean_intervals,
    overlap,
    scaled,
    scores_and_truth,
    summarise,
)


def record(truth: int, predicted: int, intersection: int, **fields) -> Record:
    usual = dict(
        image_id=1, ann_ids=(1,), expression="dog", kind="free", score=0.9, presence=0.9, present=True, boundary_f=0.5
    )
    return Record(**{**usual, **fields}, truth=truth, predicted=predicted, intersection=intersection)


def square(side: int, top: int, left: int, size: int) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    mask[top : top + size, left : left + size] = True
    return mask


@pytest.mark.parametrize("intersection, union, expected", [(0, 0, 1.0), (0, 5, 0.0), (5, 5, 1.0), (1, 4, 0.25)])
def test_iou(intersection, union, expected):
    assert iou(intersection, union) == expected


def test_overall_mean_and_precision_by_hand():
    records = [
        record(10, 10, 10),
        record(100, 50, 50),
        record(10, 10, 0),
    ]  # IoU 1, 0.5, 0; unions 10, 100, 20
    numbers = overlap(records)
    assert numbers["overall_iou"] == pytest.approx(60 / 130)
    assert numbers["mean_iou"] == pytest.approx(0.5)
    third = pytest.approx(1 / 3)
    assert numbers["precision"] == {
        "0.5": pytest.approx(2 / 3),
        "0.6": third,
        "0.7": third,
        "0.8": third,
        "0.9": third,
    }


def test_refusal_counts_as_an_empty_mask():
    records = [record(10, 10, 10, present=False), record(10, 10, 10)]
    assert overlap(records)["overall_iou"] == pytest.approx(10 / 20)
    assert overlap(records)["mean_iou"] == pytest.approx(0.5)
    assert overlap(records, refusal=False)["overall_iou"] == 1.0


def test_nothing_asked_for_and_nothing_said_is_full_agreement():
    assert overlap([record(0, 0, 0)]) == overlap([record(5, 5, 5)])
    assert overlap([record(0, 7, 0, present=False)])["mean_iou"] == 1.0
    assert overlap([record(0, 7, 0, present=True)])["overall_iou"] == 0.0
    assert overlap([])["overall_iou"] is None


def test_contour_is_the_inner_rim_and_ignores_the_photo_edge():
    assert contour(square(7, 2, 2, 3)).sum() == 8  # 3 x 3 without its middle
    assert not contour(np.ones((4, 4), bool)).any()
    assert contour(square(6, 0, 0, 3)).sum() == 5  # the two sides that lie inside the photo


@pytest.mark.parametrize("shift, expected", [(0, 1.0), (2, 1.0), (30, 0.0)])
def test_boundary_f_tolerates_two_pixels_at_320(shift, expected):
    assert boundary_f(square(320, 100, 100 + shift, 20), square(320, 100, 100, 20)) == expected


def test_boundary_f_by_hand_one_pixel_past_the_tolerance():
    # Shifted by 3 columns: the left and right sides miss, the top and bottom mostly lie on each other.
    ours, truth = square(320, 100, 103, 20), square(320, 100, 100, 20)
    near = sum(
        min(np.hypot(y - v, x - u) for v, u in zip(*np.nonzero(contour(truth)), strict=True)) <= 2
        for y, x in zip(*np.nonzero(contour(ours)), strict=True)
    )
    share = near / contour(ours).sum()  # the same both ways, by symmetry
    assert 0 < share < 1
    assert boundary_f(ours, truth) == pytest.approx(share)


def test_boundary_tolerance_grows_with_the_photo():
    assert boundary_f(square(640, 200, 204, 40), square(640, 200, 200, 40)) == 1.0
    assert boundary_f(square(160, 50, 52, 10), square(160, 50, 50, 10)) < 1.0


def test_boundary_f_of_masks_without_contour():
    empty, full, some = np.zeros((8, 8), bool), np.ones((8, 8), bool), square(8, 2, 2, 3)
    assert boundary_f(empty, empty) == boundary_f(full, full) == 1.0
    assert boundary_f(empty, full) == boundary_f(empty, some) == boundary_f(some, full) == 0.0


def test_length_bins():
    lengths = {
        "dog": "1-2",
        "a dog": "1-2",
        "a red dog": "3",
        "a dog over there": "4-5",
        "a b c d e f": "6-20",
    }
    for expression, name in [*lengths.items(), ("word " * 31, "6-20")]:
        groups = by_length([record(4, 4, 2, expression=expression)])
        assert {key for key, part in groups.items() if part["n"]} == {name}
        assert groups[name]["mean_iou"] == pytest.approx(2 / 6)
    assert list(by_length([], "gref")) == ["1-5", "6-7", "8-10", "11-20"]
    assert list(by_length([], "referit")) == ["1", "2", "3-4", "5-20"]
    assert by_length([])["3"] == {"overall_iou": None, "mean_iou": None, "n": 0}
    with pytest.raises(ValueError, match="choose from unc, gref, referit"):
        by_length([], "coco")


@given(st.integers(1, 60), st.sampled_from(sorted(BINS)))
def test_every_length_is_in_one_bin(words, bins):
    assert sum(part["n"] for part in by_length([record(1, 1, 1, expression="w " * words)], bins).values()) == 1


def test_kinds():
    groups = by_kind([record(4, 4, 4, kind="look"), record(4, 4, 0, kind="free"), record(4, 0, 0, kind="free")])
    assert groups == {
        "free": {"overall_iou": 0.0, "mean_iou": 0.0, "n": 2},
        "look": {"overall_iou": 1.0, "mean_iou": 1.0, "n": 1},
    }


def test_absent_expressions_count_in_absent_accuracy_alone():
    present = [record(4, 4, 4), record(4, 4, 4, present=False)]
    absent = [record(0, 9, 0, ann_ids=(), kind="absent", present=said) for said in (False, False, False, True)]
    numbers = summarise(present + absent)
    assert numbers["absent_accuracy"] == 0.75 and (numbers["n"], numbers["n_absent"]) == (2, 4)
    assert numbers["refused"] == 0.5 and numbers["boundary_f"] == 0.25
    alone = summarise(present)
    assert (alone.pop("calibration_error"), numbers["calibration_error"]) == (
        pytest.approx(0.1),
        pytest.approx(0.9 - 2 / 6),
    )
    assert alone.pop("absent_accuracy") is None and alone.pop("n_absent") == 0
    assert all(alone[key] == numbers[key] for key in alone)
    with pytest.raises(ValueError, match="no expressions"):
        summarise(absent)


def test_intervals_of_means_draw_the_same_photos():
    records = [record(4, 4, n % 5, image_id=n // 3) for n in range(20)]
    ious = np.array([iou(r.intersection, 8 - r.intersection) for r in records])
    intervals = mean_intervals(records, np.column_stack([ious, np.ones(20)]))
    assert intervals[0] == pytest.approx(bootstrap(records)["mean_iou"]) and intervals[0][0] < intervals[0][1]
    assert intervals[1].tolist() == [1, 1]


def test_bootstrap_draws_photos_not_expressions():
    same = [record(4, 4, 2, image_id=photo) for photo in range(5)]
    assert bootstrap(same) == {
        "overall_iou": [pytest.approx(1 / 3)] * 2,
        "mean_iou": [pytest.approx(1 / 3)] * 2,
    }
    # One photo, good and bad expressions: nothing varies between draws of photos.
    low, high = bootstrap([record(4, 4, 4), record(4, 4, 0)])["mean_iou"]
    assert low == high == 0.5
    # Two photos, one all right and one all wrong: a draw is 0, 0.5 or 1.
    assert bootstrap([record(4, 4, 4, image_id=1), record(4, 4, 0, image_id=2)])["mean_iou"] == [0.0, 1.0]
    assert bootstrap([record(0, 0, 0)])["overall_iou"] == [1.0, 1.0]


counts = st.tuples(st.integers(0, 50), st.integers(0, 50), st.floats(0, 1), st.booleans())


@given(st.lists(counts, min_size=1, max_size=20))
def test_numbers_agree_with_a_plain_reference(rows):
    records = [record(t, p, int(share * min(t, p)), present=said) for t, p, share, said in rows]
    pairs = []
    for r in records:
        inter, pred = (r.intersection, r.predicted) if r.present else (0, 0)
        pairs.append((inter, r.truth + pred - inter))
    ious = [i / u if u else 1.0 for i, u in pairs]
    total = sum(u for _, u in pairs)
    numbers = overlap(records)
    assert numbers["overall_iou"] == pytest.approx(sum(i for i, _ in pairs) / total if total else 1.0)
    assert numbers["mean_iou"] == pytest.approx(sum(ious) / len(ious))
    assert all(0 <= value <= 1 for value in numbers["precision"].values())


def test_calibration_takes_the_highest_threshold_that_precision_can_pay_for():
    hits = [record(4, 4, 4, presence=score) for score in np.linspace(0.5, 0.99, 100)]
    misses = [record(4, 4, 0, presence=0.1) for _ in range(100)]  # refusing them costs no precision
    absent = [record(0, 4, 0, ann_ids=(), presence=score) for score in (0.2, 0.4, 0.51, 0.9)]
    chosen = calibrate(hits + misses + absent)
    # Of 200 expressions, 3 hits may be lost (0.015 < 0.02); the fourth scores 0.5148.
    assert chosen["presence_threshold"] == pytest.approx(0.514)
    assert chosen["precision_0.5"] == pytest.approx(97 / 200)
    assert chosen["precision_0.5_without_refusal"] == 0.5
    assert chosen["absent_accuracy"] == 0.75
    cheaper = calibrate(hits + misses + absent, cost=0.011)  # two hits may be lost
    assert cheaper["presence_threshold"] == pytest.approx(0.509) and cheaper["absent_accuracy"] == 0.5
    decided = decide(hits + misses + absent, chosen["presence_threshold"])
    assert summarise(decided)["precision"]["0.5"] == chosen["precision_0.5"]
    assert summarise(decided)["absent_accuracy"] == chosen["absent_accuracy"]


def test_calibration_is_over_expressions_of_one_thing() -> None:
    """As all rows but "plural": a plural expression that refusing would lose costs nothing here."""
    some = [record(4, 4, 4, presence=0.8), record(4, 4, 4, presence=0.3, ann_ids=(1, 2))]
    assert calibrate(some)["presence_threshold"] == pytest.approx(0.8)


def test_calibration_without_absent_or_present_expressions():
    assert calibrate([record(4, 4, 4)])["absent_accuracy"] is None
    with pytest.raises(ValueError, match="in the photo"):
        calibrate([record(0, 4, 0, ann_ids=())])


def test_calibration_error_by_hand() -> None:
    """In 0.2..0.3 two scores of mean 0.25, none right; in 0.8..0.9 two of mean 0.85, one right; 1 in the last."""
    scores, right = np.array([0.22, 0.28, 0.84, 0.86, 1.0]), np.array([False, False, True, False, True])
    assert calibration_error(scores, right) == pytest.approx((2 * 0.25 + 2 * 0.35 + 0) / 5)
    assert calibration_error(np.array([0.95, 0.05]), np.array([True, False])) == pytest.approx(0.05)


def test_of_an_absent_thing_no_mask_is_right_even_an_empty_one() -> None:
    some = [record(4, 4, 3), record(4, 4, 2), record(0, 0, 0, ann_ids=()), record(4, 4, 4, present=False)]
    scores, right = scores_and_truth(some)
    assert right.tolist() == [True, False, False, True]  # IoU 3/5, 2/6; before refusal
    assert summarise(some)["calibration_error"] == pytest.approx(abs(0.9 - 2 / 4))


def test_scores_are_scaled_to_probabilities() -> None:
    """The right probabilities' logits are half as large, less 1: the line is found again."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, 20_000)
    right = rng.random(20_000) < 1 / (1 + np.exp(-(0.5 * logits - 1)))
    scores = 1 / (1 + np.exp(-logits))
    some = [record(4, 4, 4 if r else 0, score=float(s)) for s, r in zip(scores, right, strict=True)]
    line = scaled(some)
    assert line["score_scale"] == pytest.approx(0.5, abs=0.03) and line["score_shift"] == pytest.approx(-1, abs=0.05)
    assert line["calibration_error"] > 0.1 > 0.02 > line["calibration_error_after"]
    with pytest.raises(ValueError, match="can't be scaled"):
        scaled([record(4, 4, 4)])


def test_plural_expressions_stand_apart() -> None:
    some = [record(10, 10, 10, expression="dog"), record(10, 10, 0, expression="the dog left of the old man")]
    both = [record(10, 10, 5, ann_ids=(1, 2), expression="two dogs", kind="group")]
    numbers = summarise(some + both)
    assert numbers["n"] == 2 and numbers["mean_iou"] == 0.5 and "group" not in numbers["by_kind"]
    assert numbers["plural"] == {"overall_iou": pytest.approx(1 / 3), "mean_iou": pytest.approx(1 / 3), "n": 1}
    assert (numbers["short"]["mean_iou"], numbers["long"]["mean_iou"]) == (1.0, 0.0)
    assert summarise(some)["plural"] is None
    assert summarise(both)["mean_iou"] == pytest.approx(1 / 3)  # nothing but plurals
