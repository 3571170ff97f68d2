"""train/data/masks.py: what pycocotools' C code would die of is refused; the rest is decoded as it does."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from cefnet.result import run_lengths
from train.data.masks import decode_mask, encode, merge_runs

HEIGHT, WIDTH = 6, 8
SQUARE = [1, 1, 5, 1, 5, 4, 1, 4]
NUMBERS = st.integers() | st.floats() | st.none() | st.text(max_size=2)
RUNS = st.text("01OPo~\x00\u00e9", max_size=12) | st.binary(max_size=12) | st.lists(NUMBERS | st.integers(0, 48))
SIZES = st.just([HEIGHT, WIDTH]) | st.lists(NUMBERS, max_size=3) | st.none()
POLYGONS = st.lists(st.lists(NUMBERS | st.integers(-20, 30), max_size=12) | NUMBERS, max_size=3)


@pytest.mark.parametrize(
    ("segmentation", "words"),
    [  # the first four end the process when pycocotools gets them
        ({"size": [200_000, 200_000], "counts": "1"}, r"of \[200000, 200000\] pixels, its photo of \[6, 8\]"),
        ([[0, 0, math.nan, 0, 5, 5]], "in or near its photo of 8 x 6"),
        ([[0, 0, math.inf, 0, 5, 5]], "in or near its photo"),
        ([[0, 0, 1e8, 0, 1e8, 1e8]], "in or near its photo"),
        ([[0, 0, 8, 6] * 70_000], "outline is longer than 1,000,000 pixels"),
        ([[0, 0, 8, 6]], "at least three points"),
        ([[0, 0, 8, 6, 4, 4, 4]], "flat list"),
        ([], "RLE .* or a list of polygons"),
        ("1", "RLE .* or a list of polygons"),
        (None, "RLE .* or a list of polygons"),
        ({"size": [6, 8], "counts": "o"}, "damaged"),  # a number without an end: read on beyond the text
        ({"size": [6, 8], "counts": "\u00e9"}, "damaged"),
        ({"size": [6, 8], "counts": None}, "damaged"),
        ({"size": [6, 8], "counts": [10.0, 38]}, "whole numbers"),
        ({"size": [6, 8], "counts": [-1, 49]}, "whole numbers"),
        ({"size": [6, 8], "counts": [40, 40]}, "add up to"),
        ({"size": [6, 8], "counts": "1"}, "add up to"),  # the rest would be what was in memory
        ({"size": [6], "counts": [48]}, "of .6. pixels"),
        ({}, "of None pixels"),
    ],
)
def test_refused(segmentation: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        decode_mask(segmentation, HEIGHT, WIDTH)


def test_points_beyond_the_photo_are_cut_off_there() -> None:
    mask = decode_mask([[-4, -4, 4, -4, 4, 3, -4, 3]], HEIGHT, WIDTH)
    assert mask[:3, :4].all() and mask.sum() == 12


@given(st.lists(st.booleans(), min_size=HEIGHT * WIDTH, max_size=HEIGHT * WIDTH))
def test_every_mask_comes_back(pixels: list[bool]) -> None:
    mask = np.array(pixels, np.uint8).reshape(HEIGHT, WIDTH)
    for rle in (coco_mask.encode(np.asfortranarray(mask)), json.loads(json.dumps(run_lengths(mask)))):
        assert np.array_equal(decode_mask(rle, HEIGHT, WIDTH), mask)


def test_large_runs_come_back() -> None:
    mask = np.zeros((3000, 2000), np.uint8)
    mask[100:2900, 7:1800] = 1
    mask[5, 1999] = 1
    assert np.array_equal(decode_mask(coco_mask.encode(np.asfortranarray(mask)), 3000, 2000), mask)


@settings(max_examples=300, deadline=None)
@example({"size": [HEIGHT, WIDTH], "counts": "1" * 20 + "o"})
@given(st.fixed_dictionaries({}, optional={"size": SIZES, "counts": RUNS}) | POLYGONS | NUMBERS)
def test_anything_is_decoded_or_refused(segmentation: Any) -> None:
    try:
        mask = decode_mask(segmentation, HEIGHT, WIDTH)
    except ValueError:
        return
    assert mask.shape == (HEIGHT, WIDTH) and mask.dtype == np.uint8 and mask.max() <= 1


def test_the_union_of_runs() -> None:
    parts = [encode([SQUARE], HEIGHT, WIDTH), encode([[0, 0, 2, 0, 2, 6, 0, 6]], HEIGHT, WIDTH)]
    both = np.maximum(*(decode_mask(part, HEIGHT, WIDTH) for part in parts))
    assert np.array_equal(coco_mask.decode(merge_runs(parts)), both) and 12 < both.sum() < 24
    with pytest.raises(ValueError, match="its photo of"):
        merge_runs([parts[0], parts[1] | {"size": [8, 6]}])
