"""Labels that were drawn on pixels as stored, turned upright with their photos.

A telephone stores what its sensor saw, and how to turn that (EXIF orientation). Some tools draw labels on the pixels as
stored, most on what people see. Width and height in the label file tell which; they can't where both are the same:
photos turned by 180 degrees, mirrored ones, and squares. A data folder holds upright labels only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pycocotools import mask as coco_mask

from cefnet.photos import Layout
from cefnet.result import run_lengths
from train.data.masks import decode_mask
from train.data.reader import listed

LabelsOn = Literal["upright", "stored"]
LABELS_ON: tuple[LabelsOn, ...] = ("upright", "stored")
Record = dict[str, Any]


@dataclass(frozen=True)
class Upright:
    """Records of `images` and `annotations` that fit the upright photos.

    Attributes:
        images: In the given order.
        annotations: In the given order; those that were turned are compressed RLE with boxes and areas measured anew.
        doubtful: File names of turned photos whose labels fit both ways.
    """

    images: list[Record]
    annotations: list[Record]
    doubtful: list[str]


def turn_upright(
    images: Sequence[Record], annotations: Sequence[Record], lie: Mapping[int, Layout], labels_on: LabelsOn
) -> Upright:
    """Turns labels that were drawn on pixels as stored.

    Args:
        images: Records with `id`, `file_name`, `width`, `height` as the label file has them.
        annotations: Records with `image_id`, `segmentation`, `bbox`, `area`.
        lie: Image id -> how the photo lies in its file; photos that are not here stay as they are.
        labels_on: What labels were drawn on where sizes can't tell.
    """
    turned: dict[int, Layout] = {}
    doubtful = []
    for image in images:
        photo, said = lie.get(image["id"]), (image["width"], image["height"])
        if photo is None or photo.orientation == 1 or said != photo.stored:
            continue
        if said == photo.upright:
            doubtful.append(image["file_name"])
            if labels_on == "upright":
                continue
        turned[image["id"]] = photo
    sizes = {image_id: dict(zip(("width", "height"), photo.upright, strict=True)) for image_id, photo in turned.items()}
    return Upright(
        [i | sizes.get(i["id"], {}) for i in images],
        [_turned(a, turned[a["image_id"]]) if a["image_id"] in turned else a for a in annotations],
        doubtful,
    )


def _turned(annotation: Record, photo: Layout) -> Record:
    """The annotation, its mask turned, its box and area measured; one whose mask can't be read stays as it is."""
    try:
        mask = decode_mask(annotation["segmentation"], photo.height, photo.width)
    except ValueError:
        return annotation  # reading the data folder names it
    rle = run_lengths(photo.turned(mask))
    measured = {"bbox": coco_mask.toBbox(rle).tolist(), "area": float(coco_mask.area(rle))}
    return annotation | measured | {"segmentation": rle}


def warning(doubtful: Sequence[str], labels_on: LabelsOn) -> str:
    """What to tell people about photos whose labels fit both ways; empty if there are none."""
    if not doubtful:
        return ""
    other = next(way for way in LABELS_ON if way != labels_on)
    ways = {"upright": "on the upright photo", "stored": "on the pixels as stored"}
    return (
        f"some photos are turned by their EXIF orientation, and their labels would fit both ways. They are taken to be "
        f"drawn {ways[labels_on]}; if not, give --labels-on {other}. {listed(doubtful, 'photos')}"
    )
