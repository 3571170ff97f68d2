"""Absent expressions fit nothing in the photo."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_sense import meant
from scenes import BLUE, GREY, RED, box, frames, painted

from train.describe.absent import ABSENT_KINDS, other_colours, other_company, other_counts, other_things, tell_absent
from train.describe.things import Frame, Thing

ALL = (
    "backpack",
    "bicycle",
    "bus",
    "car",
    "couch",
    "cup",
    "dining table",
    "dog",
    "frisbee",
    "horse",
    "person",
    "zebra",
)


def frame(*things: Thing, image: np.ndarray = GREY) -> Frame:
    return Frame(image, things)


def said(shown: Frame, missing: Sequence[str], **more: object) -> set[str]:
    return {str(tell_absent(shown, missing, np.random.default_rng(i), **more)) for i in range(60)}


def test_a_missing_thing_is_named() -> None:
    assert other_things(frame(box(1, 10, 10, 20, 20)), ["dog", "car"]) == ["dog", "car"]


def test_colours_that_none_has_nor_may_be_taken_for() -> None:
    cars = box(1, 10, 10, 20, 20, "car"), box(2, 60, 10, 20, 20, "car")
    found = other_colours(frame(*cars, image=painted((cars[0], RED), (cars[1], BLUE))), [])
    assert {"yellow car", "purple car"} & set(found) == {"yellow car"}  # a camera makes purple of blue
    assert not {"red car", "blue car", "orange car", "pink car"} & set(found)
    man = box(1, 10, 10, 20, 80, "person")
    assert "person in yellow" in other_colours(frame(man, image=painted((man, RED))), [])


def test_company_that_is_missing() -> None:
    found = other_company(
        frame(box(1, 10, 10, 20, 80, "person"), box(2, 50, 50, 20, 20, "cat")), ["cup", "couch", "car"]
    )
    assert found == ["person holding the cup", "cat on the couch"]


def test_one_more_than_there_are() -> None:
    assert other_counts(frame(box(1, 10, 10, 20, 20), box(2, 60, 10, 20, 20)), []) == [
        "third cow from the left",
        "third cow from the right",
    ]
    assert not other_counts(frame(box(1, 10, 10, 20, 20)), [])


@pytest.mark.parametrize("kind", ["colours", "company", "counts"])
def test_near_misses_need_masks_drawn_by_people(kind: str) -> None:
    things = [box(i, 10 + 40 * i, 10, 20, 60, "person", certain=i == 1) for i in range(2)]
    assert not ABSENT_KINDS[kind](frame(*things), ["cup"])


def test_of_a_crowd_no_near_miss_is_told() -> None:
    shown = frame(box(1, 10, 10, 20, 60, "person"), box(2, 50, 10, 20, 60, "person"))
    assert said(shown, ["zebra"], crowds=("person",)) == {"zebra"}
    assert len(said(shown, ["zebra"])) > 3 and said(frame(), []) == {"None"}


def test_a_synonym_may_not_fit_what_is_there() -> None:
    assert said(frame(box(1, 10, 10, 20, 20, "car")), ["bus"], kinds={"things": other_things}) == {"bus", "coach"}


@settings(max_examples=40, deadline=None)
@given(frames(), st.integers(0, 10**6))
def test_nothing_is_meant(shown: Frame, seed: int) -> None:
    here = {t.category for t in shown.things}
    for kind in ABSENT_KINDS:
        rng = np.random.default_rng(seed)
        text = tell_absent(shown, [n for n in ALL if n not in here], rng, kinds={kind: ABSENT_KINDS[kind]})
        assert text is None or meant(text, shown.things, shown.image) == [], text
