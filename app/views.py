"""HTML snippets of the page."""

from __future__ import annotations

from html import escape
from typing import Any

from app import strings
from cefnet.render import Colour


def title(model: str) -> tuple[str, str]:
    """Short and long name of a model."""
    return strings.MODELS.get(model, (model, ""))


def heading(model: str) -> str:
    """The model's name as a heading."""
    short, long = title(model)
    return f"<h2>{escape(short)} <small>{escape(long)}</small></h2>"


def css(colour: Colour) -> str:
    """A colour for a style sheet."""
    return "rgb({} {} {})".format(*colour)


def duration(seconds: float) -> str:
    """`seconds` as a person reads it."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


def credits(examples: list[dict[str, Any]]) -> str:
    """Licences and sources of the example photos, numbered as they are shown."""
    sources: dict[tuple[str, str], list[str]] = {}
    for number, one in enumerate(examples, 1):
        licence = one["licence"], one["licence_url"]
        sources.setdefault(licence, []).append(link(one["source"], strings.EXAMPLE_PHOTO.format(number=number)))
    parts = [f"{', '.join(photos)} {link(url, name)}" for (name, url), photos in sources.items()]
    return strings.CREDITS.format(parts="; ".join(parts))


def link(url: str, text: str) -> str:
    """A link that opens beside the app."""
    return f'<a href="{escape(url)}" target="_blank" rel="noreferrer">{escape(text)}</a>'
