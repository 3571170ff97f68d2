"""`python -m train evaluate MODEL --data DIR --split dev`: every number that the model cards state.

One model, one decision: an expression answered with "nothing" counts as an empty mask, so that saying
"nothing" too often costs; the same without refusal stands beside it. MODEL may be `baseline:center` or
`baseline:largest`. `torchrun --nproc-per-node N -m train evaluate ...` shares the photos among N processes.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cefnet.config import add_decision, decision_of
from train.answers import PROTOCOLS, Answers, ask
from train.baselines import BASELINES
from train.data.reader import ReferData
from train.measure import measure, measure_shared, own_device, write_results
from train.metrics import BINS
from train.presence import calibrate
from train.queries import queries, shuffled
from train.report import data_name, report, table

if TYPE_CHECKING:  # baselines are measured without loading torch
    from cefnet.predictor import Predictor

REPORTED = ("dev", "val", "testA", "testB", "test")


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
        JSON-ready numbers: those of `train.metrics.summarise`, and `model`, `data` (its name), `split`,
        `protocol`, `shuffled`.

    Raises:
        ValueError: Unknown split, protocol or bins.
    """
    photos = queries(data, split, limit, seed)
    records = measure(ask(predictor, data, protocol), data, shuffled(photos, seed) if shuffle else photos, progress)
    return report(records, model, split, protocol, shuffle, bins, data_name(data.folder))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "model", help="shipped name, weights folder, run folder, Hub id, baseline:center or baseline:largest"
    )
    parser.add_argument("--data", type=Path, required=True, help="data folder (instances.json, refs.json, photos)")
    parser.add_argument("--split", default="dev", help="which expressions (default: dev)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here")
    parser.add_argument(
        "--results", type=Path, metavar="FILE", help="write what came out for each expression, as JSON lines"
    )
    parser.add_argument(
        "--sheets", type=Path, metavar="DIR", help="draw the worst and the best answers: worst.png, best.png"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only N expressions, of photos drawn with --seed")
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
    parser.add_argument("--calibrate", action="store_true", help="also choose the presence threshold (not on dev)")
    add_decision(parser)
    parser.add_argument("--device", default="auto", help="cpu, cuda, ... (default: auto)")
    parser.add_argument("--seed", type=int, default=0, help="of --limit and --shuffle-expressions (default: 0)")


def main(args: argparse.Namespace) -> None:
    """Measure, print, and write what was asked for.

    Raises:
        ValueError: Unknown model, baseline, split or data folder; calibration on a split that is reported; a decision
            that the model cannot make.
    """
    if args.calibrate and (args.split in REPORTED or args.shuffle_expressions):
        raise ValueError(
            f"choose the presence threshold on study or on photos kept out of training, not on {args.split} or shuffled"
        )
    data = ReferData.open(args.data)
    photos = queries(data, args.split, args.limit, args.seed)
    photos = shuffled(photos, args.seed) if args.shuffle_expressions else photos
    answers = _answers(args, data)
    records = measure_shared(answers, data, photos, progress=True)
    if records is None:  # process 0 has them all
        return
    about = (args.model, args.split, args.protocol, args.shuffle_expressions, args.bins, data_name(args.data))
    numbers = report(records, *about)
    print(table(numbers))
    if args.calibrate:
        numbers["calibration"] = calibrate(records)
        print("\npresence threshold: " + json.dumps(numbers["calibration"]))
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    if args.results:
        write_results(args.results, records)
    if args.sheets:
        from train.showcase import draw_sheets

        draw_sheets(args.sheets, records, answers, data)


def _answers(args: argparse.Namespace, data: ReferData) -> Answers:
    kind, _, name = args.model.partition("baseline:")
    if name and not kind:
        if name not in BASELINES:
            raise ValueError(f"no baseline {name!r}; choose from {', '.join(BASELINES)}")
        if (args.mask_threshold, args.presence_threshold, args.regions) != (None, None, None):
            raise ValueError(f"{args.model} gives masks, not probabilities: leave thresholds and regions out")
        return BASELINES[name](data)
    from cefnet.predictor import Predictor

    predictor = Predictor.from_pretrained(args.model, own_device(args.device))
    return ask(predictor, data, args.protocol, decision_of(args, predictor.decision))
