"""What an expression is made from: the annotated things of a frame, measured, and claims about one of them."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import cv2
import numpy as np

from train.describe.vocabulary import HUMAN, colour_shares


@dataclass(frozen=True, eq=False)
class Thing:
    """An annotated object as the frame shows it (after crop and flip)."""

    ann_id: int
    category: str
    box: tuple[float, float, float, float]  # x0, y0, x1, y1 as shares of the frame, 0..1
    area: float  # share of the frame, 0..1
    certain: bool  # drawn by a person, so its category is likely complete
    mask: np.ndarray  # H x W uint8, 0 or 1; as large as the frame

    @property
    def x(self) -> float:
        """Horizontal centre, 0 (left) to 1."""
        return (self.box[0] + self.box[2]) / 2

    @property
    def y(self) -> float:
        """Vertical centre, 0 (top) to 1."""
        return (self.box[1] + self.box[3]) / 2

    @property
    def human(self) -> bool:
        """Whether it is a person, who is "in red" rather than "red"."""
        return self.category in HUMAN


def thing(ann_id: int, category: str, mask: np.ndarray, certain: bool = True) -> Thing:
    """Measures a mask (H x W uint8, not empty)."""
    height, width = mask.shape
    x, y, w, h = cv2.boundingRect(mask)
    box = (x / width, y / height, (x + w) / width, (y + h) / height)
    return Thing(ann_id, category, box, cv2.countNonZero(mask) / mask.size, certain, mask)


@dataclass(frozen=True)
class Claim:
    """Something that is true of the target, and a test for what else it may be said of.

    Attributes:
        text: The expression with `{}` where the noun goes: "left {}", "{} in red".
        also: Whether it could be said of another thing of that name. In doubt the answer is yes: the claim singles
            the target out only if it is clearly false of every rival.
    """

    text: str
    also: Callable[[Thing], bool]

    def of(self, noun: str) -> str:
        """The expression about a noun."""
        return self.text.replace("{}", noun)


@dataclass(frozen=True)
class Frame:
    """A photo as the model sees it, and everything annotated in it.

    Attributes:
        image: H x W x 3 uint8 RGB, before colour jitter.
        things: All annotated objects.
    """

    image: np.ndarray
    things: tuple[Thing, ...]
    _known: dict[Hashable, np.ndarray] = field(default_factory=dict, repr=False)

    def colours(self, t: Thing, top: float = 0.0, bottom: float = 1.0) -> np.ndarray:
        """Share of each of COLOURS between two heights of a thing (0 its top, 1 its bottom); measured once."""
        key = (t.ann_id, top, bottom)
        if key not in self._known:
            height = self.image.shape[0]
            y0, y1 = t.box[1] * height, t.box[3] * height
            rows = slice(int(y0 + top * (y1 - y0)), int(y0 + bottom * (y1 - y0)) + 1)
            self._known[key] = colour_shares(self.image[rows], t.mask[rows])
        return self._known[key]


@dataclass(frozen=True)
class Scene:
    """One thing to be described by one noun.

    Attributes:
        frame: Where it is.
        target: What is described.
        rivals: The other things that the noun fits; the expression must be false of them.
        others: Everything else that is annotated.
    """

    frame: Frame
    target: Thing
    rivals: tuple[Thing, ...]
    others: tuple[Thing, ...]

    @property
    def certain(self) -> bool:
        """Whether people drew the target and its rivals, so that likely none is missing."""
        return all(t.certain for t in (self.target, *self.rivals))

    def alike(self, anchor: Thing) -> tuple[Thing, ...]:
        """The others that go by the anchor's name, itself included."""
        return tuple(o for o in self.others if o.category == anchor.category)


def gap(a: Thing, b: Thing) -> float:
    """Distance between two boxes, shares of the frame; 0 if they touch or overlap."""
    dx = max(a.box[0] - b.box[2], b.box[0] - a.box[2], 0.0)
    dy = max(a.box[1] - b.box[3], b.box[1] - a.box[3], 0.0)
    return float(np.hypot(dx, dy))


def inside(small: Thing, big: Thing) -> bool:
    """Whether the centre of one lies in the box of the other."""
    return big.box[0] < small.x < big.box[2] and big.box[1] < small.y < big.box[3]


def overlap(a: Thing, b: Thing) -> float:
    """Share of a's width that lies over or under b, 0..1."""
    shared = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])
    return max(0.0, shared) / (a.box[2] - a.box[0])


def contact(a: Thing, b: Thing) -> tuple[float, float]:
    """Where the masks touch.

    Returns:
        The share of the rim around a's mask (1.5% of the frame wide) that b's mask holds, 0..1, and the middle
        height of that part in b's box, 0 (top) to 1 (bottom); 0.5 if they don't touch.
    """
    height, width = a.mask.shape
    reach = max(1, round(0.015 * max(height, width)))
    x0, y0 = (max(0, int(a.box[i] * side) - reach) for i, side in ((0, width), (1, height)))
    x1, y1 = (int(np.ceil(a.box[i] * side)) + reach for i, side in ((2, width), (3, height)))
    part = a.mask[y0:y1, x0:x1]
    rim = cv2.dilate(part, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > part
    rows = np.nonzero(rim & (b.mask[y0:y1, x0:x1] > 0))[0]
    if not len(rows):
        return 0.0, 0.5
    middle = (y0 + rows.mean() + 0.5) / height
    return len(rows) / int(rim.sum()), float((middle - b.box[1]) / (b.box[3] - b.box[1]))


def under(a: Thing, b: Thing) -> float:
    """Share of the foot of a (its columns that end in its lowest quarter) that has b right beneath it, 0..1."""
    height, width = a.mask.shape
    x0, x1 = round(a.box[0] * width), round(a.box[2] * width)
    columns = a.mask[:, x0:x1]
    lowest = height - 1 - columns[::-1].argmax(axis=0)
    foot = columns.any(axis=0) & (lowest >= (a.box[3] - (a.box[3] - a.box[1]) / 4) * height - 1)
    reach = max(1, round(0.015 * height))
    below = np.stack([b.mask[np.minimum(lowest + i, height - 1), np.arange(x0, x1)] for i in range(1, reach + 1)])
    return float((below.any(axis=0) & foot).sum() / max(1, foot.sum()))
