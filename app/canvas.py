"""The canvas: photo and masks as one large picture to point at, and the list of what was asked beside it.

The browser draws (`web/canvas.js`); this says what: each item's masks as outlines, and in words how sure each model is.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np
from numpy.typing import NDArray

from app import about, gallery, strings, views
from app.parts import overlap, source
from app.picture import Picture
from app.service import Answer, Item, Service
from cefnet.result import Result

WEB = Path(__file__).parent / "web"
SCRIPTS = "canvas.js", "photos.js"  # one program: the second goes on where the first ends
SMOOTH = 0.4  # pixels that an outline may be off
STEPS = 7  # pixels along an outline that are brought into line
GUESS = 0.5  # share of the highest probability from which on the best guess is drawn


def layout(service: Service) -> gr.HTML:
    """The canvas; its `act` and `look` events carry what somebody did."""
    models = [{"name": name, "short": views.title(name)[0], "long": views.title(name)[1]} for name in offered(service)]
    script = "".join((WEB / name).read_text() for name in SCRIPTS)
    return gr.HTML(
        {}, html_template=(WEB / "canvas.html").read_text(), js_on_load=script,
        elem_id="canvas", photo="", models=models, texts=strings.CANVAS, measured=about.better(service),
    )  # fmt: skip


def layout_list() -> None:
    """Where the canvas puts the list of what was asked."""
    gr.HTML(f'<h2>{strings.LIST}</h2><p class="hint">{strings.LIST_EMPTY}</p><ol></ol>', elem_id="asked")


def offered(service: Service) -> list[str]:
    """The models, that which the page explains first in front."""
    return list(reversed(service.predictors))


def photo(picture: Picture) -> str:
    """What the canvas shows of a picture: a data URL, upright, also of kinds of file that browsers don't read."""
    return source(picture.pixels)


def scene(service: Service, answer: Answer | None, focus: int, draft: bool) -> dict[str, Any]:
    """What the canvas draws, as JSON.

    Args:
        service: Whose models these are.
        answer: What was asked; None: there is no photo.
        focus: Number of the item that is looked into.
        draft: Whether the last item is still being typed.

    Returns:
        Empty without an answer, else: size (h, w of what is shown), full (H, W of the photo), digest, example (its
        number, or None), items, focus (key of an item, or None), said (what was found, in a sentence), agreement (of
        both models on the item in focus).
    """
    if answer is None:
        return {}
    items = [entry(service, answer, n, draft and n == len(answer.items) - 1) for n in range(len(answer.items))]
    now = answer.items[focus] if answer.items else None
    return {
        "size": list(answer.picture.pixels.shape[:2]),
        "full": list(answer.picture.size),
        "digest": answer.picture.digest,
        "example": gallery.number_of(answer.picture),
        "items": items,
        "focus": now.key if now else None,
        "said": said(now) if now else strings.ASK_NOW,
        "agreement": agreement(service, now) if now else "",
    }


def entry(service: Service, answer: Answer, n: int, draft: bool) -> dict[str, Any]:
    """One item of the list."""
    item = answer.items[n]
    height, width = answer.picture.pixels.shape[:2]
    return {
        "key": item.key,
        "text": item.expression,
        "colour": views.css(answer.colours[n]),
        "draft": draft,
        "mended": item.mended,
        "clicks": [[click.y / height, click.x / width, click.here] for click in item.clicks],
        "answers": {model: drawn(item, item.results[model]) for model in offered(service)},
    }


def drawn(item: Item, result: Result) -> dict[str, Any]:
    """One model's answer: its outline, that of its best guess where it finds nothing, and how sure it is."""
    mask = result.found
    sure = certainty(result, item.mended) if mask.any() else "nothing"
    best = guess(result) if not mask.any() else mask
    return {
        "sure": sure,
        "words": strings.CERTAINTY[sure],
        "number": strings.NUMBER.format(score=result.score, presence=result.presence),
        "area": strings.AREA.format(area=100 * mask.mean()) if mask.any() else "",
        "path": outline(mask),
        "guess": outline(best) if not mask.any() else "",
    }


def certainty(result: Result, mended: bool = False) -> str:
    """How sure a model is, a key of `strings.CERTAINTY`: see `strings.LIMITS`."""
    if mended:
        return "chosen"
    if not result.present:
        return "nothing"
    return next(name for name, least in strings.LIMITS.items() if result.score >= least)


def guess(result: Result) -> NDArray[np.bool_]:
    """H x W bool: the mask, also of what is not there, also where no pixel reaches the threshold."""
    least = min(result.decision.mask_threshold, GUESS * float(result.levels[0].max()))
    return result.decided(mask_threshold=least).mask


def outline(mask: NDArray[np.bool_]) -> str:
    """A mask as the path of an SVG, holes included, in pixels; empty for an empty mask."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    parts = []
    for contour in found:
        points = cv2.approxPolyDP(smoothed(contour[:, 0]), SMOOTH, closed=True)[:, 0] + 0.5
        if len(points) > 2:
            parts.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z")
    return "".join(parts)


def smoothed(points: NDArray[Any]) -> NDArray[np.float32]:
    """N x 2 pixels round a region, each the mean of its neighbours: steps of single pixels are no part of the shape."""
    if len(points) <= STEPS:
        return points.astype(np.float32)
    around = np.concatenate([points[-(STEPS // 2) :], points, points[: STEPS // 2]]).astype(np.float32)
    return np.stack([np.convolve(one, np.full(STEPS, 1 / STEPS, np.float32), "valid") for one in around.T], axis=1)


def said(item: Item) -> str:
    """What was found, in a sentence, plain text."""
    text = item.expression or strings.POINTED
    finders = [model for model, result in item.results.items() if result.found.any()]
    if item.mended and finders:
        return strings.MENDED.format(expression=text)
    if not finders:
        return strings.NOTHING.format(expression=text)
    if len(finders) == len(item.results):
        return strings.FOUND.format(expression=text)
    return strings.FOUND_BY.format(expression=text, models=strings.AND.join(views.title(one)[0] for one in finders))


def agreement(service: Service, item: Item) -> str:
    """How far two models agree about an item, and which one is better at such questions, as HTML."""
    first, second = (*offered(service), "", "")[:2]
    if not second:
        return ""
    one, other = (item.results[name].found for name in (first, second))
    short = [views.title(name)[0] for name in (first, second)]
    if not (one | other).any():
        return strings.AGREE_NEITHER
    return escape(strings.AGREE.format(first=short[0], second=short[1], iou=100 * overlap(one, other)))
