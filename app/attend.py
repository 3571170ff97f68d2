"""The tab "Co-attention": a place of the photo, and what each model brings together with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import gradio as gr
import numpy as np
from numpy.typing import NDArray

from app import strings, views
from app.errors import plainly
from app.page import HIDDEN, Shared, View, focus, picture_output
from app.parts import about, fitted, following, hint, scale, stage_radio
from app.picture import fit
from app.service import Focus, Service
from cefnet import render

Map = NDArray[np.float32]
Place = tuple[str, float, float]  # the picture's digest; down and across, as fractions of its sides

SIDE = 640  # pixels of the longer side of the pictures


def tab(service: Service, shared: Shared) -> View:
    """Click a place, or move it with sliders; all models side by side, on one scale."""
    hint(strings.ATTENTION_HINT, strings.ATTENTION_PAPER)
    stage, place = stage_radio("attention-stage"), gr.State(None)
    head = gr.HTML(elem_id="attention-about")
    pictures, notes = {}, {}
    with gr.Row(elem_id="attention"):
        with gr.Column(min_width=220):
            photo = picture_output("attention-photo", strings.ATTENTION_PHOTO)
        for name in service.predictors:
            with gr.Column(min_width=220):
                pictures[name] = picture_output(f"attention-{name}", strings.TABS["attention"])
                notes[name] = gr.HTML(elem_id=f"attention-note-{name}")
    legend = gr.HTML(elem_id="attention-scale")
    with gr.Row():
        across = gr.Slider(0, 100, 50, step=1, label=strings.ATTENTION_ACROSS, elem_id="attention-across")
        down = gr.Slider(0, 100, 50, step=1, label=strings.ATTENTION_DOWN, elem_id="attention-down")
    choose(shared, place, [photo, *pictures.values()], across, down)

    def show(now: Focus, stage: int, chosen: Place | None) -> dict[Any, Any]:
        plain, result = fitted(now, SIDE)
        ours = chosen is not None and chosen[0] == now.answer.picture.digest
        y, x = pixel(chosen[1:], plain) if chosen and ours else centre(result.found)
        at = {"y": 100 * y / plain.shape[0], "x": 100 * x / plain.shape[1]}
        maps = {name: attention(service, now, name, y, x, stage) for name in pictures}
        top = max((float(heat.max()) for heat in maps.values() if heat is not None), default=1.0)
        marked = render.mark(render.outline(plain, result.found), y, x)
        drawn: dict[Any, Any] = {
            head: about(now, model=False), legend: scale(strings.ATTENTION_SCALE, f"{top:.1f}"),
            photo: gr.update(value=marked, alt_text=strings.ATTENTION_PHOTO),
        }  # fmt: skip
        if not ours:  # else they are where somebody is moving them
            drawn |= {across: round(at["x"]), down: round(at["y"])}
        for name, heat in maps.items():
            alt = strings.ATTENTION_ALT.format(stage=stage, model=views.title(name)[0], **at)
            heated = plain if heat is None else render.heatmap(heat, plain, top)
            drawn[pictures[name]] = gr.update(value=render.mark(heated, y, x), alt_text=alt)
            drawn[notes[name]] = views.heading(name) + note(heat, of(now, name).found)
        return drawn

    outputs = [head, photo, *pictures.values(), *notes.values(), legend, across, down]
    return following(shared, [stage, place], outputs, show)


def choose(shared: Shared, place: gr.State, pictures: list[gr.Image], across: gr.Slider, down: gr.Slider) -> None:
    """A click in any picture, or a slider, sets the place."""

    def clicked(event: gr.SelectData, *inputs: Any) -> Any:
        picture = focus(*inputs).answer.picture
        height, width = fit(picture.pixels, SIDE).shape[:2]
        x, y = event.index[0] / width, event.index[1] / height
        return (picture.digest, y, x), round(100 * x), round(100 * y)

    def moved(x: float, y: float, *inputs: Any) -> Place:
        return focus(*inputs).answer.picture.digest, y / 100, x / 100

    for picture in pictures:
        picture.select(plainly(clicked), shared.inputs, [place, across, down], **HIDDEN)
    inputs = [across, down, *shared.inputs]
    gr.on([across.input, down.input], plainly(moved), inputs, place, trigger_mode="always_last", **HIDDEN)


def of(now: Focus, model: str) -> Any:
    """The result of `model`, with maps of this tab's size."""
    return fitted(replace(now, model=model), SIDE)[1]


def pixel(place: tuple[float, float], photo: NDArray[np.uint8]) -> tuple[int, int]:
    """The pixel (y, x) at fractions of the photo's height and width; the last one at 1."""
    height, width = photo.shape[:2]
    return min(int(place[0] * height), height - 1), min(int(place[1] * width), width - 1)


def centre(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """The pixel (y, x) furthest inside the mask; the middle of the photo if the mask is empty."""
    if not mask.any():
        return mask.shape[0] // 2, mask.shape[1] // 2
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return int(y), int(x)


def attention(service: Service, now: Focus, model: str, y: int, x: int, stage: int) -> Map | None:
    """What the place attends to, in shares: 1 everywhere if all places got the same. None without co-attention."""
    if service.predictors[model].config.attention == "none":
        return None
    row = of(now, model).co_attention(y, x, stage)
    return row / row.mean()


def note(heat: Map | None, found: NDArray[np.bool_]) -> str:
    """In words, how narrow the attention is, and how much of it falls on what was found."""
    if heat is None:
        return f'<p class="note">{strings.ATTENTION_NONE}</p>'
    inside = ""
    if found.any():
        inside = strings.ATTENTION_MASK.format(inside=100 * heat[found].sum() / heat.sum(), area=100 * found.mean())
    said = strings.ATTENTION_NOTE.format(half=percent(half(heat)), mask=inside)
    return f'<p class="note">{said}</p>'


def half(heat: Map) -> float:
    """The smallest fraction of the photo that holds half of the attention: 0.5 if all is alike."""
    rising = np.cumsum(np.sort(heat.ravel())[::-1], dtype=np.float64)
    return float((np.searchsorted(rising, rising[-1] / 2) + 1) / heat.size)


def percent(fraction: float) -> str:
    """As a person reads it."""
    return f"{100 * fraction:.0f}%" if fraction >= 0.1 else f"{100 * fraction:.1f}%"
