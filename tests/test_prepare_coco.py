"""`prepare coco`: from an instance file to a data folder that training can use."""

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from photoref_fixture import make_photoref
from plain_sense import meant

from cefnet.text import Tokenizer
from train.__main__ import main
from train.data import augment
from train.data.batches import Batches
from train.data.coco import read_instances
from train.data.reader import ReferData
from train.data.samples import BatchSpec
from train.data.writer import Writer, WriterSpec, sentence_kind, slip
from train.prepare_coco import add_coco_arguments, prepare_coco, render_report, splits

Record = dict[str, Any]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos/ and an instance file as COCO has it: no splits."""
    folder = make_photoref(tmp_path_factory.mktemp("coco"), photos=20, layout="folder")
    table = json.loads((folder / "instances.json").read_text())
    for record in table["images"]:
        del record["split"]
    for record in table["annotations"]:
        del record["source"]
    (folder / "instances.json").write_text(json.dumps(table))
    return folder


def run(source: Path, out: Path, *more: str, instances: Path | None = None) -> None:
    parser = argparse.ArgumentParser()
    add_coco_arguments(parser)
    files = ["--instances", str(instances or source / "instances.json"), "--images", str(source / "photos")]
    prepare_coco(parser.parse_args([*files, "--out", str(out), *more]))


@pytest.fixture(scope="module")
def out(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "data"
    run(source, folder, "--preview", str(folder / "look" / "sheet.png"), "--val", "0.2", "--typos", "0")
    return folder


def changed(source: Path, folder: Path, **tables: Any) -> Path:
    """The instance file with other tables."""
    file = folder / "changed.json"
    file.write_text(json.dumps(json.loads((source / "instances.json").read_text()) | tables))
    return file


def tables(source: Path) -> dict[str, list[Record]]:
    return json.loads((source / "instances.json").read_text())


def test_the_data_folder_opens(out: Path, source: Path) -> None:
    data = ReferData.open(out)
    assert len(data.images) == 20 and {r.split for r in data.refs} == {"train", "val", "test"}
    assert {i.split for i in data.images.values()} == {"train", "val", "test"}
    assert sum(i.split == "val" for i in data.images.values()) == 4
    assert not (out / "photos").exists() and data.photo(10).shape == (72, 96, 3)  # photos stay where they are
    for ref in data.refs:
        assert 1 <= len(ref.sentences) <= 3 and len({s.sent for s in ref.sentences}) == len(ref.sentences)
        assert ref.split == data.images[ref.image_id].split and {s.kind for s in ref.sentences} <= {
            "location",
            "look",
            "free",
        }
    numbers = [s.sent_id for r in data.refs for s in r.sentences]
    assert len(set(numbers)) == len(numbers) and len({r.ann_ids for r in data.refs}) == len(data.refs)


def test_every_sentence_means_its_object_and_absent_ones_none(out: Path, source: Path) -> None:
    data = ReferData.open(out)
    writer = Writer(data, read_instances(source / "instances.json"), WriterSpec())
    frames = {i: writer.frame(writer[n]) for n, i in enumerate(writer.ids)}
    for ref in data.refs:
        frame = frames[ref.image_id]
        for s in ref.sentences:
            assert [t.ann_id for t in meant(s.sent, frame.things, frame.image)] == list(ref.ann_ids), s.sent
    assert len(data.absent) == 20
    for a in data.absent:
        assert meant(a.sent, frames[a.image_id].things, frames[a.image_id].image) == [], a.sent


def test_training_draws_from_it(out: Path, tiny_tokenizer: Path) -> None:
    spec = BatchSpec(64, photos=4, expressions=3)
    batch = Batches(ReferData.open(out), Tokenizer.from_file(tiny_tokenizer), spec, seed=0)[0]
    assert {"written"} < set(batch.kinds) and not batch.skipped


def test_on_the_command_line(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    words = [
        "prepare",
        "coco",
        "--instances",
        str(source / "instances.json"),
        "--images",
        str(source / "photos"),
        "--out",
    ]
    assert main([*words, str(tmp_path / "data")]) == 0 and "objects described" in capsys.readouterr().out
    (tmp_path / "data" / "dataset.json").unlink()
    assert main([*words, str(tmp_path / "data")]) == 2 and "holds other data" in capsys.readouterr().err


def test_the_report_adds_up(out: Path) -> None:
    report, data = json.loads((out / "report.json").read_text()), ReferData.open(out)
    sentences = [s.sent for r in data.refs for s in r.sentences]
    splits = report["splits"].values()
    assert sum(s["photos"] for s in splits) == 20 and sum(s["objects"] for s in splits) == len(data.refs)
    assert sum(s["expressions"] for s in splits) == len(sentences) == report["claims"]["all"]["chosen"]
    assert report["objects"]["share"] == len(data.refs) / len(data.annotations)
    assert all(c["said"] >= c["kept"] for c in report["claims"].values())
    assert report["words"]["mean"] == pytest.approx(np.mean([len(s.split()) for s in sentences]))
    assert sum(report["words"]["bins"].values()) == pytest.approx(1)
    text = render_report(report)
    assert f"objects described: {len(data.refs)} of {len(data.annotations)}" in text and "positions" in text


def test_the_preview_is_a_picture(out: Path) -> None:
    sheet = cv2.imread(str(out / "look" / "sheet.png"))
    assert sheet.shape[1] == 8 + 6 * 268 and (sheet == (120, 220, 64)).all(axis=-1).sum() > 1000  # outlines, BGR


def test_the_same_seed_writes_the_same(source: Path, tmp_path: Path) -> None:
    for name, more in {"a": [], "b": ["--workers", "1"], "c": ["--seed", "1"]}.items():
        run(source, tmp_path / name, *more)
    a, b, c = ((tmp_path / name / "refs.json").read_bytes() for name in "abc")
    assert a == b != c


def test_splits() -> None:
    photos = [{"id": i, "file_name": f"{i}.jpg"} for i in range(100)]
    split = splits(photos, 0.1, 0.2, seed=0)
    assert [list(split.values()).count(n) for n in ("train", "val", "test")] == [70, 10, 20]
    assert split == splits(photos[::-1], 0.1, 0.2, seed=0) != splits(photos, 0.1, 0.2, seed=1)
    assert sorted(splits(photos[:3], 0.01, 0.01, seed=0).values()) == ["test", "train", "val"]
    assert set(splits(photos, 1.0, 0.0, seed=0).values()) == {"val"}
    own = [p | {"split": "dev" if p["id"] % 2 else "train"} for p in photos]
    assert splits(own, 0.1, 0.1, seed=0) == {p["id"]: p["split"] for p in own}


def test_a_photo_that_is_missing_is_named_and_left_out(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    images = tables(source)["images"]
    images[0]["file_name"] = "gone.jpg"
    run(source, tmp_path / "out", instances=changed(source, tmp_path, images=images))
    data = ReferData.open(tmp_path / "out")
    assert len(data.images) == 19 and images[0]["id"] not in data.annotations_of
    assert "photos that can't be used: 1" in (printed := capsys.readouterr().out) and "gone.jpg" in printed
    images = [i | {"file_name": f"gone/{i['file_name']}"} for i in images]
    with pytest.raises(ValueError, match="none of the 20 photos can be used; the first: photo gone/"):
        run(source, tmp_path / "none", instances=changed(source, tmp_path, images=images))
    assert not (tmp_path / "none").exists()


def test_one_of_a_crowd_is_not_described(source: Path, tmp_path: Path) -> None:
    annotations = tables(source)["annotations"]
    first = annotations[0]
    crowd = first | {"id": 9999, "iscrowd": 1, "segmentation": [[0, 0, 90, 0, 90, 70]]}
    run(source, tmp_path / "out", instances=changed(source, tmp_path, annotations=[*annotations, crowd]))
    refs = json.loads((tmp_path / "out" / "refs.json").read_text())
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert first["id"] not in {r["ann_id"] for r in refs} and report["left_out"] == {"a crowd": 1, "one of a crowd": 1}


def test_kinds_can_be_left_out(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "out", "--without", "positions", "ends", "relations", "--expressions", "1")
    refs = json.loads((tmp_path / "out" / "refs.json").read_text())
    ways = {s["way"] for r in refs for s in r["sentences"]}
    assert not ways & {"positions", "ends", "relations"} and all(len(r["sentences"]) == 1 for r in refs)


def test_other_data_is_not_overwritten(source: Path, tmp_path: Path) -> None:
    (tmp_path / "refs.json").write_text("[]")
    with pytest.raises(ValueError, match="holds other data"):
        run(source, tmp_path)
    with pytest.raises(ValueError, match="their sum may be 1"):
        run(source, tmp_path / "out", "--val", "0.7", "--test", "0.7")
    with pytest.raises(ValueError, match="nothing can be said of any object"):
        run(source, tmp_path / "out", "--smallest", "1")


def test_boxes_and_areas_are_measured_where_they_lack(tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[10, 20, 30, 20, 30, 25, 10, 25]]}
    image = {"id": 1, "file_name": "a.jpg", "width": 40, "height": 30}
    line = annotation | {"id": 2, "segmentation": [[1, 1, 5, 5]]}
    bare = {k: v for k, v in annotation.items() if k != "segmentation"} | {"id": 3}
    guess = annotation | {"id": 4, "score": 0.7, "bbox": [10, 20, 20, 5], "area": 100}
    record = {"categories": [{"id": 1, "name": "Traffic_Light"}], "images": [image]}
    file.write_text(json.dumps(record | {"annotations": [annotation, line, bare, guess]}))
    instances = read_instances(file)
    first, second = instances.tables["annotations"]
    assert (first["bbox"], first["area"], first["iscrowd"], first["source"]) == ([10, 20, 20, 5], 100, 0, "people")
    assert (second["id"], second["source"], second["score"]) == (4, "predicted", 0.7)
    assert instances.left_out == {"no mask": 2} and instances.tables["categories"] == [
        {"id": 1, "name": "traffic light"}
    ]
    assert instances.synonyms == {"traffic light": ("stoplight", "traffic signal")}


def test_what_lvis_adds_is_used(tmp_path: Path) -> None:
    names = {1: "cup_(drinkware)", 2: "sofa", 3: "zebra"}
    words = {1: ["cup", "beaker"], 2: ["sofa", "couch"], 3: ["zebra"]}
    image = {"id": 7, "coco_url": "http://images/train2017/0007.jpg", "width": 40, "height": 30}
    about = {"neg_category_ids": [3], "not_exhaustive_category_ids": [1]}
    square = {"image_id": 7, "segmentation": [[10, 20, 30, 20, 30, 25]]}
    table = {
        "categories": [{"id": k, "name": n, "synonyms": words[k]} for k, n in names.items()],
        "images": [image | about],
        "annotations": [square | {"id": 1, "category_id": 1}, square | {"id": 2, "category_id": 2}],
    }
    (tmp_path / "lvis.json").write_text(json.dumps(table))
    instances = read_instances(tmp_path / "lvis.json")
    assert instances.synonyms == {"cup": ("beaker",), "sofa": ("couch",), "zebra": ()}
    assert instances.tables["images"][0]["file_name"] == "0007.jpg" and instances.verified == {7: ("zebra",)}
    assert [a["source"] for a in instances.tables["annotations"]] == ["predicted", "people"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "needs the lists images, annotations, categories; it has a list"),
        ('{"images": []}', r"it has \['images'\]"),
        ('{"images": [{"id": 1}], "annotations": [], "categories": []}', "a record of images has no width"),
        ('{"images": [], "annotations": [], "categories": []}', "has no annotation with a mask"),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "file.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_instances(tmp_path / "file.json")


def test_an_annotation_of_no_photo_is_refused(source: Path, tmp_path: Path) -> None:
    annotations = tables(source)["annotations"]
    for wrong in (annotations[0] | {"id": 1, "image_id": 5}, annotations[0]):
        with pytest.raises(ValueError, match=f"annotation {wrong['id']} has a number twice, or names an unknown"):
            read_instances(changed(source, tmp_path, annotations=[*annotations, wrong]))


@given(
    st.sampled_from(["the leftmost person", "closest human in black", "brown dog on the right"]), st.integers(0, 999)
)
def test_slips_leave_place_words_alone_and_make_no_other_word(text: str, seed: int) -> None:
    for before, after in zip(text.split(), slip(text, np.random.default_rng(seed)).split(), strict=True):
        assert before == after or not (augment.names_place(before) or after in ("back", "human", "brown"))


def test_a_slip_of_the_fingers_happens() -> None:
    assert len({slip("brown person", np.random.default_rng(i)) for i in range(30)}) > 5


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [("left red car", "pairs", "location"), ("red car", "colours", "look"), ("cup on the couch", "resting", "free")],
)
def test_sentence_kinds(text: str, kind: str, expected: str) -> None:
    assert sentence_kind(text, kind) == expected
