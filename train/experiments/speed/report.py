"""The benchmark's numbers as Markdown."""

from __future__ import annotations

from typing import Any

from train.experiments.table import lines

# Part -> title, and what its table says.
TITLES = {
    "latency": (
        "Latency",
        "Milliseconds from the photo's pixels (`encode`, `first`) or from the expression (`next`: a further one of the "
        "same photo; `eight`: one of eight at once) to the mask in the photo's size, and how many times as fast as the "
        "peer that is.",
    ),
    "sizes": ("Input size", "A further expression, milliseconds; `size` is the side that the network sees."),
    "ladder": (
        "Where it comes from",
        "The network's part of a further expression, milliseconds: each line with all above it (bfloat16 and compiled: "
        "with all that people get).",
    ),
    "memory": (
        "Table 5 again",
        "Megabytes of one co-attention above its inputs: 512 channels, float32, no gradient. The paper's columns are "
        "its own, measured on a GPU.",
    ),
    "models": (
        "Memory of a model",
        "Megabytes of the weights, and of tensors beside them at the worst moment of a first answer.",
    ),
    "floor": (
        "The floor",
        "A further expression: arithmetic (GFLOP), what the operations read and write (MB), milliseconds; what "
        "arithmetic and traffic alone would take at the machine's peaks (`gflops` a second of a large product, "
        "`gbytes` a second of a large copy), and the larger one's share of the time.",
    ),
    "startup": ("Start-up", "Seconds of a fresh process, files in the page cache."),
    "training": ("Training", "Expressions a second; `waiting`: the share of the time spent waiting for data."),
}


def markdown(numbers: dict[str, Any]) -> str:
    """All tables, the machine and the goals first."""
    machine = ", ".join(f"{key} {value}" for key, value in numbers["machine"].items())
    parts = [f"Machine: {machine}. Medians of {numbers['runs']} rounds; the peer is {numbers['peer']}.", ""]
    goals = [{"goal": name, **goal} for name, goal in numbers["goals"].items()]
    for title, text, rows in [("Goals", "", goals), *((*TITLES[key], numbers.get(key, [])) for key in TITLES)]:
        if rows:
            parts += [f"## {title}", "", *([text, ""] if text else []), *_table(rows), ""]
    return "\n".join(parts).rstrip() + "\n"


def _table(rows: list[dict[str, Any]]) -> list[str]:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = ((_cell(row.get(column)) for column in columns) for row in rows)
    return lines((column.replace("_", " ") for column in columns), cells)


def _cell(value: object) -> str:
    """Three digits of a number; nothing where there is none."""
    if isinstance(value, float):
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
        return f"{value:.{digits}f}"
    return "" if value is None else str(value)
