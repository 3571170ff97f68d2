"""Another region than the one that was found, out of the same answer: no network is asked again.

For a person who says "not that one". A network that reads clicks does it better (`Predictor.segment(clicks=...)`);
these work for every network.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cefnet.result import Map, Result

MOST = 5  # regions to offer
LOOKED_AT = 12  # regions to choose them from, by their peaks
FALL = 0.5  # a region ends where the probability falls below this share of its peak
LEAST_PEAK = 0.02  # probability; a lower peak is noise
LEAST_AREA = 0.002  # share of the photo
NEAR = 20  # a click may miss a peak by this part of the photo
APART = 2  # grid places between one region and the peak of the next


def alternatives(result: Result) -> list[Result]:
    """The answer and up to `MOST` others, each about another region, the one that holds most probability first.

    Args:
        result: What a network answered. Its own mask comes first, unchanged.

    Returns:
        Results whose mask is the region alone, whose `score` is the region's mean probability and which are present.
    """
    grid = result.levels[0]
    free = np.where(_widened(_own(result)), 0.0, grid)
    found: list[tuple[float, NDArray[np.bool_]]] = []
    while len(found) < LOOKED_AT and free.max() >= LEAST_PEAK:
        place = np.unravel_index(int(free.argmax()), free.shape)
        region = _around(free, (int(place[0]), int(place[1])))
        if region.mean() >= LEAST_AREA:
            found.append((float(grid[region].sum()), region))
        free = np.where(_widened(region), 0.0, free)
    best = sorted(found, key=lambda one: -one[0])[:MOST]
    return [result, *(_lifted(result, region) for _, region in best)]


def region_at(result: Result, y: float, x: float) -> Result:
    """The answer whose mask is the region around a place, or around the highest peak near it, however low it is.

    Args:
        result: What a network answered.
        y: Of the place, in pixels of the photo, 0 <= y < H.
        x: Likewise, 0 <= x < W.

    Raises:
        ValueError: The place is outside the photo.
    """
    grid, (row, column) = result.levels[0], _cell(result, y, x)
    near = max(grid.shape) // NEAR
    top, left = max(row - near, 0), max(column - near, 0)
    window = grid[top : row + near + 1, left : column + near + 1]
    peak = np.unravel_index(int(window.argmax()), window.shape)
    return _lifted(result, _around(grid, (top + int(peak[0]), left + int(peak[1]))))


def region_beside(result: Result, y: float, x: float) -> Result:
    """The most probable answer whose mask does not hold a place; the mask without anything where there is none.

    Args:
        result: What a network answered.
        y: Of the place, in pixels of the photo, 0 <= y < H.
        x: Likewise, 0 <= x < W.

    Raises:
        ValueError: The place is outside the photo.
    """
    row, column = _cell(result, y, x)
    for other in alternatives(result)[1:]:
        if not _own(other)[row, column]:
            return other
    return replace(result, levels=(np.zeros_like(result.levels[0]), *result.levels[1:]))


def _cell(result: Result, y: float, x: float) -> tuple[int, int]:
    if not (0 <= y < result.height and 0 <= x < result.width):
        raise ValueError(f"y={y}, x={x} is outside the photo, which is {result.height} high and {result.width} wide.")
    rows, columns = result.levels[0].shape
    return int(y / result.height * rows), int(x / result.width * columns)


def _own(result: Result) -> NDArray[np.bool_]:
    """The answer's mask on the network's grid."""
    rows, columns = result.levels[0].shape
    return replace(result, height=rows, width=columns).mask


def _around(grid: Map, place: tuple[int, int]) -> NDArray[np.bool_]:
    """The connected places around one with at least `FALL` of its probability."""
    near = (grid >= FALL * max(float(grid[place]), 1e-6)).astype(np.uint8)
    _, labels = cv2.connectedComponents(near, connectivity=8)
    return labels == labels[place]


def _widened(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return cv2.dilate(region.astype(np.uint8), np.ones((2 * APART + 1,) * 2, np.uint8)).astype(bool)


def _lifted(result: Result, region: NDArray[np.bool_]) -> Result:
    """The result with this region's probabilities above the mask threshold and all others below it.

    The region's lowest logit is moved to the threshold's, all of its others by as much, so that its shape stays.
    """
    grid, cut = result.levels[0], np.clip(result.decision.mask_threshold, 0.01, 0.99)
    logits = _logit(grid)
    moved = logits + max(float(_logit(cut) - logits[region].min()), 0.0)
    level = np.where(region, 1 / (1 + np.exp(-moved)), np.minimum(grid, 0.5 * cut)).astype(np.float32)
    level[region] = np.maximum(level[region], np.float32(cut))
    return replace(result, levels=(level, *result.levels[1:]), presence=1.0, score=float(grid[region].mean()))


def _logit(p: Map | float) -> Map:
    kept = np.clip(p, 1e-6, 1 - 1e-6)
    return np.log(kept / (1 - kept))
