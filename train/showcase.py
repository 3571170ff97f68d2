"""What a model does best and worst, as two contact sheets."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from train.answers import Answers
from train.data.reader import ReferData
from train.metrics import Record, overlap
from train.queries import Query
from train.sheets import PREDICTED, TRUTH, Tile, contact_sheet

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
