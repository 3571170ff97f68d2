"""The separate regions of an answer, the strongest of them, and whether several fit about equally well.

>>> if len(places := rivals(result)) > 1:
...     print(f"{len(places)} places fit about equally well")
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # a result chooses its own strongest region
    from cefnet.result import Result

GAP = 0.02  # of the longer side: what lies closer together is one region, such as a dog behind a pole
FAIR = 1 / 3  # of the largest region's area
ALIKE = 0.1  # of probability
LOOKED_AT = 384  # pixels of the longer side on which the strongest region is looked for


@dataclass(frozen=True)
class Region:
    """A connected part of what was found.

    Attributes:
        area: Share of the photo, 0..1.
        box: x_min, y_min, x_max, y_max in pixels (the maxima lie outside).
        probability: Mean over the region, 0..1.
    """

    area: float
    box: tuple[int, int, int, int]
    probability: float


def labelled(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], list[tuple[int, int, int, int]]]:
    """Tells the connected parts of a mask apart; those with no more than `GAP` between them belong together.

    Args:
        mask: H x W.

    Returns:
        H x W, the number of the region at each place, 1 to n, 0 = not in the mask; and the n regions' boxes.
    """
    reach = max(1, round(GAP * max(mask.shape) / 2))
    pad = reach + 1  # closing would fill what lies between a region and the edge
    padded = np.pad(mask, pad).astype(np.uint8)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    return np.where(mask, labels[pad:-pad, pad:-pad], 0), [_box(one, pad) for one in stats[1:]]


def strongest(mask: NDArray[np.bool_], probability: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The region of a mask that holds most of its probability; both H x W.

    Which one that is can be seen on a small copy, in a third of the time for a photo of a megapixel.
    """
    height, width = mask.shape
    scale = min(1.0, LOOKED_AT / max(mask.shape))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    touched = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    labels, boxes = labelled(touched)
    if len(boxes) < 2:
        return mask
    held = cv2.resize(np.where(mask, probability, 0), size, interpolation=cv2.INTER_AREA)
    chosen = labels == np.bincount(labels.ravel(), weights=held.ravel(), minlength=2)[1:].argmax() + 1
    return mask & cv2.resize(chosen.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)


def regions(result: Result) -> list[Region]:
    """The regions of all that `reached` the threshold, largest first; empty where nothing is present.

    The gap between parts of one region counts neither as area nor for the mean.
    """
    if not result.present:
        return []
    mask = result.reached
    labels, boxes = labelled(mask)
    own = labels[mask]
    areas = np.bincount(own, minlength=len(boxes) + 1)
    sums = np.bincount(own, weights=result.probability[mask], minlength=len(boxes) + 1)
    order = 1 + np.argsort(-areas[1:], kind="stable")
    return [Region(areas[n] / mask.size, boxes[n - 1], sums[n] / areas[n]) for n in order.tolist()]


def rivals(result: Result) -> list[Region]:
    """The regions that could each be what was meant; fewer than two of them: one stands out, or nothing was found.

    A region is a rival of the largest if it has at least a third of its area (`FAIR`) and a mean probability no
    further from its own than 0.1 (`ALIKE`). Both are needed: specks beside the answer are as certain as it is, and
    a second object that the model holds for less likely is paler though it may be as large. Areas differ by three
    already between equal things at distances of 1 and 1.7, hence a bound no tighter. Whether somebody asked for several
    things ("two dogs") is not known here, so that all this says is that several places fit.
    """
    found = regions(result)
    return [
        one
        for one in found
        if one.area >= FAIR * found[0].area and abs(one.probability - found[0].probability) <= ALIKE
    ]


def ambiguous(result: Result) -> bool:
    """Whether two or more places fit about equally well (`rivals`)."""
    return len(rivals(result)) > 1


def _box(stats: np.ndarray, pad: int) -> tuple[int, int, int, int]:
    x, y, width, height = (int(value) for value in stats[:4])
    return x - pad, y - pad, x - pad + width, y - pad + height
