"""A tab on a page of its own, and a kept answer of the tiny models for it to show."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
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
    results = {name: tuple(one.decided(presence_threshold=1.0) for one in told)
               for name, told in now.answer.results.items()}  # fmt: skip
    return replace(now, answer=replace(now.answer, results=results))


class Page:
    """A page of one tab: `part` by elem_id, and `fire`, what an event's handler returns."""

    def __init__(self, tab: Callable[[Service, Shared], View], service: Service) -> None:
        with gr.Blocks() as self.blocks:
            session, answer, index = gr.State(None), gr.State(None), gr.Radio([0, 1], value=0)
            self.shared = Shared(
                session, answer, index, gr.Radio(list(NAMES)), gr.Slider(0, 1), gr.Radio(["one", "all"])
            )
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
