"""COCO-format instance files, from COCO's own to those that labelling tools export."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from train.data.reader import read_json
from train.preparation.labels import (
    BOX,
    PREDICTED,
    Faults,
    Labels,
    Photo,
    Shape,
    Skipped,
    boxed,
    clean,
    files_below,
    joined,
    key,
    numbers,
    whole,
)

TABLES = ("images", "annotations", "categories")
Record = dict[str, Any]


def read_coco(paths: Sequence[Path]) -> Labels:
    """Reads COCO-format instance files. Boxes and areas in them are not read: masks tell both.

    Args:
        paths: JSON files, or folders with such files somewhere below, with `images` (`id`, `file_name`; optional
            `width`, `height`, `split`), `categories` (`id`, `name`; optional `synonyms`) and `annotations` (`id`,
            `image_id`, `category_id`, `segmentation` as polygons or RLE; optional `iscrowd`, `source`, `score`).
            Annotations with a `score` are taken for a detector's. Ids may be numbers or texts, and have to be unique
            within their table of one file.

    Raises:
        ValueError: There is no such file, or one contradicts itself; says where.
    """
    files = [file for path in paths for file in (_below(path) if path.is_dir() else [path])]
    return joined([_read_file(file) for file in files])


def _below(folder: Path) -> list[Path]:
    """All instance files below a folder."""
    found = [path for path in files_below(folder, "*.json") if _missing(read_json(path)) == []]
    if not found:
        raise ValueError(f"there is no COCO-format instance file (JSON with {', '.join(TABLES)}) below {folder}")
    return found


def _missing(raw: Any) -> list[str]:
    return [k for k in TABLES if not isinstance(raw, dict) or not isinstance(raw.get(k), list)]


def _read_file(path: Path) -> Labels:
    raw, faults = read_json(path), Faults(str(path))
    if _missing(raw):
        has = sorted(raw) if isinstance(raw, dict) else f"a {type(raw).__name__}"
        raise ValueError(
            f"{path} is not a COCO-format instance file: it needs the lists {', '.join(TABLES)}; it has {has}"
        )
    categories = _by_id(raw["categories"], "category", _title("name"), faults)
    images = _by_id(raw["images"], "photo", _title("file_name"), faults)
    records = _by_id(raw["annotations"], "annotation", lambda r: f"on photo {r.get('image_id')!r}", faults)
    names = {k: _name(k, c, faults) for k, c in categories.items()}
    photos = _photos(images, path, faults)
    shapes: list[Shape] = []
    skipped: list[Skipped] = []
    counted = numbers(records)
    for k, record in records.items():
        named = _named(k, record, photos, names, faults)
        if named is None:
            continue
        photo, category = named
        try:
            parts = parts_of(record.get("segmentation"))
        except NoMask as reason:
            if box := _box(record.get("bbox")):
                shapes.append(Shape(counted[k], photo.number, category, (box,), f"annotation {k}", True, BOX))
            else:
                skipped.append(Skipped(str(path), photo.name, f"annotation {k}", "no mask", str(reason)))
            continue
        shapes.append(_shape(record, parts, counted[k], k, photo.number, category, faults))
    faults.check()
    verified = {photos[k].number: _absent(i, names) for k, i in images.items() if "neg_category_ids" in i}
    shapes = _doubted(shapes, images, photos, names)
    synonyms = {names[k]: tuple(clean(str(s)) for s in _list(c.get("synonyms"))) for k, c in categories.items()}
    numbered = dict.fromkeys(names.values())  # a name that has two ids is one category
    ids = {name: next(number for k, number in numbers(names).items() if names[k] == name) for name in numbered}
    by_number = {number: name for name, number in ids.items()}
    return Labels({p.number: p for p in photos.values()}, shapes, by_number, synonyms, verified, skipped)


class NoMask(Exception):
    """Why an annotation has no mask."""


def _title(field: str) -> Callable[[Record], str]:
    return lambda record: repr(record.get(field))


def _by_id(table: Sequence[Any], kind: str, title: Callable[[Record], str], faults: Faults) -> dict[str, Record]:
    """The records of a table by their ids.

    An annotation or category that is there twice word for word is one. A photo is not: two folders have a p001.jpg.
    """
    found: dict[str, Record] = {}
    for place, record in enumerate(table, start=1):
        if not isinstance(record, dict):
            faults.add(f"{kind} record {place} is no object: {str(record)[:80]}")
            continue
        try:
            k = key(record.get("id"))
        except ValueError as error:
            faults.add(f"{kind} record {place} ({title(record)}): {error}")
            continue
        if k in found and (kind == "photo" or found[k] != record):  # VIA repeats an object for each of its attributes
            faults.add(f"{kind} id {k} is there twice: {title(found[k])} and {title(record)}")
        found.setdefault(k, record)
    return found


def _name(k: str, record: Record, faults: Faults) -> str:
    name = record.get("name")
    if not isinstance(name, str) or not name.strip():
        faults.add(f"category {k} has no name")
        return k
    return clean(name)


def _photos(images: dict[str, Record], path: Path, faults: Faults) -> dict[str, Photo]:
    found, counted = {}, numbers(images)
    for k, i in images.items():
        url = str(i.get("coco_url") or i.get("flickr_url") or "")
        name = i.get("file_name") or PurePosixPath(url).name  # LVIS gives only the URL
        if not isinstance(name, str) or not name:
            faults.add(f"photo {k} has no file_name")
            continue
        try:
            size = _size(i)
        except ValueError as error:
            faults.add(f"photo {k} ({name!r}): {error}")
            continue
        more = {field: i.get(field) for field in ("split", "set", "annotated", "license")} | {
            "url": i.get("url") or url
        }
        kept = {field: str(value) for field, value in more.items() if value not in (None, "")}
        found[k] = Photo(counted[k], name, str(path), path.parent, size, kept)
    return found


def _size(image: Record) -> tuple[int, int] | None:
    """Width and height; None where one is missing, as in Label Studio's export of photos that it couldn't open."""
    given = (image.get("width"), image.get("height"))
    if None in given:
        return None
    try:
        width, height = (whole(side) for side in given)
    except ValueError:
        width = height = 0
    if width <= 0 or height <= 0:
        raise ValueError(f"width {given[0]!r} and height {given[1]!r} are not whole numbers of pixels")
    return width, height


def _named(
    k: str, record: Record, photos: dict[str, Photo], names: dict[str, str], faults: Faults
) -> tuple[Photo, str] | None:
    """The photo and the category that an annotation names; None where there is a fault."""
    photo, category = (_key(record.get(field)) for field in ("image_id", "category_id"))
    for field, known in (("image_id", photo in photos), ("category_id", category in names)):
        if not known:
            what = "photos" if field == "image_id" else "categories"
            faults.add(f"annotation {k}: {field} {record.get(field)!r} is none of the {what}")
    return (photos[photo], names[category]) if photo in photos and category in names else None


def _key(value: Any) -> str:
    """As `key`; empty for what is no id."""
    try:
        return key(value)
    except ValueError:
        return ""


def _shape(
    record: Record, parts: tuple[Any, ...], number: int, k: str, photo: int, category: str, faults: Faults
) -> Shape:
    try:
        crowd, score = _flag(record.get("iscrowd")), record.get("score")
        score = None if score is None else float(score)
    except (TypeError, ValueError):
        faults.add(f"annotation {k}: iscrowd {record.get('iscrowd')!r} or score {record.get('score')!r} is no number")
        return Shape(number, photo, category, parts, f"annotation {k}")
    if crowd and isinstance(record.get("attributes"), dict) and "occluded" in record["attributes"]:
        crowd = False  # CVAT calls whatever was drawn with the brush a crowd
    source = record.get("source") or (PREDICTED if score is not None else "people")
    return Shape(number, photo, category, parts, f"annotation {k}", crowd, str(source), score)


def _box(bbox: Any) -> list[float]:
    """The polygon of a box x, y, width, height; empty where it is none."""
    try:
        x, y, width, height = (float(value) for value in bbox)
    except (TypeError, ValueError):
        return []
    return boxed(x, y, width, height) if width > 0 and height > 0 else []


def _flag(value: Any) -> bool:
    text = str(value or 0).strip().lower()
    return text == "true" or (text != "false" and bool(whole(text)))


def parts_of(segmentation: Any) -> tuple[Any, ...]:
    """The parts of a COCO segmentation: RLE, several RLE, polygons, one flat polygon, or lists of points.

    Returns:
        RLE as they are (dicts), polygons as flat lists of numbers; too short ones are left out.

    Raises:
        NoMask: There is none, or something else.
    """
    if not segmentation:
        raise NoMask("no segmentation")
    if isinstance(segmentation, dict):
        return (segmentation,)
    if not isinstance(segmentation, list):
        raise NoMask(f"segmentation is a {type(segmentation).__name__}, not RLE or polygons")
    if all(isinstance(part, dict) for part in segmentation):
        return tuple(segmentation)
    lists = segmentation
    if not any(isinstance(part, list) for part in lists) or all(_is_point(part) for part in lists):
        lists = [segmentation]
    try:
        polygons = [_flat(part) for part in lists]
    except (TypeError, ValueError):
        raise NoMask("a polygon is a list of numbers x, y, x, y, ...") from None
    # Two points are a line, and pycocotools takes four numbers for a box.
    long = tuple(p for p in polygons if len(p) >= 6 and len(p) % 2 == 0)
    if not long:
        raise NoMask("its polygons have fewer than three points, or a number too many")
    return long


def _is_point(part: Any) -> bool:
    return isinstance(part, list) and len(part) == 2 and not any(isinstance(value, list) for value in part)


def _flat(polygon: Any) -> list[float]:
    values = [v for point in polygon for v in point] if all(_is_point(p) for p in polygon) else polygon
    return [float(value) for value in values]


def _absent(image: Record, names: dict[str, str]) -> tuple[str, ...]:
    return tuple(names[_key(c)] for c in _list(image["neg_category_ids"]) if _key(c) in names)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _doubted(
    shapes: list[Shape], images: dict[str, Record], photos: dict[str, Photo], names: dict[str, str]
) -> list[Shape]:
    """Others of their name are missing in LVIS's `not_exhaustive_category_ids`, as where a detector looked."""
    partly = {
        (photos[k].number, names.get(_key(c)))
        for k, i in images.items()
        for c in _list(i.get("not_exhaustive_category_ids"))
    }
    if not partly:
        return shapes
    return [replace(s, source=PREDICTED) if (s.photo, s.category) in partly else s for s in shapes]
