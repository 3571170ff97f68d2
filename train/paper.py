"""The paper's own numbers, from `paper_tables.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

TABLES = Path(__file__).with_name("paper_tables.json")

# Our names of the data sets -> the paper's.
DATASETS = {"unc": "UNC", "unc+": "UNC+", "gref": "G-Ref", "referit": "ReferIt"}


@cache
def paper_tables() -> dict[str, Any]:
    """The file as it is: `table1` to `table5`, numbers in percent."""
    return json.loads(TABLES.read_text(encoding="utf-8"))


def published(attention: str, dataset: str | None, joint: bool = False) -> dict[str, float]:
    """What the paper's model reaches (Table 1).

    Args:
        attention: "vcm" or "acm".
        dataset: A key of `DATASETS`; None: all of them.
        joint: Of the model trained on UNC, UNC+ and G-Ref together.

    Returns:
        "UNC val" and so on -> overall IoU in percent.
    """
    table = paper_tables()["table1"]
    values = table["rows"][f"CEFNet-{attention.upper()}" + " joint" * joint]["overall_iou"]
    found = {column: value for column, value in zip(table["columns"], values, strict=True) if value is not None}
    return {c: v for c, v in found.items() if dataset is None or c.rpartition(" ")[0] == DATASETS[dataset]}


def ablated(parts: Sequence[str], split: str = "val") -> float:
    """Overall IoU in percent of a row of the paper's ablation (Table 3), such as ("EFN", "ACM", "BEM")."""
    rows = paper_tables()["table3"]["rows"]
    return next(row["overall_iou"] for row in rows if row["split"] == split and row["parts"] == list(parts))
