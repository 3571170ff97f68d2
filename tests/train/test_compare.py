"""train/evaluation/compare.py by hand, and against a plain reference."""

import json
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.train.test_metrics import record
from train.evaluation.command import read_results, write_results
from train.evaluation.compare import add_arguments, compare, main
from train.evaluation.metrics import Record, bootstrap


def records_of(ious: list[int], photos: list[int]) -> list[Record]:
    """Expressions of 10-pixel objects, predicted as large, with so many pixels in common."""
    pairs = zip(ious, photos, strict=True)
    return [record(10, 10, inter, image_id=photo, expression=f"e{i}") for i, (inter, photo) in enumerate(pairs)]


def test_differences_by_hand() -> None:
    a, b = records_of([10, 0, 5], [1, 1, 2]), records_of([10, 10, 5], [1, 1, 2])
    numbers = compare(a, b[::-1])  # the order is free
    assert (numbers["n"], numbers["photos"]) == (3, 2)
    third = 5 / 15
    assert numbers["mean_iou"]["a"] == pytest.approx((1 + 0 + third) / 3)
    assert numbers["mean_iou"]["difference"] == pytest.approx(1 / 3)
    assert numbers["overall_iou"]["difference"] == pytest.approx(25 / 35 - 15 / 45)
    # Resampled, there are the photos 1 1, 1 2 or 2 2: the mean IoU differs by 1/2, 1/3 or 0.
    assert numbers["mean_iou"]["interval"] == pytest.approx([0.0, 0.5])


def test_what_is_hard_for_both_cancels_out() -> None:
    rng = np.random.default_rng(0)
    photos = list(range(60))
    hard = [int(i) for i in rng.integers(0, 9, 60)]
    a, b = records_of(hard, photos), records_of([i + 1 for i in hard], photos)
    low, high = compare(a, b)["overall_iou"]["interval"]
    alone = [bootstrap(records)["overall_iou"] for records in (a, b)]
    assert 0 < low < high and alone[0][1] > alone[1][0]  # sure together, not each alone
    assert compare(a, a)["mean_iou"] | {"a": 0, "b": 0} == {"a": 0, "b": 0, "difference": 0, "interval": [0, 0]}


def test_against_a_plain_bootstrap() -> None:
    rng = np.random.default_rng(1)
    photos = [int(p) for p in rng.integers(0, 12, 40)]
    a, b = (records_of([int(i) for i in rng.integers(0, 11, 40)], photos) for _ in range(2))
    differences = []
    for _ in range(3000):
        drawn = [i for p in rng.choice(sorted(set(photos)), len(set(photos))) for i in range(40) if photos[i] == p]
        sums = [sum(r[i].intersection for i in drawn) for r in (a, b)]
        unions = [sum(20 - r[i].intersection for i in drawn) for r in (a, b)]
        differences.append(sums[1] / unions[1] - sums[0] / unions[0])
    expected = np.quantile(differences, (0.025, 0.975))
    assert compare(a, b, draws=3000)["overall_iou"]["interval"] == pytest.approx(list(expected), abs=0.03)


@pytest.mark.parametrize(
    "change",
    [{"image_id": 9}, {"ann_ids": (4,)}, {"expression": "cat"}, {"truth": 11}],
)
def test_files_of_different_data_are_refused(change: dict) -> None:
    a = records_of([1, 2], [1, 2])
    with pytest.raises(ValueError, match="1 results are in the first alone, 1 in the second, such as 'e1' of photo 2"):
        compare(a, [a[0], replace(a[1], **change)])
    with pytest.raises(ValueError, match="same --data"):
        compare(a, a[:1])
    with pytest.raises(ValueError, match="nothing to compare"):
        compare([], [])


def run(*words: object) -> None:
    parser = ArgumentParser()
    add_arguments(parser)
    main(parser.parse_args([str(word) for word in words]))


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b, out = (tmp_path / name for name in ("a.jsonl", "b.jsonl", "out.json"))
    write_results(a, records_of([0, 5], [1, 2]))
    write_results(b, records_of([10, 10], [1, 2]))
    assert read_results(a) == records_of([0, 5], [1, 2])
    run(a, b, "--json", out)
    printed = capsys.readouterr().out
    assert "2 expressions of 2 photos" in printed and "+83.3" in printed and "without 0" in printed
    assert json.loads(out.read_text())["overall_iou"]["b"] == 1.0
    with pytest.raises(ValueError, match="--results FILE"):
        run(a, tmp_path / "none.jsonl")
    b.write_text(a.read_text() + '{"overall_iou": 1}\n')
    with pytest.raises(ValueError, match="b.jsonl, line 3"):
        run(a, b)
