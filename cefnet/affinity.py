"""What places of an answer attend to, read row by row when somebody asks. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Affinity:
    """The co-attention of one answer at one stage; a row of it is computed on demand.

    Attributes:
        queries: HW x d float32, one a place.
        keys: K x d float32; K = HW (VCM) or 110 (ACM).
        scale: Factor of the logits.
        height: Rows of the feature map.
        width: Columns of the feature map.
        bins: Pooling sizes that the keys come from; empty for VCM.
    """

    queries: NDArray[np.float32]
    keys: NDArray[np.float32]
    scale: float
    height: int
    width: int
    bins: tuple[int, ...] = ()

    def row(self, y: int, x: int) -> NDArray[np.float32]:
        """A row of A_1 (VCM, Eq. 4) or of A_3 (ACM, Eq. 7): what place (y, x) attends to.

        Args:
            y: Row of the feature map, 0..height-1.
            x: Column of the feature map, 0..width-1.

        Returns:
            Height x width float32, not negative, sums to 1. A pooled bin's weight lies evenly on its area.

        Raises:
            ValueError: If the place is outside the feature map.
        """
        if not (0 <= y < self.height and 0 <= x < self.width):
            raise ValueError(f"place ({y}, {x}) is outside the {self.height} x {self.width} feature map")
        logits = self.keys @ self.queries[y * self.width + x] * self.scale
        weights = np.exp(logits - logits.max())
        weights /= weights.sum()
        if not self.bins:
            return weights.reshape(self.height, self.width)
        return spread(weights, self.height, self.width, self.bins)


def spread(weights: NDArray[np.floating], height: int, width: int, bins: tuple[int, ...]) -> NDArray[np.float32]:
    """Lays one weight a pooled bin (sum of b^2 of them) evenly over the places it was averaged from.

    Args:
        weights: One for each bin of each pooling size, row by row.
        height: Of the feature map.
        width: Likewise.
        bins: The pooling sizes; b x b bins each.

    Returns:
        Height x width.
    """
    out = np.zeros((height, width), weights.dtype)
    start = 0
    for b in bins:
        for i, weight in enumerate(weights[start : start + b * b]):
            top, bottom = _bin_range(i // b, b, height)
            left, right = _bin_range(i % b, b, width)
            out[top:bottom, left:right] += weight / ((bottom - top) * (right - left))
        start += b * b
    return out


def _bin_range(index: int, bins: int, size: int) -> tuple[int, int]:
    """First and past-the-last place of an adaptive pooling bin."""
    return index * size // bins, -((-(index + 1) * size) // bins)
