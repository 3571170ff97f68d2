"""A tab on a page of its own, and a kept answer of the tiny models for it to show."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import cv2
import gradio as gr
import numpy as np
import pytest
from app_fixture import NAMES, noise

from app.page import Shared, View
from app.picture import picture_from
from app.service import Answer, Focus, Service, Session
from cefnet.result import Result

VCM, ACM = NAMES


@pytest.fixture(scope="module")
def answer(app_service: Service) -> Answer:
    return app_service.ask(Session(), picture_from(noise(60, 90)), ["big <red> dog", "cat"])


@pytest.fixture(scope="module")
def now(answer: Answer) -> Focus:
    """By ACM, at a threshold that about half of the photo reaches."""
    return Focus(answer.decided(float(np.median(answer.results[ACM][0].probability))), ACM, 0)


def absent(now: Focus) -> Focus:
    """The same, but for nothing being present."""
    return replace(now, answer=with_presence(now.answer, 1.0))


def with_results(answer: Answer, results: Mapping[str, Sequence[Result]]) -> Answer:
    """The answer with other results: one an item, by model."""
    items = [
        replace(
            item, results={model: found[n] for model, found in results.items()}, seconds=dict.fromkeys(results, 1.0)
        )
        for n, item in enumerate(answer.items)
    ]
    return replace(answer, items=tuple(items))


def with_presence(answer: Answer, *thresholds: float) -> Answer:
    """The answer, its items (the last threshold counts for all further ones) decided at these presence thresholds."""
    items = []
    for n, item in enumerate(answer.items):
        least = thresholds[min(n, len(thresholds) - 1)]
        results = {name: one.decided(presence_threshold=least) for name, one in item.results.items()}
        items.append(replace(item, results=results))
    return replace(answer, items=tuple(items))


class Page:
    """A page of one tab: `part` by elem_id, and `fire`, what an event's handler returns."""

    def __init__(self, tab: Callable[[Service, Shared], View], service: Service) -> None:
        with gr.Blocks() as self.blocks:
            session, answer, index, model = gr.State(None), gr.State(None), gr.State(0), gr.State(ACM)
            self.shared = Shared(session, answer, index, model, gr.Slider(0, 1), gr.Radio(["one", "all"]))
            self.view = tab(service, self.shared)

    def part(self, elem_id: str) -> Any:
        return next(block for block in self.blocks.blocks.values() if block.elem_id == elem_id)

    def fire(self, part: Any, event: str, values: list[Any]) -> Any:
        [fn] = [fn for fn in self.blocks.fns.values() if (part._id, event) in fn.targets]
        return fn.fn(*values)

    def drawn(self, now: Focus, *values: Any) -> Any:
        """What comes of drawing the tab by way of its event."""
        [(asked, when)] = self.view.draw(now).items()
        return self.fire(asked, "change", [when, *inputs(now), *values])


def inputs(now: Focus) -> list[Any]:
    decision = now.result.decision
    return [now.answer, now.model, now.index, decision.mask_threshold, decision.regions]


def images(html: str) -> list[np.ndarray]:
    """The pictures of a strip, H x W x 3 RGB."""
    data = re.findall(r'src="data:image/webp;base64,([^"]+)"', html)
    return [cv2.imdecode(np.frombuffer(base64.b64decode(one), np.uint8), cv2.IMREAD_COLOR)[..., ::-1] for one in data]
