"""Files to take away, made of a kept answer: nothing is asked of a network again."""

from __future__ import annotations

import io
import json
import re
import unicodedata
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from app import figure, strings, views
from app.picture import fit
from app.service import Answer, Focus
from cefnet import render
from cefnet.result import Result, run_lengths

FIGURE_SIDE = 640  # pixels of a figure's panel: what its print size can show
NAME_LETTERS = 40


def slug(text: str) -> str:
    """`text` as a part of a file name that is safe everywhere: a-z, 0-9 and single hyphens; may be empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub("[^a-z0-9]+", "-", plain)[:NAME_LETTERS].strip("-")


def file_name(what: str, now: Focus, ending: str) -> str:
    """Such as mask-dog-on-the-left-cefnet-acm.png."""
    parts = [what, slug(now.result.expression) or f"expression-{now.index + 1}", slug(now.model)]
    return "-".join(part for part in parts if part) + ending


def photo_name(answer: Answer) -> str:
    """The name that the photo came with."""
    return Path(answer.picture.path).name if answer.picture.path else "photo.jpg"


def own_size(answer: Answer, result: Result) -> Result:
    """`result` with maps of the photo's own size."""
    height, width = answer.picture.size
    return replace(result, height=height, width=width)


def mask_png(now: Focus) -> bytes:
    """The mask as a lossless one-channel PNG of 0 and 255, as large as the photo."""
    return render.png(render.grey(own_size(now.answer, now.result).found))


def cutout_png(now: Focus, photo: NDArray[np.uint8] | None = None) -> bytes:
    """The mask's part of the photo, the rest transparent, as large as the photo.

    Args:
        now: What to cut out.
        photo: H x W x 3 uint8, the photo's own pixels where they are read already.
    """
    photo = now.answer.picture.full() if photo is None else photo
    height, width = photo.shape[:2]
    return render.png(render.cutout(photo, replace(now.result, height=height, width=width).found))


def coco(answer: Answer) -> dict[str, Any]:
    """Every mask in COCO's format, that of its "results" included (score); one category an expression.

    Args:
        answer: Decided with one mask threshold for all models.

    Returns:
        Info, images, categories, annotations (one a model and expression that has a mask: segmentation as compressed
        RLE, bbox x, y, width, height and area in pixels, score, expression, model, regions) and absent (what was not
        found).
    """
    height, width = answer.picture.size
    shown = every(answer)
    told: dict[str, Any] = {
        "info": {"description": strings.COCO_INFO, "mask_threshold": shown[0].result.decision.mask_threshold},
        "images": [{"id": 1, "file_name": photo_name(answer), "height": height, "width": width}],
        "categories": [{"id": n, "name": text} for n, text in enumerate(answer.expressions, 1)],
        "annotations": [],
        "absent": [],
    }
    for now in shown:
        entry = {
            "image_id": 1, "category_id": now.index + 1, "expression": now.result.expression, "model": now.model,
            "score": now.result.score, "regions": now.result.decision.regions,
        }  # fmt: skip
        mask = own_size(answer, now.result).found
        if not mask.any():
            told["absent"].append(entry)
            continue
        rle = run_lengths(mask)
        shape = {
            "segmentation": rle,
            "bbox": coco_mask.toBbox(rle).tolist(), "area": int(coco_mask.area(rle)), "iscrowd": 0,
        }  # fmt: skip
        told["annotations"].append({"id": len(told["annotations"]) + 1, **entry, **shape})
    return told


def coco_json(answer: Answer) -> bytes:
    """`coco` as a file."""
    return json.dumps(coco(answer), indent=1, ensure_ascii=False).encode()


def every(answer: Answer) -> list[Focus]:
    """Each expression by each model."""
    count = range(len(answer.expressions))
    return [Focus(answer, model, n) for n in count for model in answer.results]


def paper_figure(now: Focus) -> figure.Figure:
    """Photo, every model's mask, and boundary and words of the model in focus."""
    photo = fit(now.answer.picture.pixels, FIGURE_SIDE)
    height, width = photo.shape[:2]
    panels = [(strings.PHOTO, photo)]
    for model in now.answer.results:
        result = replace(now.of(model), height=height, width=width)
        note = f"{result.score:.2f}" if result.present else strings.NOTHING_NOTE
        panels.append((f"{views.title(model)[0]}: {note}", render.overlay(photo, result.found)))
    result, short = replace(now.result, height=height, width=width), views.title(now.model)[0]
    panels.append((strings.FIGURE_BOUNDARY.format(model=short), render.heatmap(result.boundary, photo, top=1.0)))
    maps = words(result)
    top = max((float(one.max()) for _, one in maps), default=1.0)
    heatmaps = [(f"“{word}”", render.heatmap(one, photo, top)) for word, one in maps]
    return figure.draw(result.expression, panels, heatmaps, top)


def words(result: Result) -> list[tuple[str, NDArray[np.float32]]]:
    """A map for each word; none of a model without word attention."""
    try:
        return result.word_attention()
    except ValueError:
        return []


def figure_file(now: Focus, kind: Literal["png", "pdf"]) -> bytes:
    """`paper_figure` as a file."""
    return figure.save(paper_figure(now), kind)


def everything(now: Focus, models: str) -> bytes:
    """All of the above of all expressions by every model, as a ZIP with a README.

    Args:
        now: The answer, and the model that the figures look into.
        models: Which models these are, for the README.
    """
    answer, decision = now.answer, now.result.decision
    folders = [f"{n}-{slug(text)}".rstrip("-") for n, text in enumerate(answer.expressions, 1)]
    said = {
        "photo": photo_name(answer),
        "threshold": decision.mask_threshold,
        "regions": strings.REGIONS_NOTE[decision.regions],
        "focus": now.model,
        "models": models,
        "expressions": "\n".join(f"{name}/: {text}" for name, text in zip(folders, answer.expressions, strict=True)),
    }
    file, photo = io.BytesIO(), answer.picture.full()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", strings.ZIP_README.format(**said))
        archive.writestr("annotations.json", coco_json(answer))
        for one in every(answer):
            folder = f"{folders[one.index]}/{slug(one.model)}"
            archive.writestr(f"{folder}/mask.png", mask_png(one))
            if one.result.present:
                archive.writestr(f"{folder}/cutout.png", cutout_png(one, photo))
            archive.writestr(f"{folder}/boundary.png", render.png(render.grey(own_size(answer, one.result).boundary)))
        for n, name in enumerate(folders):
            drawn = paper_figure(replace(now, index=n))
            archive.writestr(f"{name}/figure.png", figure.save(drawn, "png"))
            archive.writestr(f"{name}/figure.pdf", figure.save(drawn, "pdf"))
    return file.getvalue()
