"""Files for labelling tools: exact where the format is, and what the project's own readers make of them."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pycocotools.coco import COCO

from cefnet.__main__ import main
from cefnet.exports import coco, files, labelme, outline, yolo
from train import prepare
from train.data.reader import ReferData

MASKS = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))).filter(np.any)


def result(name: str, mask: np.ndarray) -> SimpleNamespace:
    """In a Result's place."""
    height, width = mask.shape
    decision = SimpleNamespace(regions="all", mask_threshold=0.5)
    return SimpleNamespace(expression=name, found=mask, score=0.75, decision=decision, height=height, width=width)


def ring_and_dot() -> np.ndarray:
    """A ring with a hole, and a second part."""
    mask = np.zeros((40, 60), bool)
    mask[5:30, 5:30] = True
    mask[12:20, 10:22] = False
    mask[33:38, 45:55] = True
    return mask


def inside(polygon: np.ndarray, height: int, width: int) -> np.ndarray:
    """The even-odd rule, pixel by pixel: how many sides does a ray from the centre to the right cross?"""
    mask = np.zeros((height, width), bool)
    for row in range(height):
        for column in range(width):
            y, x = row + 0.5, column + 0.5
            for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
                if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
                    mask[row, column] ^= True
    return mask


@settings(max_examples=60)
@given(MASKS)
def test_an_outline_holds_the_centres_of_just_its_pixels(mask: np.ndarray) -> None:
    assert np.array_equal(inside(outline(mask), *mask.shape), mask)


def test_coco_keeps_every_pixel_and_names_what_was_not_found(tmp_path: Path) -> None:
    mask = ring_and_dot()
    written = coco("photo.jpg", [result("ring", mask), result("none", np.zeros_like(mask))], "m")  # type: ignore[list-item]
    (tmp_path / "coco.json").write_text(json.dumps(written))
    data = COCO(str(tmp_path / "coco.json"))
    (entry,) = data.loadAnns(data.getAnnIds())
    assert np.array_equal(data.annToMask(entry), mask) and entry["area"] == mask.sum()
    assert entry["bbox"] == [5, 5, 50, 33] and [one["expression"] for one in written["absent"]] == ["none"]


@pytest.mark.parametrize("kind", ["coco", "labelme", "yolo"])
def test_own_labels_come_back(kind: str, tmp_path: Path) -> None:
    """What is exported is training data: of each tool's file the reader of that tool makes the same masks."""
    mask, square = ring_and_dot(), np.zeros((40, 60), bool)
    square[:10, 40:] = True
    folder = tmp_path / "labels"
    photos = folder / ("images" if kind == "yolo" else ".")
    photos.mkdir(parents=True)
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(photos / "my photo.jpg")
    for name, content in files(kind, "my photo.jpg", [result("ring", mask), result("a square", square)], "m").items():  # type: ignore[list-item]
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    labels = folder / "coco.json" if kind == "coco" else folder
    data = ReferData.open(prepare(kind, labels, images=photos, out=tmp_path / "data"))
    found = {data.categories[a.category_id]: data.mask(i) for i, a in data.annotations.items()}
    assert set(found) == {"ring", "a square"}
    for name, wanted in {"ring": mask, "a square": square}.items():
        both, either = (found[name] & wanted).sum(), (found[name] | wanted).sum()
        assert both == either if kind != "yolo" else both / either > 0.9, name


def test_labelme_and_yolo_leave_out_what_was_not_found() -> None:
    nothing = [result("none", np.zeros((4, 4), bool))]
    assert labelme("a.png", nothing, "m")["shapes"] == []  # type: ignore[arg-type]
    written = yolo("a.b.png", nothing)  # type: ignore[arg-type]
    assert written["labels/a.b.txt"] == "" and '"0": "none"' in written["data.yaml"]


def test_the_command_line_writes_them(tmp_path: Path, tiny_checkpoint: Path) -> None:
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "photo.png")
    command = ["segment", str(tmp_path / "photo.png"), "red dog", "cat", "--model", str(tiny_checkpoint)]
    assert main([*command, "--presence-threshold", "0", "--export", "coco", "--out", str(tmp_path / "out")]) == 0
    told = json.loads((tmp_path / "out" / "coco.json").read_text())
    assert [one["name"] for one in told["categories"]] == ["red dog", "cat"]
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["coco.json"]
