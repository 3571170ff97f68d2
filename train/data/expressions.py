"""Expressions generated from annotations: category, position, order, size, colour, relation.

An expression is kept only if it singles its object out among the annotations that its name fits, with a margin. Not
everything in a photo is annotated: where a detector made the masks, small objects are missing most often,
so "smallest" and counting ("second from the left") are only said where people drew the masks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from train.data.colours import COLOURS, colour_shares
from train.data.vocabulary import PORTABLE, category_name, means

ORDINALS = ("first", "second", "third", "fourth", "fifth")


@dataclass(frozen=True, eq=False)
class Thing:
    """An annotated object as the frame shows it (after crop and flip)."""

    ann_id: int
    category: str
    box: tuple[float, float, float, float]  # x0, y0, x1, y1 as shares of the frame, 0..1
    area: float  # share of the frame, 0..1
    certain: bool  # drawn by a person, so its category is likely complete
    mask: np.ndarray  # S x S uint8, 0 or 1

    @property
    def x(self) -> float:
        """Horizontal centre, 0 (left) to 1."""
        return (self.box[0] + self.box[2]) / 2

    @property
    def y(self) -> float:
        """Vertical centre, 0 (top) to 1."""
        return (self.box[1] + self.box[3]) / 2


def thing(ann_id: int, category: str, mask: np.ndarray, certain: bool = True) -> Thing:
    """Measures a mask (S x S uint8, not empty)."""
    height, width = mask.shape
    x, y, w, h = cv2.boundingRect(mask)
    box = (x / width, y / height, (x + w) / width, (y + h) / height)
    return Thing(ann_id, category, box, cv2.countNonZero(mask) / mask.size, certain, mask)


def describe(
    target: Thing, things: Sequence[Thing], image: np.ndarray, rng: np.random.Generator
) -> str | None:
    """Writes an expression that only `target` fits among the things of its category, or None.

    Args:
        target: what to describe; one of `things`.
        things: all annotated objects in the frame.
        image: the frame, S x S x 3 uint8 RGB, before colour jitter.
        rng: chooses among what can be said.
    """
    name = category_name(target.category, rng)
    rivals = [
        t for t in things if t is not target and (t.category == target.category or means(name, t.category))
    ]
    others = [t for t in things if t is not target and t not in rivals]
    ways: list[Callable[[], list[str]]] = [
        lambda: _positions(name, target, rivals),
        lambda: _ends(name, target, rivals),
        lambda: _orders(name, target, rivals),
        lambda: _sizes(name, target, rivals),
        lambda: _colours(name, target, rivals, image),
        lambda: _relations(name, target, rivals, others),
    ]
    for i in rng.permutation(len(ways)):
        if found := ways[i]():
            text = str(rng.choice(found))
            return f"the {text}" if rng.random() < 0.2 else text
    return None


def _positions(name: str, target: Thing, rivals: Sequence[Thing]) -> list[str]:
    """Where in the frame: the target in the outer third (or the middle), every rival clearly outside of it."""
    found = []
    for centre, low, high in (("x", "left", "right"), ("y", "top", "bottom")):
        at, rest = getattr(target, centre), [getattr(r, centre) for r in rivals]
        if at < 0.36 and all(r > max(0.42, at + 0.12) for r in rest):
            found += [f"{name} on the {low}" if centre == "x" else f"{name} at the {low}"]
        if at > 0.64 and all(r < min(0.58, at - 0.12) for r in rest):
            found += [f"{name} on the {high}" if centre == "x" else f"{name} at the {high}"]
    if abs(target.x - 0.5) < 0.1 and all(abs(r.x - 0.5) > 0.22 for r in rivals):
        found += [f"{name} in the middle", f"{name} in the center"]
    corner = ("top" if target.y < 0.33 else "bottom" if target.y > 0.67 else "") + (
        " left" if target.x < 0.33 else " right" if target.x > 0.67 else ""
    )
    if " " in corner.strip() and all(abs(r.x - target.x) > 0.3 or abs(r.y - target.y) > 0.3 for r in rivals):
        found += [f"{corner} {name}", f"{name} in the {corner} corner"]
    return found


def _ends(name: str, target: Thing, rivals: Sequence[Thing]) -> list[str]:
    """The outermost of its category in one direction, or the middle one of three."""
    found = []
    for centre, low, high in (("x", "left", "right"), ("y", "top", "bottom")):
        at, rest = getattr(target, centre), [getattr(r, centre) for r in rivals]
        words = None
        if rest and at < min(rest) - 0.07:
            words = low
        elif rest and at > max(rest) + 0.07:
            words = high
        if words:
            found += [f"{words} {name}"]
            found += [f"{words}most {name}", f"{name} farthest to the {words}"] if centre == "x" else []
    if len(rivals) == 2:
        least, most = sorted(r.x for r in rivals)
        found += [f"middle {name}", f"{name} in between"] if least + 0.07 < target.x < most - 0.07 else []
    return found


def _orders(name: str, target: Thing, rivals: Sequence[Thing]) -> list[str]:
    """Counting from a side; only in a row of three to six that people annotated, with clear gaps."""
    row = sorted([target, *rivals], key=lambda t: t.x)
    gaps = [b.x - a.x for a, b in pairwise(row)]
    if not 3 <= len(row) <= 6 or min(gaps) < 0.05 or not all(t.certain for t in row):
        return []
    found = []
    for side, place in (("left", row.index(target)), ("right", row[::-1].index(target))):
        if 0 < place < len(ORDINALS) and place <= len(row) // 2:
            found += [f"{ORDINALS[place]} {name} from the {side}", f"{ORDINALS[place]} {name} from {side}"]
    return found


def _sizes(name: str, target: Thing, rivals: Sequence[Thing]) -> list[str]:
    """The biggest or smallest of its category by a factor of 1.6 in area."""
    if not rivals:
        return []
    found = []
    if target.area > 1.6 * max(r.area for r in rivals):
        found += [f"{word} {name}" for word in ("biggest", "largest", "big")]
    if 1.6 * target.area < min(r.area for r in rivals) and all(t.certain for t in (target, *rivals)):
        found += [f"{word} {name}" for word in ("smallest", "small", "little")]
    return found


def _colours(name: str, target: Thing, rivals: Sequence[Thing], image: np.ndarray) -> list[str]:
    """The one thing of its category with that colour; for a person, the colour of what the trunk wears."""
    shares = colour_shares(image, _coloured_part(target))
    best = int(shares.argmax())
    if shares[best] < 0.55 or any(colour_shares(image, _coloured_part(r))[best] > 0.2 for r in rivals):
        return []
    colour = COLOURS[best]
    if target.category == "person":
        return [f"{name} in {colour}", f"{name} wearing {colour}"]
    return [f"{colour} {name}"]


def _relations(name: str, target: Thing, rivals: Sequence[Thing], others: Sequence[Thing]) -> list[str]:
    """Next to, beside, left or right of, or with a thing of another category."""
    found = []
    for anchor in others:
        alike = [o for o in others if o.category == anchor.category]
        word = anchor.category
        if target.category == "person" and word in PORTABLE:
            if _inside(anchor, target) and not any(_inside(o, r) for o in alike for r in rivals):
                found.append(f"{name} with the {word}")
            continue
        if target.category in PORTABLE or min(target.area, anchor.area) < 0.004:
            continue
        if _gap(target, anchor) < 0.03 and all(_gap(r, o) > 0.1 for o in alike for r in rivals):
            found += [f"{name} next to the {word}", f"{name} by the {word}"]
        if len(alike) == 1 and abs(target.y - anchor.y) < 0.3:
            if target.box[2] < anchor.x and target.x < anchor.box[0] and all(r.x > anchor.x for r in rivals):
                found.append(f"{name} to the left of the {word}")
            if target.box[0] > anchor.x and target.x > anchor.box[2] and all(r.x < anchor.x for r in rivals):
                found.append(f"{name} to the right of the {word}")
    return found


def _gap(a: Thing, b: Thing) -> float:
    """Distance between two boxes, shares of the frame; 0 if they touch or overlap."""
    dx = max(a.box[0] - b.box[2], b.box[0] - a.box[2], 0.0)
    dy = max(a.box[1] - b.box[3], b.box[1] - a.box[3], 0.0)
    return float(np.hypot(dx, dy))


def _inside(small: Thing, big: Thing) -> bool:
    """Whether the centre of one lies in the box of the other."""
    return big.box[0] < small.x < big.box[2] and big.box[1] < small.y < big.box[3]


def _coloured_part(t: Thing) -> np.ndarray:
    if t.category != "person":
        return t.mask
    height = t.mask.shape[0]
    y0, y1 = t.box[1] * height, t.box[3] * height
    trunk = np.zeros_like(t.mask)
    rows = slice(int(y0 + 0.25 * (y1 - y0)), int(y0 + 0.6 * (y1 - y0)) + 1)
    trunk[rows] = t.mask[rows]
    return trunk
