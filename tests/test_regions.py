"""Regions of probability maps that are made by hand."""

import numpy as np
import pytest

from cefnet.regions import ambiguous, regions, rivals
from cefnet.result import Result
from cefnet.text import Tokens

Box = tuple[int, int, int, int]


def result(places: dict[Box, float], score: float = 1.0, side: int = 100, rest: float = 0.1) -> Result:
    """A 100 x 100 answer with these probabilities in these boxes (x_min, y_min, x_max, y_max)."""
    grid = np.full((side, side), rest, np.float32)
    for (x_min, y_min, x_max, y_max), value in places.items():
        grid[y_min:y_max, x_min:x_max] = value
    return Result("dog", score, 0.5, 0.5, {}, side, side, (grid,), None, Tokens((1,), ("dog",), (0,)), {}, {})


LEFT, RIGHT, SPECK = (0, 10, 20, 30), (60, 50, 80, 70), (50, 0, 55, 5)


def test_regions_by_hand() -> None:
    found = regions(result({SPECK: 0.9, LEFT: 0.8, (60, 50, 80, 60): 0.6}))
    assert [region.box for region in found] == [LEFT, (60, 50, 80, 60), SPECK]
    assert [region.area for region in found] == pytest.approx([0.04, 0.02, 0.0025])
    assert [region.probability for region in found] == pytest.approx([0.8, 0.6, 0.9])
    assert all(type(number) is int for region in found for number in region.box)


def test_nothing_found_has_no_regions() -> None:
    for nothing in (result({LEFT: 0.9, RIGHT: 0.9}, score=0.4), result({})):
        assert regions(nothing) == [] and rivals(nothing) == [] and not ambiguous(nothing)


def test_the_whole_photo_is_one_region() -> None:
    assert [region.box for region in regions(result({}, rest=0.7))] == [(0, 0, 100, 100)]


def test_a_narrow_gap_does_not_divide() -> None:
    """A dog behind a pole; a hundredth of the photo is narrow, a tenth is not."""
    behind_a_pole = result({(10, 10, 30, 60): 0.8, (31, 10, 50, 60): 0.8})
    assert [region.box for region in regions(behind_a_pole)] == [(10, 10, 50, 60)]
    assert regions(behind_a_pole)[0].area == pytest.approx(0.2 - 0.005)
    assert not ambiguous(behind_a_pole)
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
    answer = result(places)
    assert len(rivals(answer)) == count and ambiguous(answer) == (count > 1)
