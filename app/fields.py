"""What the API takes and gives: Gradio's components, with plain messages for what they can't take."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData

from app import strings
from app.errors import plain
from app.fetch import bounded, stored
from cefnet.arguments import from_base64, is_data_url
from cefnet.config import REGIONS, regions_of
from cefnet.predictor import MOST_CLICKS


def photo() -> gr.Image:
    """A photo as a file, which `picture_from` reads."""
    component = gr.Image(label=strings.API_PHOTO, type="filepath", image_mode=None)
    return bounded(unopened(inline(component)))


def inline(component: gr.Image) -> gr.Image:
    """`component`, which takes a photo in base64 too: as the photo itself, or in place of its path or URL."""

    class Sent(ImageData):
        @classmethod
        def model_validate(cls, obj: Any, **options: Any) -> Sent:
            text = obj if isinstance(obj, str) else written_out(obj)
            return super().model_validate(obj if text is None else {"path": saved(text, component)}, **options)

    component.data_model = Sent
    return component


def written_out(payload: Any) -> str | None:
    """The `data:` URL that stands where a path or a URL could.

    Raises:
        gr.Error: It is nothing that a photo is sent as.
    """
    if not isinstance(payload, dict):
        raise plain(strings.API_NO_FILE)
    texts = [payload.get(key) for key in ("path", "url")]
    return next((text for text in texts if isinstance(text, str) and is_data_url(text)), None)


def saved(text: str, component: gr.Image) -> str:
    """The path of a file that was sent as text, kept as long as an upload.

    Raises:
        gr.Error: It is no base64.
    """
    try:
        content = from_base64(text, "photo")
    except ValueError:
        raise plain(strings.API_NO_FILE) from None
    path = Path(stored(content, Path(component.GRADIO_CACHE)))
    component.temp_files.add(str(path))  # removed as uploads are
    return str(path)


def unopened(component: gr.Image) -> gr.Image:
    """`component`, which hands on the file that was uploaded as it is.

    Gradio has Pillow look into it first (with neither limits nor errors for people: minutes for some small files), and
    decodes what comes as a `data:` URL.
    """
    component.preprocess = file_of  # type: ignore[method-assign]  # a subclass makes Gradio write stubs
    return component


def file_of(payload: ImageData | None) -> str | None:
    """The path of an upload.

    Raises:
        gr.Error: It has none, or is called a drawing, whatever it is: Gradio would show it as one.
    """
    if payload is None:
        return None
    if not payload.path:
        raise plain(strings.API_NO_FILE)
    if Path(payload.path).suffix.lower() == ".svg":
        raise plain(strings.DRAWING)
    return payload.path


def choice(name: str, label: str, choices: list[str], default: int) -> gr.Dropdown:
    """One of several names."""
    component = gr.Dropdown(choices, value=choices[default], label=label)
    return checked(component, strings.API_CHOICE.format(name=name, choices=", ".join(choices)))


def number(name: str, label: str, least: float, most: float | None = None, **options: Any) -> gr.Number:
    """A number, which may be left out."""
    component = gr.Number(label=label, minimum=least, maximum=most, **{"value": None, **options})
    limits = strings.API_LIMITS.format(least=least, most=most) if most is not None else strings.API_LEAST
    return checked(component, strings.API_NUMBER.format(name=name, limits=limits))


def flag(name: str, label: str) -> gr.Checkbox:
    """True or false, which may be left out."""
    component: Any = gr.Checkbox(label=label)
    component.value = None  # Gradio makes it False
    component.preprocess = {None: None, True: True, False: False}.__getitem__  # it takes anything
    return checked(component, strings.API_FLAG.format(name=name))


def regions(name: str, label: str) -> gr.Dropdown:
    """A value of `Decision.regions`, or true or false as its older name had it, which may be left out."""
    component: Any = gr.Dropdown(list(REGIONS), value=None, label=label)
    older: dict[Any, str] = {one: regions_of(one) for one in (True, False)}
    component.preprocess = ({None: None} | {one: one for one in REGIONS} | older).__getitem__
    return checked(component, strings.API_CHOICE.format(name=name, choices=", ".join(REGIONS)))


CLICKS = {  # their JSON schema
    "type": "array",
    "items": {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "boolean"}]}},
}


def clicks(name: str, label: str) -> gr.JSON:
    """A list of [y, x, true or false], which may be left out."""
    component: Any = gr.JSON(label=label)

    def listed(payload: Any) -> Any:
        payload = json.loads(payload) if isinstance(payload, str) else payload
        for y, x, here in payload if payload is not None else []:
            if type(here) is not bool or not (math.isfinite(y) and math.isfinite(x)):
                raise ValueError(payload)
        if payload is not None and len(payload) > MOST_CLICKS:
            raise ValueError(payload)
        return payload

    component.preprocess = listed
    component.api_info = lambda: CLICKS
    return checked(component, strings.API_NO_CLICKS.format(name=name, most=MOST_CLICKS))


def checked(component: Any, message: str) -> Any:
    """`component`, which says `message` of any value that it can't take; None is its default."""
    preprocess = component.preprocess

    def check(payload: Any) -> Any:
        try:
            return preprocess(component.value if payload is None else payload)
        except Exception:
            raise plain(message) from None

    component.preprocess = check
    return component


def told() -> gr.JSON:
    """What is said in JSON."""
    return gr.JSON(label="answer")


def picture(label: str) -> gr.Image:
    """A picture without loss."""
    return gr.Image(label=label, format="png")
