"""Generated expressions are true, and of one thing only: each kind by hand."""

import numpy as np
import pytest
from scenes import BLACK, BLUE, GREY, RED, box, painted

from train.describe.expressions import KINDS, PAIRS, Told, describe, scene_of, tell
from train.describe.things import Claim, Frame, Thing, contact, thing, under
from train.describe.vocabulary import COLOURS, SYNONYMS, category_name, colour_shares, means

BAGS = ("backpack", "handbag")


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


def told(target: Thing, things: list[Thing], image: np.ndarray = GREY) -> Told:
    """What is said of a thing by its category's name."""
    return tell(scene_of(target, Frame(image, tuple(things)), target.category), target.category)


def kept(target: Thing, things: list[Thing], kind: str, image: np.ndarray = GREY) -> set[str]:
    return set(told(target, things, image).kept.get(kind, ()))


def test_a_bare_noun_is_for_the_only_one() -> None:
    cow, dog = box(1, 10, 10, 20, 20), box(2, 60, 10, 20, 20, "dog")
    assert kept(cow, [cow, dog], "name") == {"cow"}
    assert not kept(cow, [cow, box(3, 60, 60, 20, 20)], "name")
    unsure = box(1, 10, 10, 20, 20, certain=False)  # a detector may have missed another
    assert not told(unsure, [unsure, dog]).said["name"]


def test_stacks_are_counted_from_top_and_bottom() -> None:
    stack = [box(i, 40, 5 + 25 * i, 20, 15, "book") for i in range(4)]
    assert kept(stack[1], stack, "columns") == {"second book from the top", "third book from the bottom"}
    assert kept(stack[2], stack, "columns") == {"third book from the top", "second book from the bottom"}
    row = [box(i, 5 + 25 * i, 8 * i, 15, 15, "book") for i in range(4)]
    assert not kept(row[1], row, "columns")


def test_the_bigger_and_the_taller_of_two() -> None:
    big, small = pair = [box(1, 10, 20, 20, 60, "person"), box(2, 60, 40, 15, 40, "person")]
    assert kept(big, pair, "comparisons") == {"bigger person", "larger person", "taller person"}
    assert kept(small, pair, "comparisons") == {"smaller person", "shorter person"}
    raised = [big, box(2, 60, 20, 15, 40, "person")]  # on another line it may be farther away
    assert kept(big, raised, "comparisons") == {"bigger person", "larger person"}
    assert not kept(big, [*pair, box(3, 80, 40, 15, 40, "person")], "comparisons")


def test_nearer_things_end_lower_and_look_larger() -> None:
    near, far = pair = [box(1, 10, 40, 40, 50), box(2, 60, 30, 20, 25)]
    assert {"closest cow", "cow in front", "closer cow"} <= kept(near, pair, "depths")
    assert {"farthest cow", "cow farthest away"} <= kept(far, pair, "depths")
    high = [box(1, 10, 30, 40, 25), box(2, 60, 30, 20, 25)]  # larger, but on the same line
    assert not kept(high[0], high, "depths")
    birds = [box(1, 10, 40, 40, 50, "bird"), box(2, 60, 30, 20, 25, "bird")]  # they fly
    assert not told(birds[0], birds).said["depths"]


def test_people_wear_colours_above_and_below() -> None:
    people = [box(1, 10, 10, 20, 80, "person"), box(2, 60, 10, 20, 80, "person")]
    image = painted((people[0], RED), (people[1], RED))
    image[52:, :50], image[52:, 50:] = BLUE, BLACK
    assert kept(people[0], people, "clothes", image) == {"person in blue pants", "person in a red top and blue pants"}
    assert kept(people[1], people, "clothes", image) == {"person in black pants", "person in a red top and black pants"}
    sitting = box(1, 10, 10, 60, 60, "person")
    assert not told(sitting, [sitting], painted((sitting, RED))).said["clothes"]


def test_bare_legs_are_no_pants() -> None:
    bather = box(1, 10, 10, 20, 80, "person")
    image = painted((bather, (224, 172, 140)))
    assert not told(bather, [bather], image).said["clothes"]


def test_hands_hold() -> None:
    holder, other = box(1, 10, 10, 20, 80, "person"), box(2, 60, 10, 20, 80, "person")
    cup, table = box(3, 30, 40, 6, 6, "cup"), box(4, 22, 46, 30, 20, "dining table")
    assert kept(holder, [holder, other, cup], "holding") == {"person holding the cup"}
    assert not kept(other, [holder, other, cup], "holding")
    assert not kept(holder, [holder, other, cup, table], "holding")  # the table carries it
    low = box(3, 30, 82, 6, 6, "cup")
    assert not kept(holder, [holder, other, low], "holding")  # no hand is at the feet
    assert not kept(holder, [holder, box(2, 37, 10, 20, 80, "person"), cup], "holding")  # whose is it?


def test_things_rest_on_what_is_beneath() -> None:
    cat, dog, couch = things = [
        box(1, 20, 30, 20, 20, "cat"),
        box(2, 60, 60, 20, 20, "dog"),
        box(3, 10, 50, 60, 30, "couch"),
    ]
    assert kept(cat, things, "resting") == {"cat on the couch"}
    assert not kept(dog, things, "resting") and not kept(couch, things, "resting")
    two = [*things, box(4, 45, 32, 20, 18, "cat")]
    assert not kept(cat, two, "resting")


def test_the_nearer_of_two_that_overlap_is_in_front() -> None:
    dog, car = things = [box(1, 30, 50, 20, 30, "dog"), box(2, 20, 20, 50, 40, "car")]
    car = things[1] = thing(2, "car", car.mask * (1 - dog.mask))
    assert kept(dog, things, "fronts") == {"dog in front of the car"}
    assert kept(car, things, "fronts") == {"car behind the dog"}
    rival = box(3, 55, 50, 12, 30, "dog")
    assert not kept(dog, [*things, rival], "fronts")
    couch = thing(2, "couch", car.mask)  # it may sit on it
    assert not kept(dog, [dog, couch], "fronts")


def test_two_claims_are_joined_where_neither_is_enough() -> None:
    cars = [box(i, x, 40, 15, 15, "car") for i, x in enumerate((5, 30, 55, 80))]
    image = painted(*zip(cars, (BLUE, RED, RED, BLUE), strict=True))
    assert not kept(cars[1], cars, "colours", image)
    assert {"left red car", "leftmost red car"} <= kept(cars[1], cars, PAIRS, image)
    assert "right blue car" not in kept(cars[3], cars, PAIRS, image)  # "right car" says as much
    assert "right car" in kept(cars[3], cars, "ends", image)


def test_what_is_said_and_kept_is_counted() -> None:
    left, right = pair = [box(1, 5, 40, 20, 20), box(2, 75, 42, 20, 20)]
    count = told(left, pair)
    assert count.said["positions"] == 1 and count.kept["positions"] == ["cow on the left"]
    assert count.said["name"] == 1 and "name" not in count.kept


def test_contact_and_support_are_shares() -> None:
    cup, table = box(1, 40, 30, 10, 10, "cup"), box(2, 30, 40, 12, 20, "dining table")
    assert under(cup, table) == pytest.approx(0.2)  # 2 of its 10 columns
    rim = 14 * 14 - 10 * 10  # 1.5% of 100 pixels: 2 around
    assert contact(cup, table)[0] == pytest.approx(2 * 4 / rim)  # two rows of columns 38 to 41
    assert contact(cup, table)[1] == pytest.approx(0.05) and contact(table, box(3, 80, 80, 5, 5)) == (0.0, 0.5)


def test_a_new_kind_is_one_function() -> None:
    cow = box(1, 10, 10, 20, 20)
    extended = {**KINDS, "brands": lambda scene: [Claim("branded {}", lambda rival: False)]}
    assert "branded cow" in tell(scene_of(cow, Frame(GREY, (cow,)), "cow"), "cow", extended).kept["brands"]
