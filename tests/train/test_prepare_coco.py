"""`prepare coco`: from an instance file to a data folder that training can use."""

import csv
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
from train.data.reader import ReferData
from train.data.samples import BatchSpec
from train.describe.vocabulary import SYNONYMS
from train.preparation import prepare_own
from train.preparation.coco import read_coco
from train.preparation.own import splits
from train.preparation.report import render_report
from train.preparation.writer import Writer, WriterSpec, sentence_kind, slip

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


def run(source: Path, out: Path, instances: Path | None = None, **options: Any) -> dict[str, Any]:
    return prepare_own("coco", instances or source / "instances.json", source / "photos", out, **options)


@pytest.fixture(scope="module")
def out(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "data"
    run(source, folder, preview_file=folder / "look" / "sheet.png", val=0.2, spec=WriterSpec(typos=0))
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
    writer = Writer(data, SYNONYMS, {}, WriterSpec())
    frames = {i: writer.frame(writer[n]) for n, i in enumerate(writer.ids)}
    for ref in data.refs:
        frame = frames[ref.image_id]
        for s in ref.sentences:
            assert [t.ann_id for t in meant(s.sent, frame.things, frame.image)] == list(ref.ann_ids), s.sent
    assert len(data.absent) == 20
    for a in data.absent:
        assert meant(a.sent, frames[a.image_id].things, frames[a.image_id].image) == [], a.sent


def test_training_draws_from_it(out: Path, tiny_tokenizer: Path) -> None:
    spec = BatchSpec(photos=4, expressions=3)
    batch = Batches(ReferData.open(out), Tokenizer.from_file(tiny_tokenizer), spec, 64, seed=0)[0]
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
    for name, more in {"a": {}, "b": {"workers": 1}, "c": {"spec": WriterSpec(seed=1)}}.items():
        run(source, tmp_path / name, **more)
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


def test_a_photo_that_is_missing_is_named_and_left_out(source: Path, tmp_path: Path) -> None:
    images = tables(source)["images"]
    images[0]["file_name"] = "gone.jpg"
    report = run(source, tmp_path / "out", changed(source, tmp_path, images=images))
    data = ReferData.open(tmp_path / "out")
    assert len(data.images) == 19 and images[0]["id"] not in data.annotations_of
    assert "photos that are not used: 1" in render_report(report) and "gone.jpg" in render_report(report)
    images = [i | {"file_name": f"gone-{i['file_name']}"} for i in images]
    with pytest.raises(ValueError, match=r"no photo can be used \(the first of 20: .*gone-gone.jpg: no such photo"):
        run(source, tmp_path / "none", changed(source, tmp_path, images=images))
    assert not (tmp_path / "none").exists()


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "skipped.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_one_of_a_crowd_is_not_described(source: Path, tmp_path: Path) -> None:
    annotations = tables(source)["annotations"]
    first = annotations[0]
    crowd = first | {"id": 9999, "iscrowd": 1, "segmentation": [[0, 0, 90, 0, 90, 70]]}
    report = run(source, tmp_path / "out", changed(source, tmp_path, annotations=[*annotations, crowd]))
    refs = json.loads((tmp_path / "out" / "refs.json").read_text())
    assert first["id"] not in {r["ann_id"] for r in refs}
    assert (report["left_out"]["a crowd"], report["left_out"]["one of a crowd"]) == (1, 1)
    why = {row["annotation"]: row["reason"] for row in rows(tmp_path / "out")}
    assert why["annotation 9999"] == "a crowd" and why[f"annotation {first['id']}"] == "one of a crowd"


def test_what_is_not_used_is_listed_with_its_reason(source: Path, tmp_path: Path) -> None:
    """Every photo and every annotation is in the data or in `skipped.csv`."""
    table = tables(source)
    images, annotations = table["images"], table["annotations"]
    broken, small = images[1], images[2]
    images[0]["file_name"] = "gone.jpg"
    small["width"] += 1
    (tmp_path / "photos").mkdir()
    for i in images[1:]:
        (tmp_path / "photos" / i["file_name"]).write_bytes((source / "photos" / i["file_name"]).read_bytes())
    (tmp_path / "photos" / broken["file_name"]).write_bytes(b"no photo")
    on = [a for a in annotations if a["image_id"] not in {images[0]["id"], broken["id"], small["id"]}]
    on[0].update(segmentation=[], bbox=[])
    on[1]["segmentation"] = [[900, 900, 950, 900, 950, 950]]
    on[2]["segmentation"] = {"size": [1, 1], "counts": "1"}
    file = tmp_path / "labels.json"
    file.write_text(json.dumps(table))
    report = prepare_own("coco", file, tmp_path / "photos", tmp_path / "out")
    said = rows(tmp_path / "out")
    photos = {row["photo"]: row["reason"] for row in said if not row["annotation"]}
    bare = {a["image_id"] for a in on[:3]} - {a["image_id"] for a in on[3:]}
    assert bare and photos == {i["file_name"]: "no object on it" for i in images if i["id"] in bare} | {
        "gone.jpg": "no such photo",
        broken["file_name"]: "photo can't be read",
        small["file_name"]: "photo of another size",
    }
    why = {int(row["annotation"].split()[1]): row["reason"] for row in said if row["annotation"]}
    assert [why[a["id"]] for a in on[:3]] == ["no mask", "no usable mask", "no usable mask"]
    described = {r["ann_id"] for r in json.loads((tmp_path / "out" / "refs.json").read_text())}
    assert described.isdisjoint(why) and described | set(why) == {a["id"] for a in on}
    assert {row["file"] for row in said} == {str(file)}
    assert sum(report["left_out"].values()) == len(why) and len(report["photos_left_out"]) == len(photos)


def test_kinds_can_be_left_out(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "out", spec=WriterSpec(1, without=("positions", "ends", "relations")))
    refs = json.loads((tmp_path / "out" / "refs.json").read_text())
    ways = {s["way"] for r in refs for s in r["sentences"]}
    assert not ways & {"positions", "ends", "relations"} and all(len(r["sentences"]) == 1 for r in refs)


def test_other_data_is_not_overwritten(source: Path, tmp_path: Path) -> None:
    (tmp_path / "refs.json").write_text("[]")
    with pytest.raises(ValueError, match="holds other data"):
        run(source, tmp_path)
    with pytest.raises(ValueError, match="their sum may be 1"):
        run(source, tmp_path / "out", val=0.7, test=0.7)
    with pytest.raises(ValueError, match="nothing can be said of any object"):
        run(source, tmp_path / "out", spec=WriterSpec(smallest=1))


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
    labels = read_coco([tmp_path / "lvis.json"])
    assert labels.synonyms == {"cup": ("cup", "beaker"), "sofa": ("sofa", "couch"), "zebra": ("zebra",)}
    assert labels.photos[7].name == "0007.jpg" and labels.verified == {7: ("zebra",)}
    assert [s.source for s in labels.shapes] == ["predicted", "people"]


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
