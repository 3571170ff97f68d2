"""Batches hold what the spec says, words and masks agree after augmentation, and a step never changes."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from photoref_fixture import CATEGORIES, COLOURS, make_photoref
from torch.utils.data import DataLoader

from cefnet.text import Tokenizer
from train.data.batches import Batch, Batches
from train.data.reader import ReferData
from train.data.samples import BatchSpec, Companions, Sample, Sampler, clear_subjects
from train.describe.vocabulary import means

SIZE = 64
PLAIN = BatchSpec(
    photos=4, expressions=3, generated=0, absent=0, captions=0, crop=0, colour=0, typos=0, retyped=0, flip=0
)
WILD = BatchSpec(
    photos=6, expressions=5, generated=0.4, absent=0.1, captions=0.2, flip=0.7, crop=0.9, typos=0, retyped=0
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ReferData:
    return ReferData.open(make_photoref(tmp_path_factory.mktemp("data"), photos=18))


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer: Path) -> Tokenizer:
    return Tokenizer.from_file(tiny_tokenizer)


@pytest.fixture(scope="module")
def wild(data: ReferData, tokenizer: Tokenizer) -> Batches:
    return Batches(data, tokenizer, WILD, SIZE, seed=1)


def alike(a: Batch, b: Batch) -> bool:
    pairs = [(v, getattr(b, k)) for k, v in vars(a).items()]
    return all(torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y for x, y in pairs)


def test_shapes_and_types(wild: Batches) -> None:
    batch, n = wild[0], 30
    assert (batch.images.shape, batch.images.dtype) == ((6, 3, SIZE, SIZE), torch.uint8)
    assert (batch.masks.shape, batch.masks.dtype) == ((n, SIZE, SIZE), torch.uint8)
    assert (batch.classes.shape, batch.classes.dtype) == ((6, SIZE, SIZE), torch.uint8)
    assert batch.photo_index.tolist() == [p for p in range(6) for _ in range(5)]
    assert batch.ids.shape == batch.token_mask.shape and batch.ids.shape[0] == n
    assert (batch.ids.dtype, batch.token_mask.dtype, batch.present.dtype) == (
        torch.int64,
        torch.bool,
        torch.bool,
    )
    assert len(batch.expressions) == len(batch.sample_ids) == len(batch.kinds) == n
    assert batch.masks.max() == 1 and batch.classes.max() <= len(CATEGORIES)
    assert torch.equal(batch.ids != 0, batch.token_mask)
    assert batch.images.is_contiguous() and batch.to("cpu").expressions == batch.expressions


def test_a_step_is_a_pure_function_of_seed_and_step(data: ReferData, tokenizer: Tokenizer) -> None:
    one, two = (Batches(data, tokenizer, WILD, SIZE, seed=5) for _ in range(2))
    fifth = one[5]
    assert alike(fifth, two[5]) and alike(fifth, one[5])
    assert not alike(fifth, one[6]) and not alike(fifth, Batches(data, tokenizer, WILD, SIZE, seed=6)[5])


def test_workers_make_the_same_batches(data: ReferData, tokenizer: Tokenizer) -> None:
    batches = Batches(data, tokenizer, WILD, SIZE, seed=2, steps=3)
    loaded = list(DataLoader(batches, batch_size=None, num_workers=1))
    assert len(loaded) == 3 and all(alike(batch, batches[i]) for i, batch in enumerate(loaded))


def test_steps_end(data: ReferData, tokenizer: Tokenizer) -> None:
    batches = Batches(data, tokenizer, PLAIN, SIZE, seed=0, steps=2)
    assert len(batches) == 2
    with pytest.raises(IndexError, match="step 2"):
        batches[2]


def test_plain_batches_are_the_data(data: ReferData, tokenizer: Tokenizer) -> None:
    batch = Batches(data, tokenizer, PLAIN, SIZE, seed=0)[0]
    sentences = {(r.image_id, *r.ann_ids): {s.sent for s in r.sentences} for r in data.refs_of("train")}
    for n, (image_id, ann_id) in enumerate(batch.sample_ids):
        photo = cv2.resize(data.photo(image_id), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        assert np.array_equal(batch.images[batch.photo_index[n]].permute(1, 2, 0).numpy(), photo)
        share = cv2.resize(data.mask(ann_id).astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        decided = np.abs(share - 0.5) > 0.01
        assert np.array_equal(batch.masks[n].numpy()[decided], (share > 0.5)[decided])
        assert batch.kinds[n] == "written" and batch.expressions[n] in sentences[image_id, ann_id]


def test_every_object_has_a_number_of_its_own(data: ReferData, tokenizer: Tokenizer) -> None:
    batch = Batches(data, tokenizer, PLAIN, SIZE, seed=0)[0]
    assert (batch.objects.shape, batch.objects.dtype) == (batch.classes.shape, torch.uint8)
    assert torch.equal(batch.objects > 0, batch.classes > 0)
    numbers: dict[tuple[int, int], int] = {}
    for n, sample in enumerate(batch.sample_ids):
        objects = batch.objects[batch.photo_index[n]]
        (number,) = objects[batch.masks[n] > 0].unique().tolist()  # the fixture's objects don't touch
        assert torch.equal(objects == number, batch.masks[n] > 0)
        assert numbers.setdefault(sample, number) == number


def test_different_objects_come_first(data: ReferData, tokenizer: Tokenizer) -> None:
    batches = Batches(data, tokenizer, PLAIN, SIZE, seed=3)
    for step in range(10):
        batch = batches[step]
        for p in range(4):
            image_id = batch.sample_ids[3 * p][0]
            drawn = {ann_id for _, ann_id in batch.sample_ids[3 * p : 3 * p + 3]}
            assert len(drawn) == min(3, len(data.annotations_of[image_id]))
            assert len(set(batch.expressions[3 * p : 3 * p + 3])) >= 2


def instances(batch: Batch, p: int, name: str) -> list[np.ndarray]:
    """Masks of the things in a photo that go by a name; the fixture's objects don't touch."""
    ids = sorted(CATEGORIES)
    shown = np.zeros((SIZE, SIZE), np.uint8)
    for k, category in enumerate(ids):
        shown[(batch.classes[p] == k + 1).numpy() & means(name, CATEGORIES[category])] = 1
    count, labels = cv2.connectedComponents(shown)
    return [labels == i for i in range(1, count)]


def centre(mask: np.ndarray) -> tuple[float, float]:
    y, x = np.nonzero(mask)
    return (x.min() + x.max() + 1) / 2 / SIZE, (y.min() + y.max() + 1) / 2 / SIZE


def words_of_place(text: str) -> set[str]:
    """The words of an expression, without the top that somebody wears."""
    return set(re.sub(r" in an? \w+ top\b", "", text).split())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100_000))
def test_words_stay_true_after_flips_and_crops(wild: Batches, step: int) -> None:
    batch = wild[step]
    for n, (text, kind) in enumerate(zip(batch.expressions, batch.kinds, strict=True)):
        p, mask, words = int(batch.photo_index[n]), batch.masks[n].numpy() > 0, words_of_place(text)
        assert bool(batch.present[n]) == (kind != "absent") == bool(mask.any())
        if kind == "absent" or re.search(r" (of|by|next) ", text):
            continue
        x, y = centre(mask)
        names = [w for w in words if any(means(w, c) for c in CATEGORIES.values())]
        rivals = [centre(m) for m in instances(batch, p, names[0])]
        if kind == "category":
            assert np.array_equal(mask, np.logical_or.reduce(instances(batch, p, text)))
        if "leftmost" in words or ("left" in words and x > 0.5):
            assert "from" in words or x <= min(r[0] for r in rivals) + 0.02, text
        if "rightmost" in words or ("right" in words and x < 0.5):
            assert "from" in words or x >= max(r[0] for r in rivals) - 0.02, text
        if "top" in words and y > 0.55:
            assert y <= min(r[1] for r in rivals) + 0.02, text
        if "bottom" in words and y < 0.45:
            assert y >= max(r[1] for r in rivals) - 0.02, text


def test_colours_stay_true_after_flips_and_crops(data: ReferData, tokenizer: Tokenizer) -> None:
    spec = BatchSpec(6, 5, generated=0.3, absent=0, captions=0.3, flip=0.5, crop=1.0, colour=0, typos=0, retyped=0)
    batches, seen = Batches(data, tokenizer, spec, SIZE, seed=4), set()
    for step in range(15):
        batch = batches[step]
        for n, text in enumerate(batch.expressions):
            for colour in set(text.split()) & set(COLOURS):
                inside = cv2.erode(batch.masks[n].numpy(), np.ones((3, 3), np.uint8), borderValue=0) > 0
                pixels = batch.images[batch.photo_index[n]].permute(1, 2, 0).numpy()[inside]
                assert np.abs(np.median(pixels, axis=0) - COLOURS[colour]).max() < 20, text
                seen.add(batch.kinds[n])
    assert seen == {"written", "generated", "caption"}


def test_crops_keep_the_drawn_objects(data: ReferData, tokenizer: Tokenizer) -> None:
    spec = BatchSpec(6, 2, generated=0, absent=0, captions=0, crop=1.0, flip=0, typos=0, retyped=0)
    batches = Batches(data, tokenizer, spec, SIZE, seed=7)
    larger = 0
    for step in range(10):
        batch = batches[step]
        for n, (image_id, ann_id) in enumerate(batch.sample_ids):
            if batch.kinds[n] == "written":
                record, whole = data.images[image_id], data.annotations[ann_id].area
                share = float(batch.masks[n].float().mean())
                assert share > 0.85 * whole / (record.width * record.height)
                larger += share > 1.3 * whole / (record.width * record.height)
    assert larger > 10


@given(st.integers(0, 1000), st.sampled_from(["red car", "left car", "second one", "biggest dog"]))
def test_crops_under_place_words_are_mild(data: ReferData, tokenizer: Tokenizer, seed: int, text: str) -> None:
    batches = Batches(data, tokenizer, replace(PLAIN, crop=1.0, smallest_crop=0.4), SIZE, seed=0)
    anns = data.annotations_of[11]
    window = batches.pictures.window(11, [Sample(text, (anns[0],), "written")], np.random.default_rng(seed))
    kept = [data.annotations[a].box for a in (anns[:1] if text == "red car" else anns)]
    assert all(window.x0 <= x and x + w <= window.x1 for x, _, w, _ in kept)
    assert all(window.y0 <= y and y + h <= window.y1 for _, y, _, h in kept)
    least = 0.4 if text == "red car" else 0.925
    assert window.x1 - window.x0 >= least * 96 and window.y1 - window.y0 >= least * 72


def test_shares(data: ReferData, tokenizer: Tokenizer) -> None:
    spec = BatchSpec(8, 6, generated=0.3, categories=0.5, absent=0.2, captions=0, typos=0, retyped=0)
    batches = Batches(data, tokenizer, spec, SIZE, seed=0)
    kinds = [k for step in range(12) for k in batches[step].kinds]
    share = {k: kinds.count(k) / len(kinds) for k in set(kinds)}
    assert 0.13 < share["absent"] < 0.27 and 0.1 < share["category"] < 0.35 and "caption" not in share


def test_photos_with_several_objects_are_drawn_more(data: ReferData) -> None:
    sampler = Sampler(data, BatchSpec(photos=1, several_weight=4.0), "train")
    several = [len(data.annotations_of[int(i)]) > 1 for i in sampler.ids]
    weights = sampler.weights / sampler.weights.min()
    assert weights.tolist() == pytest.approx([4.0 if s else 1.0 for s in several])
    assert all(data.images[int(i)].split == "train" for i in sampler.ids)


def test_a_batch_never_repeats_a_photo(wild: Batches) -> None:
    for step in range(20):
        photos = [image_id for image_id, _ in wild[step].sample_ids[::5]]
        assert len(set(photos)) == 6


def test_too_few_photos_are_refused(data: ReferData) -> None:
    with pytest.raises(ValueError, match=r"'dev' has 3 photos, a batch needs 6"):
        Sampler(data, BatchSpec(photos=6), "dev")


def test_clear_subjects(data: ReferData) -> None:
    subjects = clear_subjects(data, data.images)
    assert set(subjects) == {i for i in data.images if len(data.annotations_of[i]) == 1}
    ann_id, captions = subjects[10]
    assert data.annotations_of[10] == [ann_id] and all(c[-1] != "." for c in captions)


def test_strangers_never_share_a_photo(data: ReferData) -> None:
    companions = Companions(data)
    sets = [{data.annotations[a].category_id for a in anns} for anns in data.annotations_of.values()]
    for here in sets:
        strange = set(companions.strangers(here, limit=0.0).tolist())
        assert strange == {c for c in CATEGORIES if not any(c in s and s & here for s in sets)}


def test_by_expression_every_expression_is_as_likely(data: ReferData) -> None:
    spec = replace(PLAIN, photos=1, expressions=1, several_weight=1.0, by_expression=True)
    sampler, rng = Sampler(data, spec, "train"), np.random.default_rng(0)
    refs = data.refs_of("train")
    of_photo = {i: sum(len(r.sentences) for r in refs if r.image_id == i) for i in sampler.ids}
    assert np.allclose(sampler.weights, [of_photo[i] / sum(of_photo.values()) for i in sampler.ids])
    image_id = max(of_photo, key=lambda i: of_photo[i])
    drawn = Counter((s.text, s.ann_ids) for _ in range(3000) for s in sampler.draw(image_id, rng))
    assert len(drawn) == of_photo[image_id]
    assert max(drawn.values()) < 1.4 * min(drawn.values())
