"""`python -m train compare A B`: is one model better than another on the same expressions, and how sure is that?

A and B are files of `python -m train evaluate ... --results FILE`. Both models are measured on the same resampled
photos (a paired bootstrap), so that what makes a photo hard for both cancels out of the difference.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from train.evaluation.command import read_results
from train.evaluation.metrics import Record, draw_photos, from_sums, interval, overlap, photo_sums

TITLES = {"overall_iou": "overall IoU", "mean_iou": "mean IoU"}


def compare(a: Sequence[Record], b: Sequence[Record], draws: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Differences of overall and mean IoU (with refusal), B minus A.

    Args:
        a: What one model answered.
        b: What another model answered to the same expressions, in any order.
        draws: Resamplings of the photos.
        seed: Of the resampling.

    Returns:
        JSON-ready: `n` expressions of present objects, `photos`, and for `overall_iou` and `mean_iou` the values
        `a` and `b`, the `difference` and its 95% `interval`.

    Raises:
        ValueError: The records are not of the same expressions, or of none.
    """
    check_same_questions(a, b)
    a, b = ([record for record in records if record.ann_ids] for records in (a, b))
    if not a:
        raise ValueError("no expressions of objects that are in the photo: nothing to compare")
    sums_a, sums_b = photo_sums(a), photo_sums(b)
    drawn = draw_photos(len(sums_a), draws, seed)
    resampled_a, resampled_b = from_sums(drawn @ sums_a), from_sums(drawn @ sums_b)
    numbers_a, numbers_b = overlap(a), overlap(b)
    parts = {
        key: {
            "a": numbers_a[key],
            "b": numbers_b[key],
            "difference": numbers_b[key] - numbers_a[key],
            "interval": interval(resampled_b[key] - resampled_a[key]),
        }
        for key in TITLES
    }
    return {"n": len(a), "photos": len(sums_a), **parts}


def check_same_questions(a: Sequence[Record], b: Sequence[Record]) -> None:
    """Refuses records of different data.

    Raises:
        ValueError: An expression, its photo, its objects or the size of its true mask is in one alone.
    """
    asked_a, asked_b = (Counter((r.image_id, r.ann_ids, r.expression, r.truth) for r in records) for records in (a, b))
    if asked_a != asked_b:
        only_a, only_b = asked_a - asked_b, asked_b - asked_a
        image_id, _, expression, _ = next(iter(only_a or only_b))
        raise ValueError(
            f"the files are of different data: {only_a.total()} results are in the first alone, {only_b.total()} in "
            f"the second, such as {expression!r} of photo {image_id}; evaluate both with the same --data, --split, "
            "--limit and --seed"
        )


def table(numbers: dict[str, Any]) -> str:
    """The numbers for reading, in percent."""
    lines = [
        f"{numbers['n']} expressions of {numbers['photos']} photos",
        "",
        f"{'':12}{'A':>7}{'B':>7}{'B - A':>8}   95% of resampled photos",
    ]
    for key, title in TITLES.items():
        part = numbers[key]
        low, high = (100 * end for end in part["interval"])
        lines.append(
            f"{title:12}{100 * part['a']:7.1f}{100 * part['b']:7.1f}{100 * part['difference']:+8.1f}"
            f"   {low:+.1f} to {high:+.1f}" + ("" if low <= 0 <= high else ", without 0")
        )
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("a", type=Path, metavar="A", help="results of one model (evaluate --results)")
    parser.add_argument("b", type=Path, metavar="B", help="results of another on the same expressions")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here")
    parser.add_argument("--draws", type=int, default=1000, help="resamplings of the photos (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the resampling (default: 0)")


def main(args: argparse.Namespace) -> None:
    """Compare, print, and write what was asked for.

    Raises:
        ValueError: A file is missing or no file of results, the files are of different data, or draws is below 1.
    """
    if args.draws < 1:
        raise ValueError(f"--draws must be at least 1, got {args.draws}")
    numbers = compare(read_results(args.a), read_results(args.b), args.draws, args.seed)
    print(f"A: {args.a}\nB: {args.b}\n{table(numbers)}")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
