"""Regions of probability maps that are made by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from cefnet.config import Decision
from cefnet.result import Result, labelled, regions, rivals, strongest
from cefnet.text import Tokens

Box = tuple[int, int, int, int]


def result(places: dict[Box, float], score: float = 1.0, side: int = 100, rest: float = 0.1) -> Result:
    """A 100 x 100 answer with these probabilities in these boxes (x_min, y_min, x_max, y_max)."""
    grid = np.full((side, side), rest, np.float32)
    for (x_min, y_min, x_max, y_max), value in places.items():
        grid[y_min:y_max, x_min:x_max] = value
    return Result(
        expression="dog", score=score, presence=score, decision=Decision(), timings={}, height=side, width=side,
        levels=(grid,), _boundary=None, _tokens=Tokens((1,), ("dog",), (0,)), _word_attention={}, _co_attention={},
    )  # fmt: skip


LEFT, RIGHT, SPECK = (0, 10, 20, 30), (60, 50, 80, 70), (50, 0, 55, 5)


def test_regions_by_hand() -> None:
    found = regions(result({SPECK: 0.9, LEFT: 0.8, (60, 50, 80, 60): 0.6}))
    assert [region.box for region in found] == [LEFT, (60, 50, 80, 60), SPECK]
    assert [region.area for region in found] == pytest.approx([0.04, 0.02, 0.0025])
    assert [region.probability for region in found] == pytest.approx([0.8, 0.6, 0.9])
    assert all(type(number) is int for region in found for number in region.box)


def test_nothing_found_has_no_regions() -> None:
    for nothing in (result({LEFT: 0.9, RIGHT: 0.9}, score=0.4), result({})):
        assert regions(nothing) == [] and rivals(nothing) == []


def test_the_whole_photo_is_one_region() -> None:
    assert [region.box for region in regions(result({}, rest=0.7))] == [(0, 0, 100, 100)]


def test_a_narrow_gap_does_not_divide() -> None:
    """A dog behind a pole; a hundredth of the photo is narrow, a tenth is not."""
    behind_a_pole = result({(10, 10, 30, 60): 0.8, (31, 10, 50, 60): 0.8})
    assert [region.box for region in regions(behind_a_pole)] == [(10, 10, 50, 60)]
    assert regions(behind_a_pole)[0].area == pytest.approx(0.2 - 0.005)
    assert len(rivals(behind_a_pole)) == 1
    assert len(regions(result({(10, 10, 30, 60): 0.8, (40, 10, 50, 60): 0.8}))) == 2


def test_the_photos_edge_is_not_part_of_a_region() -> None:
    for box in ((1, 1, 20, 20), (80, 80, 99, 99)):
        assert [region.box for region in regions(result({box: 0.8}))] == [box]


@pytest.mark.parametrize(
    ("places", "count"),
    [
        ({LEFT: 0.8, RIGHT: 0.8}, 2),
        ({LEFT: 0.8, RIGHT: 0.75, (0, 80, 15, 95): 0.82}, 3),
        ({LEFT: 0.8}, 1),
        ({LEFT: 0.9, RIGHT: 0.6}, 1),  # as large, but less likely
        ({LEFT: 0.6, RIGHT: 0.9}, 1),
        ({LEFT: 0.8, SPECK: 0.8}, 1),  # as likely, but a speck
        ({LEFT: 0.8, (60, 50, 73, 60): 0.8}, 1),  # 130 of 400: less than a third
        ({LEFT: 0.8, (60, 50, 74, 60): 0.8}, 2),  # 140 of 400
    ],
)
def test_rivals_are_fair_in_size_and_alike(places: dict[Box, float], count: int) -> None:
    assert len(rivals(result(places))) == count


def test_the_strongest_region_by_hand() -> None:
    """What holds most probability: 400 places at 0.6 before 100 at 0.9; a gap of a hundredth does not divide."""
    answer = result({LEFT: 0.6, (60, 50, 70, 60): 0.9}).decided(regions="one")
    assert answer.box == LEFT and answer.mask.sum() == answer.found.sum() == 400
    assert answer.reached.sum() == 500 and len(regions(answer)) == 2  # that another one fits is still said
    paler = result({LEFT: 0.6, (60, 50, 80, 68): 0.9}).decided(regions="one")
    assert paler.box == (60, 50, 80, 68)
    behind_a_pole = result({(10, 10, 30, 60): 0.8, (31, 10, 50, 60): 0.8}).decided(regions="one")
    assert behind_a_pole.mask.sum() == 1950 and not behind_a_pole.mask[:, 30].any()
    assert not result({}).decided(regions="one").mask.any()


@settings(max_examples=50)
@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.floats(0, 1, width=32)))
def test_the_strongest_region_is_one_of_them(grid: np.ndarray) -> None:
    mask = grid >= 0.5
    kept = strongest(mask, grid)
    labels, boxes = labelled(mask)
    assert not (kept & ~mask).any() and (labels > 0).sum() == mask.sum()
    assert [len(np.unique(labels[kept]))] == [min(1, len(boxes))]
    assert all(grid[kept].sum() >= grid[labels == n].sum() - 1e-3 for n in range(1, len(boxes) + 1))
    for number, (x0, y0, x1, y1) in enumerate(boxes, 1):
        ys, xs = np.nonzero(labels == number)
        assert (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) == (x0, y0, x1, y1)


@pytest.mark.parametrize("shape", [(700, 1000), (1000, 701), (5, 1500), (385, 384)])
def test_of_a_large_photo_too(shape: tuple[int, int]) -> None:
    """Two discs and a hair: chosen on a small copy, to the pixel of the large one."""
    height, width = shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    left = np.hypot(y / height - 0.5, x / width - 0.25) < 0.15
    right = np.hypot(y / height - 0.5, x / width - 0.75) < 0.17
    hair = (x == width // 2) & (y < height // 5)
    probability = (0.9 * left + 0.8 * right + 0.95 * hair).astype(np.float32)
    assert (strongest(probability >= 0.5, probability) == right).all()  # 0.8 x 0.17^2 > 0.9 x 0.15^2
    assert (strongest(hair, probability) == hair).all()
