"""`python -m train tables --runs DIR`: the paper's Tables 1, 2 and 3 beside the runs in DIR.

A run folder holds `config.json` and the files of `python -m train evaluate RUN ... --json RUN/NAME.json`, one for
each data set and split; NAME is free, because the file says what it measured.
"""

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.experiments.table import Row, Table, draw, markdown, percent
from train.paper import paper_tables

# Names of a prepared data folder -> the paper's name of the data set.
NAMES = {
    "unc": "UNC", "refcoco": "UNC", "unc+": "UNC+", "refcoco+": "UNC+", "gref": "G-Ref", "g-ref": "G-Ref",
    "referit": "ReferIt", "refclef": "ReferIt",
}  # fmt: skip
FROM = "from"
PAPER = "the paper"


@dataclass(frozen=True)
class Measured:
    """One evaluation of one run.

    Attributes:
        run: The run folder's name.
        config: As in its `config.json`.
        steps: What it was trained for, in words.
        numbers: What `evaluate` wrote.
    """

    run: str
    config: dict[str, Any]
    steps: str
    numbers: dict[str, Any]

    @property
    def parts(self) -> list[str]:
        """What the model has, as the paper's Table 3 names it, such as ["EFN", "ACM", "BEM"]."""
        parts = ["EFN" if self.config["fusion"] == "encoder" else "DFN"]
        parts += [] if self.config["attention"] == "none" else [self.config["attention"].upper()]
        return parts + ["BEM"] * self.config["boundary"]

    @property
    def whole(self) -> bool:
        """Whether it is one of the paper's two models rather than an ablation of them."""
        return len(self.parts) == 3

    @property
    def dataset(self) -> str:
        """The paper's name of the data, or the data folder's."""
        return NAMES.get(self.numbers["data"], self.numbers["data"])

    @property
    def origin(self) -> str:
        """Where the numbers come from, in words."""
        protocol = "" if self.numbers["protocol"] == "ours" else f", {self.numbers['protocol']}' protocol"
        return f"run here, {self.steps}{protocol}"


def read_runs(folder: Path) -> list[Measured]:
    """All evaluations in the run folders of a folder; shuffled ones are left out.

    Raises:
        ValueError: There is no such folder, or a file is not JSON.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}; --runs is the folder that holds the run folders")
    found = []
    for config in sorted(folder.glob("*/config.json")):
        files = [file for file in sorted(config.parent.glob("*.json")) if file != config]
        every = [_read(file) for file in files]
        numbers = [n for n in every if isinstance(n, dict) and {"overall_iou", "data", "split"} <= n.keys()]
        about = (config.parent.name, _read(config), _steps(config.parent))
        found += [Measured(*about, n) for n in numbers if not n["shuffled"]]
    return found


def _steps(run: Path) -> str:
    """How far a run has come, by the card that training writes."""
    card = run / "README.md"
    done = re.search(r"step (\d+) of (\d+)", card.read_text(encoding="utf-8")) if card.is_file() else None
    if done is None:
        return "steps unknown"
    step, steps = (f"{int(number):,}" for number in done.groups())
    return f"{steps} steps" if step == steps else f"{step} of {steps} steps"


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON: {error}") from None


def table1(runs: Sequence[Measured]) -> Table:
    """Overall IoU by data set and split."""
    published = paper_tables()["table1"]
    whole = [m for m in runs if m.whole]
    more = sorted({_place(m) for m in whole} - set(published["columns"]))
    columns = [*published["columns"], *more]
    rows = [
        Row((f"{name} ({row['year']})", *map(percent, row["overall_iou"]), *["-"] * len(more), PAPER), False)
        for name, row in published["rows"].items()
    ]
    for run, origin in dict.fromkeys((m.run, m.origin) for m in whole):
        own = [m for m in whole if (m.run, m.origin) == (run, origin)]
        values = {_place(m): m.numbers["overall_iou"] for m in own}
        rows.append(Row((run, *(percent(values.get(column), 100) for column in columns), origin), True))
    return Table("table1", "Table 1: overall IoU, %", ("model", *columns, FROM), tuple(rows))


def _place(m: Measured) -> str:
    return f"{m.dataset} {m.numbers['split']}"


def _count(m: Measured) -> str:
    return f"{m.numbers['n']:,} expressions"


def table2(runs: Sequence[Measured]) -> list[Table]:
    """Overall IoU by words of an expression: one table for each data set with its own groups of lengths."""
    published = paper_tables()["table2"]["datasets"]
    groups = {(name, tuple(part["bins"])): part["iou"] for name, part in published.items()}
    for m in runs:
        if m.whole:
            groups.setdefault((m.dataset, tuple(m.numbers["by_length"])), {})
    tables: list[Table] = []
    for (name, bins), models in groups.items():
        rows = [Row((model, *map(percent, values), PAPER), False) for model, values in models.items()]
        for m in runs:
            if m.whole and (m.dataset, tuple(m.numbers["by_length"])) == (name, bins):
                values = [percent(part["overall_iou"], 100) for part in m.numbers["by_length"].values()]
                rows.append(Row((m.run, *values, f"{m.origin}, {m.numbers['split']}, {_count(m)}"), True))
        title = f"Table 2, {name}: overall IoU, %, by words of an expression"
        tables.append(Table(f"table2-{len(tables) + 1}", title, ("model", *bins, FROM), tuple(rows)))
    return tables


def table3(runs: Sequence[Measured]) -> Table:
    """What each module brings: the rows of the paper, and beneath each those of our runs of the same parts."""
    published = paper_tables()["table3"]["rows"]
    rows = []
    for parts in [row["parts"] for row in published if row["split"] == "val"]:
        title = " + ".join(parts)
        for row in published:
            if row["parts"] == parts:
                values = [*row["precision"].values(), row["overall_iou"]]
                rows.append(Row((title, f"UNC {row['split']}", *map(percent, values), PAPER), False))
        for m in runs:
            if m.parts == parts:
                values = [*m.numbers["precision"].values(), m.numbers["overall_iou"]]
                numbers = (percent(value, 100) for value in values)
                rows.append(Row((title, _place(m), *numbers, f"{m.origin}, {_count(m)}: {m.run}"), True))
    precision = tuple(f"prec@{x}" for x in published[0]["precision"])
    columns = ("parts", "data", *precision, "overall IoU", FROM)
    return Table("table3", "Table 3: what each module brings, %", columns, tuple(rows))


def render(runs: Sequence[Measured], out: Path) -> None:
    """Writes `tables.md` and a PNG of each table."""
    tables = [table1(runs), *table2(runs), table3(runs)]
    out.mkdir(parents=True, exist_ok=True)
    head = (
        f'# The paper\'s tables beside {len({m.run for m in runs})} runs\n\nRows from "{PAPER}" are its own numbers '
        f'({paper_tables()["source"]}). Rows "run here" were measured by `python -m train evaluate`, where an '
        'expression answered with "nothing" counts as an empty mask. `-`: no number.\n'
    )
    (out / "tables.md").write_text("\n".join([head, *map(markdown, tables)]), encoding="utf-8")
    for table in tables:
        draw(table, out / f"{table.name}.png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--runs", type=Path, required=True, metavar="DIR", help="folder that holds the run folders")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write (default: DIR/tables)")


def main(args: argparse.Namespace) -> None:
    """Writes the tables.

    Raises:
        ValueError: No such folder, or a damaged file in it.
    """
    runs = read_runs(args.runs)
    out = args.out or args.runs / "tables"
    render(runs, out)
    print(f"{out / 'tables.md'}: {len(runs)} evaluations of {len({m.run for m in runs})} runs")
