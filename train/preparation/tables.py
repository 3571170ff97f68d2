"""People's labels as the records of a data folder: masks checked, boxes and areas measured, all of it upright."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from cefnet.photos import Layout, read_photo
from cefnet.result import run_lengths
from train.data.masks import encode, merge_runs
from train.preparation.labels import BOX, Labels, Patch, Photo, Shape, Skipped
from train.preparation.upright import LabelsOn, Upright, turn_upright

Record = dict[str, Any]


@dataclass(frozen=True)
class Own:
    """People's labels, ready to be written about.

    Attributes:
        labels: What is used of them.
        tables: `categories`, `images`, `annotations` as `instances.json` of a data folder has them.
        doubtful: File names of turned photos whose labels fit both ways.
    """

    labels: Labels
    tables: dict[str, list[Record]]
    doubtful: list[str]


def own_tables(labels: Labels, lie: Mapping[int, Layout], damaged: Mapping[int, str], labels_on: LabelsOn) -> Own:
    """Makes records of labels whose photos have been found.

    Args:
        labels: With their photos' names as paths.
        lie: Photo's number -> how it lies in its file.
        damaged: Photo's number -> why it can't be read.
        labels_on: What labels were drawn on where sizes can't tell.

    Raises:
        ValueError: No photo or no mask can be used.
    """
    sizes = {number: _size(photo, lie[number], labels_on) for number, photo in labels.photos.items() if number in lie}
    labels = labels.without(_unusable(labels.photos, lie, damaged, sizes))
    numbers = {name: number for number, name in labels.categories.items()}
    annotations: list[Record] = []
    shapes, skipped = [], list(labels.skipped)
    for shape in labels.shapes:
        photo = labels.photos[shape.photo]
        width, height = sizes[shape.photo]
        try:
            annotations.append(_annotation(shape, numbers[shape.category], height, width))
            shapes.append(shape)
        except ValueError as error:
            skipped.append(Skipped(photo.file, photo.name, shape.name, "no usable mask", str(error)))
    images = [_image(photo, *sizes[number]) for number, photo in labels.photos.items()]
    labels = replace(labels, shapes=shapes, skipped=skipped)
    _check(labels)
    upright: Upright = turn_upright(images, annotations, lie, labels_on)
    guessed = [p.name for n, p in labels.photos.items() if p.size is None and lie[n].orientation > 4]
    categories = [{"id": number, "name": name} for number, name in labels.categories.items()]
    tables = {"categories": categories, "images": upright.images, "annotations": upright.annotations}
    return Own(labels, tables, sorted({*upright.doubtful, *guessed}))


def _size(photo: Photo, lies: Layout, labels_on: LabelsOn) -> tuple[int, int]:
    """Width and height of what the photo's labels were drawn on."""
    return photo.size or (lies.upright if labels_on == "upright" else lies.stored)


def _unusable(
    photos: Mapping[int, Photo],
    lie: Mapping[int, Layout],
    damaged: Mapping[int, str],
    sizes: Mapping[int, tuple[int, int]],
) -> dict[int, Skipped]:
    found = {}
    for number, photo in photos.items():
        if number in damaged:
            found[number] = Skipped(photo.file, photo.name, "", "photo can't be read", damaged[number])
        elif sizes[number] not in (lie[number].stored, lie[number].upright):
            (width, height), (said_width, said_height) = lie[number].upright, sizes[number]
            detail = f"the photo is {width} x {height} pixels, its labels say {said_width} x {said_height}"
            found[number] = Skipped(photo.file, photo.name, "", "photo of another size", detail)
    return found


def _check(labels: Labels) -> None:
    if any(shape.source != BOX for shape in labels.shapes):
        return
    first = next(iter(labels.skipped), None)
    why = "there are none" if first is None else f"the first of {len(labels.skipped)}: {told(first)}"
    what = "photo can be used" if not labels.photos else "mask can be used; expressions are made from masks"
    raise ValueError(f"no {what} ({why})")


def told(row: Skipped) -> str:
    """A row of `skipped.csv` as a sentence."""
    where = f"{row.file}, {row.photo}" + (f", {row.annotation}" if row.annotation else "")
    return f"{where}: {row.reason}" + (f" ({row.detail})" if row.detail else "")


def _image(photo: Photo, width: int, height: int) -> Record:
    return {"id": photo.number, "file_name": photo.name, "width": width, "height": height} | photo.more


def _annotation(shape: Shape, category: int, height: int, width: int) -> Record:
    """The record of a shape.

    Raises:
        ValueError: Its mask can't be read, or is empty.
    """
    segmentation = _segmentation(shape, height, width)
    rle = encode(segmentation, height, width)
    area = float(coco_mask.area(rle))
    if not area:
        raise ValueError("it is empty, or lies beside the photo")
    ids = {"id": shape.number, "image_id": shape.photo, "category_id": category}
    about = {
        "iscrowd": int(shape.iscrowd),
        "area": area,
        "bbox": coco_mask.toBbox(rle).tolist(),
        "source": shape.source,
    }
    return ids | about | ({} if shape.score is None else {"score": shape.score}) | {"segmentation": segmentation}


def _segmentation(shape: Shape, height: int, width: int) -> Any:
    """Polygons in pixels where all parts are such, else RLE."""
    sides = np.array([width, height] if shape.relative else [1, 1], np.float64)
    parts = [
        (np.reshape(part, (-1, 2)) * sides).ravel().tolist() if isinstance(part, list)
        else run_lengths(_pasted(part, height, width)) if isinstance(part, Patch)
        else part
        for part in shape.parts
    ]  # fmt: skip
    if all(isinstance(part, list) for part in parts):
        return parts
    if len(parts) == 1:
        return parts[0]
    rle = merge_runs([encode([part] if isinstance(part, list) else part, height, width) for part in parts])
    return {"size": [height, width], "counts": rle["counts"].decode()}


def _pasted(patch: Patch, height: int, width: int) -> np.ndarray:
    """A patch as a mask of the whole photo, H x W uint8; what lies beside the photo is cut off."""
    part = read_photo(io.BytesIO(patch.png), "the mask's picture").max(axis=2) > 0
    mask = np.zeros((height, width), np.uint8)
    top, left = max(0, patch.y), max(0, patch.x)
    inside = part[top - patch.y : max(0, height - patch.y), left - patch.x : max(0, width - patch.x)]
    mask[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return mask
