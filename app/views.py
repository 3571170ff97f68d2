"""What the page shows: pictures (numpy) and the few lines of HTML around them."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.service import Details, Kept, KeptMask, fit
from cefnet import render

TITLES = {  # the two attentions, as the paper names them
    "cefnet-vcm": ("VCM", "vanilla co-attention"),
    "cefnet-acm": ("ACM", "asymmetric co-attention"),
}
HEADER = """<h1>CEFNet</h1><p>Name something in a photo, in your own words. Two networks, which differ in how
they bring words and picture together, outline what you mean.</p>"""
WELCOME = '<div class="welcome">Try one of these, or a photo of your own.</div>'
WORD_SIDE = 360  # pixels; word maps come from a 20 x 20 grid


def title(model: str) -> tuple[str, str]:
    """Short and long name of a model."""
    return TITLES.get(model, (model, ""))


def overlay(kept: Kept, mask: KeptMask, threshold: float) -> NDArray[np.uint8]:
    """The shown photo with the mask tinted and outlined; untouched if nothing is there."""
    return render.overlay(kept.photo, mask.at(threshold, *kept.photo.shape[:2]))


def mask_png(kept: Kept, mask: KeptMask, threshold: float) -> bytes:
    """The mask as a lossless one-channel PNG of 0 and 255, as large as the photo."""
    return render.png(render.grey(mask.at(threshold, *kept.size)))


def boundary(kept: Kept, details: Details) -> NDArray[np.uint8]:
    """The boundary map over the greyed photo."""
    return render.heatmap(details.boundary, kept.photo, top=1.0)


def word_maps(kept: Kept, details: Details) -> list[tuple[NDArray[np.uint8], str]]:
    """One picture and caption for each typed word; all words share one colour scale, so they compare."""
    top = max((float(heat.max()) for _, heat in details.words), default=1.0)
    photo = fit(kept.photo, WORD_SIDE)
    return [(render.heatmap(fit(heat, WORD_SIDE), photo, top), word) for word, heat in details.words]


def verdict(kept: Kept) -> str:
    """The verdict above the pictures."""
    found = [title(mask.model)[0] for mask in kept.masks if mask.present]
    quoted = f"“{escape(kept.expression)}”"
    if not found:
        return f'<div class="verdict absent" role="status">Nothing here matches {quoted}</div>'
    by = "" if len(found) == len(kept.masks) else f" <small>by {escape(', '.join(found))} only</small>"
    return f'<div class="verdict" role="status">Found {quoted}{by}</div>'


def card(kept: Kept, mask: KeptMask, threshold: float) -> str:
    """Name, time and score of one model, and in words what its picture shows."""
    chosen = mask.at(threshold, *kept.photo.shape[:2])
    if not mask.present:
        note = "Nothing here matches."
    elif not chosen.any():
        note = "No pixel is this certain: lower the threshold."
    else:
        note = f"{100 * chosen.mean():.1f}% of the photo"
    low = "" if mask.present else " low"
    fill, line = 100 * min(max(mask.score, 0), 1), 100 * mask.presence_threshold
    return f"""<div class="card">{heading(mask.model)}
<div class="facts"><span>score <b>{mask.score:.2f}</b></span><b>{duration(mask.seconds)}</b></div>
<div class="meter{low}" title="The line marks the score from which something counts as present">
<i style="width:{fill:.1f}%"></i><u style="left:{line:.1f}%"></u></div>
<p class="note">{note}</p></div>"""


def heading(model: str) -> str:
    """The model's name as a heading."""
    short, long = title(model)
    return f"<h3>{escape(short)} <small>{escape(long)}</small></h3>"


def duration(seconds: float) -> str:
    """`seconds` as a person reads it."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


def credits(examples: list[dict[str, Any]]) -> str:
    """Licences and sources of the example photos, numbered as they are shown."""
    sources: dict[tuple[str, str], list[str]] = {}
    for number, one in enumerate(examples, 1):
        licence = one["licence"], one["licence_url"]
        sources.setdefault(licence, []).append(link(one["source"], f"photo {number}"))
    parts = [f"{', '.join(photos)} {link(url, name)}" for (name, url), photos in sources.items()]
    return f"Examples from Flickr: {'; '.join(parts)}."


def link(url: str, text: str) -> str:
    """A link that opens beside the app."""
    return f'<a href="{escape(url)}" target="_blank" rel="noreferrer">{escape(text)}</a>'
