"""The largest photos that are read, of each kind that takes memory in its own way."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np
from bad_photos import Case, Pixels, encoded, one_tag
from PIL import Image

FULL, HALF, AVIF = (8192, 6144), (6144, 4096), (5000, 4000)  # width, height


def large() -> Iterator[Case]:
    """All of them; each takes a second to make."""
    plain = partial(Image.new, "RGB", color="red")
    progressive = {"progressive": True, "subsampling": 0, "quality": 90, "exif": one_tag(0x0112, 6)}
    lying = seen(*FULL[::-1])
    yield Case("large-progressive.jpg", lambda: encoded(plain(size=FULL), "JPEG", **progressive), "", lying, 2)
    opaque = partial(Image.new, "RGBA", FULL, (255, 0, 0, 255))
    yield Case("large-rgba.png", lambda: encoded(opaque(), "PNG", compress_level=1), "", seen(*FULL))
    yield Case("large.webp", lambda: encoded(plain(size=HALF), "WEBP", method=0), "", seen(*HALF), 4)
    yield Case("large.avif", lambda: encoded(plain(size=AVIF), "AVIF", speed=10), "", seen(*AVIF), 4)
    yield Case("large-12-bit.avif", twelve_bits, "", seen(*AVIF), 4)
    strip = {"compression": "tiff_deflate", "tiffinfo": {278: 6144}}
    yield Case("large-strip.tif", lambda: encoded(plain(size=FULL), "TIFF", **strip), "", seen(*FULL))
    cmyk = partial(Image.new, "CMYK", HALF, (0, 255, 255, 0))
    yield Case("large-cmyk.jpg", lambda: encoded(cmyk(), "JPEG", progressive=True), "", seen(*HALF), 4)


def seen(width: int, height: int) -> Pixels:
    """Nothing but red."""
    return np.broadcast_to(np.array([255, 0, 0], np.uint8), (height, width, 3))


def twelve_bits() -> bytes:
    """An AVIF with 12 bits a colour and transparency, which Pillow reads but doesn't write."""
    red = np.full((AVIF[1], AVIF[0], 4), (0, 0, 4095, 4095), np.uint16)
    quick = [cv2.IMWRITE_AVIF_DEPTH, 12, cv2.IMWRITE_AVIF_SPEED, 10]
    written, data = cv2.imencode(".avif", red, quick)
    assert written
    return data.tobytes()
