"""A table of numbers, as Markdown and as a picture."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

OURS, HEAD, LINE = "#e3f2e6", "#eceff4", "#c8ccd4"


@dataclass(frozen=True)
class Row:
    """One line of a table; `ours` if it was run here."""

    cells: tuple[str, ...]
    ours: bool


@dataclass(frozen=True)
class Table:
    """What a table says.

    Attributes:
        name: Of its files, such as "table1".
        title: What it shows.
        columns: Their headings; the first names the row, the last says where it comes from.
        rows: Each of as many cells.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def percent(value: float | None, scale: float = 1.0) -> str:
    """A number in percent as the paper writes it, "-" where there is none."""
    return "-" if value is None else f"{scale * value:.2f}"


def markdown(table: Table) -> str:
    """The table in Markdown, below its title."""
    right = ":--|" + "--:|" * (len(table.columns) - 2) + ":--|"
    lines = [f"## {table.title}", "", line(table.columns), "|" + right]
    return "\n".join([*lines, *(line(row.cells) for row in table.rows)]) + "\n"


def lines(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """A Markdown table whose first column is words and the others numbers."""
    columns = list(head)
    return [line(columns), "|:--|" + "--:|" * (len(columns) - 1), *map(line, rows)]


def line(cells: Iterable[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def draw(table: Table, path: Path) -> None:
    """The table as a PNG; rows that were run here have a ground of their own."""
    from matplotlib.figure import Figure  # half a second that only pictures pay
    from matplotlib.transforms import Bbox

    widths = [max(len(row[i]) for row in [table.columns, *(r.cells for r in table.rows)]) + 2
              for i in range(len(table.columns))]  # fmt: skip
    height = 0.24 * (len(table.rows) + 1)
    figure = Figure(figsize=(0.085 * sum(widths), height + 0.4))
    axes = figure.add_axes((0.01, 0.0, 0.98, height / (height + 0.4)))
    axes.axis("off")
    axes.set_title(table.title, fontsize=10, loc="left")
    drawn = axes.table(
        cellText=[row.cells for row in table.rows],
        colLabels=table.columns,
        colWidths=[width / sum(widths) for width in widths],
        cellLoc="right",
        bbox=Bbox.unit(),
    )
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(8)
    for (y, x), cell in drawn.get_celld().items():
        cell.set_edgecolor(LINE)
        cell.set_linewidth(0.5)
        cell.set_facecolor(HEAD if y == 0 else OURS if table.rows[y - 1].ours else "white")
        if x in (0, len(table.columns) - 1):
            cell.set_text_props(ha="left")
            cell.PAD = 0.02
    figure.savefig(path, dpi=150)
