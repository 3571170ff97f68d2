"""Flips, crops, colours and typos, and what they do to the words."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cefnet.words import normalise
from train.data import augment

WORDS = "left right leftmost rightmost left-hand lefthand lft rt lefty upright bright the on at of behind in front dog"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("dog on the left", "dog on the right"),
        ("Rightmost man, left-hand cup", "Leftmost man, right-hand cup"),
        ("LEFT dog's right-most paw", "RIGHT dog's left-most paw"),
        ("righthand side of the lft guy", "lefthand side of the rt guy"),
        ("lefty on right", "righty on left"),
        ("left.", "right."),
        ("upright leftover in bright light", "upright leftover in bright light"),
        ("man on the right behind the left car", "man on the left behind the right car"),
        ("person right behind the man", "person right behind the man"),
        ("", ""),
    ],
)
def test_mirrored_words(before: str, after: str) -> None:
    assert augment.mirror_text(before) == after
    assert augment.mirror_text(after) == before


@given(st.lists(st.sampled_from(WORDS.split()), max_size=8))
def test_mirroring_twice_is_the_identity(words: list[str]) -> None:
    text = " ".join(words)
    assert augment.mirror_text(augment.mirror_text(text)) == text


@pytest.mark.parametrize("text", ["number 4", "player 12 on left", "sign that says stop", "man right behind the car"])
def test_what_a_mirror_breaks(text: str) -> None:
    assert not augment.mirrorable(text)


def test_what_a_mirror_keeps() -> None:
    assert augment.mirrorable("second dog from the left, wearing a red collar")


@pytest.mark.parametrize(
    "text", ["left dog", "dog in the Middle", "second one", "biggest cow", "top-most", "2nd from end"]
)
def test_place_words(text: str) -> None:
    assert augment.names_place(text)


@pytest.mark.parametrize("text", ["red dog", "man in a hat beside the car", "upright bottle", "lady sitting"])
def test_words_without_place(text: str) -> None:
    assert not augment.names_place(text)


@st.composite
def photos_with_boxes(draw: st.DrawFn) -> tuple[int, int, list[tuple[float, ...]]]:
    width, height = draw(st.integers(20, 400)), draw(st.integers(20, 400))
    boxes = []
    for _ in range(draw(st.integers(0, 3))):
        x, y = draw(st.floats(0, width - 2)), draw(st.floats(0, height - 2))
        boxes.append((x, y, draw(st.floats(1, width - x)), draw(st.floats(1, height - y))))
    return width, height, boxes


@given(photos_with_boxes(), st.floats(0.3, 1.0), st.integers(0, 999))
def test_windows_lie_inside_and_keep_boxes(photo, smallest: float, seed: int) -> None:
    width, height, boxes = photo
    window = augment.draw_window(width, height, boxes, smallest, np.random.default_rng(seed))
    assert 0 <= window.x0 < window.x1 <= width and 0 <= window.y0 < window.y1 <= height
    assert window.x1 - window.x0 >= smallest * width - 1e-6
    assert window.y1 - window.y0 >= smallest * height - 1e-6
    for x, y, w, h in boxes:
        assert window.x0 <= x and x + w <= window.x1 + 1e-6
        assert window.y0 <= y and y + h <= window.y1 + 1e-6


@given(st.lists(st.tuples(*[st.floats(-1e7, 1e7)] * 4), max_size=3), st.floats(0.01, 1.0), st.integers(0, 999))
@example([(-3.5, 2.0, 10.0, 10.0)], 0.5, 0)  # labelling tools let boxes begin outside
def test_windows_lie_inside_whatever_the_boxes(boxes: list[tuple[float, ...]], smallest: float, seed: int) -> None:
    window = augment.draw_window(40, 30, boxes, smallest, np.random.default_rng(seed))  # type: ignore[arg-type]
    assert 0 <= window.x0 < window.x1 <= 40 and 0 <= window.y0 < window.y1 <= 30


def test_cut_is_the_rectangle() -> None:
    image = np.arange(12).reshape(3, 4)
    assert augment.Window(1, 0, 3, 2).cut(image).tolist() == [[1, 2], [5, 6]]


@given(st.integers(0, 200))
def test_colours_keep_their_names(seed: int) -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[:2, :2], image[2:, :2], image[:2, 2:] = (200, 40, 40), (40, 60, 190), (128, 128, 128)
    changed = augment.jitter_colours(image, np.random.default_rng(seed)).astype(int)
    assert changed.shape == image.shape
    assert changed[0, 0, 0] > changed[0, 0].min() + 60 and changed[3, 0, 2] > changed[3, 0, 0] + 60
    assert np.ptp(changed[0, 3]) < 30  # grey stays grey
    assert changed[3, 3].max() < 60  # black stays dark


def test_colour_jitter_leaves_its_input_alone() -> None:
    image = np.full((2, 2, 3), 90, np.uint8)
    augment.jitter_colours(image, np.random.default_rng(0))
    assert (image == 90).all()


@given(st.integers(0, 500))
def test_a_slip_changes_one_word_by_one_letter(seed: int) -> None:
    before = ["the", "brown", "horse", "in", "snow"]
    after = augment.misspell(" ".join(before), np.random.default_rng(seed)).split()
    changed = [(b, a) for b, a in zip(before, after, strict=True) if a != b]
    assert len(changed) <= 1  # swapping the two o's of nothing changes nothing
    for b, a in changed:
        assert len(b) >= 4 and a[0] == b[0] and abs(len(a) - len(b)) <= 1


def test_short_words_are_not_misspelt() -> None:
    assert augment.misspell("red dog", np.random.default_rng(0)) == "red dog"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("gray center car", "grey centre car"),
        ("dog on the left of a man", "dog on left of man"),
        ("dog on left", "dog on the left"),
        ("man's hat", "mans hat"),
        ("the red dog", "which one is the red dog"),
        ("red dog", "there is a red dog"),
    ],
)
def test_the_same_is_said_as_others_type_it(before: str, after: str) -> None:
    assert after in {augment.retyped(before, np.random.default_rng(seed)) for seed in range(100)}


@given(st.sampled_from(["dog", "gray dog in front of man's car", "cat on the right", "7"]), st.integers(0, 200))
def test_what_is_retyped_is_not_undone_by_the_normaliser(before: str, seed: int) -> None:
    after = augment.retyped(before, np.random.default_rng(seed))
    assert normalise(after) != normalise(before)
    assert ("right" in before) == ("right" in after) and ("front" in before) == ("front" in after)


def test_on_left_of_takes_no_article() -> None:
    texts = {augment.retyped("dog on left of man", np.random.default_rng(seed)) for seed in range(100)}
    assert not any("on the left of" in text for text in texts)
