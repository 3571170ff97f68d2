"""Asking: the photo, the words, and following what is being typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from app import strings
from app.errors import plain
from app.fields import file_of
from app.service import Answer, Service, Session

SLOW = 2.0  # seconds an answer takes from which the typing is no longer followed
# Asked of every new photo, so that those which are there can be offered; words that training met often.
THINGS = ("man", "woman", "child", "dog", "cat", "car", "bicycle", "horse", "chair", "cup", "boat", "food")
OFFERED = 4  # of them at most
KINDS = ["image", ".heic", ".heif", ".tif", ".tiff", ".avif"]  # files of photos; browsers don't call all of them images
# Waits for a pause in the typing, then sends what the box holds by then; nothing where an example or an answer of the
# history was clicked meanwhile. An event that waits its turn is replaced by the newest (trigger_mode="always_last").
DEBOUNCE = """async (text, ...rest) => {
  await new Promise(done => setTimeout(done, 300));
  const box = document.querySelector("#expression textarea, #expression input");
  const gone = document.activeElement?.closest("#examples, #history, #asked");
  return [gone ? null : box.value, ...rest];
}"""
# After an answer the words are selected, so that the next ones replace them; on a phone the keyboard goes and the
# picture comes into sight.
ANSWERED = """() => {
  const box = document.querySelector("#expression textarea, #expression input");
  if (!matchMedia("(pointer: coarse)").matches) return void (document.activeElement === box && box.select());
  box.blur();
  document.querySelector("#canvas")?.scrollIntoView({block: "start"});
}"""


@dataclass(frozen=True)
class Asking:
    """The parts of the page that ask.

    Attributes:
        photo: Takes a file.
        expression: One expression a line, or with ; between them.
        button: Asks.
        note: Why the typing is no longer followed.
        more: Expressions to try with this photo.
    """

    photo: gr.UploadButton
    expression: gr.Textbox
    button: gr.Button
    note: gr.HTML
    more: gr.Dataset


def layout() -> Asking:
    """Lays the parts out, in one row."""
    with gr.Row(elem_id="ask"):
        photo = gr.UploadButton(
            strings.PHOTO_BUTTON, file_types=KINDS, scale=0, min_width=96, elem_id="photo", size="lg"
        )
        photo.preprocess = file_of  # type: ignore[method-assign, assignment]  # the file as it is
        expression = gr.Textbox(
            label=strings.EXPRESSION, show_label=False, placeholder=strings.EXPRESSION_EXAMPLE, container=False,
            lines=1, max_lines=8, scale=4, min_width=160, elem_id="expression",
        )  # fmt: skip
        button = gr.Button(strings.FIND, variant="primary", scale=0, min_width=96, elem_id="find")
    gr.HTML(strings.EXPRESSION_INFO, elem_classes="hint", elem_id="ask-hint")
    note = gr.HTML(visible=False, elem_id="follow-note")
    text = gr.Textbox(visible=False)
    more = gr.Dataset(components=[text], samples=[[""]], label=strings.MORE, visible=False, elem_id="more")
    return Asking(photo, expression, button, note, more)


def expressions(text: str) -> list[str]:
    """What is asked for: "dog; cat" and lines are several; each once, in order.

    Raises:
        gr.Error: Nothing is.
    """
    said = dict.fromkeys(part.strip() for part in re.split(r"[\n;]", text) if part.strip())
    if not said:
        raise plain(strings.NO_EXPRESSION)
    return list(said)


def listed(
    service: Service, session: Session, answer: Answer | None, draft: int, texts: Sequence[str]
) -> tuple[Answer, int, int]:
    """Brings expressions onto the list.

    Args:
        service: Answers what is not on the list yet.
        session: Whose features of the picture are used.
        answer: The list, or None without a photo.
        draft: How many items at its end were being typed; those that are not among `texts` go.
        texts: As typed.

    Returns:
        The list, the number of the item for the last of `texts`, and how many items at its end are new.

    Raises:
        gr.Error: There is no photo.
        ValueError: An expression can't be used, or the list is full.
    """
    if answer is None:
        raise plain(strings.NO_PHOTO)
    kept = answer.items[: len(answer.items) - draft]
    typed = {item.expression: item for item in answer.items[len(kept) :]}
    fresh = [text for text in texts if text not in {item.expression for item in kept}]
    unknown = [text for text in fresh if text not in typed]
    if unknown:
        Answer(answer.picture, kept).room(len(fresh))
        typed |= {item.expression: item for item in service.ask(session, answer.picture, unknown).items}
    told = Answer(answer.picture, kept).with_items([typed[text] for text in fresh])
    return told, told.expressions.index(texts[-1]), len(fresh)


def things_to_ask(service: Service, session: Session, answer: Answer) -> list[str]:
    """Which of `THINGS` are probably in a photo, the surest first, by the model that is explained first."""
    model = list(service.predictors)[-1]
    results, _ = service.segment(session, answer.picture, model, THINGS, explain=False)
    found = [
        (one.score, one.expression) for one in results if one.found.any() and one.score >= strings.LIMITS["probably"]
    ]
    return [text for _, text in sorted(found, reverse=True)[:OFFERED]]
