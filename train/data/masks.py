"""Masks as annotation files have them, decoded.

pycocotools decodes in C and trusts its input: a coordinate that is not a number, or a size of billions of pixels, ends
the process instead of raising, and where runs are too short the rest of the mask is whatever was in memory. What it
can't take is refused before it gets there.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

LONGEST_OUTLINE = 1_000_000  # pixels; C memory grows with it


def encode(segmentation: Any, height: int, width: int) -> dict[str, Any]:
    """A mask's compressed RLE (`size`, `counts`).

    Args:
        segmentation: COCO RLE (compressed or not) or polygons, x and y in pixels.
        height, width: Of the photo, pixels.

    Raises:
        ValueError: It is neither, damaged, or of another size.
    """
    if isinstance(segmentation, Mapping):
        return _encode_runs(segmentation, height, width)
    if not isinstance(segmentation, Sequence) or isinstance(segmentation, str) or not segmentation:
        raise ValueError("a mask is RLE (size, counts) or a list of polygons")
    polygons = [_polygon(polygon, height, width) for polygon in segmentation]
    return coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))


def decode_mask(segmentation: Any, height: int, width: int) -> np.ndarray:
    """Decodes COCO RLE (compressed or not) or polygons to H x W uint8, 0 or 1.

    Raises:
        ValueError: As `encode`, or the runs are not as long as the photo has pixels.
    """
    return coco_mask.decode(encode(segmentation, height, width))


def merge_runs(parts: Sequence[Any]) -> dict[str, Any]:
    """The union of masks in compressed RLE, all of one size.

    Raises:
        ValueError: One is damaged or of another size.
    """
    height, width = parts[0]["size"]
    return coco_mask.merge([encode(part, height, width) for part in parts])


def _encode_runs(rle: Mapping[str, Any], height: int, width: int) -> dict[str, Any]:
    size, counts = rle.get("size"), rle.get("counts")
    if not isinstance(size, Sequence) or [*size] != [height, width]:
        raise ValueError(f"the mask is of {size} pixels, its photo of {[height, width]} (height, width)")
    if isinstance(counts, list):
        if not all(isinstance(run, int) and run >= 0 for run in counts) or sum(counts) != height * width:
            raise ValueError("the runs of a mask must be whole numbers that add up to the photo's pixels")
        return coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    text = counts.encode() if isinstance(counts, str) else counts
    if not isinstance(text, bytes) or _length(text) != height * width:
        raise ValueError("the runs of a mask are damaged, or don't add up to the photo's pixels")
    return {"size": [height, width], "counts": text}


def _length(text: bytes) -> int | None:
    """The sum of compressed runs; None if they are damaged.

    A character, less 48, is five bits of a number, lowest first, and a sixth that says whether more follow; the highest
    bit of all is the sign. From the fourth number on, each is the difference to the one before the last.
    """
    digits = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if not len(digits) or digits.min() < 0 or digits.max() > 63 or digits[-1] & 32:
        return None
    last = np.flatnonzero(digits & 32 == 0)
    first = np.concatenate([[0], last[:-1] + 1])
    lengths = last - first + 1
    if lengths.max() > 7:  # more than 32 bits
        return None
    places = np.arange(len(digits)) - np.repeat(first, lengths)
    numbers = np.add.reduceat((digits & 31) << 5 * places, first)
    numbers -= np.where(digits[last] & 16, 1 << 5 * lengths, 0)
    runs = np.concatenate([numbers[:1], numbers[1::2].cumsum(), numbers[2::2].cumsum()])
    return int(runs.sum()) if runs.min() >= 0 else None


def _polygon(polygon: Any, height: int, width: int) -> list[float]:
    """The polygon, if its points lie in the photo or at most the photo's longer side beyond it."""
    try:
        points = np.asarray(polygon, np.float64).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise ValueError("a polygon is a flat list of x, y, x, y, ...") from error
    side = max(height, width)
    if len(points) < 3 or not ((points >= -side) & (points <= 2 * side)).all():  # false for NaN
        raise ValueError(f"a polygon has at least three points, in or near its photo of {width} x {height} pixels")
    outline = float(np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum())
    if outline > LONGEST_OUTLINE:
        raise ValueError(f"a polygon's outline is longer than {LONGEST_OUTLINE:,} pixels")
    return points.ravel().tolist()
