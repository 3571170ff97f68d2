"""What is known to be in a photo and what is not: plurals, absences, shares of sets, what nothing answers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from photoref_fixture import CATEGORIES, make_photoref

from cefnet.text import Tokenizer
from train.data.batches import Batches
from train.data.reader import ReferData
from train.data.records import ImageRecord
from train.data.samples import BatchSpec, Sampler
from train.data.unanswerable import unanswerable
from train.describe.vocabulary import means, plural_of

SPEC = BatchSpec(photos=3, expressions=4, generated=1.0, categories=1.0, absent=0, captions=0, typos=0, crop=0)
ALL, SOME = "all", "person,car"


def folder_with(folder: Path, **fields: dict[int, str]) -> ReferData:
    """The drawn data with fields of its photos set, by place in the file: `annotated={0: "all"}`."""
    make_photoref(folder, photos=18)
    path = folder / "instances.json"
    tables = json.loads(path.read_text())
    for name, values in fields.items():
        for place, image in enumerate(tables["images"]):
            image[name] = values.get(place, "")
    path.write_text(json.dumps(tables))
    return ReferData.open(folder)


@pytest.mark.parametrize(
    ("name", "more"),
    [("dog", "dogs"), ("person", "people"), ("wine glass", "wine glasses"), ("bus", "buses"), ("bench", "benches")]
    + [("sheep", "sheep"), ("knife", "knives"), ("toothbrush", "toothbrushes"), ("toy", "toys"), ("puppy", "puppies")],
)
def test_plurals(name: str, more: str) -> None:
    assert plural_of(name) == more


def test_a_category_is_complete_where_the_photo_says_so() -> None:
    photo = ImageRecord(1, "a.webp", 10, 10, annotated=SOME)
    assert photo.complete("car") and not photo.complete("dog") and not photo.complete("person,car")
    assert replace(photo, annotated=ALL).complete("dog") and not replace(photo, annotated="some").complete("dog")
    assert not replace(photo, annotated="person-partial").complete("person")
    assert replace(photo, annotated="dining table, car").complete("car")


def test_plurals_are_said_where_every_thing_of_the_name_is_known(tmp_path: Path, tiny_tokenizer: Path) -> None:
    data = folder_with(tmp_path, annotated={i: ALL for i in range(0, 18, 2)})
    batches = Batches(data, Tokenizer.from_file(tiny_tokenizer), SPEC, 64, seed=0)
    names = {
        plural_of(n): n for c in CATEGORIES.values() for n in (c, "human", "vehicle", "automobile", "pup", "canine")
    }
    plurals = singular = 0
    for step in range(60):
        batch = batches[step]
        for n, text in enumerate(batch.expressions):
            last = text.split()[-1]
            image_id, name = batch.sample_ids[n][0], names.get(last)
            if name is None or last == name:
                singular += 1
                continue
            plurals += 1
            count = sum(means(name, CATEGORIES[data.annotations[a].category_id]) for a in data.annotations_of[image_id])
            assert data.images[image_id].annotated == ALL and count > 1 and bool(batch.several[n]), text
            assert not {"two", "both"} & set(text.split()) or count == 2
    assert plurals > 20 and singular > 20


def absent_categories(data: ReferData) -> dict[int, tuple[set[str], set[str]]]:
    """By photo: the categories that 60 absent expressions name, and those that are not annotated in it."""
    sampler, rng = Sampler(replace(data, absent=[]), SPEC, "train"), np.random.default_rng(0)
    found = {}
    for image_id in map(int, sampler.ids):
        here = {CATEGORIES[data.annotations[a].category_id] for a in data.annotations_of[image_id]}
        drawn = {sampler.absent(image_id, rng).text.split()[-1] for _ in range(60)}
        found[image_id] = drawn - {"unicorn"}, set(CATEGORIES.values()) - here
    return found


def test_what_is_absent_is_known_where_all_is_annotated_and_guessed_elsewhere(tmp_path: Path) -> None:
    known = absent_categories(folder_with(tmp_path / "a", annotated=dict.fromkeys(range(18), ALL)))
    assert all(drawn == missing for drawn, missing in known.values())
    guessed = absent_categories(folder_with(tmp_path / "b", annotated={}))
    assert all(drawn <= missing for drawn, missing in guessed.values())
    assert any(drawn < missing for drawn, missing in guessed.values())


def test_sets_have_their_share_of_the_draws(tmp_path: Path) -> None:
    data = folder_with(tmp_path, set={0: "a", 1: "a", 2: "b", 3: "b"})
    spec = replace(SPEC, photos=1, set_shares=(("a", 0.5), ("b", 0.3)))
    sampler = Sampler(data, spec, "train")
    sets = np.array([data.images[int(i)].photo_set for i in sampler.ids])
    found = {name: sampler.weights[sets == name].sum() for name in ("a", "b", "")}
    assert found == pytest.approx({"a": 0.5, "b": 0.3, "": 0.2})
    plain = Sampler(data, replace(spec, set_shares=()), "train").weights
    elsewhere = replace(spec, set_shares=(*spec.set_shares, ("unheard of", 0.1)))
    assert (Sampler(data, elsewhere, "train").weights == sampler.weights).all()
    for name in found:  # within a set as before
        ours, before = sampler.weights[sets == name], plain[sets == name]
        assert ours / ours.sum() == pytest.approx(before / before.sum())


@pytest.mark.parametrize("shares", [(("a", 0.7), ("b", 0.6)), (("a", -0.1),)])
def test_impossible_shares_are_refused(tmp_path: Path, shares: tuple[tuple[str, float], ...]) -> None:
    data = folder_with(tmp_path, set={0: "a", 1: "b"})
    with pytest.raises(ValueError, match="set_shares"):
        Sampler(data, replace(SPEC, set_shares=shares), "train")


def test_nothing_answers_other_languages_letters_emoji_nonsense_and_stuff(tiny_tokenizer: Path) -> None:
    rng, tokenizer = np.random.default_rng(0), Tokenizer.from_file(tiny_tokenizer)
    drawn = [unanswerable(rng, "the grass by the man") for _ in range(600)]
    assert all(tokenizer.encode(text, truncate=True).ids for text in drawn)
    assert "grass" not in drawn and "sky" in drawn
    assert any(len(text) == 1 and text.isascii() for text in drawn) and any(ord(text[0]) > 0x1F000 for text in drawn)
    assert len(set(drawn)) > 300


def test_the_share_of_what_nothing_answers(tmp_path: Path) -> None:
    data, rng = folder_with(tmp_path), np.random.default_rng(0)
    known = {a.sent for a in data.absent} | set(CATEGORIES.values())
    sampler = Sampler(data, replace(SPEC, unanswerable=0.4), "train")
    drawn = [sampler.absent(int(rng.choice(sampler.ids)), rng).text for _ in range(500)]
    written = {s.sent for r in data.refs for s in r.sentences} | {"unicorn"}
    assert 0.3 < np.mean([text not in known | written for text in drawn]) < 0.5
