"""Answers about a photo as files that labelling tools open: COCO, labelme, YOLO. One model a file; no torch."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from cefnet import render
from cefnet.result import Result, box_of, run_lengths

Mask = NDArray[np.bool_]
COCO_INFO = "Masks from words, by CEFNet: one category an expression, one annotation a mask"
LABELME_VERSION = "5.5.0"  # whose files these are like; `mask` shapes came with 5.2
FINER = 3  # outlines are traced on pixels cut in 3 x 3


def coco(photo: str, results: Sequence[Result], model: str) -> dict[str, Any]:
    """One model's masks in COCO's format, that of its "results" included (score); one category an expression.

    Args:
        photo: File name of the photo.
        results: What was asked about it, with maps as large as the photo.
        model: Whose answers they are.

    Returns:
        Info, images, categories, annotations (one an expression that has a mask: segmentation as compressed RLE, bbox
        x, y, width, height and area in pixels, score, expression, model, regions) and absent (what was not found).
    """
    entries = [annotation(n, result, result.found, model) for n, result in enumerate(results, 1)]
    return coco_of(photo, results, model, entries)


def annotation(number: int, result: Result, mask: Mask, model: str) -> dict[str, Any]:
    """A result's mask, H x W, as COCO's entry, without its id; without a shape where the mask is empty."""
    entry = {
        "image_id": 1, "category_id": number, "expression": result.expression, "model": model,
        "score": result.score, "regions": result.decision.regions,
    }  # fmt: skip
    if not mask.any():
        return entry
    rle = run_lengths(mask)
    box, area = coco_mask.toBbox(rle).tolist(), int(coco_mask.area(rle))
    return {**entry, "segmentation": rle, "bbox": box, "area": area, "iscrowd": 0}


def coco_of(photo: str, results: Sequence[Result], model: str, entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """`coco` of entries that `annotation` made, one a result."""
    found = [one for one in entries if "area" in one]
    return {
        "info": {"description": COCO_INFO, "model": model, "mask_threshold": results[0].decision.mask_threshold},
        "licenses": [],
        "images": [{"id": 1, "file_name": photo, "height": results[0].height, "width": results[0].width}],
        "categories": [{"id": n, "name": result.expression} for n, result in enumerate(results, 1)],
        "annotations": [{"id": n, **one} for n, one in enumerate(found, 1)],
        "absent": [one for one in entries if "area" not in one],
    }


def labelme(photo: str, results: Sequence[Result], model: str) -> dict[str, Any]:
    """labelme's JSON: a shape of type `mask` for each expression that was found, exact, holes and all.

    Args:
        photo: File name of the photo, beside which the file is to lie.
        results: As `coco`.
        model: Whose answers they are; stands in each shape's description.
    """
    shapes: list[dict[str, Any]] = []
    for result in results:
        mask = result.found
        if (box := box_of(mask)) is not None:
            x0, y0, x1, y1 = box
            part = render.png(render.grey(mask[y0:y1, x0:x1]))
            shapes.append({
                "label": result.expression, "points": [[float(x0), float(y0)], [float(x1 - 1), float(y1 - 1)]],
                "group_id": None, "description": f"{model}, score {result.score:.2f}", "shape_type": "mask",
                "flags": {}, "mask": base64.b64encode(part).decode(),
            })  # fmt: skip
    return {
        "version": LABELME_VERSION, "flags": {}, "shapes": shapes, "imagePath": photo, "imageData": None,
        "imageHeight": results[0].height, "imageWidth": results[0].width,
    }  # fmt: skip


def yolo(photo: str, results: Sequence[Result]) -> dict[str, str]:
    """A YOLO segmentation folder: file name -> text. One class an expression, one line an object.

    A line holds a single polygon. Further parts and holes are joined to it by a cut of no width, as Ultralytics' own
    converter joins parts; filled by the even-odd rule (OpenCV's), holes stay open.

    Args:
        photo: File name of the photo; it goes to `images/`.
        results: As `coco`.
    """
    size = np.array([results[0].width, results[0].height])
    lines = []
    for number, result in enumerate(results):
        mask = result.found
        if mask.any():
            shares = (outline(mask) / size).clip(0, 1)
            lines.append(" ".join([str(number), *(f"{value:.6f}" for value in shares.ravel())]))
    names = {n: result.expression for n, result in enumerate(results)}
    yaml = f"path: .\ntrain: images\nval: images\nnames: {json.dumps(names, ensure_ascii=False)}\n"
    return {f"labels/{PurePath(photo).stem}.txt": "".join(f"{line}\n" for line in lines), "data.yaml": yaml}


def outline(mask: Mask) -> NDArray[np.float64]:
    """A mask as one closed polygon: rings of parts and holes, joined by cuts that are gone back on.

    Args:
        mask: H x W, not empty.

    Returns:
        N x 2, x and y in pixels, the photo's left upper corner 0, 0. The corners lie a sixth of a pixel inside what is
        masked: the centres of just its pixels are inside by the even-odd rule.
    """
    fine = cv2.resize(mask.astype(np.uint8), None, fx=FINER, fy=FINER, interpolation=cv2.INTER_NEAREST)
    rings, _ = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    closed = [np.concatenate([ring[:, 0], ring[:1, 0]]).astype(np.float64) for ring in rings]
    first, *others = closed
    joined = [first]
    for ring in others:  # from the first ring's start there, round, and back
        joined += [ring, first[:1]]
    return (np.concatenate(joined) + 0.5) / FINER


def as_json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode()


def files(kind: str, photo: str, results: Sequence[Result], model: str) -> dict[str, bytes]:
    """An export as files by their names in a folder.

    Args:
        kind: A key of `EXPORTS`.
        photo: File name of the photo.
        results: At least one, with maps as large as the photo.
        model: Whose answers they are.
    """
    return EXPORTS[kind](photo, results, model)


EXPORTS: dict[str, Callable[[str, Sequence[Result], str], dict[str, bytes]]] = {
    "coco": lambda photo, results, model: {"coco.json": as_json(coco(photo, results, model))},
    "labelme": lambda photo, results, model: {f"{PurePath(photo).stem}.json": as_json(labelme(photo, results, model))},
    "yolo": lambda photo, results, model: {name: text.encode() for name, text in yolo(photo, results).items()},
}
