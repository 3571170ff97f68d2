"""Contact sheets: many photos with outlines and a line of text each, and a model's best and worst answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cefnet.render import Colour, outline
from train.data.reader import ReferData
from train.evaluation.metrics import Record, overlap
from train.evaluation.questions import Answers, Query

TRUTH: Colour = (64, 220, 120)
PREDICTED: Colour = (255, 64, 110)
PAPER: Colour = (250, 250, 248)
INK: Colour = (30, 30, 34)
_EDGE = 8  # pixels around tiles
_FONT = 14  # pixels


@dataclass(frozen=True)
class Tile:
    """One sample: a photo, masks to outline, and what to write under it.

    Attributes:
        photo: H x W x 3 uint8 RGB.
        text: Written below; a new line in it starts a new line, long ones are wrapped.
        outlines: (mask, colour) pairs, masks H x W bool or 0/1; later ones are drawn over earlier ones.
    """

    photo: np.ndarray
    text: str
    outlines: tuple[tuple[np.ndarray, Colour], ...] = ()


def contact_sheet(
    tiles: Sequence[Tile],
    columns: int,
    width: int = 260,
    lines: int = 3,
    legend: Mapping[str, Colour] | None = None,
) -> np.ndarray:
    """Lays tiles out in rows.

    Args:
        tiles: What to show, row by row.
        columns: Tiles in a row.
        width: Of a tile in pixels; photos are fitted into width x (3/4 width), never cut.
        lines: Of text below each photo; what doesn't fit ends in "…".
        legend: Names of the outline colours, written above the tiles.

    Returns:
        Height x width x 3 uint8 RGB.

    Raises:
        ValueError: There is no tile, a size is not positive, or a mask is not as large as its photo.
    """
    if not tiles or columns < 1 or width < 16 or lines < 1:
        raise ValueError(
            f"a contact sheet needs a tile, a column, a line and 16 pixels of width; got {len(tiles)} tiles, "
            f"columns={columns}, lines={lines}, width={width}"
        )
    columns = min(columns, len(tiles))
    font = ImageFont.load_default(_FONT)
    drawn = [_draw(tile, width, lines, font) for tile in tiles]
    high, rows = drawn[0].shape[0], -(-len(drawn) // columns)
    head = _FONT + 2 * _EDGE if legend else _EDGE
    page = np.full((head + rows * (high + _EDGE), _EDGE + columns * (width + _EDGE), 3), PAPER, np.uint8)
    for i, picture in enumerate(drawn):
        y, x = head + (i // columns) * (high + _EDGE), _EDGE + (i % columns) * (width + _EDGE)
        page[y : y + high, x : x + width] = picture
    return _with_legend(page, legend, font) if legend else page


def _draw(tile: Tile, width: int, lines: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> np.ndarray:
    """The photo fitted into the upper part, its text below it."""
    high = width * 3 // 4
    canvas = np.full((high + lines * (_FONT + 4) + 4, width, 3), PAPER, np.uint8)
    scale = min(width / tile.photo.shape[1], high / tile.photo.shape[0])
    w, h = (max(1, round(side * scale)) for side in (tile.photo.shape[1], tile.photo.shape[0]))
    picture = cv2.resize(tile.photo, (w, h), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    for mask, colour in tile.outlines:
        if mask.shape[:2] != tile.photo.shape[:2]:
            raise ValueError(f"a mask is {mask.shape[:2]}, its photo {tile.photo.shape[:2]} (height, width)")
        shares = cv2.resize(mask.astype(np.float32), (w, h), interpolation=cv2.INTER_AREA)
        small = shares > min(0.5, 0.5 * float(shares.max()))  # thin masks stay visible
        for line, thick in ((INK, 4), (colour, 2)):  # a dark rim: visible on any ground
            picture = outline(picture.astype(np.uint8), small, line, thick)
    y, x = (high - h) // 2, (width - w) // 2
    canvas[y : y + h, x : x + w] = picture
    page = Image.fromarray(canvas)
    text = "\n".join(_wrap(tile.text, width - 4, lines, font))
    ImageDraw.Draw(page).multiline_text((2, high + 2), text, fill=INK, font=font, spacing=3)
    return np.asarray(page)


def _wrap(text: str, width: int, lines: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    """Breaks at spaces, and inside words that alone are too wide."""
    wrapped: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if font.getlength(longer) <= width:
                line = longer
                continue
            wrapped += [line] if line else []
            while font.getlength(word) > width and len(word) > 1:
                cut = next(n for n in range(len(word) - 1, 0, -1) if n == 1 or font.getlength(word[:n]) <= width)
                wrapped, word = [*wrapped, word[:cut]], word[cut:]
            line = word
        wrapped.append(line)
    if len(wrapped) <= lines:
        return wrapped
    last = wrapped[lines - 1]
    while last and font.getlength(f"{last}…") > width:
        last = last[:-1]
    return [*wrapped[: lines - 1], f"{last}…"]


def _with_legend(
    page: np.ndarray, legend: Mapping[str, Colour], font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> np.ndarray:
    picture = Image.fromarray(page)
    pen, x = ImageDraw.Draw(picture), float(_EDGE)
    for name, colour in legend.items():
        pen.rectangle((x, _EDGE + 2, x + _FONT - 2, _EDGE + _FONT), fill=colour, outline=INK)
        pen.text((x + _FONT + 4, _EDGE), name, fill=INK, font=font)
        x += _FONT + 4 + font.getlength(name) + 2 * _EDGE
    return np.asarray(picture)


COLUMNS = 6
LEGEND = {"true": TRUTH, "predicted": PREDICTED}


def extremes(records: Sequence[Record], count: int = 24) -> tuple[list[Record], list[Record]]:
    """The worst and the best answers, at most one of each photo.

    Args:
        records: Those of absent things are left out.
        count: How many of each kind, at most.

    Returns:
        Worst first and best first, by IoU with refusal; among equals the larger object.
    """

    def rank(sign: int) -> list[Record]:
        order = sorted(
            (record for record in records if record.ann_ids), key=lambda r: (sign * iou_of(r), -r.truth, r.image_id)
        )
        one_each = {record.image_id: record for record in reversed(order)}  # the first of each photo
        return [record for record in order if one_each[record.image_id] is record][:count]

    return rank(1), rank(-1)


def iou_of(record: Record) -> float:
    """IoU with refusal, 0..1."""
    return overlap([record])["mean_iou"]


def draw_sheets(folder: Path, records: Sequence[Record], answers: Answers, data: ReferData) -> None:
    """Writes `worst.png` and `best.png`; asks again for the masks, which records don't keep.

    Raises:
        ValueError: No expression of a present object.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, chosen in zip(("worst", "best"), extremes(records), strict=True):
        tiles = [tile(record, answers, data) for record in chosen]
        sheet = contact_sheet(tiles, COLUMNS, legend=LEGEND)
        Image.fromarray(sheet).save(folder / f"{name}.png")


def tile(record: Record, answers: Answers, data: ReferData) -> Tile:
    """A record as a tile: the photo with the true and the predicted outline; asks again for the mask."""
    [answer] = answers([Query(record.image_id, record.ann_ids, record.expression, record.kind)])
    said = "" if record.present else ', answered with "nothing"'
    return Tile(
        data.photo(record.image_id),
        f"{record.expression}\nIoU {100 * iou_of(record):.0f}%{said}",
        ((data.union(record.image_id, record.ann_ids), TRUTH), (answer.mask, PREDICTED)),
    )
