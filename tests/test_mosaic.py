"""Mosaics: four photos in one picture, and words that are true of one object in all four."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photoref_fixture import CATEGORIES, COLOURS, make_photoref

from cefnet.text import Tokenizer
from train.data.batches import Batches
from train.data.mosaic import holds, mosaic, visible, words
from train.data.pictures import Picture
from train.data.reader import ReferData
from train.data.samples import BatchSpec, Sample, Sampler

SIZE = 96
SPEC = BatchSpec(SIZE, photos=4, expressions=4, generated=0.3, absent=0.1, captions=0.2, colour=0, typos=0, mosaics=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ReferData:
    return ReferData.open(make_photoref(tmp_path_factory.mktemp("data"), photos=36, seed=3))


@pytest.fixture(scope="module")
def batches(data: ReferData, tiny_tokenizer: Path) -> Batches:
    return Batches(data, Tokenizer.from_file(tiny_tokenizer), SPEC, seed=0)


def tile(number: int, kinds: list[str] | None = None) -> Picture:
    """4 x 4 pixels of its number, one object (of the same number) in its upper left corner."""
    mask = np.zeros((4, 4), np.uint8)
    mask[0, 0] = 1
    samples = [Sample("small dog", (number,), k) if k == "written" else Sample("", (), k) for k in kinds or ["written"]]
    return Picture((number,), np.full((4, 4, 3), number, np.uint8), {number: mask}, samples)


def silent() -> Any:
    """A sampler of four photos of which nothing is said; photo and annotation i are of category i."""
    annotations = {i: SimpleNamespace(category_id=i) for i in range(4)}
    data = SimpleNamespace(
        annotations=annotations, annotations_of={i: [i] for i in range(4)}, categories=dict(enumerate("abcd"))
    )
    absent = lambda image_ids, rng: Sample(f"not in {image_ids}", (), "absent")  # noqa: E731
    return SimpleNamespace(data=data, said_of=lambda _: [], absent=absent)


def test_tiles_lie_in_reading_order() -> None:
    picture = mosaic([tile(i) for i in range(4)], silent(), np.random.default_rng(0))
    assert picture.image[..., 0].tolist() == [[0] * 4 + [1] * 4] * 4 + [[2] * 4 + [3] * 4] * 4
    assert {i: np.argwhere(m).tolist() for i, m in picture.masks.items()} == {
        0: [[0, 0]], 1: [[0, 4]], 2: [[4, 0]], 3: [[4, 4]]
    }  # fmt: skip
    assert picture.image_ids == (0, 1, 2, 3)


def test_samples_are_of_the_first_photos_kinds_and_of_different_objects() -> None:
    kinds = ["written", "absent", "written", "category", "written", "generated"]
    tiles = [tile(0, kinds), *(tile(i, ["written"] * 3) for i in range(1, 4))]
    for seed in range(20):
        samples = mosaic(tiles, silent(), np.random.default_rng(seed)).samples
        assert [s.kind for s in samples] == kinds
        assert len({s.ann_ids for s in samples if s.ann_ids}) == 3
        assert samples[1].text == "not in (0, 1, 2, 3)"


def test_where_nothing_stays_true_an_expression_is_generated() -> None:
    tiles = [Picture(t.image_ids, t.image, t.masks, [Sample("dog on the left", t.image_ids, "written")])
             for t in map(tile, range(4))]  # fmt: skip
    (sample,) = mosaic(tiles, silent(), np.random.default_rng(0)).samples
    assert (sample.text, sample.kind) == ("", "generated")


def test_what_is_too_small_is_not_asked_for() -> None:
    mask = np.zeros((100, 100), np.uint8)
    mask.flat[:79] = 1  # of 4 x 100 x 100 places 80 are 0.002
    picture = Picture((1,), np.zeros((100, 100, 3), np.uint8), {1: mask}, [])
    assert not visible(Sample("dog", (1,), "written"), picture)
    mask.flat[79] = 1
    assert visible(Sample("dog", (1,), "written"), picture)


@pytest.mark.parametrize(
    ("expression", "beside", "shown", "true"),
    [
        ("dog", "a cat", "cat", True),
        ("dog", "a cat", "dog", False),  # shown, though nobody speaks of it
        ("dog", "two dogs", "cat", False),  # spoken of, though not annotated
        ("the dog on the left", "a cat", "cat", False),
        ("brown dog", "white dog", "dog", False),  # it may be brown too: one word is too little
        ("brown dog", "a cat", "cat", True),
        ("brown dog", "cat on a brown sofa", "cat", True),
        ("brown dog with a collar", "white dog", "dog", True),
        ("brown dog with a collar", "the collar of a dog that is brown", "dog", False),
        ("pup wearing a red scarf", "dog wearing red", "dog", False),
    ],
)
def test_what_holds_beside_another_photo(expression: str, beside: str, shown: str, true: bool) -> None:
    sampler = silent()
    sampler.data.categories.update({0: "dog", 1: shown})
    sampler.data.annotations[1].category_id = 0 if shown == "dog" else 1
    sampler.said_of = {1: [beside]}.get
    assert holds(Sample(expression, (0,), "written"), [1], sampler) is true


def test_words() -> None:
    assert words("The man’s 2 RED-hats, dogs!") == {"the", "man", "red", "hat", "dog"}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 100_000))
def test_expressions_mean_one_object_of_all_four_photos(batches: Batches, step: int) -> None:
    batch, half = batches[step], SIZE // 2
    for n, (text, kind) in enumerate(zip(batch.expressions, batch.kinds, strict=True)):
        mask, p = batch.masks[n].numpy() > 0, int(batch.photo_index[n])
        assert bool(batch.present[n]) == (kind != "absent") == bool(mask.any())
        if kind not in ("written", "caption"):
            continue
        home = np.zeros_like(mask)  # the quarter that the object's photo has
        y, x = np.argwhere(mask)[0] // half * half
        home[y : y + half, x : x + half] = True
        assert not (mask & ~home).any()
        said = text.lower().split()
        (category,) = (c for c, name in CATEGORIES.items() if name in said)
        rivals = (batch.classes[p].numpy() == sorted(CATEGORIES).index(category) + 1) & ~home
        assert kind == "caption" or not rivals.any(), text  # "dog", "red dog": no other photo shows any dog
        for rgb in (rgb for name, rgb in COLOURS.items() if name in said):
            near = np.abs(batch.images[p].numpy().transpose(1, 2, 0).astype(int) - rgb).max(-1) < 12
            assert near[mask].mean() > 0.5 and not (near & rivals).any(), text


def test_photos_without_mosaics_are_as_before(data: ReferData, tiny_tokenizer: Path) -> None:
    """The stream of batches must stay: a run that was begun before there were mosaics goes on with it."""
    spec = BatchSpec(SIZE, photos=4, expressions=4)
    batch = Batches(data, Tokenizer.from_file(tiny_tokenizer), spec, seed=5)[8]
    assert batch.expressions[4:8] == ["the blue bottle", "bottle", "grreen car", "red dog"]
    assert (int(batch.images.sum()), int(batch.masks.sum()), int(batch.classes.sum())) == (14583930, 16945, 14743)


def test_mosaics_need_four_photos(data: ReferData) -> None:
    few = ReferData(**{**vars(data), "refs": [r for r in data.refs if r.image_id in (10, 11, 12)],
                       "images": {i: data.images[i] for i in (10, 11, 12)}})  # fmt: skip
    with pytest.raises(ValueError, match="has 3 photos, a batch needs 4"):
        Sampler(few, BatchSpec(SIZE, photos=2, mosaics=0.5), "train")
