"""The photo of a question: what of it is shown, and its own pixels."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cefnet.photos import read_photo

log = logging.getLogger(__name__)

SHOWN_SIDE = 1024  # pixels of the longer side of what is shown; downloads have the photo's own size


@dataclass(frozen=True)
class Picture:
    """The photo of a question.

    Attributes:
        pixels: h x w x 3 uint8 RGB, at most `SHOWN_SIDE` long: what is shown.
        size: Height and width of the photo itself, in pixels.
        digest: SHA-256 of the photo's own pixels.
        path: The file it came from, which may be gone by now.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    digest: str
    path: str | None = None

    def full(self) -> NDArray[np.uint8]:
        """The photo's own pixels, H x W x 3 uint8; those of `pixels` where its file is gone."""
        if self.path is not None and self.pixels.shape[:2] != self.size:
            try:
                return read_photo(Path(self.path).read_bytes())
            except (OSError, ValueError):
                log.info("the file of a photo is gone")
        return self.pixels


def picture_from(source: str | Path | NDArray[np.uint8]) -> Picture:
    """The picture of a file, or of H x W x 3 uint8 pixels.

    Raises:
        ValueError: As `cefnet.photos.read_photo`.
    """
    path = None if isinstance(source, np.ndarray) else str(source)
    pixels = read_photo(source if path is None else Path(path).read_bytes())
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return Picture(fit(pixels, SHOWN_SIDE), pixels.shape[:2], digest.hexdigest(), path)


def fit(image: NDArray, side: int) -> NDArray:
    """`image` (H x W or H x W x C) made smaller so that neither side exceeds `side` pixels; never larger."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
