"""COCO-format instance files, from COCO's own to those that labelling tools export, in the tables of our layout."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pycocotools import mask as coco_mask

from train.data.json_tables import converted, read_json
from train.data.masks import encode
from train.data.vocabulary import SYNONYMS

PREDICTED = "predicted"


@dataclass(frozen=True)
class Instances:
    """An instance file, put in order.

    Attributes:
        tables: `categories`, `images`, `annotations` as `instances.json` of a data folder has them.
        synonyms: category name -> other words for it: the file's own where it has some, else those we know.
        verified: image id -> names that somebody made sure are missing (LVIS's `neg_category_ids`); photos that
            are not here are taken to be annotated with all categories.
        left_out: why annotations were left out, and how many.
    """

    tables: dict[str, list[dict]]
    synonyms: dict[str, tuple[str, ...]]
    verified: dict[int, tuple[str, ...]]
    left_out: Counter[str]


def read_instances(path: Path) -> Instances:
    """Reads a COCO-format instance file; boxes and areas that it lacks are measured from its masks.

    Args:
        path: JSON with `images` (`id`, `file_name`, `width`, `height`, optional `split`), `categories` (`id`, `name`,
            optional `synonyms`) and `annotations` (`id`, `image_id`, `category_id`, `segmentation` as polygons or
            RLE, optional `bbox`, `area`, `iscrowd`, `source`, `score`). Annotations with a `score` are taken for a
            detector's.

    Raises:
        ValueError: it is no such file, or contradicts itself; says where.
    """
    return converted(_in_order, _load(path), str(path))


def _in_order(raw: dict[str, Any]) -> Instances:
    names = {int(c["id"]): _clean(c["name"]) for c in raw["categories"]}
    own = {_clean(c["name"]): tuple(_clean(s) for s in c.get("synonyms", ())) for c in raw["categories"]}
    synonyms = {name: tuple(w for w in words if w != name) or SYNONYMS.get(name, ()) for name, words in own.items()}
    images = [_image(i) for i in raw["images"]]
    sizes = {i["id"]: (i["height"], i["width"]) for i in images}
    partly = {int(i["id"]): set(i.get("not_exhaustive_category_ids", ())) for i in raw["images"]}
    annotations, left_out, seen = [], Counter[str](), set[int]()
    for a in raw["annotations"]:
        if int(a["id"]) in seen or a["image_id"] not in sizes or a["category_id"] not in names:
            raise ValueError(f"annotation {a['id']} has a number twice, or names an unknown photo or category")
        seen.add(int(a["id"]))
        try:
            record = _annotation(a, *sizes[a["image_id"]])
        except _Unusable as reason:
            left_out[str(reason)] += 1
            continue
        if a["category_id"] in partly[a["image_id"]]:
            record["source"] = PREDICTED  # others of its name are missing, as where a detector looked
        annotations.append(record)
    if not annotations:
        raise ValueError(f"it has no annotation with a mask: {dict(left_out)}; expressions are made from masks")
    categories = [{"id": k, "name": name} for k, name in names.items()]
    verified = {int(i["id"]): tuple(names[c] for c in i["neg_category_ids"]) for i in _verified(raw)}
    return Instances(
        {"categories": categories, "images": images, "annotations": annotations}, synonyms, verified, left_out
    )


class _Unusable(Exception):
    """Why an annotation is left out."""


def _load(path: Path) -> dict[str, Any]:
    raw = read_json(path)
    keys = ("images", "annotations", "categories")
    if not isinstance(raw, dict) or not all(isinstance(raw.get(k), list) for k in keys):
        has = sorted(raw) if isinstance(raw, dict) else "a list"
        raise ValueError(
            f"{path} is not a COCO-format instance file: it needs the lists {', '.join(keys)}; it has {has}"
        )
    for key, fields in zip(
        keys, (("id", "width", "height"), ("id", "image_id", "category_id"), ("id", "name")), strict=True
    ):
        for record in raw[key]:
            if not isinstance(record, dict):
                raise ValueError(f"{path}: a record of {key} is no object: {str(record)[:120]}")
            if lacking := [f for f in fields if f not in record]:
                raise ValueError(f"{path}: a record of {key} has no {lacking[0]}: {str(record)[:120]}")
    return raw


def _verified(raw: dict[str, Any]) -> Iterator[dict]:
    return (i for i in raw["images"] if "neg_category_ids" in i)


def _clean(name: str) -> str:
    """ "Traffic_Light" as people write it; LVIS's "cup_(drinkware)" without the brackets."""
    return " ".join(name.split("(")[0].replace("_", " ").replace("-", " ").lower().split()) or name


def _image(i: dict) -> dict:
    url = i.get("coco_url") or i.get("flickr_url") or ""
    file_name = i.get("file_name") or PurePosixPath(url).name  # LVIS gives only the URL
    if not file_name:
        raise ValueError(f"photo {i['id']} has no file_name")
    record = {"id": int(i["id"]), "file_name": file_name, "width": int(i["width"]), "height": int(i["height"])}
    more = {"split": i.get("split"), "license": i.get("license"), "url": i.get("url") or url}
    return record | {k: v for k, v in more.items() if v not in (None, "")}


def _annotation(a: dict, height: int, width: int) -> dict:
    segmentation = a.get("segmentation")
    if isinstance(segmentation, list):
        # Two points are a line, and pycocotools takes four numbers for a box.
        segmentation = [p for p in segmentation if len(p) >= 6 and len(p) % 2 == 0]
    if not segmentation:
        raise _Unusable("no mask")
    box, area = a.get("bbox"), a.get("area")
    if box is None or area is None:
        try:
            rle = encode(segmentation, height, width)
        except ValueError as error:
            raise _Unusable("unreadable mask") from error
        box, area = coco_mask.toBbox(rle).tolist(), float(coco_mask.area(rle))
    ids = {"id": int(a["id"]), "image_id": int(a["image_id"]), "category_id": int(a["category_id"])}
    source = a.get("source") or (PREDICTED if "score" in a else "people")
    record = {"iscrowd": int(a.get("iscrowd", 0)), "area": area, "bbox": box, "source": source}
    return ids | record | ({"score": a["score"]} if "score" in a else {}) | {"segmentation": segmentation}
