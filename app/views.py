"""The few lines of HTML that the page is told in."""

from __future__ import annotations

from html import escape
from typing import Any

from app import strings
from app.service import Answer
from cefnet.render import PALETTE, Colour
from cefnet.result import Result


def title(model: str) -> tuple[str, str]:
    """Short and long name of a model."""
    return strings.MODELS.get(model, (model, ""))


def heading(model: str) -> str:
    """The model's name as a heading."""
    short, long = title(model)
    return f"<h2>{escape(short)} <small>{escape(long)}</small></h2>"


def verdict(answer: Answer) -> str:
    """What was found, above the pictures."""
    finders = [
        [model for model, results in answer.results.items() if results[n].present]
        for n in range(len(answer.expressions))
    ]
    found = [text for text, models in zip(answer.expressions, finders, strict=True) if models]
    missing = [text for text, models in zip(answer.expressions, finders, strict=True) if not models]
    if not found:
        return f'<div class="verdict absent" role="status">{strings.NOTHING} {quoted(missing)}</div>'
    if missing:
        some = strings.FOUND_SOME.format(found=len(found), all=len(finders))
        note = f"<small>{strings.NOTHING} {quoted(missing)}</small>"
        return f'<div class="verdict" role="status">{some} {note}</div>'
    by = ""
    if len(finders) == 1 and len(finders[0]) < len(answer.results):
        names = ", ".join(title(model)[0] for model in finders[0])
        by = f" <small>{strings.ONLY_BY.format(names=escape(names))}</small>"
    return f'<div class="verdict" role="status">{strings.FOUND} {quoted(found)}{by}</div>'


def quoted(texts: list[str]) -> str:
    """Expressions as HTML, in quotation marks."""
    return ", ".join(f"“{escape(text)}”" for text in texts)


def card(answer: Answer, model: str, chosen: list[int]) -> str:
    """One model's name and time, and a line for each expression that is shown: colour, score, what its mask is."""
    results = answer.results[model]
    lines = "".join(line(results[n], PALETTE[n % len(PALETTE)]) for n in chosen)
    time = f"<b>{duration(answer.seconds[model])}</b>"
    return f'<div class="card"><div class="facts">{heading(model)}{time}</div><ul>{lines}</ul></div>'


def line(result: Result, colour: Colour) -> str:
    """One expression's line on a card."""
    area = result.mask.mean()
    if not result.present:
        note = strings.NOTHING_NOTE
    else:
        note = strings.AREA.format(area=100 * area) if area else strings.NO_PIXEL
    low = "" if result.present else " low"
    fill, mark = 100 * min(max(result.presence, 0), 1), 100 * result.decision.presence_threshold
    return f"""<li><i class="swatch" style="background:{css(colour)}"></i><span class="said">{escape(result.expression)}
</span><span class="note">score <b>{result.score:.2f}</b>, {note}</span>
<span class="meter{low}" title="{strings.SCORE_HINT}"><i style="width:{fill:.1f}%"></i><u style="left:{mark:.1f}%"></u>
</span></li>"""


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
