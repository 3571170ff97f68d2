"""`python -m train evaluate MODEL --data DIR --split dev`: every number that the model cards state.

One model, one decision: an expression answered with "nothing" counts as an empty mask, so that saying
"nothing" too often costs; the same without refusal stands beside it. MODEL may be `baseline:center` or
`baseline:largest`.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from train.answers import PROTOCOLS, Answer, Answers, ask
from train.baselines import BASELINES
from train.data.reader import ReferData
from train.metrics import BINS, THRESHOLDS, Record, boundary_f, summarise
from train.presence import calibrate, decide
from train.queries import Query, queries, shuffled

if TYPE_CHECKING:  # baselines are measured without loading torch
    from cefnet.predictor import Predictor


def measure(
    answers: Answers, data: ReferData, photos: Sequence[Sequence[Query]], progress: bool = False
) -> list[Record]:
    """Ask every expression, all of a photo together, and keep what came out."""
    records = []
    total = sum(map(len, photos))
    with tqdm(total=total, unit=" expressions", disable=not progress) as bar:
        for photo in photos:
            given = answers(photo[0].image_id, [query.expression for query in photo])
            records += [_record(query, answer, data) for query, answer in zip(photo, given, strict=True)]
            bar.update(len(photo))
    return records


def _record(query: Query, answer: Answer, data: ReferData) -> Record:
    truth = np.zeros_like(answer.mask) if query.ann_id is None else data.mask(query.ann_id)
    return Record(
        **asdict(query),
        score=float(answer.score),
        present=bool(answer.present),
        truth=int(truth.sum()),
        predicted=int(answer.mask.sum()),
        intersection=int((truth & answer.mask).sum()),
        boundary_f=boundary_f(answer.mask, truth),
    )


def evaluate(
    predictor: "Predictor",
    data: ReferData,
    split: str,
    limit: int | None = None,
    protocol: str = "ours",
    shuffle: bool = False,
    bins: str = "unc",
    model: str = "",
    seed: int = 0,
    progress: bool = False,
) -> dict[str, Any]:
    """Measure a model, for example during training.

    Args:
        predictor: The model.
        data: The data set.
        split: Such as "dev".
        limit: At most this many expressions (see `queries`).
        protocol: "ours" or "authors" (see `ask`).
        shuffle: Deal each photo's expressions to its other objects (see `shuffled`).
        bins: Length bins: "unc", "gref" or "referit".
        model: Name to report.
        seed: Of the photos' order and of the shuffling.
        progress: Whether to show a progress bar.

    Returns:
        JSON-ready numbers: those of `train.metrics.summarise`, and `model`, `split`, `protocol`, `shuffled`.

    Raises:
        ValueError: Unknown split, protocol or bins.
    """
    photos = queries(data, split, limit, seed)
    records = measure(
        ask(predictor, data, protocol), data, shuffled(photos, seed) if shuffle else photos, progress
    )
    return report(records, model, split, protocol, shuffle, bins)


def report(
    records: Sequence[Record],
    model: str,
    split: str,
    protocol: str = "ours",
    shuffle: bool = False,
    bins: str = "unc",
) -> dict[str, Any]:
    """The numbers of some records with what they are of, JSON-ready."""
    about = {"model": model, "split": split, "protocol": protocol, "shuffled": shuffle}
    return {**summarise(records, bins), **about}


def table(numbers: dict[str, Any]) -> str:
    """The numbers for reading, in percent."""
    low, high = THRESHOLDS[0], THRESHOLDS[-1]
    lines = [
        f"{numbers['model']} on {numbers['split']}: {numbers['n']} expressions"
        + f", protocol {numbers['protocol']}"
        + (", shuffled among each photo's objects" if numbers["shuffled"] else ""),
        "",
        f"{'':18}{'overall IoU':>12}{'mean IoU':>10}   precision at {low} to {high}",
    ]
    for title, part in (("with refusal", numbers), ("without refusal", numbers["without_refusal"])):
        precision = "".join(f"{_percent(value):>7}" for value in part["precision"].values())
        lines.append(
            f"{title:18}{_percent(part['overall_iou']):>12}{_percent(part['mean_iou']):>10} {precision}"
        )
    spans = [
        " to ".join(_percent(end) for end in numbers["intervals"][key]) for key in ("overall_iou", "mean_iou")
    ]
    lines += [f"95% of resampled photos: overall IoU {spans[0]}, mean IoU {spans[1]}", ""]
    for title, groups in (("words", numbers["by_length"]), ("kind", numbers["by_kind"])):
        lines.append(f"{title:18}{'overall IoU':>12}{'mean IoU':>10}{'n':>7}")
        for name, part in groups.items():
            cells = f"{_percent(part['overall_iou']):>12}{_percent(part['mean_iou']):>10}{part['n']:>7}"
            lines.append(f"{name or 'unnamed':18}{cells}")
        lines.append("")
    shares = {
        "boundary F-measure": _percent(numbers["boundary_f"]),
        "present, answered with nothing": _percent(numbers["refused"]),
        "absent, answered with nothing": f"{_percent(numbers['absent_accuracy'])} of {numbers['n_absent']}",
    }
    return "\n".join([*lines, *(f"{name:33}{value}" for name, value in shares.items())])


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "model", help="shipped name, weights folder, run folder, Hub id, baseline:center or baseline:largest"
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="data folder (instances.json, refs.json, photos)"
    )
    parser.add_argument("--split", default="dev", help="which expressions (default: dev)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here")
    parser.add_argument(
        "--results", type=Path, metavar="FILE", help="write what came out for each expression, as JSON lines"
    )
    parser.add_argument(
        "--limit", type=int, metavar="N", help="only N expressions, of photos drawn with --seed"
    )
    parser.add_argument(
        "--protocol", choices=PROTOCOLS, default="ours", help="at which size the mask is cut (default: ours)"
    )
    parser.add_argument(
        "--bins", choices=sorted(BINS), default="unc", help="expression lengths grouped as for (default: unc)"
    )
    parser.add_argument(
        "--shuffle-expressions",
        action="store_true",
        help="deal each photo's expressions to its other objects",
    )
    parser.add_argument(
        "--calibrate", action="store_true", help="also choose the presence threshold (not on dev)"
    )
    parser.add_argument("--mask-threshold", type=float, metavar="X", help="instead of the model's own")
    parser.add_argument("--presence-threshold", type=float, metavar="X", help="instead of the model's own")
    parser.add_argument("--device", default="auto", help="cpu, cuda, ... (default: auto)")
    parser.add_argument(
        "--seed", type=int, default=0, help="of --limit and --shuffle-expressions (default: 0)"
    )


def main(args: argparse.Namespace) -> None:
    """Measure, print, and write what was asked for.

    Raises:
        ValueError: Unknown model, baseline, split or data folder; calibration on the split that is reported.
    """
    if args.calibrate and (args.split == "dev" or args.shuffle_expressions):
        raise ValueError(
            "choose the presence threshold on study or on photos kept out of training, not on dev or shuffled"
        )
    data = ReferData.open(args.data)
    photos = queries(data, args.split, args.limit, args.seed)
    photos = shuffled(photos, args.seed) if args.shuffle_expressions else photos
    records = measure(_answers(args, data), data, photos, progress=True)
    if args.presence_threshold is not None:
        records = decide(records, args.presence_threshold)
    numbers = report(records, args.model, args.split, args.protocol, args.shuffle_expressions, args.bins)
    print(table(numbers))
    if args.calibrate:
        numbers["calibration"] = calibrate(records)
        print("\npresence threshold: " + json.dumps(numbers["calibration"]))
    if args.json:
        _write(args.json, json.dumps(numbers, indent=1) + "\n")
    if args.results:
        _write(args.results, "".join(json.dumps(asdict(record)) + "\n" for record in records))


def _answers(args: argparse.Namespace, data: ReferData) -> Answers:
    kind, _, name = args.model.partition("baseline:")
    if name and not kind:
        if name not in BASELINES:
            raise ValueError(f"no baseline {name!r}; choose from {', '.join(BASELINES)}")
        return BASELINES[name](data)
    from cefnet.predictor import Predictor

    return ask(
        Predictor.from_pretrained(args.model, device=args.device), data, args.protocol, args.mask_threshold
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
