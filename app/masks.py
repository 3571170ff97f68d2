"""The tab "Mask": every model's masks over the photo, each expression in its own colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from app import strings, views
from app.page import picture_output
from app.service import Answer, Service
from cefnet import render


@dataclass(frozen=True)
class Masks:
    """The parts of the tab.

    Attributes:
        style: How a mask is shown, a key of `strings.STYLES`.
        legend: Which expressions are shown (their numbers); out of sight where there is one.
        cards: One a model, what was found.
        images: One a model.
        threshold: From which probability on a pixel belongs to the mask.
        regions: Which of several separate regions of that do, a value of `Decision.regions`.
    """

    style: gr.Radio
    legend: gr.CheckboxGroup
    cards: dict[str, gr.HTML]
    images: dict[str, gr.Image]
    threshold: gr.Slider
    regions: gr.Radio

    @property
    def outputs(self) -> list[Any]:
        """What `draw` sets."""
        return [*self.cards.values(), *self.images.values()]

    @property
    def inputs(self) -> list[Any]:
        """What `draw` takes after the answer."""
        return [*self.ways, self.legend]

    @property
    def ways(self) -> list[Any]:
        """How masks are shown, whatever the answer is."""
        return [self.regions, self.threshold, self.style]

    def draw(self, answer: Answer, regions: str, threshold: float, style: str, chosen: list[int]) -> dict[Any, Any]:
        """Cards and pictures of the chosen expressions."""
        answer = answer.decided(threshold, regions)
        chosen = sorted(n for n in chosen if n < len(answer.expressions))
        drawn: dict[Any, Any] = {}
        for name, results in answer.results.items():
            drawn[self.cards[name]] = views.card(answer, name, chosen)
            found = [results[n].found for n in chosen]
            colours = [render.PALETTE[n % len(render.PALETTE)] for n in chosen]
            drawn[self.images[name]] = picture(answer.picture.pixels, found, colours, style)
        return drawn

    def choices(self, answer: Answer) -> Any:
        """The legend of an answer: all of its expressions, chosen."""
        numbers = list(range(len(answer.expressions)))
        texts = [(text, n) for n, text in enumerate(answer.expressions)]
        return gr.update(choices=texts, value=numbers, visible=len(numbers) > 1)


def picture(
    photo: NDArray[np.uint8], masks: list[NDArray[np.bool_]], colours: list[render.Colour], style: str
) -> NDArray[np.uint8]:
    """The photo with several masks in one of `strings.STYLES`; as it is where all of them are empty."""
    together = np.logical_or.reduce(masks) if masks else np.zeros(photo.shape[:2], bool)
    if not together.any():
        return photo
    if style == "spotlight":
        return render.spotlight(photo, together)
    if style == "cutout":
        return render.cutout(photo, together)
    return render.overlays(photo, masks, colours, fill=style == "fill", dim=0.6 if style == "fill" else 1.0)


def layout(service: Service) -> Masks:
    """Lays the tab out."""
    predictors = list(service.predictors.values())
    decision, able = predictors[0].decision, all(predictor.config.several for predictor in predictors)
    offered = [(text, key) for key, text in strings.REGIONS.items() if key != "auto" or able]
    with gr.Row(elem_id="mask-options"):
        style = gr.Radio(
            [(text, key) for key, text in strings.STYLES.items()], value="fill", label=strings.STYLE, elem_id="style"
        )
        legend = gr.CheckboxGroup(choices=[], label=strings.LEGEND, visible=False, elem_id="legend")
        regions = gr.Radio(
            offered, value=decision.regions if decision.regions != "auto" or able else "one",
            label=strings.REGIONS_LABEL, info=strings.REGIONS_INFO, elem_id="regions",
        )  # fmt: skip
    cards, images = {}, {}
    with gr.Row():
        for name in service.predictors:
            with gr.Column(min_width=240):
                cards[name] = gr.HTML(elem_id=f"card-{name}")
                images[name] = picture_output(f"mask-{name}", strings.MASK_ALT.format(model=views.title(name)[0]))
    threshold = gr.Slider(
        0.05, 0.95, value=decision.mask_threshold, step=0.01, label=strings.THRESHOLD,
        info=strings.THRESHOLD_INFO, buttons=["reset"], elem_id="threshold",
    )  # fmt: skip
    return Masks(style, legend, cards, images, threshold, regions)
