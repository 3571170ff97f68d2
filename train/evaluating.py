"""`python -m train evaluate MODEL --data DIR --split dev` and `train.evaluate`: all numbers that model cards state.

One model, one decision: an expression answered with "nothing" counts as an empty mask, so that saying
"nothing" too often costs; the same without refusal stands beside it. MODEL may be `baseline:center` or
`baseline:largest`. `torchrun --nproc-per-node N -m train evaluate ...` shares the photos among N processes.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cefnet.config import Decision, add_decision, decision_of
from train.answers import PROTOCOLS, Answers, ask
from train.baselines import BASELINES
from train.data.reader import ReferData
from train.measure import measure, measure_shared, own_device, place, write_results
from train.metrics import BINS
from train.presence import calibrate, scaled
from train.queries import CLICK_WORDS, Query, queries, reworded, shuffled
from train.report import data_name, report, reported_splits, table
from train.typed import typed_otherwise

if TYPE_CHECKING:  # baselines are measured without loading torch
    from cefnet.predictor import Predictor


def evaluate(
    model: "str | Path | Predictor",
    data: str | Path | ReferData,
    split: str = "dev",
    limit: int | None = None,
    protocol: str = "ours",
    shuffle: bool = False,
    bins: str = "unc",
    name: str = "",
    seed: int = 0,
    progress: bool = False,
    clicks: int = 0,
    click_words: str = "right",
    decision: Decision | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """Measures a model or a baseline on the expressions of a split.

    Args:
        model: A predictor; or a shipped name, a weights or run folder, a Hub id, "baseline:center" or
            "baseline:largest".
        data: Data folder, or what `ReferData.open` made of it.
        split: Such as "dev" or "val".
        limit: At most this many expressions (see `queries`).
        protocol: "ours" or "authors" (see `ask`).
        shuffle: Deal each photo's expressions to its other objects (see `shuffled`).
        bins: Length bins: "unc", "gref" or "referit".
        name: Name to report; empty: that of `model`, if it is one.
        seed: Of the photos' order and of the shuffling.
        progress: Whether to show a progress bar.
        clicks: How many clicks a user makes at each answer (see `train.clicks.play`).
        click_words: What the clicks go with: "right", "empty" or "other" expressions (see `reworded`).
        decision: How answers are decided; None: as the model does.
        device: "cpu", "cuda", ... for a model that is loaded; "auto": a GPU if there is one.

    Returns:
        JSON-ready numbers: those of `train.metrics.summarise`, and `model`, `data` (its name), `split`,
        `protocol`, `shuffled`, `clicks`, `click_words`.

    Raises:
        ValueError: Unknown model, data folder, split, protocol, bins or click words; or clicks or a decision that the
            model cannot take.
    """
    tables = data if isinstance(data, ReferData) else ReferData.open(Path(data))
    photos = _asked(queries(tables, split, limit, seed), shuffle, seed, clicks, click_words)
    answers = _answers(_opened(model, device), tables, protocol, decision, clicks)
    records = measure(answers, tables, photos, progress)
    called = name or (str(model) if isinstance(model, str | Path) else "")
    return report(records, called, split, protocol, shuffle, bins, data_name(tables.folder), clicks, click_words)


def _asked(photos: list[list[Query]], shuffle: bool, seed: int, clicks: int, click_words: str) -> list[list[Query]]:
    """A split's queries as they are put."""
    if click_words != "right" and not clicks:
        raise ValueError(f"{click_words} words need clicks: without them nothing says what is meant")
    photos = shuffled(photos, seed) if shuffle else photos
    return reworded(photos, click_words) if clicks else photos


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
    parser.add_argument("--clicks", type=int, default=0, metavar="N", help="a user corrects each answer N times")
    parser.add_argument(
        "--click-words", choices=CLICK_WORDS, default="right", help="what the clicks go with (default: right)"
    )
    parser.add_argument(
        "--typed-otherwise", action="store_true", help="also: how many masks stay when expressions are typed otherwise"
    )
    parser.add_argument(
        "--calibrate", action="store_true",
        help="also choose the presence threshold, and bring scores to probabilities (not on a split that is reported)",
    )  # fmt: skip
    parser.add_argument(
        "--cost", type=float, default=0.02, metavar="X", help="what refusing may cost of Prec@0.5 (default: 0.02)"
    )
    add_decision(parser)
    parser.add_argument("--device", default="auto", help="cpu, cuda, ... (default: auto)")
    parser.add_argument("--seed", type=int, default=0, help="of --limit and --shuffle-expressions (default: 0)")


def main(args: argparse.Namespace) -> None:
    """Measure, print, and write what was asked for.

    Raises:
        ValueError: Unknown model, baseline, split or data folder; options that don't go together; a decision
            that the model cannot make.
    """
    if args.calibrate:
        _check_calibration(args.data, args.split, args.shuffle_expressions or args.clicks > 0)
    if args.typed_otherwise and place()[1] > 1:
        raise ValueError("--typed-otherwise runs in one process; leave torchrun out")
    if args.typed_otherwise and args.model.startswith("baseline:"):
        raise ValueError(f"{args.model} reads no words: leave --typed-otherwise out")
    data = ReferData.open(args.data)
    plain = queries(data, args.split, args.limit, args.seed)
    photos = _asked(plain, args.shuffle_expressions, args.seed, args.clicks, args.click_words)
    model = _opened(args.model, own_device(args.device))
    predictor = None if isinstance(model, str) else model
    own = predictor.decision if predictor else Decision()
    decision = decision_of(args, own)
    answers = _answers(model, data, args.protocol, decision if decision != own else None, args.clicks)
    records = measure_shared(answers, data, photos, progress=True)
    if records is None:  # process 0 has them all
        return
    about = (args.model, args.split, args.protocol, args.shuffle_expressions, args.bins, data_name(args.data))
    numbers = report(records, *about, args.clicks, args.click_words)
    if args.typed_otherwise and predictor:
        numbers["typed_otherwise"] = typed_otherwise(predictor, data, plain, decision, progress=True)
    print(table(numbers))
    if args.calibrate:
        numbers["calibration"] = calibrate(records, args.cost)
        if predictor and predictor.config.right:
            numbers["calibration"] |= scaled(records)
        print("\ncalibration: " + json.dumps(numbers["calibration"]))
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    if args.results:
        write_results(args.results, records)
    if args.sheets:
        from train.showcase import draw_sheets

        draw_sheets(args.sheets, records, answers, data)


def _check_calibration(data: Path, split: str, otherwise: bool) -> None:
    """Refuses to choose anything on what is reported, or on expressions that are not put as they are."""
    reported = reported_splits(data)
    if split in reported or otherwise:
        raise ValueError(
            f"choose thresholds on photos kept out of training and of reports, such as study, not on {split}"
            f" (reported are {', '.join(reported)}: docs/datasets.md), and neither shuffled nor with clicks"
        )


def _opened(model: "str | Path | Predictor", device: str) -> "Predictor | str":
    """A predictor, or the name of a baseline."""
    if not isinstance(model, str | Path):
        return model
    kind, _, name = str(model).partition(":")
    if kind == "baseline":
        if name not in BASELINES:
            raise ValueError(f"no baseline {name!r}; choose from {', '.join(BASELINES)}")
        return name
    from cefnet.predictor import Predictor

    return Predictor.from_pretrained(model, device)


def _answers(
    model: "Predictor | str", data: ReferData, protocol: str, decision: Decision | None, clicks: int
) -> Answers:
    if not isinstance(model, str):
        return ask(model, data, protocol, decision, clicks)
    if decision is not None:
        raise ValueError(f"baseline:{model} gives masks, not probabilities: leave thresholds and regions out")
    if clicks:
        raise ValueError(f"baseline:{model} reads no clicks: leave them out")
    return BASELINES[model](data)
