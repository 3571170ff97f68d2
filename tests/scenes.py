"""Painted things on grey, for the tests of what is said of them: by hand, and as Hypothesis draws them."""

import cv2
import numpy as np
from hypothesis import strategies as st

from train.describe.things import Frame, Thing, thing

SIZE = 100
GREY = np.full((SIZE, SIZE, 3), 128, np.uint8)
RED, BLUE, BLACK = (210, 20, 20), (20, 30, 200), (10, 10, 10)
PAINTS = (RED, BLUE, BLACK, (128, 128, 128), (250, 250, 250), (40, 160, 50))
THEMES = (  # few names, so that there are rivals and things that have to do with each other
    ("person", "dog", "car", "bus", "bicycle", "motorcycle", "backpack", "umbrella", "cup", "couch", "horse"),
    *(("person",), ("dog",), ("car", "bus"), ("person", "cup"), ("person", "horse"), ("person", "backpack")),
    *(("cup", "dining table"), ("dog", "couch"), ("dog", "car"), ("person", "car")),
)


def box(ann_id: int, x: int, y: int, w: int, h: int, category: str = "cow", certain: bool = True) -> Thing:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[y : y + h, x : x + w] = 1
    return thing(ann_id, category, mask, certain)


def painted(*parts: tuple[Thing, tuple[int, int, int]]) -> np.ndarray:
    image = GREY.copy()
    for t, colour in parts:
        image[t.mask > 0] = colour
    return image


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """Up to six painted things; many are of one name, some touch, stand on or hide others."""
    image, things = GREY.copy(), []
    names = st.sampled_from(draw(st.sampled_from(THEMES)))
    for ann_id in range(draw(st.integers(1, 6))):
        name, w, h = draw(names), draw(st.integers(4, 45)), draw(st.integers(4, 45))
        w = max(4, h // 3) if name == "person" and draw(st.booleans()) else w
        x, y = draw(st.integers(0, SIZE - w)), draw(st.integers(0, SIZE - h))
        if things and draw(st.booleans()):  # touching another one: on it, beside it or before it
            x0, y0, x1, y1 = (round(v * SIZE) for v in draw(st.sampled_from(things)).box)
            dx, dy = draw(st.integers(-3, 3)), draw(st.integers(0, 4))
            x, y = draw(st.sampled_from([(x0 + dx, y0 - h + dy), (x1 - 2, y0 + dy), (x0 + dx, y1 - h + 3 * dy)]))
            x, y = min(max(0, x), SIZE - w), min(max(0, y), SIZE - h)
        mask = np.zeros((SIZE, SIZE), np.uint8)
        if draw(st.booleans()):
            mask[y : y + h, x : x + w] = 1
        else:
            cv2.ellipse(mask, (x + w // 2, y + h // 2), (w // 2, h // 2), 0, 0, 360, 1, -1)
        image[mask > 0] = draw(st.sampled_from(PAINTS))
        legs = np.arange(SIZE)[:, None] >= y + h // 2
        image[(mask > 0) & legs & (name == "person")] = draw(st.sampled_from(PAINTS))
        seen = [(t, t.mask * (1 - mask)) for t in things]
        things = [thing(t.ann_id, t.category, m, t.certain) for t, m in seen if m.any()]
        things.append(thing(ann_id, name, mask, draw(st.integers(0, 9)) > 0))
    return Frame(image, tuple(things))
