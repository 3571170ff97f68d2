"""The numbers of one evaluation: as JSON and for reading."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from train.metrics import LONG, SHORT, THRESHOLDS, Record, summarise


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
