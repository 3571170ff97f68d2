"""Generated expressions are true, and of one thing only."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.data.colours import COLOURS, colour_shares
from train.data.expressions import describe
from train.data.things import Thing, thing
from train.data.vocabulary import SYNONYMS, category_name, means

SIZE = 100
GREY = np.full((SIZE, SIZE, 3), 128, np.uint8)
BAGS = ("backpack", "handbag")


def box(ann_id: int, x: int, y: int, w: int, h: int, category: str = "cow", certain: bool = True) -> Thing:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[y : y + h, x : x + w] = 1
    return thing(ann_id, category, mask, certain)


def all_said(target: Thing, things: list[Thing], image: np.ndarray = GREY, tries: int = 120) -> set[str]:
    """Everything that is said of a thing, with the category's own name and without "the"."""
    said = [describe(target, things, image, np.random.default_rng(i)) for i in range(tries)]
    other = SYNONYMS.get(target.category, ())
    return {s.removeprefix("the ") for s in said if s and not set(s.split()) & set(other)}


def test_measures() -> None:
    t = box(1, 10, 20, 30, 40)
    assert t.box == (0.10, 0.20, 0.40, 0.60)
    assert (t.area, t.x, t.y) == pytest.approx((0.12, 0.25, 0.4))


def test_positions_among_three() -> None:
    left, middle, right = row = [box(i, 5 + 35 * i, 40, 20, 20) for i in range(3)]
    assert {"cow on the left", "left cow", "leftmost cow"} <= all_said(left, row)
    assert {"second cow from the left", "middle cow", "cow in the middle"} <= all_said(middle, row)
    assert {"rightmost cow", "cow on the right"} <= all_said(right, row)
    assert not any("left" in s for s in all_said(right, row))


def test_counting_needs_masks_drawn_by_people() -> None:
    row = [box(i, 5 + 25 * i, 40, 15, 15, certain=i != 3) for i in range(4)]
    assert not any("second" in s for s in all_said(row[1], row))


def test_two_on_the_left_are_not_the_one_on_the_left() -> None:
    pair = [box(1, 5, 10, 20, 20), box(2, 10, 70, 20, 20)]
    assert not {"cow on the left", "left cow", "leftmost cow"} & all_said(pair[0], pair)
    assert {"cow at the top", "top cow"} <= all_said(pair[0], pair)


def test_sizes() -> None:
    big, small = pair = [box(1, 10, 30, 40, 40), box(2, 55, 30, 30, 30)]
    assert {"biggest cow", "largest cow"} <= all_said(big, pair)
    assert {"smallest cow"} <= all_said(small, pair)
    close = [box(1, 10, 30, 40, 40), box(2, 55, 30, 38, 38)]
    assert not any("gest" in s for s in all_said(close[0], close))
    unsure = [box(1, 10, 30, 40, 40), box(2, 55, 30, 30, 30, certain=False)]
    assert not any("smallest" in s for s in all_said(unsure[1], unsure))


def test_colours() -> None:
    red, blue = pair = [box(1, 40, 5, 30, 30, "car"), box(2, 42, 60, 30, 30, "car")]
    image = GREY.copy()
    image[red.mask > 0], image[blue.mask > 0] = (210, 20, 20), (20, 30, 200)
    assert "red car" in all_said(red, pair, image) and "blue car" in all_said(blue, pair, image)
    image[blue.mask > 0] = (210, 20, 20)
    assert "red car" not in all_said(red, pair, image)


def test_a_person_wears_the_colour_of_the_trunk() -> None:
    man = box(1, 40, 10, 20, 80, "person")
    image = GREY.copy()
    image[28:60] = (20, 30, 200)  # the trunk; legs and head stay grey
    assert "person in blue" in all_said(man, [man], image)


def test_relations() -> None:
    near, far, bench = things = [
        box(1, 20, 50, 15, 20),
        box(2, 80, 50, 15, 20),
        box(3, 36, 50, 20, 20, "bench"),
    ]
    assert {"cow next to the bench", "cow to the left of the bench"} <= all_said(near, things)
    assert not any("next to" in s for s in all_said(far, things))
    assert "cow to the right of the bench" in all_said(far, things)
    assert "bench next to the cow" in all_said(bench, things)


def test_people_have_bags() -> None:
    things = [
        box(1, 10, 10, 30, 80, "person"),
        box(2, 60, 10, 30, 80, "person"),
        box(3, 15, 40, 10, 10, "backpack"),
    ]
    assert "person with the backpack" in all_said(things[0], things)
    assert not any("backpack" in s for s in all_said(things[1], things))


def test_a_shared_name_makes_rivals() -> None:
    assert all(means("bag", c) for c in BAGS) and not means("bag", "tie")
    pair = [box(i, 30 + 15 * i, 50, 10, 10, c) for i, c in enumerate(BAGS)]
    texts = [describe(pair[0], pair, GREY, np.random.default_rng(i)) for i in range(200)]
    bags = {t for t in texts if t and "bag" in t.split()}
    assert bags and all("left" in t for t in bags)


def test_nothing_is_said_of_twins() -> None:
    twins = [box(1, 40, 40, 10, 10), box(2, 43, 41, 10, 10)]
    assert all_said(twins[0], twins) == set()


def test_category_names() -> None:
    rng = np.random.default_rng(0)
    names = [category_name("couch", rng) for _ in range(200)]
    assert set(names) == {"couch", "sofa"} and 100 < names.count("couch") < 170
    assert category_name("giraffe", rng) == "giraffe"


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((10, 10, 12), "black"),
        ((250, 250, 245), "white"),
        ((128, 128, 128), "gray"),
        ((200, 20, 20), "red"),
        ((250, 140, 20), "orange"),
        ((250, 230, 40), "yellow"),
        ((40, 160, 50), "green"),
        ((30, 50, 200), "blue"),
        ((130, 30, 190), "purple"),
        ((250, 150, 190), "pink"),
        ((110, 70, 30), "brown"),
        ((20, 25, 70), "blue"),
    ],
)
def test_colour_names(rgb: tuple[int, int, int], name: str) -> None:
    image = np.full((2, 2, 3), rgb, np.uint8)
    assert COLOURS[int(colour_shares(image, np.ones((2, 2), np.uint8)).argmax())] == name


def test_colour_shares() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    image[0] = (200, 20, 20)
    shares = dict(zip(COLOURS, colour_shares(image, np.array([[1, 1], [1, 0]], np.uint8)), strict=True))
    assert shares["red"] == pytest.approx(2 / 3) and shares["black"] == pytest.approx(1 / 3)
    assert not colour_shares(image, np.zeros((2, 2), np.uint8)).any()


@st.composite
def scenes(draw: st.DrawFn) -> list[Thing]:
    things = []
    for ann_id in range(draw(st.integers(1, 5))):
        w, h = draw(st.integers(4, 40)), draw(st.integers(4, 40))
        x, y = draw(st.integers(0, SIZE - w)), draw(st.integers(0, SIZE - h))
        category = draw(st.sampled_from(["dog", "car", "bus", "person"]))
        things.append(box(ann_id, x, y, w, h, category, draw(st.booleans())))
    return things


def fits(text: str, t: Thing, among: list[Thing]) -> bool:
    """Whether a place, order or size expression is true of a thing, in the words' plain sense."""
    words = text.split()
    by_x = sorted(among, key=lambda o: o.x)
    if "from" in words:
        side = by_x if words[-1] == "left" else by_x[::-1]
        return side.index(t) == ["first", "second", "third", "fourth"].index(words[words[0] == "the"])
    if "of" in words or "by" in words or "next" in words or "with" in words:
        return True  # relations have their own tests
    checks = {
        "left": t.x < 0.5 or t is by_x[0],
        "leftmost": t is by_x[0],
        "right": t.x > 0.5 or t is by_x[-1],
        "rightmost": t is by_x[-1],
        "top": t.y < 0.5 or t.y == min(o.y for o in among),
        "bottom": t.y > 0.5 or t.y == max(o.y for o in among),
        "center": 0.3 < t.x < 0.7,
        "middle": 0.3 < t.x < 0.7 or by_x.index(t) * 2 == len(among) - 1,
        "biggest": t.area == max(o.area for o in among),
        "smallest": t.area == min(o.area for o in among),
    }
    return all(true for word, true in checks.items() if word in words)


@given(scenes(), st.integers(0, 10_000))
def test_every_expression_is_true(things: list[Thing], seed: int) -> None:
    for target in things:
        text = describe(target, things, GREY, np.random.default_rng(seed))
        if text:
            among = [
                t
                for t in things
                if t.category == target.category or any(means(w, t.category) for w in text.split())
            ]
            among = [
                t
                for t in among
                if t.category == target.category or not set(text.split()) & {"of", "by", "next", "with"}
            ]
            assert fits(text, target, among), text
