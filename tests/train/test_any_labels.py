"""Label files that hold anything: read, or refused with a ValueError; never another error, never a mask of nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from label_exports import labelme_file, table, write, write_photos

from train.data.masks import decode_mask
from train.preparation.coco import read_coco
from train.preparation.labelme import read_labelme
from train.preparation.labels import Labels
from train.preparation.photos import found, layouts
from train.preparation.tables import own_tables
from train.preparation.yolo import read_yolo

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 300) | st.floats() | st.sampled_from(["", "1", "a", "p0.png", "\0"]),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.sampled_from(["id", "size", "counts"]), inner),
    max_leaves=8,
)
FIELDS = {
    "images": "id file_name width height split coco_url neg_category_ids not_exhaustive_category_ids".split(),
    "annotations": "id image_id category_id segmentation bbox iscrowd score source attributes".split(),
    "categories": ["id", "name", "synonyms"],
}
PLACES = st.sampled_from([(name, field) for name, fields in FIELDS.items() for field in (*fields, "")])


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(PLACES, st.integers(0, 1), JUNK), min_size=1, max_size=4))
def test_any_coco_file_is_read_or_refused(tmp_path: Path, junk: list[tuple[tuple[str, str], int, Any]]) -> None:
    labels = table(tmp_path)
    for (name, field), place, value in junk:
        if field and isinstance(labels[name][place], dict):
            labels[name][place][field] = value
        else:
            labels[name][place] = value
    read_or_refused(lambda: read_coco([write(tmp_path / "labels.json", labels)]), tmp_path / "photos")


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["label", "points", "shape_type", "group_id", "mask"]), JUNK), JUNK)
def test_any_labelme_file_is_read_or_refused(tmp_path: Path, shape: dict[str, Any], width: Any) -> None:
    write_photos(tmp_path / "photos", range(1))
    good = {"label": "chair", "points": [[0, 0], [8, 0], [8, 8]]}
    labelme_file(tmp_path, good | shape, good, imageWidth=width)
    read_or_refused(lambda: read_labelme(tmp_path / "json"), tmp_path / "photos")


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=30) | st.lists(st.floats(-3, 3), max_size=9).map(lambda v: "0 " + " ".join(map(str, v))))
def test_any_yolo_line_is_read_or_refused(tmp_path: Path, line: str) -> None:
    write_photos(tmp_path / "images", range(1))
    (tmp_path / "classes.txt").write_text("suitcase\nchair\n")
    (tmp_path / "labels").mkdir(exist_ok=True)
    (tmp_path / "labels" / "p0.txt").write_text(f"1 0.1 0.1 0.4 0.1 0.4 0.4\n{line}", encoding="utf-8")
    read_or_refused(lambda: read_yolo(tmp_path), tmp_path, without_suffix=True)


def read_or_refused(read: Callable[[], Labels], images: Path, without_suffix: bool = False) -> None:
    """Either a ValueError, or tables whose ids are whole and whose masks have pixels."""
    try:
        labels = found(read(), images, without_suffix)
        lie, damaged = layouts(images, {n: p.name for n, p in labels.photos.items()})
        own = own_tables(labels, lie, damaged, "upright")
    except ValueError as error:
        assert str(error) and "Traceback" not in str(error)
        return
    images_by_id = {i["id"]: i for i in json.loads(json.dumps(own.tables))["images"]}
    for a in own.tables["annotations"]:
        size = images_by_id[a["image_id"]]
        assert decode_mask(a["segmentation"], size["height"], size["width"]).sum() == a["area"] > 0
