"""Everyday names of the colours in a mask."""

from functools import lru_cache

import cv2
import numpy as np

COLOURS = ("black", "white", "gray", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")


def colour_shares(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Share of each of COLOURS among the pixels of a mask: 11 floats that sum to 1 (zeros for an empty mask)."""
    pixels = image[mask > 0] >> 3
    names = _colour_table()[pixels[:, 0], pixels[:, 1], pixels[:, 2]]
    return np.bincount(names, minlength=len(COLOURS)) / max(1, len(names))


@lru_cache(maxsize=1)
def _colour_table() -> np.ndarray:
    """Index into COLOURS for each RGB colour of 5 bits a channel: 32 x 32 x 32 int64."""
    grid = np.stack(np.meshgrid(*[np.arange(32, dtype=np.float32) / 31] * 3, indexing="ij"), axis=-1)
    hue, saturation, value = np.moveaxis(cv2.cvtColor(grid.reshape(1024, 32, 3), cv2.COLOR_RGB2HSV), -1, 0)
    hue, saturation, value = (a.reshape(32, 32, 32) for a in (hue, saturation, value))  # 0..360, 0..1, 0..1
    names = np.select(
        [hue < 12, hue < 40, hue < 68, hue < 165, hue < 255, hue < 290, hue < 345],
        [3, 4, 5, 6, 7, 8, 9],
        default=3,
    )
    names = np.where((names == 4) & ((value < 0.72) | (saturation < 0.55)), 10, names)  # dull orange is brown
    names = np.where((names == 3) & (value < 0.45) & (hue < 20), 10, names)  # dark red too
    names = np.where((names == 3) & (saturation < 0.5) & (value > 0.7), 9, names)  # pale red is pink
    names = np.where(saturation < 0.16, np.select([value < 0.25, value > 0.8], [0, 1], default=2), names)
    return np.where(value < 0.2, 0, names)
