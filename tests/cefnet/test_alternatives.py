"""Other regions than the one that was found, on probabilities drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cefnet.alternatives import alternatives, region_at, region_beside
from cefnet.result import Result
from tests.cefnet.test_regions import result

ANSWER, LARGE, SMALL = (slice(2, 8), slice(2, 8)), (slice(2, 9), slice(14, 22)), (slice(16, 20), slice(4, 8))


@pytest.fixture
def answer() -> Result:
    """24 x 24: one region above the threshold of 0.5, a large pale one and a small one that is a little less pale."""
    made = result({})
    level = np.full((24, 24), 0.01, np.float32)
    level[ANSWER], level[LARGE], level[SMALL] = 0.9, 0.2, 0.3
    return result_of(made, level)


def result_of(like: Result, level: np.ndarray) -> Result:
    from dataclasses import replace

    whole = replace(like, levels=(level,) * 4, height=24, width=24, presence=0.1)
    return whole.decided(mask_threshold=0.5, presence_threshold=0.5, regions="one")


def where(mask: np.ndarray) -> tuple[slice, slice]:
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return slice(int(ys[0]), int(ys[-1]) + 1), slice(int(xs[0]), int(xs[-1]) + 1)


def test_the_answer_comes_first_then_the_region_that_holds_most_probability(answer: Result) -> None:
    found = alternatives(answer)
    assert found[0] is answer
    assert [where(one.mask) for one in found] == [ANSWER, LARGE, SMALL]
    assert [round(one.score, 2) for one in found[1:]] == [0.2, 0.3]
    assert not answer.present and all(one.present for one in found[1:])
    for one in found:
        assert one.mask[where(one.mask)].all()  # the whole of the region, and nothing else


def test_noise_and_specks_are_no_alternatives(answer: Result) -> None:
    level = np.full((24, 24), 0.01, np.float32)
    level[ANSWER], level[20, 20] = 0.9, 0.4  # one place of 576
    assert len(alternatives(result_of(answer, level))) == 1


def test_a_click_takes_the_region_there_however_pale(answer: Result) -> None:
    assert where(region_at(answer, 5.0, 18.0).mask) == LARGE
    assert where(region_at(answer, 17.5, 5.0).mask) == SMALL
    assert where(region_at(answer, 3.0, 3.0).mask) == ANSWER


def test_a_click_not_this_takes_the_next_best_elsewhere(answer: Result) -> None:
    other = region_beside(answer, 4.0, 4.0)
    assert where(other.mask) == LARGE
    level = np.full((24, 24), 0.01, np.float32)
    level[ANSWER] = 0.9
    assert not region_beside(result_of(answer, level), 4.0, 4.0).mask.any()  # there is nothing else


def test_shapes_stay_as_they_are(answer: Result) -> None:
    """A region whose probability falls towards its edge ends where it did at half of its peak."""
    level = np.full((24, 24), 0.01, np.float32)
    level[6:14, 6:14] = 0.06
    level[4:16, 4:16] = np.maximum(level[4:16, 4:16], 0.04)
    taken = region_at(result_of(answer, level), 10, 10)
    assert where(taken.mask) == (slice(4, 16), slice(4, 16))
    inner, outer = taken.levels[0][8, 8], taken.levels[0][4, 4]
    assert inner > outer >= 0.5 > taken.levels[0][0, 0]


@pytest.mark.parametrize("place", [(-1, 0), (0, 24), (float("nan"), 3)])
def test_places_outside_the_photo_are_refused(answer: Result, place: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="is outside the photo, which is 24 high and 24 wide"):
        region_at(answer, *place)
