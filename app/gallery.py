"""Pictures to click: the examples, and what this visitor asked before."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from app import strings, views
from app.picture import Picture, fit, picture_from
from app.service import Answer, Service, Session
from cefnet.render import overlays

EXAMPLES = Path(__file__).parent / "examples"
THUMBNAIL = 240  # pixels


def examples() -> list[dict[str, Any]]:
    """The example photos: file, expressions, licence, source."""
    return json.loads((EXAMPLES / "examples.json").read_text(encoding="utf-8"))


def number_of(picture: Picture) -> int | None:
    """Which example a picture is, counted from 0; None: it is none."""
    names = [one["file"] for one in examples()]
    path = Path(picture.path or "")
    return names.index(path.name) if path.parent == EXAMPLES and path.name in names else None


class Answered:
    """The examples' first expressions, answered when they are first wanted: the same for every visitor."""

    def __init__(self, service: Service) -> None:
        self.service, self.shown = service, examples()
        self._answers: dict[int, Answer] = {}

    def file(self, index: int) -> str:
        return str(EXAMPLES / self.shown[index]["file"])

    def answer(self, index: int) -> Answer:
        """Every model's answer to example `index`'s first expression."""
        if index not in self._answers:
            found = picture_from(self.file(index))
            self._answers[index] = self.service.ask(Session(), found, self.shown[index]["expressions"][:1])
        return self._answers[index]


def layout_examples() -> gr.Gallery:
    """The example photos, each with its first expression, and their licences."""
    shown = examples()
    captioned = [(EXAMPLES / one["file"], one["expressions"][0]) for one in shown]
    gallery = _gallery("examples", strings.EXAMPLES, 6, value=captioned)
    gr.HTML(views.credits(shown), elem_id="credits")
    return gallery


def layout_history() -> gr.Gallery:
    """The photos that the visitor asked about, newest first; out of sight while there are fewer than two."""
    return _gallery("history", strings.HISTORY, 3, visible=False)


def _gallery(elem_id: str, label: str, columns: int, **options: Any) -> gr.Gallery:
    return gr.Gallery(
        label=label, columns=columns, height="auto", fit_columns=False, interactive=False, buttons=[],
        allow_preview=False, object_fit="cover", elem_id=elem_id, **options,
    )  # fmt: skip


def history(session: Session, regions: str) -> Any:
    """What the history shows: a thumbnail with the masks of the last model, and the expressions."""
    return gr.update(
        value=[
            (thumbnail(one.decided(regions=regions)), "; ".join(one.expressions)) for one in reversed(session.answers)
        ],
        visible=len(session.answers) > 1,
    )


def thumbnail(answer: Answer) -> Any:
    """A small picture of an answer."""
    small = fit(answer.picture.pixels, THUMBNAIL)
    height, width = small.shape[:2]
    results = list(answer.results.values())[-1]
    masks = [replace(result, height=height, width=width).found for result in results]
    return overlays(small, masks, answer.colours)
