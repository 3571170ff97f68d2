"""A figure in the manner of the paper's Figures 4 and 5. Matplotlib without pyplot: nothing is global, no window."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

Panel = tuple[str, NDArray[np.uint8]]  # caption, h x w x 3 RGB

DPI = 200
COLUMNS = 4
PANEL = 2.3, 3.5  # inches: the width of a picture, and the most of its height
GAP, CAPTION, LINE, BAR = 0.1, 0.22, 0.24, 0.6  # inches: margin, above a picture, of the headline, of the scale
HEADLINE_LETTERS, CAPTION_LETTERS = 85, 30


def draw(expression: str, answers: Sequence[Panel], words: Sequence[Panel] = (), top: float = 1.0) -> Figure:
    """Lays out panels below an expression: first what was answered, then a heatmap for each word, with their scale.

    Args:
        expression: As typed.
        answers: At least one, all of one size.
        words: Heatmaps of `cefnet.render.heatmap`, all of one size.
        top: The value that the heatmaps show brightest.
    """
    title = textwrap.wrap(f"“{readable(expression)}”", HEADLINE_LETTERS)
    height, width = answers[0][1].shape[:2]
    tall = min(PANEL[0] * height / width, PANEL[1])
    rows = [list(part[n : n + COLUMNS]) for part in (answers, words) for n in range(0, len(part), COLUMNS)]
    columns = max(map(len, rows))
    wide = GAP + columns * (PANEL[0] + GAP) + (BAR if words else 0)
    high = GAP + len(title) * LINE + len(rows) * (tall + CAPTION) + GAP
    figure = Figure(figsize=(wide, high), dpi=DPI)

    def box(x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
        return x / wide, 1 - (y + h) / high, w / wide, h / high  # inches from the top left to matplotlib's own

    figure.text(0.5, 1 - GAP / high, "\n".join(title), ha="center", va="top", fontsize=12, parse_math=False)
    below = GAP + len(title) * LINE
    for r, row in enumerate(rows):
        for c, (caption, picture) in enumerate(row):
            place = GAP + c * (PANEL[0] + GAP), below + r * (tall + CAPTION) + CAPTION, PANEL[0], tall
            axes = figure.add_axes(box(*place))
            axes.imshow(picture)
            axes.set_axis_off()
            axes.set_title(shortened(caption), fontsize=9, pad=3, parse_math=False)
    if words:
        bar = math.ceil(len(words) / COLUMNS) * (tall + CAPTION) - CAPTION
        axes = figure.add_axes(box(wide - BAR, high - GAP - bar, 0.12, bar))
        figure.colorbar(ScalarMappable(Normalize(0, top), "inferno"), cax=axes)
        axes.tick_params(labelsize=7)
    return figure


def save(figure: Figure, kind: Literal["png", "pdf"]) -> bytes:
    """The figure as a file, undated."""
    file = io.BytesIO()
    undated = {"CreationDate": None} if kind == "pdf" else {}
    options: dict[str, Any] = {"pil_kwargs": {"compress_level": 1}} if kind == "png" else {}
    figure.savefig(file, format=kind, metadata={"Title": "CEFNet"} | undated, **options)
    return file.getvalue()


def readable(text: str) -> str:
    """`text` on one line, without what no font shows."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def shortened(caption: str) -> str:
    """A caption that is no wider than its picture."""
    text = readable(caption)
    return text if len(text) <= CAPTION_LETTERS else text[: CAPTION_LETTERS - 1] + "…"
