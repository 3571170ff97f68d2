"""The tab "What each word does": the mask without each word, and as the sentence grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

import gradio as gr
import numpy as np

from app import strings
from app.page import MODELS, STALE, Shared, View
from app.parts import Small, about, fitted, following, hint, overlap, strip
from app.service import Focus, Service, Session
from cefnet import render
from cefnet.result import Result

MOST = 16  # pictures a strip; longer expressions are taken in groups of words
BATCH = 16  # expressions a run of the network
ALIKE = 0.8  # overlap from which two masks are told to be much the same


@dataclass(frozen=True)
class Variants:
    """What one question's words do, as a browser tab keeps it.

    Attributes:
        of: The model's result for the whole expression: whose variants these are.
        groups: The expression's words, one a group unless there are more than `MOST`.
        results: Variant -> what the model says about it.
    """

    of: Result
    groups: tuple[str, ...]
    results: dict[str, Result]


def tab(service: Service, shared: Shared) -> View:
    """Worked out when the tab is opened, and kept until the question changes."""
    hint(strings.WORDWISE_HINT)
    shown, worked = gr.HTML(elem_id="wordwise"), gr.State(None, time_to_live=STALE)

    def work(now: Focus, session: Session | None, known: Variants | None) -> tuple[str, Variants]:
        whole = now.item.own[now.model]
        variants = known if known and known.of.levels is whole.levels else work_out(service, session or Session(), now)
        return page(now, variants), variants

    return following(shared, [], [shown, worked], work, [shared.session, worked], show_progress="minimal", **MODELS)


def work_out(service: Service, session: Session, now: Focus) -> Variants:
    """Asks the model in focus for all variants of the expression in focus, in batches."""
    predictor = service.predictors[now.model]
    said = now.result.expression
    words = predictor.tokenizer.encode(said, predictor.config.max_tokens).words if said.strip() else ()
    groups = grouped(words, MOST)
    wanted = list(dict.fromkeys([*without(groups), *growing(groups)[:-1]])) if len(groups) > 1 else []
    results: dict[str, Result] = {}
    for start in range(0, len(wanted), BATCH):
        batch = wanted[start : start + BATCH]
        found, _ = service.segment(session, now.answer.picture, now.model, batch, explain=False)
        results.update(zip(batch, found, strict=True))
    return Variants(now.item.own[now.model], tuple(groups), results)


def grouped(words: Sequence[str], most: int) -> list[str]:
    """The words in at most `most` groups of neighbours, as even as can be."""
    return (
        [" ".join(group) for group in np.array_split(np.array(words, object), min(most, len(words)))] if words else []
    )


def without(groups: Sequence[str]) -> list[str]:
    """The expression without each group, in order."""
    return [" ".join([*groups[:n], *groups[n + 1 :]]) for n in range(len(groups))]


def growing(groups: Sequence[str]) -> list[str]:
    """The expression up to each group, in order; the last is whole."""
    return [" ".join(groups[: n + 1]) for n in range(len(groups))]


def page(now: Focus, variants: Variants) -> str:
    """Both strips as HTML, and in words which word matters most."""
    groups = variants.groups
    if not groups:
        return about(now) + f'<p class="hint">{escape(strings.WORDS_CLICKED)}</p>'
    if len(groups) < 2:
        return about(now) + f'<p class="hint">{escape(strings.WORDWISE_ONE.format(word=now.result.expression))}</p>'
    photo, whole = fitted(now)
    height, width = photo.shape[:2]
    results = {text: replace(now.alike(one), height=height, width=width) for text, one in variants.results.items()} | {
        growing(groups)[-1]: whole
    }
    less = [
        small(photo, results[text], whole, strings.WORDWISE_LEFT_OUT.format(words=group), whole)
        for group, text in zip(groups, without(groups), strict=True)
    ]
    before: list[Result | None] = [None, *(results[text] for text in growing(groups))]
    more = [
        small(photo, results[text], whole, text, previous)
        for text, previous in zip(growing(groups), before, strict=False)
    ]
    notes = [summary(groups, [results[text] for text in without(groups)], whole)]
    if any(" " in group for group in groups):
        notes.append(strings.WORDWISE_GROUPS)
    said = "".join(f"<p>{escape(one)}</p>" for one in notes)
    strips = ((strings.WORDWISE_WITHOUT, less), (strings.WORDWISE_GROWING, more))
    return about(now) + said + "".join(f"<h2>{title}</h2>{strip(pictures, title)}" for title, pictures in strips)


def small(photo: render.Photo, result: Result, whole: Result, title: str, before: Result | None) -> Small:
    """One variant: its mask, its score, the change since `before`, and the overlap with the mask of the whole."""
    mask = result.found
    notes = [strings.WORDWISE_SCORE.format(score=result.score)]
    if before is not None:
        notes[0] += f" ({signed(result.score - before.score)})"
    if not mask.any():
        notes.append(strings.WORDWISE_UNCERTAIN if result.present else strings.WORDWISE_NOTHING)
    elif whole.found.any():
        notes.append(strings.WORDWISE_OVERLAP.format(overlap=overlap(mask, whole.found)))
    alt = strings.WORDWISE_ALT if mask.any() else strings.WORDWISE_ALT_NOTHING
    words = result.expression if mask.any() and result is not whole else ""
    return Small(render.overlay(photo, mask), title, ", ".join(notes), alt.format(expression=result.expression), words)


def summary(groups: Sequence[str], less: Sequence[Result], whole: Result) -> str:
    """Which word changes the mask most when it is left out."""
    if not whole.found.any():
        return strings.WORDWISE_ABSENT
    overlaps = [overlap(result.found, whole.found) for result in less]
    least = int(np.argmin(overlaps))
    if not less[least].found.any():
        return strings.WORDWISE_LOST.format(words=groups[least])
    text = strings.WORDWISE_MOST if overlaps[least] < ALIKE else strings.WORDWISE_SAME
    return text.format(words=groups[least], overlap=100 * overlaps[least])


def signed(change: float) -> str:
    """A change with its sign, to two places."""
    text = f"{change:+.2f}"
    return "±0.00" if text in ("+0.00", "-0.00") else text.replace("-", "−")
