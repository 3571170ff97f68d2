"""The numbers of one evaluation: as JSON and for reading."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from train.metrics import THRESHOLDS, Record, summarise


def report(
    records: Sequence[Record],
    model: str,
    split: str,
    protocol: str = "ours",
    shuffle: bool = False,
    bins: str = "unc",
    data: str = "",
) -> dict[str, Any]:
    """The numbers of some records with what they are of, JSON-ready; `data` is the data's name."""
    about = {"model": model, "data": data, "split": split, "protocol": protocol, "shuffled": shuffle}
    return {**summarise(records, bins), **about}


def data_name(folder: Path) -> str:
    """The official data set that `python -m train prepare` made a folder of, else the folder's own name."""
    about = folder / "dataset.json"
    name = json.loads(about.read_text(encoding="utf-8")).get("name") if about.is_file() else None
    return name or folder.resolve().name


def table(numbers: dict[str, Any]) -> str:
    """The numbers for reading, in percent."""
    low, high = THRESHOLDS[0], THRESHOLDS[-1]
    lines = [
        f"{numbers['model']} on {numbers['data']} {numbers['split']}: {numbers['n']} expressions"
        + f", protocol {numbers['protocol']}"
        + (", shuffled among each photo's objects" if numbers["shuffled"] else ""),
        "",
        f"{'':18}{'overall IoU':>12}{'mean IoU':>10}   precision at {low} to {high}",
    ]
    for title, part in (("with refusal", numbers), ("without refusal", numbers["without_refusal"])):
        precision = "".join(f"{percent(value):>7}" for value in part["precision"].values())
        lines.append(f"{title:18}{percent(part['overall_iou']):>12}{percent(part['mean_iou']):>10} {precision}")
    spans = [" to ".join(percent(end) for end in numbers["intervals"][key]) for key in ("overall_iou", "mean_iou")]
    lines += [f"95% of resampled photos: overall IoU {spans[0]}, mean IoU {spans[1]}", ""]
    for title, groups in (("words", numbers["by_length"]), ("kind", numbers["by_kind"])):
        lines.append(f"{title:18}{'overall IoU':>12}{'mean IoU':>10}{'n':>7}")
        for name, part in groups.items():
            cells = f"{percent(part['overall_iou']):>12}{percent(part['mean_iou']):>10}{part['n']:>7}"
            lines.append(f"{name or 'unnamed':18}{cells}")
        lines.append("")
    shares = {
        "boundary F-measure": percent(numbers["boundary_f"]),
        "present, answered with nothing": percent(numbers["refused"]),
        "absent, answered with nothing": f"{percent(numbers['absent_accuracy'])} of {numbers['n_absent']}",
    }
    if numbers["shortened"]:
        shares["too long, only their beginning read"] = f"{numbers['shortened']} expressions"
    return "\n".join([*lines, *(f"{name:36}{value}" for name, value in shares.items())])


def percent(value: float | None) -> str:
    """0.123 -> "12.3"; "-" where there is none."""
    return "-" if value is None else f"{100 * value:.1f}"
