"""Files to take away, made of a kept answer: nothing is asked of a network again."""

from __future__ import annotations

import io
import re
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app import figure, strings, views
from app.picture import fit
from app.service import Answer, Focus
from cefnet import exports, render
from cefnet.result import Result

FIGURE_SIDE = 480  # pixels of a figure's panel: what its print size can show
MARGIN = 2  # pixels round a cut-out
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
    return mask_file(own_size(now.answer, now.result).found)


def mask_file(mask: NDArray[np.bool_]) -> bytes:
    """H x W as a PNG of 0 and 255."""
    return render.png(mask.astype(np.uint8) * np.uint8(255))


def cutout_png(now: Focus) -> bytes:
    """The mask's part of the photo, cropped to it, its edge a pixel soft, the rest transparent."""
    return cropped(*_photo_and_mask(now))


def whole_cutout_png(now: Focus) -> bytes:
    """The mask's part of the photo with a hard edge, the rest transparent, as large as the photo."""
    return render.png(render.cutout(*_photo_and_mask(now)))


def _photo_and_mask(now: Focus) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    photo = now.answer.picture.full()
    return photo, replace(now.result, height=photo.shape[0], width=photo.shape[1]).found


def cropped(photo: NDArray[np.uint8], mask: NDArray[np.bool_]) -> bytes:
    """A cut-out with a soft edge and a margin of `MARGIN` pixels as a PNG; one pixel where the mask is empty."""
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(ys):
        return render.png(np.zeros((1, 1, 4), np.uint8))
    rows = slice(max(int(ys[0]) - MARGIN, 0), int(ys[-1]) + 1 + MARGIN)
    columns = slice(max(int(xs[0]) - MARGIN, 0), int(xs[-1]) + 1 + MARGIN)
    return render.png(render.cutout(photo[rows, columns], mask[rows, columns], soft=True))


def boundary_png(now: Focus) -> bytes:
    """The boundary map of 0 to 255, as large as what is shown: the network's own grid is smaller still."""
    return render.png(render.grey(now.result.boundary))


def coco(answer: Answer, model: str) -> dict[str, Any]:
    """One model's masks as `cefnet.exports.coco` writes them."""
    return exports.coco(photo_name(answer), at_own_size(answer, model), model)


def at_own_size(answer: Answer, model: str) -> list[Result]:
    """One model's answers with maps of the photo's own size."""
    return [own_size(answer, result) for result in answer.results[model]]


def coco_json(answer: Answer, model: str) -> bytes:
    """`coco` as a file."""
    return exports.as_json(coco(answer, model))


def labelme_json(now: Focus) -> bytes:
    """The masks of the model in focus as `cefnet.exports.labelme` writes them."""
    name = photo_name(now.answer)
    return exports.as_json(exports.labelme(name, at_own_size(now.answer, now.model), now.model))


def yolo_zip(now: Focus) -> bytes:
    """The masks of the model in focus as a YOLO folder (`cefnet.exports.yolo`), in a ZIP."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in exports.yolo(photo_name(now.answer), at_own_size(now.answer, now.model)).items():
            archive.writestr(name, text)
    return file.getvalue()


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


def everything(now: Focus, models: str) -> Iterator[float | bytes]:
    """All of the above of all expressions by every model, as a ZIP with a README.

    Args:
        now: The answer, and the model that the figures look into.
        models: Which models these are, for the README.

    Yields:
        How far it is, 0..1; at last the file.
    """
    answer = now.answer
    folders = [f"{n}-{slug(text)}".rstrip("-") for n, text in enumerate(answer.expressions, 1)]
    file, photo = io.BytesIO(), answer.picture.full()
    annotations: dict[str, list[dict[str, Any]]] = {model: [] for model in answer.results}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # pictures are compressed already
        for n, folder in enumerate(folders):
            for model in annotations:
                one = Focus(answer, model, n)
                mask = own_size(answer, one.result).found
                annotations[model].append(exports.annotation(n + 1, one.result, mask, model))
                archive.writestr(f"{folder}/{slug(model)}/mask.png", mask_file(mask))
                if mask.any() and mask.shape == photo.shape[:2]:
                    archive.writestr(f"{folder}/{slug(model)}/cutout.png", cropped(photo, mask))
                archive.writestr(f"{folder}/{slug(model)}/boundary.png", boundary_png(one))
            archive.writestr(f"{folder}/figure.png", figure.save(paper_figure(replace(now, index=n)), "png"))
            yield (n + 1) / len(folders)
        for model, entries in annotations.items():
            told = exports.coco_of(photo_name(answer), at_own_size(answer, model), model, entries)
            archive.writestr(f"annotations-{slug(model)}.json", exports.as_json(told))
        archive.writestr("README.txt", strings.ZIP_README.format(**_about(now, folders, models)))
    yield file.getvalue()


def _about(now: Focus, folders: list[str], models: str) -> dict[str, Any]:
    answer, decision = now.answer, now.result.decision
    return {
        "photo": photo_name(answer),
        "threshold": decision.mask_threshold,
        "regions": strings.REGIONS_NOTE[decision.regions],
        "focus": now.model,
        "models": models,
        "expressions": "\n".join(f"{name}/: {text}" for name, text in zip(folders, answer.expressions, strict=True)),
    }
