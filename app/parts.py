"""What the explaining tabs are made of: small pictures in a row, the scale of a heatmap, controls that redraw."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import cv2
import gradio as gr
import numpy as np
from numpy.typing import NDArray

from app import strings, views
from app.errors import plainly
from app.page import HIDDEN, Shared, View, focus
from app.picture import fit
from app.service import Focus
from cefnet import render
from cefnet.result import Result

SIDE = 512  # pixels of the longer side of a picture of a strip, which opens large


@dataclass(frozen=True)
class Small:
    """One picture of a strip.

    Attributes:
        pixels: h x w x 3 uint8 RGB.
        title: Plain text, shown in bold.
        note: Plain text, shown below it.
        alt: Plain text, what a screen reader says in place of the picture.
        words: An expression that a button below it asks for; empty: there is no button.
    """

    pixels: NDArray[np.uint8]
    title: str
    note: str
    alt: str
    words: str = ""


def strip(pictures: Sequence[Small], label: str) -> str:
    """The pictures beside each other; they wrap where there is no room. `label` names the list."""
    items = "".join(
        f'<li><figure><button type="button" class="open" title="{strings.LARGE}">'
        f'<img src="{source(one.pixels)}" alt="{escape(one.alt)}"></button>'
        f"<figcaption><b>{escape(one.title)}</b> <span>{escape(one.note)}</span></figcaption>{use(one)}</figure></li>"
        for one in pictures
    )
    return f'<ul class="strip" aria-label="{escape(label)}">{items}</ul>'


def use(one: Small) -> str:
    """The button that asks for a picture's words; `web/canvas.js` knows it by its class."""
    if not one.words:
        return ""
    return f'<button type="button" class="use" data-words="{escape(one.words)}">{strings.WORDWISE_USE}</button>'


def source(pixels: NDArray[np.uint8]) -> str:
    """A picture as a data URL (WebP): it is in the page alone, never in a file."""
    data = cv2.imencode(".webp", np.ascontiguousarray(pixels[..., ::-1]), [cv2.IMWRITE_WEBP_QUALITY, 85])[1]
    return f"data:image/webp;base64,{base64.b64encode(data.tobytes()).decode()}"


def scale(what: str, top: str = "1", bottom: str = "0") -> str:
    """The colours of `render.heatmap` from `bottom` to `top`, and what they measure; all plain text."""
    stops = ",".join(views.css(colour) for colour in render.colour_bar(17, 1)[0])
    what, top, bottom = escape(what), escape(top), escape(bottom)
    return (
        f'<div class="scale" role="img" aria-label="{what}: {bottom} is black, {top} is bright yellow.">'
        f'<span>{bottom}</span><i style="background:linear-gradient(90deg,{stops})"></i><span>{top}</span>'
        f" <em>{what}</em></div>"
    )


def overlap(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks, 0..1; 1 if both are empty."""
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 1.0


def fitted(now: Focus, side: int = SIDE) -> tuple[NDArray[np.uint8], Result]:
    """The photo and the result's maps, both small enough for a strip."""
    photo = fit(now.answer.picture.pixels, side)
    return photo, replace(now.result, height=photo.shape[0], width=photo.shape[1])


def following(
    shared: Shared,
    controls: Sequence[Any],
    outputs: list[Any],
    show: Callable[..., Any],
    inputs: Sequence[Any] = (),
    **options: Any,
) -> View:
    """A tab whose pictures depend on more than `View.draw` is given, which then only asks for them.

    Args:
        shared: What all tabs share.
        controls: Parts of the tab, followed as somebody moves them; a state, as it changes.
        outputs: What `show` sets.
        show: From a `Focus`, the controls' values and those of `inputs` to the outputs' values.
        inputs: States that are not followed.
        options: Of the event, in place of a helper's.
    """
    asked, common = gr.State(None), len(shared.inputs)

    def follow(when: float | None, *values: Any) -> Any:
        if when is None:  # the browser calls a state changed when it first hears of it
            return gr.skip()
        return show(focus(*values[:common]), *values[common:])

    # `input` is somebody's hand alone, not what an event sets
    moved = [control.change if isinstance(control, gr.State) else control.input for control in controls]
    event = {"trigger_mode": "always_last", "concurrency_limit": 4, **HIDDEN, **options}
    gr.on([asked.change, *moved], plainly(follow), [asked, *shared.inputs, *controls, *inputs], outputs, **event)
    return View([asked], lambda _: {asked: time.monotonic()})


def hint(text: str, paper: str = "") -> None:
    """What a tab shows, in plain words, and one click deeper what the paper calls it."""
    deeper = f"<details><summary>{strings.IN_PAPER}</summary>{escape(paper)}</details>" if paper else ""
    gr.HTML(text + deeper, elem_classes="hint")


def stage_radio(elem_id: str) -> gr.Radio:
    """The encoder stage to look into."""
    choices = [(text, stage) for stage, text in strings.STAGES.items()]
    return gr.Radio(choices, value=5, label=strings.STAGE, elem_id=elem_id)


def about(now: Focus, model: bool = True) -> str:
    """Which expression the pictures are about, and by which model."""
    said = strings.FOR if model else strings.QUOTED
    text = said.format(expression=now.result.expression, model=views.title(now.model)[0])
    return f'<p class="about">{escape(text)}</p>'
