"""Labels on photos of telephones: whether drawn upright or on the pixels as stored, they end on their objects."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from refer_fixture import make_refer, prepared

from cefnet.photos import STORED, Layout
from cefnet.result import run_lengths
from train.__main__ import main
from train.data.masks import encode
from train.data.reader import ReferData
from train.preparation.upright import turn_upright, warning

RED, BLUE = (220, 30, 30), (30, 30, 220)
TURNS = range(1, 9)


def upright_photo(width: int, height: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """A photo as people see it with a red and a blue thing, and the masks of both."""
    photo = np.full((height, width, 3), 128, np.uint8)
    masks = [np.zeros((height, width), np.uint8) for _ in range(2)]
    masks[0][4:20, 3:15] = 1
    masks[1][height - 14 : height - 3, width - 20 : width - 2] = 1
    for mask, colour in zip(masks, (RED, BLUE), strict=True):
        photo[mask > 0] = colour
    return photo, masks


def write_photo(path: Path, photo: np.ndarray, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(STORED[orientation](photo))).save(path, exif=exif.tobytes())


def labelled(folder: Path, orientation: int, size: tuple[int, int], on: str) -> list[str]:
    """Three photos and their instance file, drawn on upright or stored pixels; returns the arguments for `prepare`."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    (folder / "photos").mkdir()
    for image_id in (1, 2, 3):
        photo, masks = upright_photo(*size)
        write_photo(folder / "photos" / f"{image_id}.png", photo, orientation)
        drawn = masks if on == "upright" else [np.ascontiguousarray(STORED[orientation](m)) for m in masks]
        height, width = drawn[0].shape
        images.append({"id": image_id, "file_name": f"{image_id}.png", "width": width, "height": height})
        for category, mask in enumerate(drawn, start=1):
            (contour,), _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            polygon = (contour.reshape(-1, 2) + 0.5).ravel().tolist()
            segmentation = [polygon] if image_id == 1 else run_lengths(mask)  # polygons and RLE turn alike
            ids = {"id": 10 * image_id + category, "image_id": image_id, "category_id": category}
            annotations.append(ids | {"segmentation": segmentation})
    categories = [{"id": 1, "name": "suitcase"}, {"id": 2, "name": "chair"}]
    table = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "labels.json").write_text(json.dumps(table))
    return [
        "--instances",
        str(folder / "labels.json"),
        "--images",
        str(folder / "photos"),
        "--out",
        str(folder / "out"),
    ]


def on_their_objects(folder: Path) -> bool:
    """Whether every mask lies on its colour, and its box around it."""
    data = ReferData.open(folder)
    right = []
    for a in data.annotations.values():
        mask = data.mask(a.ann_id)
        right.append((np.abs(data.photo(a.image_id)[mask].mean(0) - (RED, BLUE)[a.category_id - 1]) < 25).all())
        x, y, w, h = (int(v) for v in a.box)
        right.append(mask.sum() == mask[y : y + h, x : x + w].sum() > 0.8 * w * h)
    return len(right) == 12 and all(right)


@pytest.mark.parametrize("on", ["upright", "stored"])
@pytest.mark.parametrize("orientation", TURNS)
def test_sizes_tell_what_labels_were_drawn_on(
    orientation: int, on: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    words = labelled(tmp_path, orientation, (60, 44), on)
    told = [] if orientation > 4 else ["--labels-on", on]  # a photo on its side has another size than upright
    assert main(["prepare", "coco", *words, *told]) == 0 and on_their_objects(tmp_path / "out")
    assert ("fit both ways" in capsys.readouterr().err) == (orientation in (2, 3, 4))


@pytest.mark.parametrize("on", ["upright", "stored"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_squares_are_asked_about_by_name(
    orientation: int, on: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    words = labelled(tmp_path, orientation, (48, 48), on)
    assert main(["prepare", "coco", *words]) == 0
    said = capsys.readouterr().err
    assert (
        "3 photos" in said
        and "  2.png" in said
        and "drawn on the upright photo; if not, give --labels-on stored" in said
    )
    assert on_their_objects(tmp_path / "out") == (on == "upright")
    assert main(["prepare", "coco", *words, "--labels-on", on]) == 0 and on_their_objects(tmp_path / "out")


@pytest.mark.parametrize("on", ["upright", "stored"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_labels_without_sizes_are_asked_about_too(
    orientation: int, on: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """YOLO's labels are in shares of a width and a height that they don't tell."""
    labelled(tmp_path, orientation, (60, 44), on)
    table = json.loads((tmp_path / "labels.json").read_text())
    (tmp_path / "labels").mkdir()
    (tmp_path / "classes.txt").write_text("suitcase\nchair\n")
    for image in table["images"]:
        shown = [a for a in table["annotations"] if a["image_id"] == image["id"]]
        lines = [f"{a['category_id'] - 1} {shares(a['segmentation'], image)}" for a in shown]
        (tmp_path / "labels" / f"{image['id']}.txt").write_text("\n".join(lines))
    words = ["prepare", "yolo", "--labels", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(words) == 0 and "fit both ways" in capsys.readouterr().err
    assert on_their_objects(tmp_path / "out") == (on == "upright")
    assert main([*words, "--labels-on", on]) == 0 and on_their_objects(tmp_path / "out")


def shares(segmentation: Any, image: dict[str, Any]) -> str:
    """The outer corners of a mask in shares of its photo."""
    x, y, w, h = coco_mask.toBbox(encode(segmentation, image["height"], image["width"]))
    corners = ((x, y), (x + w, y), (x + w, y + h), (x, y + h))
    return " ".join(f"{a / image['width']} {b / image['height']}" for a, b in corners)


def test_official_labels_on_a_photo_on_its_side_are_turned(tmp_path: Path) -> None:
    """COCO's labels are on the pixels as stored."""
    refer = make_refer(tmp_path / "refer")
    plain = prepared(refer, "unc", tmp_path / "plain")
    drawn = {a: plain.mask(a) for a in plain.annotations}
    for path in refer.glob("images/**/COCO_train2014_00000000000[12].jpg"):
        exif = Image.Exif()
        exif[0x0112] = 6 if path.stem.endswith("1") else 3
        with Image.open(path) as photo:
            photo.save(path, quality=98, subsampling=0, exif=exif)
    data = prepared(refer, "unc", tmp_path / "out")
    sizes = {i: (r.width, r.height) for i, r in data.images.items()}
    assert sizes[1] == sizes[3][::-1] and sizes[2] == sizes[3]
    for ann_id, mask in drawn.items():
        image_id = plain.annotations[ann_id].image_id
        turned = np.rot90(mask, -1) if image_id == 1 else mask[::-1, ::-1] if image_id == 2 else mask
        assert np.array_equal(data.mask(ann_id), turned), ann_id
        assert data.photo(image_id).shape[:2] == turned.shape


def test_photos_of_another_size_or_without_a_file_stay_as_they_are() -> None:
    image = {"id": 1, "file_name": "a.jpg", "width": 7, "height": 5}
    annotation = {"id": 1, "image_id": 1, "segmentation": [[0, 0, 3, 0, 3, 3]], "bbox": [0, 0, 3, 3], "area": 5}
    for lie in ({}, {1: Layout(70, 50, 6)}, {1: Layout(7, 5, 1)}, {1: Layout(5, 7, 6)}):
        same = turn_upright([image], [annotation], lie, "stored")
        assert (same.images, same.annotations, same.doubtful) == ([image], [annotation], [])


def test_a_mask_that_cannot_be_turned_stays_to_be_named() -> None:
    image = {"id": 1, "file_name": "a.jpg", "width": 7, "height": 5}
    annotation = {"id": 1, "image_id": 1, "segmentation": {"size": [5, 7], "counts": "o"}, "bbox": [0, 0, 1, 1]}
    same = turn_upright([image], [annotation], {1: Layout(7, 5, 6)}, "upright")
    assert same.annotations == [annotation] and same.images[0]["width"] == 5


def test_a_warning_names_twenty_photos_and_counts_the_others() -> None:
    said = warning([f"{n}.jpg" for n in range(23)], "stored").splitlines()
    assert said[0].endswith("23 photos:") and "pixels as stored; if not, give --labels-on upright" in said[0]
    assert said[1] == "  0.jpg" and said[-2:] == ["  19.jpg", "  and 3 more"] and not warning([], "stored")
