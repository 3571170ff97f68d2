"""The official REFER files (RefCOCO, RefCOCO+, RefCOCOg, ReferIt, gRefCOCO), read into the records of our one layout.

What they look like: `<folder>/instances.json` is COCO's; `<folder>/refs(<split_by>).p` is a pickled list of dicts
{ref_id, ann_id, category_id, image_id, split, file_name, sent_ids, sentences: [{tokens, raw, sent, sent_id}]}.
`file_name` there is not the photo's (it has a suffix for the object, COCO_train2014_000000581857_16.jpg): the photo is
looked up by `image_id`. ReferIt numbers its annotations by strings and stores a mask as a list of RLEs; its unc split
has refs in several test sets ("testAB"). gRefCOCO comes as `grefs(unc).json`, where `ann_id` is a list, [-1] for an
expression of nothing.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.data.masks import merge_runs
from train.data.reader import by_id, converted, read_json, records
from train.data.records import text
from train.preparation.plain_pickle import load_plain
from train.preparation.public_sets import Source


@dataclass(frozen=True)
class Tables:
    """What goes into a data folder: records of `instances.json` and of `refs.json`."""

    categories: list[dict]
    images: list[dict]
    annotations: list[dict]
    refs: list[dict]


def read_official(root: Path, source: Source) -> Tables:
    """Reads one data set in REFER's layout.

    Args:
        root: REFER's data folder, or the data set's own folder in it.
        source: Which data set, and which of its splits.

    Returns:
        All refs, photos and annotations; empty expressions too.

    Raises:
        ValueError: A file is missing, damaged, no plain data, or the files contradict each other; says which.
    """
    folder = root if (root / "instances.json").is_file() else root / source.folder
    instances = _instances(folder / "instances.json")
    path = _refs_file(folder, source.split_by)
    told = load_plain(path) if path.suffix == ".p" else read_json(path)
    if not isinstance(told, list) or not told:
        raise ValueError(f"{path} holds no list of refs")
    where = str(folder / "instances.json")
    numbers = converted(_numbers, instances["annotations"], where)
    by_id(((a["id"], a) for a in instances["annotations"]), f"{where}: annotations")
    annotations = {
        a["id"]: converted(_annotation, a, f"{where}, annotation {a['id']}", numbers) for a in instances["annotations"]
    }
    refs: list[dict] = []
    for place, record in enumerate(told):
        refs += converted(_refs, record, f"{path}, ref {place}", annotations)
    images = records(instances["images"], _image, f"{where}: images")
    images = list(by_id(((i["id"], i) for i in images), f"{where}: images").values())
    if missing := {r["image_id"] for r in refs} - {i["id"] for i in images}:
        raise ValueError(f"{path} is about photo {min(missing)}, which is not in {where}")
    categories = records(instances["categories"], _category, f"{where}: categories")
    categories = list(by_id(((c["id"], c) for c in categories), f"{where}: categories").values())
    return Tables(categories, images, list(annotations.values()), _numbered(refs))


def _refs_file(folder: Path, split_by: str) -> Path:
    names = [f"{kind}({split_by}).{suffix}" for kind in ("refs", "grefs") for suffix in ("p", "json")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    there = sorted(p.name for p in folder.glob("*refs(*") if p.is_file())
    raise ValueError(f"{folder} has no {names[0]}" + (f"; it has {', '.join(there)}" if there else ""))


def _instances(path: Path) -> dict:
    if not path.is_file():
        raise ValueError(f"{path} is missing: --refer is REFER's data folder, with refcoco/instances.json and so on")
    instances = read_json(path)
    if not isinstance(instances, dict) or not {"images", "annotations", "categories"} <= set(instances):
        raise ValueError(f"{path} is no COCO instance file: it needs images, annotations and categories")
    return instances


def _numbers(annotations: Sequence[dict]) -> dict[int | str, int]:
    """Numbers for annotations by their ids: as they are, or counted where they are strings."""
    whole = all(isinstance(a["id"], int) for a in annotations)
    return {a["id"]: a["id"] if whole else place for place, a in enumerate(annotations, start=1)}


def _refs(record: dict, annotations: dict[int | str, dict]) -> list[dict]:
    """One official ref as ours; one for each test set that it is in."""
    named = record["ann_id"] if isinstance(record["ann_id"], list) else [record["ann_id"]]
    if not all(isinstance(a, int | str) for a in named):
        raise TypeError("ann_id is neither number nor string")
    if unknown := [a for a in named if a != -1 and a not in annotations]:
        raise ValueError(f"annotation {unknown[0]} is not in instances.json")
    meant = [annotations[a] for a in named if a != -1]
    meant = [a for a in meant if not a["iscrowd"]] or meant  # as gRefCOCO's own reader does
    ref: dict[str, Any] = {"ref_id": int(record["ref_id"]), "image_id": int(record["image_id"])}
    if len(meant) == 1:
        ref |= {"ann_id": meant[0]["id"], "category_id": meant[0]["category_id"]}
    else:
        ref |= {"ann_ids": [a["id"] for a in meant]}
    sentences = [{"sent_id": int(s["sent_id"]), "sent": text(s["sent"])} for s in record["sentences"]]
    return [ref | {"split": split, "sentences": sentences} for split in _splits(text(record["split"]))]


def _splits(split: str) -> list[str]:
    """Test sets share refs in ReferIt's unc split: "testAB" stands for testA and testB."""
    letters = split.removeprefix("test") if split.startswith("test") else ""
    return [f"test{letter}" for letter in letters] if len(letters) > 1 and letters.isupper() else [split]


def _numbered(refs: list[dict]) -> list[dict]:
    """Refs with numbers of their own: in several test sets, a ref has become several."""
    alone = len({r["ref_id"] for r in refs}) == len(refs)
    return refs if alone else [r | {"ref_id": place} for place, r in enumerate(refs)]


def _category(c: dict) -> dict:
    return {"id": int(c["id"]), "name": str(c["name"])}


def _image(i: dict) -> dict:
    size = {"width": int(i["width"]), "height": int(i["height"])}
    url = i.get("flickr_url") or i.get("coco_url") or ""
    return {"id": int(i["id"]), "file_name": text(i["file_name"])} | size | ({"url": text(url)} if url else {})


def _annotation(a: dict, numbers: dict[int | str, int]) -> dict:
    ids = {"id": numbers[a["id"]], "image_id": int(a["image_id"]), "category_id": int(a["category_id"])}
    segmentation = a["segmentation"]
    if isinstance(segmentation, list) and segmentation and isinstance(segmentation[0], dict):  # ReferIt
        rle = merge_runs(segmentation)
        segmentation = {"size": [int(v) for v in rle["size"]], "counts": rle["counts"].decode()}
    elif isinstance(segmentation, list):  # COCO has a few polygons of two points
        segmentation = [p for p in segmentation if len(p) >= 6] or segmentation
    box = [float(v) for v in a["bbox"]]
    about = {"iscrowd": int(a.get("iscrowd", 0)), "area": float(a["area"]), "bbox": box}
    return ids | about | {"segmentation": segmentation}


def keep(tables: Tables, photos: Collection[int]) -> Tables:
    """The tables of some photos only, without empty expressions and refs that have no other."""
    refs = []
    for r in tables.refs:
        sentences = [s for s in r["sentences"] if s["sent"].strip()]
        if sentences and r["image_id"] in photos:
            refs.append(r | {"sentences": sentences})
    used = {r["image_id"] for r in refs}
    return Tables(
        tables.categories,
        [i for i in tables.images if i["id"] in used],
        [a for a in tables.annotations if a["image_id"] in used],
        refs,
    )


def held_out(parts: Iterable[Tables]) -> set[int]:
    """Photos that are in a val or test split of any of the data sets."""
    return {r["image_id"] for part in parts for r in part.refs if r["split"] != "train"}


def join(parts: Sequence[Tables], leaky: bool = False) -> Tables:
    """The train refs of several data sets over the same photos, and the first one's val.

    COCO's photos are in several of these data sets, and what is a training photo in one may be a test photo in
    another: without care, a joint model is measured on photos that it was trained on.

    Args:
        parts: Data sets whose photo, annotation and category ids are the same (COCO's).
        leaky: Keep photos that are in a val or test split of any part, as papers that train jointly do.
    """
    out = set() if leaky else held_out(parts)
    chosen = [r for part in parts for r in part.refs if r["split"] == "train" and r["image_id"] not in out]
    chosen += [r for r in parts[0].refs if r["split"] == "val"]
    refs, sent_id = [], 0
    for ref_id, r in enumerate(chosen):  # their numbers overlap
        sentences = [s | {"sent_id": sent_id + i} for i, s in enumerate(r["sentences"])]
        refs.append(r | {"ref_id": ref_id, "sentences": sentences})
        sent_id += len(sentences)
    images = {i["id"]: i for part in parts for i in part.images}
    annotations = {a["id"]: a for part in parts for a in part.annotations}
    categories = {c["id"]: c for part in parts for c in part.categories}
    tables = Tables(list(categories.values()), list(images.values()), list(annotations.values()), refs)
    return keep(tables, images.keys())
