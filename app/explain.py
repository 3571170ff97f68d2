"""Tabs that show why: boundary, refinement, words; co-attention is `attend`."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import Any

import cv2
import gradio as gr
import numpy as np
from numpy.typing import NDArray

from app import strings, views
from app.page import Shared, View, picture_output
from app.parts import Small, about, fitted, following, hint, overlap, scale, stage_radio, strip
from app.service import Focus, Service
from cefnet import render

FAINT = 0.25  # a boundary map that stays below is not brightened to the full scale

# Boundary


def boundary_tab(service: Service, shared: Shared) -> View:
    """BM_1 over the greyed photo."""
    del shared
    hint(strings.BOUNDARY_HINT, strings.BOUNDARY_PAPER)
    head = gr.HTML(elem_id="boundary-about")
    picture = picture_output("boundary", strings.TABS["boundary"])
    legend = gr.HTML(elem_id="boundary-scale")

    def draw(now: Focus) -> dict[Any, Any]:
        alt = strings.BOUNDARY_ALT.format(expression=now.result.expression, model=views.title(now.model)[0])
        own = service.predictors[now.model].config.boundary
        note = "" if own else f'<p class="hint">{strings.BOUNDARY_NONE}</p>'
        pixels, top = boundary(now)
        return {
            head: about(now) + note,
            picture: gr.update(value=pixels, alt_text=alt),
            legend: scale(strings.BOUNDARY_SCALE if own else strings.SLOPE_SCALE, f"{top:.2f}"),
        }

    return View([head, picture, legend], draw)


def boundary(now: Focus) -> tuple[NDArray[np.uint8], float]:
    """The boundary map over the greyed photo, and the value shown brightest: its highest, unless all is faint."""
    found = now.result.boundary
    top = max(float(found.max()), FAINT)
    return render.heatmap(found, now.answer.picture.pixels, top), top


# Refinement


def refinement_tab(service: Service, shared: Shared) -> View:
    """The decoder's four levels, SM_4 to SM_1."""
    del service, shared
    hint(strings.REFINEMENT_HINT, strings.REFINEMENT_PAPER)
    head, shown = gr.HTML(elem_id="refinement-about"), gr.HTML(elem_id="refinement")
    gr.HTML(scale(strings.REFINEMENT_SCALE), elem_id="refinement-scale")

    def draw(now: Focus) -> dict[Any, Any]:
        note = "" if now.result.present else f'<p class="hint">{strings.REFINEMENT_ABSENT}</p>'
        return {head: about(now) + note, shown: strip(refinement(now), strings.REFINEMENT_LIST)}

    return View([head, shown], draw)


def refinement(now: Focus) -> list[Small]:
    """What each level answers, coarse to fine, in the level's own places; no outline where nothing is present."""
    photo, result = fitted(now)
    answer = result.mask
    pictures = []
    for n, level in sorted(enumerate(result.levels, 1), reverse=True):
        places = cv2.resize(level, photo.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        mask = replace(result, levels=(level,)).mask
        pixels = render.heatmap(places, photo, top=1.0)
        height, width = level.shape
        note = strings.LEVEL_LAST if n == 1 else strings.LEVEL_NOTE.format(overlap=overlap(mask, answer))
        pictures.append(Small(
            render.outline(pixels, mask) if result.present else pixels,
            strings.LEVEL.format(step=5 - n, height=height, width=width),
            note if result.present else "",
            strings.LEVEL_ALT.format(level=n, height=height, width=width),
        ))  # fmt: skip
    return pictures


# Words


def words_tab(service: Service, shared: Shared) -> View:
    """A heatmap for each typed word, at a stage."""
    hint(strings.WORDS_HINT, strings.WORDS_PAPER)
    stage = stage_radio("words-stage")
    shown = gr.HTML(elem_id="words")

    def show(now: Focus, stage: int) -> str:
        if service.predictors[now.model].config.attention == "none":
            return about(now) + f'<p class="hint">{strings.WORDS_NONE}</p>'
        typed = [word for word, _ in now.result.word_attention(stage)]
        if len(typed) < 2:
            note = strings.WORDS_SINGLE.format(word=typed[0]) if typed else strings.WORDS_CLICKED
            return about(now) + f'<p class="hint">{escape(note)}</p>'
        pictures, top = words(now, stage)
        return about(now) + strip(pictures, strings.WORDS_LIST) + scale(strings.WORDS_SCALE, f"{top:.2f}")

    return following(shared, [stage], [shown], show)


def words(now: Focus, stage: int) -> tuple[list[Small], float]:
    """A picture for each word, all on one scale, and the value shown brightest."""
    photo, result = fitted(now)
    found, maps = result.found, result.word_attention(stage)
    top = max(float(heat.max()) for _, heat in maps)
    pictures = []
    for word, heat in maps:
        shares = {"all": 100 * heat.mean(), "found": 100 * heat[found].mean() if found.any() else 0}
        note = (strings.WORD_NOTE if found.any() else strings.WORD_NOTE_ABSENT).format(**shares)
        pictures.append(Small(render.heatmap(heat, photo, top), word, note, strings.WORD_ALT.format(word=word)))
    return pictures, top
