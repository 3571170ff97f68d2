"""People's own labels, from any tool: the right mask on the right photo, or one message that names all faults."""

import csv
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import label_exports
import numpy as np
import pytest
from label_exports import COLOURS, NAMES, PHOTOS, WIDTH, drawn, labelme_file, table, write, write_photos

from train.__main__ import main
from train.data.reader import ReferData
from train.preparation import prepare_own
from train.preparation.coco import NoMask, parts_of, read_coco
from train.preparation.labelme import read_labelme
from train.preparation.labels import key, split_of, whole
from train.preparation.yolo import read_yolo


def prepared(export: label_exports.Export, out: Path, **options: Any) -> ReferData:
    form, labels, images = export
    prepare_own(form, labels, images, out, **options)  # type: ignore[arg-type]
    return ReferData.open(out)


def check(data: ReferData, iou: float = 0.97) -> None:
    """Every photo has both objects, each where it was drawn."""
    assert len(data.images) == PHOTOS
    for image_id, record in data.images.items():
        [number] = re.findall(r"p(\d)\.png", record.file_name)
        names = {data.categories[data.annotations[a].category_id]: a for a in data.annotations_of[image_id]}
        assert set(NAMES) <= set(names)
        for name in NAMES:
            mask, truth = data.mask(names[name]), drawn(int(number), name) > 0
            assert (mask & truth).sum() >= iou * (mask | truth).sum(), (record.file_name, name)
            assert np.abs(data.photo(image_id)[mask].mean(0) - COLOURS[name]).max() < 12
            annotation = data.annotations[names[name]]
            x, y, w, h = (int(v) for v in annotation.box)
            assert mask.sum() == annotation.area == mask[y : y + h, x : x + w].sum() and not annotation.iscrowd


@pytest.mark.parametrize("tool", label_exports.EXPORTS, ids=lambda tool: tool.__name__)
def test_every_tools_export_is_read(tool: Callable[[Path], label_exports.Export], tmp_path: Path) -> None:
    data = prepared(tool(tmp_path / "mine"), tmp_path / "out")
    check(data)
    assert {data.categories[r.category_id] for r in data.refs} == set(NAMES)


@pytest.mark.parametrize("tool", ["roboflow", "yolo", "labelme"])
def test_what_a_mac_hides_in_an_archive_is_passed_over(tool: str, tmp_path: Path) -> None:
    export = getattr(label_exports, tool)(tmp_path / "mine")
    for path in [*(tmp_path / "mine").rglob("*")]:
        if path.is_file():
            path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    check(prepared(export, tmp_path / "out"))


@pytest.mark.parametrize(
    ("tool", "splits"),
    [
        ("roboflow", {"train": 2, "val": 1, "test": 1}),
        ("yolo", {"train": 2, "val": 2}),
        ("yolo_roboflow", {"train": 4}),
    ],
)
def test_folders_of_splits_are_the_splits(tool: str, splits: dict[str, int], tmp_path: Path) -> None:
    data = prepared(getattr(label_exports, tool)(tmp_path / "mine"), tmp_path / "out")
    assert Counter(i.split for i in data.images.values()) == splits


def test_a_box_without_a_mask_is_there_and_nothing_is_said_of_it(tmp_path: Path) -> None:
    """Else its name would be called absent from that photo."""
    data = prepared(label_exports.label_studio(tmp_path / "mine"), tmp_path / "out", val=0, test=0)
    [lamp] = [a for a in data.annotations.values() if data.categories[a.category_id] == "lamp"]
    assert (lamp.iscrowd, lamp.source) == (True, "box") and data.images[lamp.image_id].file_name == "p0.png"
    assert lamp.ann_id not in {a for r in data.refs for a in r.ann_ids}
    said = {a.image_id for a in data.absent if "lamp" in a.sent}
    assert said and lamp.image_id not in said
    rows = list(csv.DictReader((tmp_path / "out" / "skipped.csv").open(encoding="utf-8")))
    assert [r["reason"] for r in rows if r["annotation"] == "annotation 8"] == ["a box without a mask"]


def test_on_the_command_line_the_labels_folder_is_that_of_the_photos(tmp_path: Path) -> None:
    for form in ("yolo", "labelme"):
        getattr(label_exports, form)(tmp_path / form)
        assert main(["prepare", form, "--labels", str(tmp_path / form), "--out", str(tmp_path / f"{form}-out")]) == 0
        check(ReferData.open(tmp_path / f"{form}-out"))


# Ids


def coco(folder: Path, labels: Any) -> label_exports.Export:
    return "coco", [write(folder / "labels.json", labels)], folder / "photos"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t["images"][1].update(id=1), r"photo id 1 is there twice: 'p0.png' and 'p1.png'"),
        (lambda t: t["images"][1].update(id="1"), r"photo id 1 is there twice: 'p0.png' and 'p1.png'"),
        (lambda t: t["categories"][1].update(id=1), r"category id 1 is there twice: 'suitcase' and 'chair'"),
        (lambda t: t["annotations"][3].update(id=1), r"annotation id 1 is there twice: on photo 1 and on photo 2"),
        (lambda t: t["annotations"][3].update(image_id=9), r"annotation 12: image_id 9 is none of the photos"),
        (lambda t: t["annotations"][3].pop("image_id"), r"annotation 12: image_id None is none of the photos"),
        (lambda t: t["annotations"][3].update(category_id=[]), r"annotation 12: category_id \[\] is none of the cat"),
        (lambda t: t["annotations"][3].update(iscrowd="maybe"), r"annotation 12: iscrowd 'maybe' or score None"),
        (lambda t: t["images"][2].pop("id"), r"photo record 3 \('p2.png'\): id None is neither a number nor a text"),
        (lambda t: t["images"].insert(0, "a.jpg"), r"photo record 1 is no object: a.jpg"),
        (lambda t: t["images"][2].pop("file_name"), r"photo 3 has no file_name"),
        (
            lambda t: t["images"][2].update(width="wide"),
            r"photo 3 \('p2.png'\): width 'wide' and height 72 are not whole",
        ),
        (lambda t: t["images"][2].update(height=0), r"photo 3 \('p2.png'\): width 96 and height 0 are not whole"),
        (lambda t: t["categories"][0].update(name=""), r"category 1 has no name"),
    ],
)
def test_what_contradicts_itself_is_named_by_file_photo_and_annotation(
    change: Callable, said: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    labels = table(tmp_path)
    change(labels)
    file = write(tmp_path / "labels.json", labels)
    words = [
        "prepare",
        "coco",
        "--instances",
        str(file),
        "--images",
        str(tmp_path / "photos"),
        "--out",
        str(tmp_path / "o"),
    ]
    assert main(words) == 2 and not (tmp_path / "o").exists()
    err = capsys.readouterr().err
    assert re.search(rf"prepare: {re.escape(str(file))} can't be used: .*{said}", err, re.DOTALL), err
    assert "instances.json" not in err  # a file of ours that nobody asked for


def test_two_files_put_together_by_hand_are_refused_and_read_one_by_one(tmp_path: Path) -> None:
    """Photo ids 1 to 4 twice: half of the photos vanished, and their masks went to the others."""
    monday, tuesday = table(tmp_path / "monday"), table(tmp_path / "tuesday")
    merged = {k: [*monday[k], *({**r, "id": r["id"] + 100 * (k == "annotations")} for r in tuesday[k])] for k in monday}
    merged["categories"] = monday["categories"]
    with pytest.raises(ValueError, match=r"4 faults:\n  photo id 1 is there twice"):
        read_coco([write(tmp_path / "merged.json", merged)])
    for labels in (monday, tuesday):
        for image in labels["images"]:
            image["file_name"] = f"photos/{image['file_name']}"
    files = [
        write(tmp_path / day / "labels.json", labels) for day, labels in (("monday", monday), ("tuesday", tuesday))
    ]
    data = prepared(("coco", files, tmp_path), tmp_path / "out")
    assert len(data.images) == 8 and {i.file_name.split("/")[0] for i in data.images.values()} == {"monday", "tuesday"}
    assert all(len(data.annotations_of[i]) == 2 for i in data.images)


def test_twenty_faults_are_named_and_the_others_counted(tmp_path: Path) -> None:
    labels = table(tmp_path)
    labels["annotations"] += [{"id": 100 + n, "image_id": 77, "category_id": 1} for n in range(30)]
    with pytest.raises(ValueError) as refusal:
        read_coco([write(tmp_path / "labels.json", labels)])
    lines = str(refusal.value).splitlines()
    assert lines[0].endswith("labels.json can't be used: 30 faults:") and len(lines) == 22
    assert lines[1].startswith("  annotation 100:") and lines[-1] == "  and 10 more"


def test_ids_and_numbers_may_be_texts_polygons_flat_and_a_byte_order_mark_first(tmp_path: Path) -> None:
    labels = table(tmp_path)
    for i in labels["images"]:
        i.update(id=f"img_{i['id']}", width=str(i["width"]), height=float(i["height"]))
    for a in labels["annotations"]:
        polygon = [str(v) for v in a["segmentation"][0]]
        a.update(image_id=f"img_{a['image_id']}", category_id=str(a["category_id"]), segmentation=polygon)
    file = tmp_path / "labels.json"
    file.write_text(json.dumps(labels), encoding="utf-8-sig")
    check(prepared(("coco", [file], tmp_path / "photos"), tmp_path / "out"))


def test_photos_are_told_apart_even_if_their_records_are_the_same(tmp_path: Path) -> None:
    """Two folders have a p0.png each; whoever pastes their tables together has it twice, word for word."""
    labels = table(tmp_path)
    labels["images"].append(dict(labels["images"][0]))
    labels["categories"].append(dict(labels["categories"][0]))  # that is harmless
    with pytest.raises(ValueError, match="can't be used: photo id 1 is there twice: 'p0.png' and 'p0.png'"):
        read_coco([write(tmp_path / "labels.json", labels)])


@pytest.mark.parametrize("bbox", [[], None, [0, 0, 0, 0], [30, 10, 54, 34], "box", [float("nan")] * 4])
def test_boxes_are_measured_from_the_masks(bbox: Any, tmp_path: Path) -> None:
    """A box that misses its mask ended a training hours later."""
    labels = table(tmp_path)
    for a in labels["annotations"]:
        a.update(bbox=bbox, area=0)
    check(prepared(coco(tmp_path, labels), tmp_path / "out"))


def test_sizes_that_are_missing_are_the_photos(tmp_path: Path) -> None:
    labels = table(tmp_path)
    for i in labels["images"]:
        i.update(width=None, height=None)
    check(prepared(coco(tmp_path, labels), tmp_path / "out"))


def test_two_categories_of_one_name_are_one(tmp_path: Path) -> None:
    labels = table(tmp_path)
    labels["categories"].append({"id": 7, "name": "SUITCASE"})
    labels["annotations"][0]["category_id"] = 7
    data = prepared(coco(tmp_path, labels), tmp_path / "out")
    assert sorted(data.categories.values()) == ["chair", "suitcase"]
    check(data)


@pytest.mark.parametrize(
    ("segmentation", "parts"),
    [
        ([[0, 0, 4, 0, 4, 4]], [[0, 0, 4, 0, 4, 4]]),
        ([0, 0, 4, 0, 4, 4], [[0, 0, 4, 0, 4, 4]]),
        (["0", "0", "4.5", "0", "4", "4"], [[0, 0, 4.5, 0, 4, 4]]),
        ([[0, 0], [4, 0], [4, 4]], [[0, 0, 4, 0, 4, 4]]),
        ([[[0, 0], [4, 0], [4, 4]], [[5, 5], [9, 5], [9, 9]]], [[0, 0, 4, 0, 4, 4], [5, 5, 9, 5, 9, 9]]),
        ([[0, 0, 4, 0, 4, 4], [1, 1, 2, 2], []], [[0, 0, 4, 0, 4, 4]]),
        ({"size": [2, 2], "counts": "1"}, [{"size": [2, 2], "counts": "1"}]),
        ([{"size": [2, 2], "counts": "1"}], [{"size": [2, 2], "counts": "1"}]),
    ],
)
def test_every_way_to_write_a_mask(segmentation: Any, parts: list) -> None:
    assert list(parts_of(segmentation)) == parts


@pytest.mark.parametrize(
    "segmentation", [None, [], {}, "", [[]], [[1, 1, 5, 5]], "rle", [["a", "b"] * 3], [[0, 0, None] * 2], 7]
)
def test_what_is_no_mask(segmentation: Any) -> None:
    with pytest.raises(NoMask):
        parts_of(segmentation)


@pytest.mark.parametrize(("value", "number"), [(3, 3), (3.0, 3), ("3", 3), (" 3.0 ", 3), ("007", 7)])
def test_whole_numbers(value: Any, number: int) -> None:
    assert whole(value) == number and key(value) == str(number)


@pytest.mark.parametrize("value", [None, True, 1.5, float("nan"), float("inf"), "a", "1e400", [], {}])
def test_what_is_no_whole_number(value: Any) -> None:
    with pytest.raises(ValueError, match="no whole number"):
        whole(value)


@pytest.mark.parametrize(
    ("file", "split"),
    [("a/train/_annotations.coco.json", "train"), ("instances_val2017.json", "val"), ("valid/b.json", "val"),
     ("test/labels", "test"), ("training-day/contest.json", "train"), ("photos/b.json", "")],
)  # fmt: skip
def test_splits_by_name(file: str, split: str) -> None:
    assert split_of(file) == split


# YOLO and labelme


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2 0.1 0.1 0.2 0.1 0.2 0.2", "class 2 is none of the 2 classes, 0 to 1"),
        ("chair 0.1 0.1 0.2 0.1 0.2 0.2", "class chair is none of"),
        ("0 0.1 0.1 0.2 0.1 0.2", "5 numbers after the class; a polygon has x and y of three points"),
        ("0 10 10 20 10 20 20", "10 is no share of the photo's width or height"),
        ("0 0.1 nan 0.2 0.1 0.2 0.2", "nan is no share"),
        ("0 0.1 0,1 0.2 0.1 0.2 0.2", "after the class come numbers"),
    ],
)
def test_faults_in_yolo_lines_are_named_by_file_and_line(line: str, said: str, tmp_path: Path) -> None:
    label_exports.yolo(tmp_path)
    path = tmp_path / "labels" / "train" / "p1.txt"
    path.write_text(f"{path.read_text()}\n{line}\n")
    with pytest.raises(ValueError, match=rf"labels/train/p1.txt, line 4: .*{re.escape(said)}"):
        read_yolo(tmp_path)


def test_a_yolo_box_is_a_box_without_a_mask(tmp_path: Path) -> None:
    export = label_exports.yolo(tmp_path / "mine")
    (tmp_path / "mine" / "data.yaml").unlink()
    (tmp_path / "mine" / "classes.txt").write_text("suitcase\r\nchair\r\nlamp\r\n")
    path = tmp_path / "mine" / "labels" / "val" / "p2.txt"
    path.write_text(path.read_text() + "2 0.5 0.5 0.25 0.5\n")
    data = prepared(export, tmp_path / "out")
    check(data)
    [lamp] = [a for a in data.annotations.values() if a.iscrowd]
    assert (lamp.source, lamp.box) == ("box", (36, 18, 24, 36)) and data.categories[lamp.category_id] == "lamp"


@pytest.mark.parametrize(
    ("names", "said"),
    [("", "no class names below"), ("names: 3", "names must be a list"), ("names: [", "data.yaml can't be read"),
     ("names: {a: b}", "names must be a list"), ("names: !!python/object/apply:os.getcwd []", "can't be read")],
)  # fmt: skip
def test_folders_without_class_names_are_refused(names: str, said: str, tmp_path: Path) -> None:
    label_exports.yolo(tmp_path)
    (tmp_path / "data.yaml").write_text(names)
    with pytest.raises(ValueError, match=said):
        read_yolo(tmp_path)


def test_labelme_groups_circles_and_lines(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", range(1))
    part = {"label": "Chair", "shape_type": "polygon", "group_id": 3}
    labelme_file(
        tmp_path,
        part | {"points": [[0, 0], [8, 0], [8, 8], [0, 8]]},
        part | {"points": [[20, 20], [28, 20], [28, 28], [20, 28]]},
        {"label": "ball", "shape_type": "circle", "points": [[50, 40], [50, 50]]},
        {"label": "rope", "shape_type": "linestrip", "points": [[1, 1], [5, 5]]},
        {"label": "lamp", "shape_type": "rectangle", "points": [[70, 60], [60, 50]]},
    )
    data = prepared(("labelme", [tmp_path], tmp_path), tmp_path / "out")
    by_name = {data.categories[a.category_id]: a for a in data.annotations.values()}
    assert by_name["chair"].area == 128 and by_name["chair"].box == (0, 0, 28, 28)
    assert by_name["ball"].area == pytest.approx(np.pi * 100, rel=0.03)
    assert by_name["lamp"].iscrowd and by_name["lamp"].box == (60, 50, 10, 10)
    rows = list(csv.DictReader((tmp_path / "out" / "skipped.csv").open(encoding="utf-8")))
    assert ("shape 4", "no mask", "a linestrip has no inside") in {
        (r["annotation"], r["reason"], r["detail"]) for r in rows
    }


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"points": [[0, 0], [8, 0], [8, 8]]}, "shape 1: it has no label"),
        ({"label": "a"}, r"shape 1 \(a\): 'points' is missing"),
        ({"label": "a", "points": [[0, 0], [8, 0]]}, r"shape 1 \(a\): it needs 3 points"),
        ({"label": "a", "points": [[0, 0, 1]] * 3}, r"shape 1 \(a\): too many values"),
        (
            {"label": "a", "shape_type": "mask", "points": [[0, 0], [8, 8]], "mask": "?"},
            r"shape 1 \(a\): its mask is no pic",
        ),
        ("a", "shape 1: it has no label"),
    ],
)
def test_faults_in_labelme_files_are_named_by_file_and_shape(shape: Any, said: str, tmp_path: Path) -> None:
    labelme_file(tmp_path, shape)
    with pytest.raises(ValueError, match=rf"json/p0.json, {said}"):
        read_labelme(tmp_path)


def test_a_labelme_mask_that_hangs_over_the_edge_is_cut_off(tmp_path: Path) -> None:
    export = label_exports.labelme(tmp_path / "mine")
    path = tmp_path / "mine" / "p0.json"
    raw = json.loads(path.read_text())
    raw["shapes"][1]["points"] = [[WIDTH - 10, -5], [WIDTH + 18, 25]]
    path.write_text(json.dumps(raw))
    data = prepared(export, tmp_path / "out")
    [image_id] = [i for i, r in data.images.items() if r.file_name == "p0.png"]
    [chair] = [a for a in data.annotations_of[image_id] if data.categories[data.annotations[a].category_id] == "chair"]
    inside = drawn(0, "chair")[36 + 5 : 67, 60 : 60 + 10]
    assert np.array_equal(data.mask(chair)[: 67 - 41, WIDTH - 10 :], inside > 0)
