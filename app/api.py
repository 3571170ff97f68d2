"""The API: /segment, /compare and /explain. They keep nothing of a call, and are the tools of the MCP server."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from app import fields, strings
from app.errors import plain, plainly
from app.parts import overlap
from app.picture import Picture, picture_from
from app.service import Service, Session
from cefnet import render
from cefnet.config import regions_of
from cefnet.result import Click, Result

SIDES = 64, 640  # pixels, the least and the most of the network's input

Pixels = NDArray[np.uint8]
Heatmap = tuple[Pixels, str]  # picture, caption
Chosen = tuple[float | None, float | None, str | None]  # what `Decision.changed` takes


@dataclass(frozen=True)
class Found:
    """What one model says about one expression: maps as large as the photo, and as large as the shown picture."""

    model: str
    precision: str
    picture: Picture
    whole: Result
    shown: Result

    def to_dict(self) -> dict[str, Any]:
        """For JSON, in the photo's own pixels."""
        return {"model": self.model, "precision": self.precision, **self.whole.to_dict()}


@dataclass(frozen=True)
class Api:
    """The endpoints, by their names. Their docstrings are what the API page and MCP clients show."""

    service: Service

    def segment(
        self, photo: str | None, expression: str | None, model: str,
        mask_threshold: float | None = None, presence_threshold: float | None = None, size: int | None = None,
        regions: str | None = None, one_region: bool | None = None, clicks: list[list[Any]] | None = None,
    ) -> tuple[dict[str, Any], Pixels, Pixels]:  # fmt: skip
        """Finds what an expression such as "dog on the left" names in a photo, and gives its mask.

        Args:
            photo: The photo, a file or URL: JPEG, PNG or WebP; turned upright by its EXIF tag.
            expression: What to look for, in English words.
            model: Name of the model.
            mask_threshold: 0 to 1: pixels of at least this probability belong to the mask. Default: the model's own.
            presence_threshold: 0 to 1: scores of at least this mean that the thing is there. Default: the model's own.
            size: Side in pixels of the square that the network sees, a multiple of 32. Default: the model's own.
            regions: Of several separate regions, the mask is the strongest ("one"), all ("all"), or as the model says
                ("auto", if it can). Default: the model's own.
            one_region: The older name of regions: true is "one", false is "all".
            clicks: Where somebody pointed, a list of [y, x, true or false] in pixels of the photo: true says "this
                belongs to it", false "this does not". Only models whose config has clicks take them; with a true one
                the expression may be empty.

        Returns:
            JSON, in the photo's own pixels: model, precision (of the arithmetic), expression, clicks, score, presence,
            several, present, mask_threshold, presence_threshold, regions, box (x_min, y_min, x_max, y_max), area (a
            fraction of the photo), mask (COCO RLE), timings (seconds).
            The mask as a PNG of 0 and 255, as large as the photo; all 0 where nothing matches.
            The photo, at most 1024 pixels long, with the mask over it.
        """
        decided = chosen(mask_threshold, presence_threshold, regions, one_region)
        found = self.find(Session(), read(photo), expression, model, decided, size, places(clicks))
        return found.to_dict(), render.grey(found.whole.found), render.overlay(found.picture.pixels, found.shown.found)

    def compare(
        self, photo: str | None, expression: str | None, model: str, other: str,
        mask_threshold: float | None = None, presence_threshold: float | None = None, size: int | None = None,
        regions: str | None = None, one_region: bool | None = None,
    ) -> tuple[dict[str, Any], Pixels]:  # fmt: skip
        """Asks two models (VCM and ACM) for the same expression in a photo, and shows where they agree.

        Args:
            photo: The photo, a file or URL: JPEG, PNG or WebP; turned upright by its EXIF tag.
            expression: What to look for, in English words.
            model: Name of the first model.
            other: Name of the second model.
            mask_threshold: 0 to 1: pixels of at least this probability belong to the mask. Default: the model's own.
            presence_threshold: 0 to 1: scores of at least this mean that the thing is there. Default: the model's own.
            size: Side in pixels of the square that the network sees, a multiple of 32. Default: the model's own.
            regions: Of several separate regions, the mask is the strongest ("one"), all ("all"), or as the model says
                ("auto", if it can). Default: the model's own.
            one_region: The older name of regions: true is "one", false is "all".

        Returns:
            JSON: Iou (overlap of the two masks, 0 to 1; 1 where both find nothing), answers (as of /segment, one a
            model), colours (what those of the picture mean).
            The greyed photo, at most 1024 pixels long, with what both, only the first and only the second found.
        """
        decided = chosen(mask_threshold, presence_threshold, regions, one_region)
        picture, session = read(photo), Session()
        first = self.find(session, picture, expression, model, decided, size)
        second = self.find(session, picture, expression, other, decided, size)
        told = {
            "iou": overlap(first.whole.found, second.whole.found),
            "answers": [first.to_dict(), second.to_dict()],
            "colours": {"both": code(render.BOTH), "first": code(render.FIRST), "second": code(render.SECOND)},
        }
        return told, render.agreement(picture.pixels, first.shown.found, second.shown.found)

    def explain(
        self, photo: str | None, expression: str | None, model: str, stage: int,
        y: float | None = None, x: float | None = None,
        mask_threshold: float | None = None, presence_threshold: float | None = None, regions: str | None = None,
        one_region: bool | None = None,
    ) -> tuple[dict[str, Any], Pixels, list[Heatmap], Pixels | None]:  # fmt: skip
        """Shows why a model answers as it does: boundary, where each word is listened to, what a place attends to.

        Args:
            photo: The photo, a file or URL: JPEG, PNG or WebP; turned upright by its EXIF tag.
            expression: What to look for, in English words.
            model: Name of the model.
            stage: Encoder stage to look into: 3 (fine), 4 or 5 (coarse).
            y: The place that attends, in pixels of the photo from its top. Default: that of the most certain pixel.
            x: The place that attends, in pixels of the photo from its left. Default: that of the most certain pixel.
            mask_threshold: 0 to 1: pixels of at least this probability belong to the mask. Default: the model's own.
            presence_threshold: 0 to 1: scores of at least this mean that the thing is there. Default: the model's own.
            regions: Of several separate regions, the mask is the strongest ("one"), all ("all"), or as the model says
                ("auto", if it can). Default: the model's own.
            one_region: The older name of regions: true is "one", false is "all".

        Returns:
            JSON: As of /segment; stage, y, x; words (share: of the attention, over the whole photo; share_in_mask:
            over the mask), brightest (the values at the bright end of the heatmaps).
            The boundary map, a heatmap over the greyed photo, at most 1024 pixels long.
            A heatmap for each word, which is its caption; all have one scale.
            What the place (y, x) attends to, as a heatmap; none of a model without co-attention.
        """
        decided = chosen(mask_threshold, presence_threshold, regions, one_region)
        found = self.find(Session(), read(photo), expression, model, decided)
        y, x = place(found.whole, y, x)
        told = {**found.to_dict(), "stage": stage, "y": y, "x": x, "words": [], "brightest": {"boundary": 1.0}}
        boundary = render.heatmap(found.shown.boundary, found.picture.pixels, top=1.0)
        if self.service.predictors[model].config.attention == "none":
            return told, boundary, [], None
        maps = found.shown.word_attention(stage)
        top = max(float(heat.max()) for _, heat in maps)
        told["words"] = [share(word, heat, found.shown.found) for word, heat in maps]
        y, x = y * found.shown.height / found.whole.height, x * found.shown.width / found.whole.width
        attention = found.shown.co_attention(y, x, stage)
        told["brightest"] |= {"words": top, "co_attention": float(attention.max())}
        pictures = [(render.heatmap(heat, found.picture.pixels, top), word) for word, heat in maps]
        return told, boundary, pictures, render.mark(render.heatmap(attention, found.picture.pixels), y, x)

    def find(
        self, session: Session, picture: Picture, expression: str | None, model: str,
        decided: Chosen, size: int | None = None, clicks: Sequence[Click] = (),
    ) -> Found:  # fmt: skip
        """Asks one model; what is None is the model's own.

        Raises:
            gr.Error: Nothing is asked for.
            ValueError: The expression or the size cannot be used, or the model cannot decide so.
        """
        expression = expression or ""
        if not expression.strip() and not any(click.here for click in clicks):
            raise plain(strings.API_NO_EXPRESSION)
        (height, width), (rows, columns) = picture.size, picture.pixels.shape[:2]
        for click in clicks:
            if not (0 <= click.y < height and 0 <= click.x < width):
                raise ValueError(strings.API_OUTSIDE.format(y=click.y, x=click.x, height=height, width=width))
        seen = [replace(click, y=click.y * rows / height, x=click.x * columns / width) for click in clicks]
        (shown,), _ = self.service.segment(session, picture, model, [expression], size, clicks=[seen] if seen else None)
        shown = shown.decided(shown.decision.changed(*decided))
        whole = replace(shown, height=height, width=width, clicks=tuple(clicks))
        precision = str(self.service.predictors[model].dtype).removeprefix("torch.")
        return Found(model, precision, picture, whole, shown)


def endpoints(service: Service) -> None:
    """Adds the endpoints to the page that is being built, which shows nothing of them.

    /compare is there if two models are.
    """
    api, names = Api(service), list(service.predictors)
    with gr.Column(visible=False):
        model = fields.choice("model", strings.API_MODEL, names, len(names) - 1)  # that which the page explains first
        question = [fields.photo(), gr.Textbox(label=strings.API_EXPRESSION), model]
        mask = fields.number("mask_threshold", strings.API_MASK_THRESHOLD, 0, 1)
        presence = fields.number("presence_threshold", strings.API_PRESENCE_THRESHOLD, 0, 1)
        size = fields.number("size", strings.API_SIZE, *SIDES, precision=0)
        regions = fields.regions("regions", strings.API_REGIONS)
        one = fields.flag("one_region", strings.API_ONE_REGION)
        segmented = [fields.told(), fields.picture("mask"), fields.picture("overlay")]
        clicks = fields.clicks("clicks", strings.API_CLICKS)
        add(api.segment, [*question, mask, presence, size, regions, one, clicks], segmented)
        if len(names) > 1:
            other = fields.choice("other", strings.API_OTHER, names, 0)
            compared = [fields.told(), fields.picture("agreement")]
            add(api.compare, [*question, other, mask, presence, size, regions, one], compared)
        stage = fields.number("stage", strings.API_STAGE, 3, 5, value=5, precision=0)
        point = [fields.number("y", strings.API_Y, 0), fields.number("x", strings.API_X, 0)]
        words = gr.Gallery(label="words", format="png")
        explained = [fields.told(), fields.picture("boundary"), words, fields.picture("co-attention")]
        add(api.explain, [*question, stage, *point, mask, presence, regions, one], explained)


def add(fn: Callable[..., Any], inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
    """One endpoint, by the name of `fn`."""
    trigger = gr.Button(visible=False)
    trigger.click(
        plainly(fn), list(inputs), list(outputs), api_name=fn.__name__, concurrency_id="models", concurrency_limit=1
    )


def chosen(
    mask_threshold: float | None, presence_threshold: float | None, regions: str | None, one_region: bool | None
) -> Chosen:
    """How an answer is to be decided; `one_region` is the older name of `regions`.

    Raises:
        gr.Error: Both of these are given.
    """
    if one_region is None:
        return mask_threshold, presence_threshold, regions
    if regions is not None:
        raise plain(strings.API_BOTH)
    return mask_threshold, presence_threshold, regions_of(one_region)


def places(clicks: list[list[Any]] | None) -> list[Click]:
    """What was pointed at."""
    return [Click(float(y), float(x), here) for y, x, here in clicks or []]


def read(path: str | None) -> Picture:
    """The picture of an upload.

    Raises:
        gr.Error: There is none.
        ValueError: It can't be read.
    """
    if path is None:
        raise plain(strings.API_NO_PHOTO)
    return picture_from(path)


def place(result: Result, y: float | None, x: float | None) -> tuple[float, float]:
    """The place that is given, else the most certain pixel's.

    Raises:
        ValueError: It is outside the photo.
    """
    row, column = np.unravel_index(int(result.probability.argmax()), (result.height, result.width))
    y, x = float(row if y is None else y), float(column if x is None else x)
    if not (y < result.height and x < result.width):
        raise ValueError(strings.API_OUTSIDE.format(y=y, x=x, height=result.height, width=result.width))
    return y, x


def share(word: str, heat: NDArray[np.float32], mask: NDArray[np.bool_]) -> dict[str, Any]:
    """How much a word is listened to."""
    inside = float(heat[mask].mean()) if mask.any() else None
    return {"word": word, "share": float(heat.mean()), "share_in_mask": inside}


def code(colour: render.Colour) -> str:
    """A colour as in a style sheet."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def mcp_server() -> bool:
    """Whether the endpoints are offered as MCP tools too: CEFNET_MCP=1.

    Raises:
        ValueError: They should be, but gradio[mcp] is not installed; or the value is neither 0 nor 1.
    """
    wanted = os.environ.get("CEFNET_MCP", "").strip()
    if wanted not in ("", "0", "1"):
        raise ValueError(strings.MCP_VALUE.format(value=wanted))
    if wanted == "1" and importlib.util.find_spec("mcp") is None:
        raise ValueError(strings.MCP_MISSING)
    return wanted == "1"
