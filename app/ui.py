"""Layout of the demo (Gradio 6 Blocks)."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import gradio as gr

from app import api, ask, attend, compare, explain, footer, gallery, masks, spelling, strings, takeaway, views, wordwise
from app.events import Page, connect
from app.masks import Masks
from app.page import STALE, Shared, View
from app.service import Service

SWEEP = STALE // 6, STALE * 5 // 6  # how often Gradio looks for files, and from which age on it removes them
TABS: dict[str, Callable[[Service, Shared], View]] = {
    "boundary": explain.boundary_tab,
    "refinement": explain.refinement_tab,
    "words": explain.words_tab,
    "attention": attend.tab,
    "wordwise": wordwise.tab,
    "compare": compare.tab,
    "take": takeaway.tab,
}


def build(service: Service) -> gr.Blocks:
    """The page, wired to `service`."""
    with gr.Blocks(title=strings.TITLE, analytics_enabled=False, delete_cache=SWEEP) as blocks:
        gr.HTML(strings.HEADER, elem_id="header")
        if service.missing:
            names = escape(", ".join(service.missing))
            gr.HTML(strings.NOT_INSTALLED.format(names=names), elem_id="missing")
        session, answer = gr.State(None, time_to_live=STALE), gr.State(None, time_to_live=STALE)
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=280):
                asking, words = ask.layout(), spelling.layout()
                history = gallery.layout_history()
            with gr.Column(scale=8, min_width=280):
                verdict = gr.HTML(elem_id="verdict")
                with gr.Column(elem_id="results") as results:
                    shown, views_of, tabs, shared = layout_tabs(service, session, answer)
        examples = gallery.layout_examples()
        gr.HTML(footer.footer(service), elem_id="footer")
        opened = gr.State("mask")
        page = Page(asking, words, verdict, results, shown, views_of, tabs, opened, shared, examples, history)
        connect(page, service, blocks)
        api.endpoints(service)
    return blocks


def layout_tabs(
    service: Service, session: gr.State, answer: gr.State
) -> tuple[Masks, dict[str, View], dict[str, gr.Tab], Shared]:
    """What is explained, and the tabs."""
    names = [(views.title(name)[0], name) for name in service.predictors]
    with gr.Row(elem_id="in-focus", visible=len(names) > 1):
        model = gr.Radio(names, value=names[-1][1], label=strings.EXPLAIN_MODEL, elem_id="model")
        index = gr.Radio([], label=strings.EXPLAIN_EXPRESSION, visible=False, elem_id="index")
    tabs, shown = {}, {}
    with gr.Tabs(elem_id="tabs", overflow_behavior="wrap"):
        with gr.Tab(strings.TABS["mask"], id="mask") as tabs["mask"]:
            mask = masks.layout(service)
        shared = Shared(session, answer, index, model, mask.threshold, mask.regions)
        for name, layout in TABS.items():
            with gr.Tab(strings.TABS[name], id=name) as tabs[name]:
                shown[name] = layout(service, shared)
    return mask, shown, tabs, shared
