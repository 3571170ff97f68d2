"""`python -m train prepare` on tiny data sets in the official layouts, and what reads its results."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from refer_fixture import COLOURS, HEIGHT, WIDTH, make_refer, prepare, prepared

from cefnet.text import Tokenizer
from train.__main__ import main
from train.data.batches import Batches, BatchSpec
from train.data.reader import ReferData
from train.evaluation.questions import queries, shuffled
from train.preparation import public_sets
from train.preparation.plain_pickle import load_plain
from train.preparation.public_sets import Count
from train.preparation.refer import held_out, join, read_official

NAMES = ("refcoco", "refcoco+", "refcocog", "refclef", "grefcoco", "unc", "unc+", "g-ref", "referit")


@pytest.mark.parametrize("name", NAMES)
def test_every_data_set_is_read_with_its_photos_in_place(refer: Path, tmp_path: Path, name: str) -> None:
    data = prepared(refer, name, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["dataset.json", "instances.json", "refs.json"]
    assert {r.image_id for r in data.refs} == set(data.images)
    for ref in data.refs:
        photo, mask = data.photo(ref.image_id), data.union(ref.image_id, ref.ann_ids)
        assert mask.shape == photo.shape[:2] == (HEIGHT, WIDTH)
        colour = ref.sentences[0].sent.split()[0]
        if colour in COLOURS:  # the object is where its photo has its colour, but for JPEG's blur
            inner = np.argwhere(mask)[len(np.argwhere(mask)) // 2]
            assert np.abs(photo[tuple(inner)].astype(int) - COLOURS[colour]).max() < 60


@pytest.mark.parametrize("name", NAMES)
def test_both_pickle_protocols_hold_the_same(refer: Path, tmp_path: Path, name: str) -> None:
    source = public_sets.DATASETS[name]
    assert read_official(make_refer(tmp_path, protocol=2), source) == read_official(refer, source)


def test_refs_are_what_the_official_file_says(refer: Path, tmp_path: Path) -> None:
    data = prepared(refer, "unc", tmp_path)
    records = load_plain(refer / "refcoco" / "refs(unc).p")
    assert len(data.refs) == len(records) == 12
    for ref, record in zip(data.refs, records, strict=True):
        assert (ref.ref_id, ref.ann_ids) == (record["ref_id"], (record["ann_id"],))
        assert (ref.image_id, ref.category_id, ref.split) == tuple(
            record[k] for k in ("image_id", "category_id", "split")
        )
        assert [(s.sent_id, s.sent) for s in ref.sentences] == [(s["sent_id"], s["sent"]) for s in record["sentences"]]
        assert data.images[ref.image_id].file_name.endswith(f"COCO_train2014_{ref.image_id:012d}.jpg")
        assert data.images[ref.image_id].split == ref.split
    assert [a for i in data.images for a in data.annotations_of[i]] == [
        100 * i + n for i in range(1, 7) for n in range(3)
    ]


@pytest.mark.parametrize(
    ("name", "splits"),
    [
        ("unc", {"train": 12, "val": 4, "testA": 4, "testB": 4}),
        ("refcocog", {"train": 8, "val": 4, "test": 4}),
        ("g-ref", {"train": 14, "val": 6}),
        ("referit", {"train": 4, "test": 4}),
    ],
)
def test_evaluate_takes_the_splits(
    refer: Path, tmp_path: Path, capsys: pytest.CaptureFixture, name: str, splits: dict[str, int]
) -> None:
    data = prepared(refer, name, tmp_path)
    assert {s: sum(len(r.sentences) for r in data.refs_of(s)) for s in splits} == splits
    for split, count in splits.items():
        capsys.readouterr()
        assert main(["evaluate", "baseline:largest", "--data", str(tmp_path), "--split", split]) == 0
        assert f"{split}: {count} expressions" in capsys.readouterr().out
    assert main(["evaluate", "baseline:largest", "--data", str(tmp_path), "--split", "dev"]) == 2
    assert str(sorted(splits)) in capsys.readouterr().err


def test_a_photo_in_two_splits_has_none_of_its_own(refer: Path, tmp_path: Path) -> None:
    data = prepared(refer, "g-ref", tmp_path)
    assert {i: r.split for i, r in data.images.items()} == {3: "train", 6: "train", 7: "", 8: "val", 9: "train"}


def test_referit_has_numbers_and_whole_masks(refer: Path, tmp_path: Path) -> None:
    data = prepared(refer, "referit", tmp_path)
    assert sorted(data.annotations) == [1, 2, 3, 4, 5, 6]
    assert all(data.mask(a.ann_id).sum() == a.area for a in data.annotations.values())
    assert data.images[25].file_name == "saiapr_tc-12/00/images/25.jpg"


def test_a_ref_in_two_test_sets_is_in_both(refer: Path, tmp_path: Path) -> None:
    data = prepared(refer, "refclef", tmp_path, "--split-by", "unc")
    assert {s: len(data.refs_of(s)) for s in ("train", "testA", "testB")} == {"train": 2, "testA": 2, "testB": 2}
    assert len({r.ref_id for r in data.refs}) == len(data.refs)


def test_several_objects_and_none(refer: Path, tmp_path: Path) -> None:
    data = prepared(refer, "grefcoco", tmp_path)
    first = {r.ann_ids: [s.sent for s in r.sentences] for r in data.refs if r.image_id == 1}
    assert first == {
        (100,): ["the left one"],
        (101, 102): ["the two on the right", "both but the left one"],
        (): ["the purple elephant"],
    }
    assert np.array_equal(data.union(1, (101, 102)), data.mask(101) | data.mask(102))
    assert not data.union(1, ()).any()
    assert {r.ann_ids for r in data.refs if r.image_id == 4} == {(400,), (402,), ()}  # 401 is a crowd


def test_several_objects_and_none_are_measured(refer: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    data = prepared(refer, "grefcoco", tmp_path / "data")
    photos = queries(data, "train")
    meant = [sorted(q.ann_ids for q in photo) for photo in sorted(photos, key=lambda p: p[0].image_id)]
    assert meant[0] == [(), (100,), (101, 102), (101, 102)]
    assert all(q.kind == "absent" for photo in photos for q in photo if not q.ann_ids)
    dealt = sorted(shuffled(photos), key=lambda p: p[0].image_id)[0]
    assert {q.expression: q.ann_ids for q in dealt} == {
        "the left one": (101, 102),
        "the two on the right": (100,),
        "both but the left one": (100,),
    }
    to = tmp_path / "numbers.json"
    assert (
        main(["evaluate", "baseline:largest", "--data", str(tmp_path / "data"), "--split", "train", "--json", str(to)])
        == 0
    )
    numbers = json.loads(to.read_text())
    # the six plural ones are in a row of their own
    assert (numbers["n"], numbers["n_absent"], numbers["absent_accuracy"]) == (3, 3, 0.0)
    best = [max((100 * i, 100 * i + 1, 100 * i + 2), key=lambda a: data.annotations[a].area) for i in (1, 2, 3)]
    hits = sum(data.mask(b).sum() if a % 100 == b % 100 else 0 for b in best for a in (0,))
    unions = 0
    for i, b in zip((1, 2, 3), best, strict=True):
        unions += (data.union(i, (100 * i,)) | data.mask(b)).sum()
    assert numbers["without_refusal"]["overall_iou"] == pytest.approx(hits / unions)


def test_several_objects_and_none_are_drawn(refer: Path, tmp_path: Path, tiny_tokenizer: Path) -> None:
    data = prepared(refer, "grefcoco", tmp_path)
    spec = BatchSpec(
        photos=3, expressions=4, generated=0, absent=0, captions=0, typos=0, retyped=0, flip=0, crop=0, colour=0
    )
    batches = Batches(data, Tokenizer.from_file(tiny_tokenizer), spec, 48, seed=0)
    small = {i: [] for i in data.images}
    for batch in (batches[step] for step in range(3)):
        for n, text in enumerate(batch.expressions):
            image_id, share = batch.sample_ids[n][0], batch.masks[n].float().mean()
            small[image_id].append(text)
            if text == "the purple elephant":
                assert batch.kinds[n] == "absent" and not batch.present[n] and share == 0
            else:
                ids = (1, 2) if text in ("the two on the right", "both but the left one") else (0,)
                truth = data.union(image_id, [100 * image_id + i for i in ids]).mean()
                assert batch.kinds[n] == "written" and batch.present[n] and share == pytest.approx(truth, abs=0.03)
    assert set(small[1]) >= {"the two on the right", "the purple elephant", "the left one"}


def test_joint_has_no_photo_of_any_val_or_test_split(
    refer: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    data = prepared(refer, "joint", tmp_path / "fair")
    assert "4 training photos with 14 expressions" in capsys.readouterr().out
    out = held_out(read_official(refer, public_sets.DATASETS[name]) for name in public_sets.JOINT)
    assert out == {1, 4, 5, 6, 7, 8}
    assert {r.image_id for r in data.refs_of("train")} == {2, 3, 9}
    assert {r.image_id for r in data.refs_of("val")} == {4}  # UNC's
    assert [len([r for r in data.refs_of("train") if r.image_id == i]) for i in (2, 3, 9)] == [4, 6, 2]
    leaky = prepared(refer, "joint", tmp_path / "leaky", "--as-published")
    assert {r.image_id for r in leaky.refs_of("train")} == {1, 2, 3, 4, 6, 7, 9}
    for tables in (data, leaky):
        assert len({r.ref_id for r in tables.refs}) == len(tables.refs)
        sent_ids = [s.sent_id for r in tables.refs for s in r.sentences]
        assert len(set(sent_ids)) == len(sent_ids)


def test_joint_keeps_every_train_expression_once(refer: Path) -> None:
    parts = [read_official(refer, public_sets.DATASETS[name]) for name in public_sets.JOINT]
    everything = sorted(s["sent"] for p in parts for r in p.refs if r["split"] == "train" for s in r["sentences"])
    joined = join(parts, leaky=True)
    assert sorted(s["sent"] for r in joined.refs if r["split"] == "train" for s in r["sentences"]) == everything
    assert len({a["id"] for a in joined.annotations}) == len(joined.annotations)


def test_counts_are_compared_split_by_split(
    refer: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepare(refer, "unc", tmp_path / "out", "--check") == 2
    told = capsys.readouterr()
    assert "refcoco(unc) is not as the public file: train, val, testA, testB" in told.err
    assert "120,624       42,404       16,994" in told.out and "142,209       50,000       19,994" in told.out
    assert not (tmp_path / "out").exists()
    public = {"train": Count(12, 6, 3), "val": Count(4, 2, 1), "testA": Count(4, 2, 1), "testB": Count(4, 2, 1)}
    monkeypatch.setitem(public_sets.PUBLIC, "refcoco(unc)", public)
    assert prepare(refer, "refcoco", None, "--check") == 0
    assert capsys.readouterr().out.count("the same") == 4
    monkeypatch.setitem(public_sets.PUBLIC, "refcoco(unc)", public | {"testB": Count(4, 2, 2), "testC": Count(1, 1, 1)})
    assert prepare(refer, "refcoco", None, "--check") == 2
    assert "public file: testB, testC\n" in capsys.readouterr().err
    assert prepare(refer, "grefcoco", None, "--check") == 2
    assert "16 expressions instead of 259,859" in capsys.readouterr().err
    assert prepare(refer, "referit", None, "--check") == 0  # no counts are known
    assert "130,525       96,654       19,894" in capsys.readouterr().out


def test_public_counts_add_up_to_what_the_paper_says() -> None:
    wholes = {s: [sum(getattr(c, k) for c in splits.values()) for k in ("expressions", "refs", "photos")]
              for s, splits in public_sets.PUBLIC.items()}  # fmt: skip
    assert wholes["refcoco(unc)"] == [142_210, 50_000, 19_994]  # the paper has one expression less
    assert wholes["refcoco+(unc)"] == [141_564, 49_856, 19_992]
    assert wholes["refcocog(umd)"][0] == wholes["refcocog(google)"][0] == 95_010  # google's test was never released
    assert wholes["refcocog(umd)"][1] == wholes["refcocog(google)"][1] == 49_822


def test_missing_photos_are_named_and_may_be_left_out(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    next(copy.glob("images/**/COCO_train2014_000000000002.jpg")).unlink()
    assert prepare(copy, "unc", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert "1 photos are not below" in said and "COCO_train2014_000000000002.jpg" in said and "--skip-missing" in said
    assert not (tmp_path / "out").exists()
    data = prepared(copy, "unc", tmp_path / "out", "--skip-missing")
    assert set(data.images) == {1, 3, 4, 5, 6} and len(data.refs) == 10


def test_the_folder_of_photos_may_be_relative(refer: Path, tmp_path: Path) -> None:
    prepared(refer, "unc", tmp_path / "out")
    shutil.copytree(refer / "images", tmp_path / "moved")
    about = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert about == {"name": "unc", "photos": str((refer / "images").resolve())}
    (tmp_path / "out" / "dataset.json").write_text(json.dumps(about | {"photos": "../moved"}))
    data = ReferData.open(tmp_path / "out")
    assert data.photos == tmp_path / "out" / "../moved" and data.photo(1).shape == (HEIGHT, WIDTH, 3)


def test_the_data_sets_own_folder_will_do(refer: Path, tmp_path: Path) -> None:
    words = ["--refer", str(refer / "refcoco"), "--images", str(refer / "images"), "--out", str(tmp_path)]
    assert main(["prepare", "unc", *words]) == 0


@pytest.mark.parametrize("name", (*NAMES, "joint", "coco"))
def test_help(name: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["prepare", name, "--help"])
    assert stop.value.code == 0 and "--images" in capsys.readouterr().out
