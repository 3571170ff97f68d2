"""The tab "VCM against ACM": where two models' answers agree, and what each costs."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from app import strings, views
from app.errors import plainly
from app.gpu import on_gpu
from app.page import HIDDEN, MODELS, Shared, View, focus, picture_output
from app.parts import following, hint, overlap
from app.service import Focus, Service, Session
from cefnet import render
from cefnet.cost import MEGABYTE, attention_memory_of, work_of
from cefnet.result import Result

SIZES = (256, 640)  # pixels: what the input size can be set to, from and to
STEP = 64
TYPICAL = 8  # word pieces of the expression whose arithmetic is counted


@dataclass(frozen=True)
class Cost:
    """What a first expression costs a model.

    Attributes:
        flop: Floating-point operations.
        memory: Bytes of its largest co-attention, as in the paper's Table 5.
    """

    flop: int
    memory: int


@dataclass(frozen=True, eq=False)  # Gradio hashes what a state holds: by identity
class Sized:
    """Both models' answers to one expression, at an input size that somebody chose (0: each model's own).

    Attributes:
        digest: Of the picture.
        results: One a model, as `Service.segment` gives it.
        seconds: One a model.
        size: Pixels.
    """

    digest: str
    results: tuple[Result, ...]
    seconds: tuple[float, ...]
    size: int

    def answers(self, now: Focus) -> bool:
        """Whether this is about the picture and the expression in focus."""
        return self.digest == now.answer.picture.digest and self.results[0].expression == now.result.expression


def tab(service: Service, shared: Shared) -> View:
    """The first two models; a note where there is only one."""
    names = list(service.predictors)[:2]
    if len(names) < 2:
        gr.HTML(strings.COMPARE_ONE.format(name=escape(views.title(names[0])[0])), elem_id="compare-one")
        return View([], lambda _: {})
    titles = {"first": views.title(names[0])[0], "second": views.title(names[1])[0]}
    hint(escape(strings.COMPARE_HINT.format(**titles)))
    ran = gr.State(None)
    head = gr.HTML(elem_id="compare-about")
    agreed = picture_output("agreement", strings.AGREEMENT)
    legend = gr.HTML(elem_id="agreement-legend")
    facts = gr.HTML(elem_id="compare-facts")
    size, priced, run = layout_sizes(service, names)

    def show(now: Focus, ran: Sized | None) -> dict[Any, Any]:
        shown = ran if ran is not None and ran.answers(now) else as_answered(now, names)
        found = [now.alike(result).found for result in shown.results]
        photo = now.answer.picture.pixels
        return {
            head: about_both(now, names, shown.size),
            agreed: gr.update(
                value=render.agreement(photo, found[0], found[1]), alt_text=strings.AGREEMENT_ALT.format(**titles)
            ),
            legend: words_for(found, names),
            facts: table(strings.COMPARE_FACTS, [facts_of(shown, n, found[n], name) for n, name in enumerate(names)]),
        }

    view = following(shared, [ran], [head, agreed, legend, facts], show)
    connect_sizes(service, shared, names, ran, size, run)
    connect_costs(service, names, view.outputs[0], size, priced)
    return view


def as_answered(now: Focus, names: Sequence[str]) -> Sized:
    """The kept answers, each at its model's own size."""
    results = tuple(now.of(name) for name in names)
    return Sized(now.answer.picture.digest, results, tuple(now.item.seconds[name] for name in names), 0)


# Input size and costs


def layout_sizes(service: Service, names: Sequence[str]) -> tuple[gr.Slider, gr.HTML, gr.Button]:
    """The input size, what it costs, and a button that runs both models at it."""
    own = min(max(service.predictors[names[0]].config.image_size, SIZES[0]), SIZES[1])
    with gr.Row(elem_id="compare-size"):
        size = gr.Slider(
            *SIZES, own, step=STEP, label=strings.SIZE, info=strings.SIZE_INFO, scale=3, min_width=220, buttons=[],
            elem_id="size",
        )  # fmt: skip
        run = gr.Button(strings.RUN_AT_SIZE, scale=1, min_width=160, elem_id="run-at-size")
    return size, gr.HTML(elem_id="compare-costs"), run


def connect_sizes(
    service: Service, shared: Shared, names: Sequence[str], ran: gr.State, size: gr.Slider, run: gr.Button
) -> None:
    """The button asks both models again."""

    def run_at(session: Session | None, size: int, *inputs: Any) -> Sized:
        now = focus(*inputs)
        picture, asked = now.answer.picture, [now.result.expression]
        session = session or Session()
        told = [service.segment(session, picture, name, asked, int(size), explain=False) for name in names]
        return Sized(picture.digest, tuple(found[0] for found, _ in told), tuple(took for _, took in told), int(size))

    run.click(
        plainly(run_at), [shared.session, size, *shared.inputs], ran, show_progress="minimal", show_progress_on=[run],
        **MODELS,
    )  # fmt: skip


def connect_costs(service: Service, names: Sequence[str], asked: gr.State, size: gr.Slider, priced: gr.HTML) -> None:
    """The costs follow the size, from the time on that the tab is `asked` for."""
    cost = costs(service)

    def price(when: float | None, size: int) -> Any:
        if when is None:
            return gr.skip()
        caption, *heads = strings.COMPARE_COSTS
        rows = [costs_of(service, cost, name, int(size)) for name in names]
        return table([caption.format(size=int(size)), *heads], rows)

    events, options = [asked.change, size.input], {**MODELS, **HIDDEN}
    gr.on(events, plainly(price), [asked, size], priced, trigger_mode="always_last", **options)


def costs(service: Service) -> Callable[[str, int], Cost]:
    """A function of model and input size that measures each once, one at a time."""
    lock = threading.Lock()

    def measure(name: str, size: int) -> Cost:
        model = service.predictors[name].model
        return Cost(work_of(model, size, TYPICAL).total, max(attention_memory_of(model, size).values()))

    kept = functools.cache(on_gpu(measure))

    def cost(name: str, size: int) -> Cost:
        with lock:  # the profiler belongs to the process
            return kept(name, size)

    return cost


def costs_of(service: Service, cost: Callable[[str, int], Cost], name: str, size: int) -> list[str]:
    """A model's row of the table of costs."""
    own = service.predictors[name].config.image_size
    now, usual = cost(name, size), cost(name, own)
    memory = strings.MEGABYTES.format(memory=now.memory / MEGABYTE) if usual.memory else strings.NO_ATTENTION
    return [
        views.title(name)[0],
        strings.GFLOP.format(work=now.flop / 1e9) + times(now.flop, usual.flop, own, size),
        memory + (times(now.memory, usual.memory, own, size) if usual.memory else ""),
    ]


def times(now: int, usual: int, own: int, size: int) -> str:
    """How much more than at the model's own size, in words; nothing at that size."""
    return "" if size == own else strings.TIMES.format(times=now / usual, size=own)


# What is shown


def about_both(now: Focus, names: Sequence[str], size: int) -> str:
    """The expression, the models and the input size."""
    said = strings.FOR.format(expression=now.result.expression, model=strings.AND.join(short_names(names)))
    at = strings.AT_SIZE.format(size=size) if size else strings.AT_OWN_SIZE
    return f'<p class="about" role="status">{escape(said)}, {escape(at)}</p>'


def words_for(found: Sequence[NDArray[np.bool_]], names: Sequence[str]) -> str:
    """The colours of the agreement map in words, how large each is, and the overlap."""
    first, second = found
    short = short_names(names)
    rows = [
        (render.BOTH, strings.BOTH, first & second),
        (render.FIRST, strings.ONLY.format(model=short[0]), first & ~second),
        (render.SECOND, strings.ONLY.format(model=short[1]), second & ~first),
    ]
    items = "".join(
        f'<li><i class="swatch" style="background:{views.css(colour)}"></i> {escape(text)}: '
        f"{strings.AREA.format(area=100 * mask.mean())}</li>"
        for colour, text, mask in rows
    )
    told = strings.NEITHER if not (first | second).any() else strings.IOU.format(iou=overlap(first, second))
    return f'<ul class="agreement">{items}</ul><p class="agreement">{told}</p>'


def facts_of(shown: Sized, n: int, mask: NDArray[np.bool_], name: str) -> list[str]:
    """A model's row of the table of what it answered."""
    result = shown.results[n]
    area = strings.AREA.format(area=100 * mask.mean()) if result.present else strings.NOTHING_NOTE
    return [views.title(name)[0], f"{result.score:.2f}", area, views.duration(shown.seconds[n])]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of plain text; `heads` are its caption and the column heads, a row starts with its own head."""
    caption, *columns = heads
    top = "<td></td>" + "".join(f'<th scope="col">{escape(one)}</th>' for one in columns)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{escape(one)}</td>" for one in rest)}</tr>'
        for name, *rest in rows
    )
    return f'<table class="compare"><caption>{escape(caption)}</caption><tr>{top}</tr>{body}</table>'


def short_names(names: Sequence[str]) -> list[str]:
    return [views.title(name)[0] for name in names]
