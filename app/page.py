"""What the page shares: the question in focus, and how a tab of the drawer says what it shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app import strings
from app.errors import plain
from app.service import Answer, Focus

STALE = 3600  # seconds after which a visitor's pictures and answers are gone
HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}  # helpers, not the API
# Events that run a network
MODELS: dict[str, Any] = {"concurrency_id": "models", "concurrency_limit": 1, "api_visibility": "private"}


@dataclass(frozen=True)
class Shared:
    """Parts of the page that every tab may read.

    Attributes:
        session: Holds the browser tab's `Session`, or None.
        answer: Holds the `Answer` in sight, or None.
        index: Holds the number of the item that is explained.
        model: Holds the name of the model that is.
        threshold: Of the mask, 0..1.
        regions: Which of several separate regions are the mask, a value of `Decision.regions`.
    """

    session: gr.State
    answer: gr.State
    index: gr.State
    model: gr.State
    threshold: gr.Slider
    regions: gr.Radio

    @property
    def inputs(self) -> list[Any]:
        """What `focus` takes, in its order."""
        return [self.answer, self.model, self.index, self.threshold, self.regions]


@dataclass(frozen=True)
class View:
    """One tab.

    Attributes:
        outputs: What `draw` may set.
        draw: From the kept answer alone, so that it is quick: called when the tab is opened, and when the answer, the
            model, the expression, the threshold or the choice of regions change while it is open.
    """

    outputs: list[Any]
    draw: Callable[[Focus], dict[Any, Any]]


def focus(answer: Answer | None, model: str, index: int | None, threshold: float, regions: str) -> Focus:
    """What the page is about.

    Raises:
        gr.Error: Nothing has been asked yet, or it is too long ago.
        ValueError: A threshold or regions that cannot be.
    """
    if answer is None or not answer.items:
        raise plain(strings.FORGOTTEN)
    results = answer.results
    model = model if model in results else next(reversed(results))
    return Focus(answer.decided(float(threshold), regions), model, min(int(index or 0), len(answer.items) - 1))


def picture_output(elem_id: str, label: str) -> gr.Image:
    """An output picture; `label` is read by screen readers."""
    return gr.Image(
        label=label, alt_text=label, show_label=False, interactive=False, buttons=["fullscreen"], container=False,
        format="webp", elem_id=elem_id,
    )  # fmt: skip
