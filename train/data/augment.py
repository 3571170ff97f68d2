"""Augmentation of a photo together with its expressions: flips, crops, colours, typos.

The point is that the words stay true: a mirrored photo gets mirrored words, a crop keeps what its words speak of.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

# "left", "leftmost", "left-hand", RefCOCO's "lft" and "rt", but not "upright", "bright" or "leftover".
_SIDE = re.compile(
    r"\b(left|right|lft|rt)(?=(?:er)?most\b|(?:er)?[-\s]?(?:most|hand|handed|side|ward|wards)\b|y?\b(?!-?over))",
    re.IGNORECASE,
)
_OTHER_SIDE = {"left": "right", "right": "left", "lft": "rt", "rt": "lft"}
# "right behind the man" may speak of no side, "on the right behind the man" does.
_ADVERB = re.compile(
    r"\b(?<!\bthe )(?<!\bon )(?<!\bat )(?<!\bfar )(?<!\btop )(?<!\bfrom )(?<!\bto )(?<!\bupper )(?<!\blower )"
    r"(?<!\bbottom )(?<!\bfarthest )(?<!\bfurthest )(?<!\bfront )(?<!\bback )(?<!\bfacing )(?<!\blooking )"
    r"(?:left|right) (?=(?:next|behind|beside|above|below|under|underneath|beneath|over|near|by|after|before|against|"
    r"between|in front|on top|in the (?:middle|center|centre))\b)",
    re.IGNORECASE,
)
# Words whose truth depends on where the frame is, or on what else is in it.
_PLACE = re.compile(
    r"\b(?:(?:left|right)\w*|lft|rt|middle|mid|center|centre|central|top|bottom|upper|lower|uppermost|lowest|highest|topmost|"
    r"corner|edge|side|end|ends|frame|photo|picture|image|pic|border|half|"
    r"first|second|third|fourth|fifth|sixth|\d(?:st|nd|rd|th)|last|only|other|another|alone|most|"
    r"between|row|nearest|closest|farthest|furthest|"
    r"biggest|largest|smallest|tallest|shortest|longest|bigger|larger|smaller|taller|shorter)\b",
    re.IGNORECASE,
)
# A mirrored photo can't keep these: lettering, clock faces, compass points.
_UNMIRRORED = re.compile(
    r"\d|\b(?:clock|o'clock|clockwise|letters?|says|saying|reads|word|words|text|logo)\b", re.IGNORECASE
)


def mirror_text(expression: str) -> str:
    """Swaps left and right in an expression (leftmost, left-hand, ... too); twice is the identity.

    What may be an adverb ("right behind the man") stays; such an expression is not `mirrorable`.
    """
    adverbs = {m.start() for m in _ADVERB.finditer(expression)}

    def swap(match: re.Match) -> str:
        if match.start() in adverbs:
            return match[0]
        other = _OTHER_SIDE[match[0].lower()]
        return other.upper() if match[0].isupper() else other.title() if match[0][0].isupper() else other

    return _SIDE.sub(swap, expression)


def mirrorable(expression: str) -> bool:
    """False for what a mirrored photo may not fit: numbers, lettering, clock positions, "right behind"."""
    return _UNMIRRORED.search(expression) is None and _ADVERB.search(expression) is None


def names_place(expression: str) -> bool:
    """True if a crop could make the expression false: place, order or comparison words."""
    return _PLACE.search(expression) is not None


@dataclass(frozen=True)
class Window:
    """A rectangle of a photo: pixels x0 <= x < x1, y0 <= y < y1."""

    x0: int
    y0: int
    x1: int
    y1: int

    def cut(self, image: np.ndarray) -> np.ndarray:
        """The part of an H x W (x C) array inside the window, as a view."""
        return image[self.y0 : self.y1, self.x0 : self.x1]


def draw_window(
    width: int,
    height: int,
    keep: Sequence[tuple[float, float, float, float]],
    smallest: float,
    rng: np.random.Generator,
) -> Window:
    """Draws a crop that keeps some boxes whole.

    Args:
        width, height: Of the photo, pixels.
        keep: Boxes (x, y, width, height) in pixels that stay inside entirely.
        smallest: Least share of each side that remains, 0..1; sides are drawn alone, so the aspect changes mildly.
        rng: Source of chance.
    """
    scale = rng.uniform(smallest, 1.0)
    spans = []
    for axis, size in enumerate((width, height)):
        low = max(0, min((int(box[axis]) for box in keep), default=size))  # some boxes begin outside
        high = min(size, max((math.ceil(box[axis] + box[axis + 2]) for box in keep), default=0))
        side = size * min(1.0, max(smallest, scale * rng.uniform(0.85, 1.18)))
        length = max(math.ceil(side), high - low)
        first, last = max(0, high - length), min(size - length, low)
        start = int(rng.integers(first, last + 1))
        spans.append((start, start + length))
    return Window(spans[0][0], spans[1][0], spans[0][1], spans[1][1])


def jitter_colours(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Changes brightness, contrast, saturation and, a little, white balance of an H x W x 3 uint8 RGB image.

    Hue is left alone and saturation never falls far: the expressions name colours.
    """
    contrast, brightness = rng.uniform(0.75, 1.3), rng.uniform(-25.0, 25.0)
    balance = rng.uniform(0.95, 1.05, 3)
    levels = np.arange(256, dtype=np.float64)[:, None]
    table = ((levels - 128.0) * contrast + 128.0 + brightness) * balance
    image = cv2.LUT(image, np.clip(np.rint(table), 0, 255).astype(np.uint8)[None])
    saturation = rng.uniform(0.75, 1.3)
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(image, saturation, grey, 1.0 - saturation, 0.0)


def misspell(expression: str, rng: np.random.Generator) -> str:
    """Makes one slip of the fingers in one word of four letters or more: swap, drop or double a letter."""
    words = expression.split()
    long = [i for i, w in enumerate(words) if len(w) >= 4 and w.isalpha()]
    if not long:
        return expression
    i = int(rng.choice(long))
    word, at = words[i], int(rng.integers(1, len(words[i]) - 1))
    slip = int(rng.integers(3))
    if slip == 0:
        words[i] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    else:
        words[i] = word[:at] + (word[at + 1 :] if slip == 1 else word[at] + word[at:])
    return " ".join(words)


_SPELLINGS = (
    ("gray", "grey"), ("color", "colour"), ("colored", "coloured"), ("center", "centre"), ("donut", "doughnut"),
    ("mustache", "moustache"), ("pajamas", "pyjamas"), ("tire", "tyre"), ("t-shirt", "tshirt"), ("tv", "television"),
    ("airplane", "aeroplane"), ("bike", "bicycle"),
)  # fmt: skip
_OTHER_SPELLING = {a: b for pair in _SPELLINGS for a, b in (pair, pair[::-1])}
_ARTICLE = re.compile(r"(?<=\S) (?:the|an?)(?= \S)")
_BARE_SIDE = re.compile(r"\b(?:on|at|in) (?=(?:left|right|middle|center|centre|top|bottom|back|front)\b(?! of\b))")
_SPOKEN = (
    "which one is the {}", "i mean the {}", "it is the {}", "there is a {}", "this is the {}", "the {} thanks",
    "only the {}", "just the {}",
)  # fmt: skip


def retyped(expression: str, rng: np.random.Generator) -> str:
    """The same said as somebody else may type it, in a way that `cefnet.words.normalise` can't undo.

    One of: the other spelling ("grey"), an article within it left out or put in, an apostrophe left out, or words of
    speech around it ("which one is the ...").

    Args:
        expression: Stays true, and keeps its words of place.
        rng: Source of chance.
    """
    bare = re.sub(r"^(?:the|an?) ", "", expression)
    ways = (
        " ".join(_OTHER_SPELLING.get(word, word) for word in expression.split()),
        _ARTICLE.sub("", expression),
        _BARE_SIDE.sub(lambda found: f"{found[0]}the ", expression),
        expression.replace("'", ""),
        str(rng.choice(_SPOKEN)).format(bare),
    )
    return str(rng.choice([way for way in ways if way != expression]))
