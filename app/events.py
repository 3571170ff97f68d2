"""What happens when: the page's events, and what each of them reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from app import ask, gallery, spelling, strings, views
from app.ask import Asking
from app.errors import plainly
from app.gallery import Answered
from app.masks import Masks
from app.page import HIDDEN, MODELS, Shared, View, focus
from app.service import Answer, Service, Session


@dataclass(frozen=True)
class Page:
    """The parts of the page that events read or write."""

    asking: Asking
    help: spelling.Help
    verdict: gr.HTML
    results: gr.Column
    masks: Masks
    views: dict[str, View]  # tab -> what it shows; the tab "mask" is `masks`
    tabs: dict[str, gr.Tab]
    opened: gr.State  # which tab is
    shared: Shared
    examples: gr.Gallery
    history: gr.Gallery


def connect(page: Page, service: Service, blocks: gr.Blocks) -> None:
    """What happens when."""
    connect_asking(page, service)
    connect_examples(page, service, blocks)
    connect_views(page)


def answered(page: Page, service: Service, session: Session, answer: Answer, *shown: Any) -> dict:
    """Everything that changes with an answer, but for the tabs other than "Mask"; `shown`: values of `masks.ways`."""
    several = len(answer.expressions) > 1
    texts = [(text, n) for n, text in enumerate(answer.expressions)]
    inputs: list[Any] = [*shown, list(range(len(texts)))]
    return {
        page.shared.session: session,
        page.shared.answer: answer,
        page.shared.index: gr.update(choices=texts, value=0, visible=several),
        page.verdict: views.verdict(answer),
        page.results: gr.update(visible=True),
        page.masks.legend: page.masks.choices(answer),
        **spelling.show(page.help, service, answer),
        **page.masks.draw(answer, *inputs),
    }


def answer_outputs(page: Page) -> list[Any]:
    """What `answered` may set."""
    shared = [page.shared.session, page.shared.answer, page.shared.index]
    rest = [page.verdict, page.results, page.masks.legend, page.history, *page.help.outputs]
    return [*shared, *rest, *page.masks.outputs]


def connect_asking(page: Page, service: Service) -> None:
    """Asking, a new photo, following the typing."""
    asking = page.asking

    def question(
        session: Session | None, now: Answer | None, path: str | None, text: str, regions: str, *shown: Any
    ) -> dict:
        session = session or Session()
        answer = ask.answer(service, session, now, path, text)
        session.add(answer)
        told = answered(page, service, session, answer, regions, *shown)
        return told | {page.history: gallery.history(session, regions)}

    event = {
        "fn": plainly(question),
        "inputs": [page.shared.session, page.shared.answer, asking.photo, asking.expression, *page.masks.ways],
        "outputs": answer_outputs(page),
        "show_progress": "minimal",
        "show_progress_on": [page.verdict, *page.masks.images.values()],
        "scroll_to_output": True,
        **MODELS,
    }
    redraw(page, gr.on([asking.button.click, asking.expression.submit], **event))
    picked = asking.more.click(lambda row: row[0], asking.more, asking.expression, **HIDDEN)
    redraw(page, picked.success(**event))
    mended = page.help.choices.click(spelling.mend, [asking.expression, page.help.choices], asking.expression, **HIDDEN)
    redraw(page, mended.success(**event))
    connect_photo(page, service)
    connect_typing(page, service)


def connect_photo(page: Page, service: Service) -> None:
    """A new photo: the old answer is not its own; its features are made while the visitor types."""
    asking = page.asking

    def forget() -> dict:
        hide = gr.update(visible=False)
        nothing = {page.shared.answer: None, page.verdict: strings.ASK_NOW, page.results: hide, asking.more: hide}
        return {**nothing, **spelling.hide(page.help)}

    def prepare(session: Session | None, path: str | None) -> Session:
        session = session or Session()
        if path is not None:
            ask.prepare(service, session, path)
        return session

    outputs = [page.shared.answer, page.verdict, page.results, asking.more, *page.help.outputs]
    changed = asking.photo.input(forget, None, outputs, **HIDDEN)
    hidden = {"show_progress": "hidden", **MODELS}
    changed.then(plainly(prepare), [page.shared.session, asking.photo], page.shared.session, **hidden)


def connect_typing(page: Page, service: Service) -> None:
    """The masks follow the typing, as long as the machine is quick enough."""
    asking = page.asking

    def typed(path: str | None, text: str, on: bool, session: Session | None, now: Answer | None, *shown: Any) -> Any:
        session = session or Session()
        if not on or path is None or not text.strip():
            return gr.skip()
        try:
            answer = ask.answer(service, session, now, path, text)
        except (ValueError, gr.Error):
            return gr.skip()  # half a word may be unreadable; whoever presses Enter is told
        if answer is now:
            return gr.skip()
        told = answered(page, service, session, answer, *shown)
        seconds = sum(results[0].timings["segment"] for results in answer.results.values())
        if seconds > ask.SLOW:
            note = strings.TOO_SLOW.format(seconds=seconds)
            told |= {asking.follow: False, asking.note: gr.update(value=note, visible=True)}
        return told

    inputs = [asking.photo, asking.expression, asking.follow, page.shared.session, page.shared.answer, *page.masks.ways]
    outputs = [*answer_outputs(page), asking.follow, asking.note]
    event = asking.expression.input(
        plainly(typed), inputs, outputs, js=ask.DEBOUNCE, trigger_mode="always_last", show_progress="hidden", **MODELS
    )
    redraw(page, event)


def connect_examples(page: Page, service: Service, blocks: gr.Blocks) -> None:
    """The examples, the first of which is answered when the page opens, and the history."""
    answers, asking = Answered(service), page.asking
    inputs = [page.shared.session, *page.masks.ways]

    def example(index: int, session: Session | None, regions: str, *shown: Any) -> dict:
        session, answer = session or Session(), answers.answer(index)
        others = gr.update(samples=[[text] for text in answers.shown[index]["expressions"]], visible=True)
        session.add(answer)
        told = answered(page, service, session, answer, regions, *shown)
        return told | {
            page.history: gallery.history(session, regions),
            asking.photo: answers.file(index),
            asking.expression: answer.expressions[0],
            asking.more: others,
        }

    def chosen(event: gr.SelectData, *now: Any) -> dict:
        return example(event.index, *now)

    def first(*now: Any) -> dict:
        return example(0, *now)

    def again(event: gr.SelectData, session: Session | None, *shown: Any) -> dict:
        session = session or Session()
        answer = session.answers[-1 - event.index]
        told = answered(page, service, session, answer, *shown)
        return told | {
            asking.photo: answer.picture.path,
            asking.expression: "\n".join(answer.expressions),
            asking.more: gr.update(visible=False),
        }

    outputs = [*answer_outputs(page), asking.photo, asking.expression, asking.more]
    quiet = {"show_progress": "hidden", **MODELS}
    redraw(page, page.examples.select(plainly(chosen), inputs, outputs, **quiet))
    redraw(page, page.history.select(plainly(again), inputs, outputs, **quiet))
    blocks.load(plainly(first), inputs, outputs, **quiet)


def connect_views(page: Page) -> None:
    """Redrawing: the masks, the history, and whichever tab is open."""
    shown = page.masks

    def masks_again(answer: Answer | None, *chosen: Any) -> Any:
        return gr.skip() if answer is None else shown.draw(answer, *chosen)

    def history_again(session: Session | None, regions: str) -> Any:
        return gr.skip() if session is None else gallery.history(session, regions)

    options: dict[str, Any] = {"trigger_mode": "always_last", "concurrency_limit": 4, **HIDDEN}
    changes = [shown.regions.input, shown.threshold.change, shown.style.change, shown.legend.input]
    gr.on(changes, plainly(masks_again), [page.shared.answer, *shown.inputs], shown.outputs, **options)
    shown.regions.input(plainly(history_again), [page.shared.session, shown.regions], page.history, **options)
    focused = [page.shared.model.change, page.shared.index.input]
    gr.on([*focused, shown.regions.input, shown.threshold.change], **drawing(page))
    for name, tab in page.tabs.items():
        tab.select(lambda name=name: name, None, page.opened, **HIDDEN).then(**drawing(page))


def drawing(page: Page) -> dict[str, Any]:
    """The event that draws the open tab."""

    def draw(opened: str, *inputs: Any) -> Any:
        if opened not in page.views or inputs[0] is None:
            return gr.skip()
        return page.views[opened].draw(focus(*inputs)) or gr.skip()

    outputs = [part for view in page.views.values() for part in view.outputs]
    fn, inputs = plainly(draw), [page.opened, *page.shared.inputs]
    return {"fn": fn, "inputs": inputs, "outputs": outputs, "concurrency_limit": 4, **HIDDEN}


def redraw(page: Page, event: Any) -> None:
    """Has the open tab drawn after an event."""
    event.success(**drawing(page))
