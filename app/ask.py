"""Asking: photo, expressions, and following what is being typed."""

from __future__ import annotations

import re
from dataclasses import dataclass

import gradio as gr

from app import strings
from app.errors import plain
from app.fetch import bounded
from app.fields import unopened
from app.picture import Picture, picture_from
from app.service import Answer, Service, Session

SLOW = 2.0  # seconds an answer takes from which the typing is no longer followed
# Waits for a pause in the typing, then sends what the box holds by then; nothing where an example or an answer of the
# history was clicked meanwhile. An event that waits its turn is replaced by the newest (trigger_mode="always_last").
DEBOUNCE = """async (photo, text, ...rest) => {
  await new Promise(done => setTimeout(done, 300));
  if (document.activeElement?.closest("#examples, #history")) return [photo, "", ...rest];
  return [photo, document.querySelector("#expression textarea, #expression input").value, ...rest];
}"""


@dataclass(frozen=True)
class Asking:
    """The parts of the page that ask.

    Attributes:
        photo: A file as it was uploaded.
        expression: One expression a line, or with ; between them.
        button: Asks.
        follow: Whether the masks follow the typing.
        note: Why they no longer do.
        more: Other expressions for an example photo.
    """

    photo: gr.Image
    expression: gr.Textbox
    button: gr.Button
    follow: gr.Checkbox
    note: gr.HTML
    more: gr.Dataset


def layout() -> Asking:
    """Lays the parts out."""
    photo = gr.Image(
        label=strings.PHOTO,
        type="filepath",
        image_mode=None,  # the file as it is: `read_photo` knows more kinds and turns them upright
        sources=["upload", "clipboard", "webcam"],
        height=300,
        buttons=["fullscreen"],
        elem_id="photo",
    )
    bounded(unopened(photo))
    with gr.Row(elem_id="ask"):
        expression = gr.Textbox(
            label=strings.EXPRESSION, info=strings.EXPRESSION_INFO, placeholder=strings.EXPRESSION_EXAMPLE,
            lines=1, max_lines=8, scale=4, min_width=180, elem_id="expression",
        )  # fmt: skip
        button = gr.Button(strings.FIND, variant="primary", scale=1, min_width=96, elem_id="find")
    follow = gr.Checkbox(True, label=strings.FOLLOW, container=False, elem_id="follow")
    note = gr.HTML(visible=False, elem_id="follow-note")
    text = gr.Textbox(visible=False)
    more = gr.Dataset(components=[text], samples=[[""]], label=strings.MORE, visible=False, elem_id="more")
    return Asking(photo, expression, button, follow, note, more)


def expressions(text: str) -> list[str]:
    """What is asked for: "dog; cat" and lines are several; each once, in order.

    Raises:
        gr.Error: Nothing is.
    """
    said = dict.fromkeys(part.strip() for part in re.split(r"[\n;]", text) if part.strip())
    if not said:
        raise plain(strings.NO_EXPRESSION)
    return list(said)


def picture(session: Session, path: str | None) -> Picture:
    """The picture of an upload, read once a session.

    Raises:
        gr.Error: There is none.
        ValueError: It can't be read.
    """
    if path is None:
        raise plain(strings.NO_PHOTO)
    known = session.pictures.get(path)
    if known is None:
        known = picture_from(path)
        session.pictures = {**dict(list(session.pictures.items())[-3:]), path: known}
    return known


def answer(service: Service, session: Session, now: Answer | None, path: str | None, text: str) -> Answer:
    """The answer to what is asked; `now`, the one in sight, where it is that already (typing, then Enter).

    Raises:
        gr.Error: Photo or expression is missing.
        ValueError: One of them can't be used.
    """
    found, texts = picture(session, path), expressions(text)
    if now is not None and (now.picture.digest, now.expressions) == (found.digest, tuple(texts)):
        return now
    return service.ask(session, found, texts)


def prepare(service: Service, session: Session, path: str) -> None:
    """Encodes a new photo, so that the first answer comes sooner."""
    found = picture(session, path)
    for model in service.predictors:
        service.encode(session, found, model)
