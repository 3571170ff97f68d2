"""`python -m train evaluate MODEL --data DIR --split dev`: every number that the model cards state."""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from cefnet.config import Decision, add_decision, decision_of
from train.data.reader import ReferData
from train.evaluation.metrics import BINS, LONG, SHORT, THRESHOLDS, Record, boundary_f, calibrate, scaled, summarise
from train.evaluation.questions import (
    BASELINES,
    CLICK_WORDS,
    PROTOCOLS,
    Answer,
    Answers,
    Query,
    ask,
    queries,
    reworded,
    shuffled,
)
from train.evaluation.typed import typed_otherwise

if TYPE_CHECKING:  # baselines are measured without loading torch
    from cefnet.predictor import Predictor


def report(
    records: Sequence[Record],
    model: str,
    split: str,
    protocol: str = "ours",
    shuffle: bool = False,
    bins: str = "unc",
    data: str = "",
    clicks: int = 0,
    click_words: str = "right",
) -> dict[str, Any]:
    """The numbers of some records with what they are of, JSON-ready; `data` is the data's name."""
    about = {"model": model, "data": data, "split": split, "protocol": protocol, "shuffled": shuffle}
    return {**summarise(records, bins), **about, "clicks": clicks, "click_words": click_words}


def data_name(folder: Path) -> str:
    """The official data set that `python -m train prepare` made a folder of, else the folder's own name."""
    return _about(folder).get("name") or folder.resolve().name


def reported_splits(folder: Path) -> tuple[str, ...]:
    """The splits of a data folder whose numbers are reported, so that nothing may be chosen on them.

    Those that `reported` of its `dataset.json` lists; without that list dev and all test splits, and of the official
    data sets val too, which papers report.

    Raises:
        ValueError: `reported` is not a list of names.
    """
    about = _about(folder)
    listed = about.get("reported")
    if listed is None:
        official = bool(about.get("name"))  # own data has none
        return ("dev", "testA", "testB", "test", *(("val",) if official else ()))
    if not isinstance(listed, list) or not all(isinstance(split, str) for split in listed):
        raise ValueError(f"{folder / 'dataset.json'}: reported is {listed!r}; it must be a list of splits")
    return tuple(listed)


def _about(folder: Path) -> dict[str, Any]:
    path = folder / "dataset.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found if isinstance(found, dict) else {}


def table(numbers: dict[str, Any]) -> str:
    """The numbers for reading, in percent."""
    low, high = THRESHOLDS[0], THRESHOLDS[-1]
    lines = [
        f"{numbers['model']} on {numbers['data']} {numbers['split']}: {numbers['n']} expressions"
        + f", protocol {numbers['protocol']}"
        + (", shuffled among each photo's objects" if numbers["shuffled"] else "")
        + (f", {numbers['clicks']} clicks each, {numbers['click_words']} words" if numbers["clicks"] else ""),
        "",
        f"{'':18}{'overall IoU':>12}{'mean IoU':>10}   precision at {low} to {high}",
    ]
    for title, part in (("with refusal", numbers), ("without refusal", numbers["without_refusal"])):
        precision = "".join(f"{percent(value):>7}" for value in part["precision"].values())
        lines.append(f"{title:18}{percent(part['overall_iou']):>12}{percent(part['mean_iou']):>10} {precision}")
    spans = [" to ".join(percent(end) for end in numbers["intervals"][key]) for key in ("overall_iou", "mean_iou")]
    lines += [f"95% of resampled photos: overall IoU {spans[0]}, mean IoU {spans[1]}", ""]
    other = {f"up to {SHORT} words": numbers["short"], f"{LONG} words and more": numbers["long"]}
    if numbers["plural"]:
        other["plural, in no other row"] = numbers["plural"]
    for title, groups in (("words", numbers["by_length"]), ("kind", numbers["by_kind"]), ("", other)):
        lines.append(f"{title:18}{'overall IoU':>12}{'mean IoU':>10}{'n':>7}")
        for name, part in groups.items():
            cells = f"{percent(part['overall_iou']):>12}{percent(part['mean_iou']):>10}{part['n']:>7}"
            lines.append(f"{name or 'unnamed':24}{cells[6:]}")
        lines.append("")
    shares = {
        "calibration error of the score": percent(numbers["calibration_error"]),
        "boundary F-measure": percent(numbers["boundary_f"]),
        "present, answered with nothing": percent(numbers["refused"]),
        "absent, answered with nothing": f"{percent(numbers['absent_accuracy'])} of {numbers['n_absent']}",
    }
    for way, share in numbers.get("typed_otherwise", {}).items():
        shares[f"same mask, {'all ways' if way == 'all' else way}"] = percent(share)
    if numbers["shortened"]:
        shares["too long, only their beginning read"] = f"{numbers['shortened']} expressions"
    return "\n".join([*lines, *(f"{name:36}{value}" for name, value in shares.items())])


def percent(value: float | None) -> str:
    """0.123 -> "12.3"; "-" where there is none."""
    return "-" if value is None else f"{100 * value:.1f}"


def measure(
    answers: Answers, data: ReferData, photos: Sequence[Sequence[Query]], progress: bool = False
) -> list[Record]:
    """Ask every expression, all of a photo together, and keep what came out."""
    records = []
    total = sum(map(len, photos))
    with tqdm(total=total, unit=" expressions", disable=not progress) as bar:
        for photo in photos:
            given = answers(photo)
            records += [_record(query, answer, data) for query, answer in zip(photo, given, strict=True)]
            bar.update(len(photo))
    return records


def _record(query: Query, answer: Answer, data: ReferData) -> Record:
    truth = data.union(query.image_id, query.ann_ids)
    return Record(
        **asdict(query),
        score=float(answer.score),
        presence=float(answer.presence),
        present=bool(answer.present),
        truth=int(truth.sum()),
        predicted=int(answer.mask.sum()),
        intersection=int((truth & answer.mask).sum()),
        boundary_f=boundary_f(answer.mask, truth),
        shortened=answer.shortened,
    )


def place() -> tuple[int, int]:
    """This process's number and how many processes torchrun started; (0, 1) without torchrun."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def own_device(device: str) -> str:
    """ "auto" with several processes on a machine with GPUs: each process takes its own."""
    if device == "auto" and place()[1] > 1:
        import torch

        if torch.cuda.is_available():
            return f"cuda:{int(os.environ.get('LOCAL_RANK', 0)) % torch.cuda.device_count()}"
    return device


def measure_shared(
    answers: Answers, data: ReferData, photos: Sequence[Sequence[Query]], progress: bool = False
) -> list[Record] | None:
    """As `measure`, but each process measures its share of the photos.

    Returns:
        In process 0 all records, in the order that `measure` gives; None in the others.
    """
    rank, processes = place()
    mine = measure(answers, data, photos[rank::processes], progress and rank == 0)
    if processes == 1:
        return mine
    import torch.distributed as dist

    # Who is done early waits for the others; if one fails, torchrun ends them all.
    dist.init_process_group("gloo", timeout=timedelta(days=7))
    shares: list[list[Record]] | None = [[] for _ in range(processes)] if rank == 0 else None
    dist.gather_object(mine, shares)
    dist.destroy_process_group()
    if shares is None:
        return None
    queues = [iter(share) for share in shares]
    return [next(queues[i % processes]) for i, photo in enumerate(photos) for _ in photo]


def write_results(path: Path, records: Sequence[Record]) -> None:
    """Writes records as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(asdict(record)) + "\n" for record in records), encoding="utf-8")


def read_results(path: Path) -> list[Record]:
    """Reads what `write_results` wrote.

    Raises:
        ValueError: There is no such file, or a line is not a record.
    """
    if not path.is_file():
        raise ValueError(f"there is no {path}: `python -m train evaluate ... --results FILE` writes such a file")
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            values = json.loads(line)
            records.append(Record(**{**values, "ann_ids": tuple(values["ann_ids"])}))
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path}, line {number} is not a result of `evaluate --results`: {error!r}") from None
    return records


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
        JSON-ready numbers: those of `train.evaluation.metrics.summarise`, and `model`, `data` (its name), `split`,
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
        from train.evaluation.sheets import draw_sheets

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
