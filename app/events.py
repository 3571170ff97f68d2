"""What happens when: the page's events, and what each of them reads and writes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from app import ask, canvas, gallery, spelling, strings
from app.ask import Asking
from app.errors import plain, plainly
from app.gallery import Answered
from app.page import HIDDEN, MODELS, Shared, View, focus
from app.picture import picture_from
from app.service import MOST_EXPRESSIONS, Answer, Item, Service, Session, next_best
from cefnet.predictor import MOST_CLICKS
from cefnet.result import Click

KEPT = "async (kept, ...state) => [await window.cefnetKept?.() ?? null, ...state]"  # what `web/photos.js` kept


@dataclass(frozen=True)
class Page:
    """The parts of the page that events read or write."""

    canvas: gr.HTML
    asking: Asking
    follow: gr.Checkbox  # whether the masks follow the typing
    help: spelling.Help
    shared: Shared
    draft: gr.State  # how many items at the end of the list are still being typed
    views: dict[str, View]  # tab of the drawer -> what it shows
    take: View  # the files and the code to take away
    taking: gr.Accordion  # holds them
    tabs: dict[str, gr.Tab]
    drawer: gr.Accordion
    unfolded: gr.State  # whether the drawer is open
    opened: gr.State  # which tab of it is
    examples: gr.Gallery
    history: gr.Gallery

    @property
    def state(self) -> list[Any]:
        """What `Now` is made of, in its order."""
        shared = self.shared
        return [shared.session, shared.answer, shared.index, self.draft, shared.threshold, shared.regions]

    @property
    def outputs(self) -> list[Any]:
        """What `shown` may set."""
        shared = self.shared
        parts = [self.canvas, self.drawer, self.history, *self.help.outputs]
        return [shared.session, shared.answer, shared.index, self.draft, *parts]


@dataclass(frozen=True)
class Now:
    """What a visitor has before them."""

    session: Session
    answer: Answer | None
    index: int
    draft: int
    threshold: float
    regions: str

    @property
    def decided(self) -> Answer | None:
        return self.answer.decided(float(self.threshold), self.regions) if self.answer else None


def now(session: Session | None, *rest: Any) -> Now:
    """What `Page.state` says."""
    return Now(session or Session(), *rest)


def connect(page: Page, service: Service, blocks: gr.Blocks) -> None:
    """What happens when."""
    connect_asking(page, service)
    connect_typing(page, service)
    connect_photo(page, service)
    connect_canvas(page, service)
    connect_examples(page, service, blocks)
    connect_views(page, service)


def shown(page: Page, service: Service, now: Now) -> dict[Any, Any]:
    """Everything that follows from what a visitor has before them, but for the drawer."""
    answer = now.decided
    item = answer.items[now.index] if answer and answer.items else None
    about = spelling.show(page.help, service, item) if item else spelling.hide(page.help)
    told = {
        page.shared.session: now.session,
        page.shared.answer: now.answer,
        page.shared.index: now.index,
        page.draft: now.draft,
        page.canvas: gr.update(value=canvas.scene(service, answer, now.index, bool(now.draft))),
        page.drawer: gr.update(visible=item is not None),
        **about,
    }
    if now.answer and not now.draft:
        now.session.add(now.answer)
        told[page.history] = gallery.history(now.session, now.regions)
    return told


def asked(service: Service, now: Now, text: str) -> Now:
    """The words on the list, and in focus.

    Raises:
        gr.Error: Photo or words are missing.
        ValueError: One of them can't be used.
    """
    answer, index, _ = ask.listed(service, now.session, now.answer, now.draft, ask.expressions(text))
    return replace(now, answer=answer, index=index, draft=0)


def connect_asking(page: Page, service: Service) -> None:
    """The button, Enter, and words that are suggested."""
    asking = page.asking

    def question(text: str, *state: Any) -> dict:
        return shown(page, service, asked(service, now(*state), text))

    event: dict[str, Any] = {
        "fn": plainly(question), "inputs": [asking.expression, *page.state], "outputs": page.outputs,
        "show_progress": "minimal", "show_progress_on": [asking.button], **MODELS,
    }  # fmt: skip
    asks = gr.on([asking.button.click, asking.expression.submit], **event)
    redraw(page, asks)
    asks.success(None, js=ask.ANSWERED, **HIDDEN)
    picked = asking.more.click(lambda row: row[0], asking.more, asking.expression, **HIDDEN)
    redraw(page, picked.success(**event))
    mended = page.help.choices.click(spelling.mend, [asking.expression, page.help.choices], asking.expression, **HIDDEN)
    redraw(page, mended.success(**event))


def connect_typing(page: Page, service: Service) -> None:
    """The masks follow the typing, as long as the machine is quick enough."""
    asking = page.asking

    def typed(text: str | None, on: bool, *state: Any) -> Any:
        before = now(*state)
        if not on or text is None or before.answer is None or (not text.strip() and not before.draft):
            return gr.skip()
        try:
            after = follow(service, before, text)
        except (ValueError, gr.Error):
            return gr.skip()  # half a word may be unreadable; whoever presses Enter is told
        told = shown(page, service, after)
        seconds = max((one.timings["segment"] for one in _last(after)), default=0.0)
        if seconds > ask.SLOW:
            note = strings.TOO_SLOW.format(seconds=seconds)
            told |= {page.follow: False, asking.note: gr.update(value=note, visible=True)}
        return told

    event = asking.expression.input(
        plainly(typed), [asking.expression, page.follow, *page.state], [*page.outputs, page.follow, asking.note],
        js=ask.DEBOUNCE, trigger_mode="always_last", show_progress="hidden", **MODELS,
    )  # fmt: skip
    redraw(page, event)


def follow(service: Service, before: Now, text: str) -> Now:
    """What is being typed as the list's last items; without words they go again."""
    assert before.answer is not None
    if not text.strip():
        kept = before.answer.items[: len(before.answer.items) - before.draft]
        return replace(before, answer=replace(before.answer, items=kept), index=max(len(kept) - 1, 0), draft=0)
    answer, index, new = ask.listed(service, before.session, before.answer, before.draft, ask.expressions(text))
    return replace(before, answer=answer, index=index, draft=new)


def _last(now: Now) -> list[Any]:
    return [one for item in (now.answer.items[-1:] if now.answer else ()) for one in item.results.values()]


def connect_photo(page: Page, service: Service) -> None:
    """A new photo starts a new list; its features are made while the visitor types."""
    asking, shared = page.asking, page.shared

    def opened(path: str | None, *state: Any) -> dict:
        if path is None:
            raise plain(strings.NO_PHOTO)
        answer = Answer(picture_from(path))
        told = shown(page, service, replace(now(*state), answer=answer, index=0, draft=0))
        photo = gr.update(value=told[page.canvas]["value"], photo=canvas.photo(answer.picture))
        return told | {page.canvas: photo, asking.expression: "", asking.more: gr.update(visible=False)}

    def prepare(session: Session, answer: Answer | None) -> Session:
        if answer is not None:
            for model in service.predictors:
                service.encode(session, answer.picture, model)
        return session

    def offer(session: Session, answer: Answer | None) -> Any:
        things = ask.things_to_ask(service, session, answer) if answer is not None else []
        return gr.update(samples=[[text] for text in things], visible=True) if things else gr.skip()

    outputs = [*page.outputs, asking.expression, asking.more]
    upload = asking.photo.upload(
        plainly(opened), [asking.photo, *page.state], outputs, show_progress="minimal",
        show_progress_on=[page.canvas], api_visibility="private", trigger_mode="always_last",
    )  # fmt: skip
    hidden = {"show_progress": "hidden", **MODELS}
    known = [shared.session, shared.answer]
    prepared = upload.success(plainly(prepare), known, shared.session, **hidden)
    prepared.success(plainly(offer), known, asking.more, **hidden)  # behind whatever was asked meanwhile


def connect_canvas(page: Page, service: Service) -> None:
    """What somebody points at, corrects, removes, looks at."""

    def act(event: gr.EventData, *state: Any) -> dict:
        before = now(*state)
        if before.answer is None:
            raise plain(strings.NO_PHOTO)
        return shown(page, service, changed(service, before, event._data or {}))

    def look(event: gr.EventData, model: str, *state: Any) -> dict:
        before, seen = now(*state), event._data or {}
        if seen.get("model") in service.predictors:
            model = seen["model"]
        if before.answer is not None and "key" in seen:
            before = replace(before, index=before.answer.number(int(seen["key"])))
        return shown(page, service, before) | {page.shared.model: model}

    acted = page.canvas.act(
        plainly(act), page.state, page.outputs, show_progress="minimal", show_progress_on=[page.canvas], **MODELS
    )
    redraw(page, acted)
    looks = {"trigger_mode": "multiple", **HIDDEN}
    looked = page.canvas.look(
        plainly(look), [page.shared.model, *page.state], [*page.outputs, page.shared.model], **looks
    )
    redraw(page, looked)


def changed(service: Service, before: Now, wish: dict[str, Any]) -> Now:
    """What somebody did on the canvas or the list: `do` names it, `key` the item.

    Raises:
        gr.Error: It is nothing that can be done here.
        ValueError: The item is gone, or a click can't be used.
    """
    answer = before.decided
    assert answer is not None
    what, key = wish.get("do"), wish.get("key")
    if what == "use":
        return asked(service, before, str(wish.get("text", "")))
    if what == "restore":
        return restored(service, before, wish.get("items"))
    if what == "point" and not answer.items:
        if not service.clickable():
            raise plain(strings.ASK_FIRST)
        answer, key = answer.with_items([service.blank()]), None
    number = answer.number(int(key)) if key is not None else len(answer.items) - 1
    item = answer.items[number]
    nothing_left = not item.expression and (what == "reset" or (what == "undo" and len(item.clicks) < 2))
    if what == "drop" or nothing_left:
        left = answer.without(item.key)
        return replace(before, answer=left, index=max(min(before.index, len(left.items) - 1), 0), draft=0)
    mended = mend(service, before.session, answer, item, wish)
    return replace(before, answer=answer.with_item(mended), index=number, draft=0)


def restored(service: Service, before: Now, items: Any) -> Now:
    """What the browser kept of an earlier list, asked again: for each item text and clicks (y, x, here)."""
    for one in items[:MOST_EXPRESSIONS] if isinstance(items, list) else []:
        clicks = [(float(y), float(x), bool(here)) for y, x, here in one.get("clicks", [])]
        text = str(one.get("text", ""))
        if text.strip():
            before = asked(service, before, text)
        for y, x, here in clicks[:MOST_CLICKS]:
            point = {"do": "point", "y": y, "x": x, "here": here}
            assert before.answer is not None
            key = {"key": before.answer.items[before.index].key} if text.strip() else {}
            before = changed(service, before, point | key)
    return before


def mend(service: Service, session: Session, answer: Answer, item: Item, wish: dict[str, Any]) -> Item:
    """The item as somebody corrected it: `point` with y, x (shares of the sides) and here; `undo`, `reset`, `next`.

    Raises:
        gr.Error: It is none of these.
        ValueError: The click can't be used.
    """
    what, (height, width) = wish.get("do"), answer.picture.pixels.shape[:2]
    if what == "next":
        return next_best(item)
    if what == "point":
        click = Click(float(wish["y"]) * height, float(wish["x"]) * width, bool(wish.get("here", True)))
        return service.point(session, answer.picture, item, [*item.clicks, click])
    if what in ("undo", "reset"):
        return service.point(session, answer.picture, item, item.clicks[:-1] if what == "undo" else [])
    raise plain(strings.UNKNOWN_ACTION)


def connect_examples(page: Page, service: Service, blocks: gr.Blocks) -> None:
    """The examples, the first of which is answered when the page opens, and the history."""
    answers, asking = Answered(service), page.asking

    def open_(before: Now, answer: Answer, others: Any) -> dict:
        told = shown(page, service, replace(before, answer=answer, index=max(len(answer.items) - 1, 0), draft=0))
        return told | {
            page.canvas: gr.update(value=told[page.canvas]["value"], photo=canvas.photo(answer.picture)),
            asking.expression: answer.items[-1].expression if answer.items else "",
            asking.more: others,
        }

    def others(index: int) -> Any:
        return gr.update(samples=[[text] for text in answers.shown[index]["expressions"]], visible=True)

    def chosen(event: gr.SelectData, *state: Any) -> dict:
        before, answer = now(*state), answers.answer(event.index)
        known = [one for one in before.session.answers if one.picture.digest == answer.picture.digest]
        return open_(before, (known or [answer])[-1], others(event.index))

    def first(kept: dict[str, Any] | None, *state: Any) -> Any:
        kept = kept if isinstance(kept, dict) else {}
        if kept.get("photo"):  # the browser uploads its own again
            return gr.skip()
        index = int(kept.get("example") or 0) % len(answers.shown)
        answer, before = answers.answer(index), now(*state)
        if "items" in kept:
            before = restored(service, replace(before, answer=Answer(answer.picture)), kept["items"])
            answer = before.answer or answer
        return open_(before, answer, others(index))

    def again(event: gr.SelectData, *state: Any) -> dict:
        before = now(*state)
        return open_(before, before.session.answers[-1 - event.index], gr.update(visible=False))

    outputs = [*page.outputs, asking.expression, asking.more]
    quiet = {"show_progress": "hidden", "trigger_mode": "multiple", **MODELS}  # of several clicks the last one stays
    redraw(page, page.examples.select(plainly(chosen), page.state, outputs, **quiet))
    redraw(page, page.history.select(plainly(again), page.state, outputs, **quiet))
    kept = gr.JSON(visible=False)
    redraw(page, blocks.load(plainly(first), [kept, *page.state], outputs, js=KEPT, **quiet))


def connect_views(page: Page, service: Service) -> None:
    """Redrawing: the canvas, and whichever tab of the drawer is open."""
    shared = page.shared

    def again(*state: Any) -> Any:
        before = now(*state)
        return gr.skip() if before.answer is None else shown(page, service, before)

    options: dict[str, Any] = {"trigger_mode": "always_last", "concurrency_limit": 4, **HIDDEN}
    changes = [shared.regions.input, shared.threshold.change]
    redraw(page, gr.on(changes, plainly(again), page.state, page.outputs, **options))
    for name, tab in page.tabs.items():
        tab.select(lambda name=name: name, None, page.opened, **HIDDEN).then(**drawing(page))
    page.taking.expand(**drawing(page))
    page.drawer.expand(lambda: True, None, page.unfolded, **HIDDEN).then(**drawing(page))
    page.drawer.collapse(lambda: False, None, page.unfolded, **HIDDEN)


def drawing(page: Page) -> dict[str, Any]:
    """The event that draws the files to take away and the open tab."""

    def draw(unfolded: bool, opened: str, *inputs: Any) -> Any:
        if inputs[0] is None or not inputs[0].items:
            return gr.skip()
        seen = focus(*inputs)
        return page.take.draw(seen) | (page.views[opened].draw(seen) if unfolded else {})

    outputs = [part for view in (page.take, *page.views.values()) for part in view.outputs]
    fn, inputs = plainly(draw), [page.unfolded, page.opened, *page.shared.inputs]
    return {
        "fn": fn,
        "inputs": inputs,
        "outputs": outputs,
        "concurrency_limit": 4,
        "trigger_mode": "multiple",
        **HIDDEN,
    }


def redraw(page: Page, event: Any) -> None:
    """Has the open tab drawn after an event."""
    event.success(**drawing(page))
