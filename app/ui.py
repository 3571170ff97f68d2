"""Layout of the page (Gradio 6 Blocks)."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import gradio as gr

from app import about, api, ask, attend, canvas, compare, explain, gallery, spelling, strings, takeaway, wordwise
from app.events import Page, connect
from app.gradio_guard import Blocks
from app.page import STALE, Shared, View
from app.service import Service

SWEEP = STALE // 6, STALE * 5 // 6  # how often Gradio looks for files, and from which age on it removes them
TABS: dict[str, Callable[[Service, Shared], View]] = {
    "wordwise": wordwise.tab,
    "boundary": explain.boundary_tab,
    "refinement": explain.refinement_tab,
    "words": explain.words_tab,
    "attention": attend.tab,
    "compare": compare.tab,
}


def build(service: Service) -> gr.Blocks:
    """The page, wired to `service`."""
    with Blocks(title=strings.TITLE, analytics_enabled=False, delete_cache=SWEEP) as blocks:
        gr.HTML(strings.HEADER, elem_id="header")
        if service.missing:
            names = escape(", ".join(service.missing))
            gr.HTML(strings.NOT_INSTALLED.format(names=names), elem_id="missing")
        session, answer = gr.State(None, time_to_live=STALE), gr.State(None, time_to_live=STALE)
        index, draft, model = gr.State(0), gr.State(0), gr.State(canvas.offered(service)[0])
        with gr.Row(equal_height=False, elem_id="desk"):
            with gr.Column(scale=7, min_width=300):
                drawn = canvas.layout(service)
                asking, words = ask.layout(), spelling.layout()
            with gr.Column(scale=3, min_width=260):
                canvas.layout_list()
                follow, threshold, regions = layout_adjust(service)
                shared = Shared(session, answer, index, model, threshold, regions)
                with gr.Accordion(strings.TAKE, open=False, elem_id="take") as taking:
                    take = takeaway.tab(service, shared)
                history = gallery.layout_history()
        drawer, views, tabs = layout_drawer(service, shared)
        examples = gallery.layout_examples()
        gr.HTML(about.footer(service), elem_id="footer")
        unfolded, opened = gr.State(False), gr.State(next(iter(TABS)))
        page = Page(
            drawn,
            asking,
            follow,
            words,
            shared,
            draft,
            views,
            take,
            taking,
            tabs,
            drawer,
            unfolded,
            opened,
            examples,
            history,
        )
        connect(page, service, blocks)
        api.endpoints(service)
    return blocks


def layout_adjust(service: Service) -> tuple[gr.Checkbox, gr.Slider, gr.Radio]:
    """Whether the typing is followed, from which probability on a pixel belongs to the mask, and which regions do."""
    predictors = list(service.predictors.values())
    decision, able = predictors[-1].decision, any(predictor.config.several for predictor in predictors)
    offered = [(text, key) for key, text in strings.REGIONS.items() if key != "auto" or able]
    with gr.Accordion(strings.ADJUST, open=False, elem_id="adjust"):
        follow = gr.Checkbox(True, label=strings.FOLLOW, container=False, elem_id="follow")
        regions = gr.Radio(
            offered, value=decision.regions,
            label=strings.REGIONS_LABEL, info=strings.REGIONS_INFO, elem_id="regions",
        )  # fmt: skip
        threshold = gr.Slider(
            0.05, 0.95, value=decision.mask_threshold, step=0.01, label=strings.THRESHOLD,
            info=strings.THRESHOLD_INFO, buttons=["reset"], elem_id="threshold",
        )  # fmt: skip
    return follow, threshold, regions


def layout_drawer(service: Service, shared: Shared) -> tuple[gr.Accordion, dict[str, View], dict[str, gr.Tab]]:
    """What explains the answer in focus, closed at first."""
    tabs, views = {}, {}
    with gr.Accordion(strings.WHY, open=False, elem_id="why") as drawer:
        with gr.Column(elem_id="results"):
            with gr.Tabs(elem_id="tabs", overflow_behavior="wrap"):
                for name, layout in TABS.items():
                    with gr.Tab(strings.TABS[name], id=name) as tabs[name]:
                        views[name] = layout(service, shared)
    return drawer, views, tabs
