"""labelme's JSON files, one a photo."""

import base64
import binascii
import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from train.data.reader import read_json
from train.preparation.labels import BOX, Faults, Labels, Patch, Photo, Shape, Skipped, boxed, clean, files_below, whole

CORNERS = 64  # of the polygon that stands for a circle
BOXES = ("rectangle", "oriented_rectangle")


def read_labelme(folder: Path) -> Labels:
    """Reads all labelme files (versions 3 to 6) below a folder; other JSON files there are passed over.

    Polygons, circles and masks are read; rectangles are boxes without a mask, points and lines have no inside. Shapes
    of the same label and the same `group_id` are one object in several parts. The photo is `imagePath`, from the
    folder of its file.

    Raises:
        ValueError: There is no such file, or one is not as it should be; all faults are named.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder; --labels is the folder of labelme's JSON files")
    faults = Faults(str(folder))
    photos: dict[int, Photo] = {}
    shapes: list[Shape] = []
    skipped: list[Skipped] = []
    for path in files_below(folder, "*.json"):
        raw = read_json(path)
        if not isinstance(raw, dict) or not isinstance(raw.get("shapes"), list):
            continue
        name = path.relative_to(folder).as_posix()
        image = raw.get("imagePath")
        if not isinstance(image, str) or not image:
            faults.add(f"{name} has no imagePath")
            continue
        photo = Photo(len(photos) + 1, image, name, path.parent, _size(raw, name, faults))
        photos[photo.number] = photo
        shapes += _shapes(raw["shapes"], photo, len(shapes) + 1, faults, skipped)
    faults.check()
    if not photos:
        raise ValueError(f"there are no labelme files (JSON with shapes and imagePath) below {folder}")
    names = sorted({shape.category for shape in shapes})
    return Labels(photos, shapes, dict(enumerate(names, start=1)), skipped=skipped)


def _size(raw: Mapping[str, Any], name: str, faults: Faults) -> tuple[int, int] | None:
    given = raw.get("imageWidth"), raw.get("imageHeight")
    if None in given:
        return None
    try:
        return whole(given[0]), whole(given[1])
    except ValueError:
        faults.add(f"{name}: imageWidth {given[0]!r} and imageHeight {given[1]!r} are not whole numbers")
        return None


def _shapes(table: list[Any], photo: Photo, first: int, faults: Faults, skipped: list[Skipped]) -> list[Shape]:
    """The objects of a file; what belongs to one group is one object."""
    parts: dict[tuple[str, str, int], list[Any]] = defaultdict(list)  # of an object: label, group, or its own place
    places: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    boxes = set()
    for place, shape in enumerate(table, start=1):
        label = shape.get("label") if isinstance(shape, dict) else None
        if not isinstance(label, str) or not label.strip():
            faults.add(f"{photo.file}, shape {place}: it has no label")
            continue
        kind = str(shape.get("shape_type") or "polygon")
        if kind not in PARTS:
            skipped.append(Skipped(photo.file, photo.name, f"shape {place}", "no mask", f"a {kind} has no inside"))
            continue
        try:
            part = PARTS[kind](shape)
        except (TypeError, ValueError, LookupError, OverflowError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else error
            faults.add(f"{photo.file}, shape {place} ({label}): {reason}")
            continue
        group = shape.get("group_id")
        alone = group is None or kind in BOXES
        member = (clean(label), "" if alone else str(group), place if alone else 0)
        parts[member].append(part)
        places[member].append(place)
        boxes |= {member} if kind in BOXES else set()
    named = {m: f"shape{'s' * (len(places[m]) > 1)} {', '.join(map(str, places[m]))}" for m in parts}
    return [
        Shape(number, photo.number, m[0], tuple(parts[m]), named[m], m in boxes, BOX if m in boxes else "people")
        for number, m in enumerate(parts, start=first)
    ]


def _points(shape: Mapping[str, Any], least: int) -> list[tuple[float, float]]:
    points = [(float(x), float(y)) for x, y in shape["points"]]
    if len(points) < least or not all(math.isfinite(value) for point in points for value in point):
        raise ValueError(f"it needs {least} points of two numbers")
    return points


def _polygon(shape: Mapping[str, Any]) -> list[float]:
    return [value for point in _points(shape, 3) for value in point]


def _box(shape: Mapping[str, Any]) -> list[float]:
    """Given by two corners, or all four."""
    points = _points(shape, 2)
    if len(points) > 2:
        return [value for point in points for value in point]
    (x0, y0), (x1, y1) = points
    return boxed(min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0))


def _circle(shape: Mapping[str, Any]) -> list[float]:
    """Given by its centre and a point on it."""
    (x, y), (edge_x, edge_y) = _points(shape, 2)[:2]
    radius = math.hypot(edge_x - x, edge_y - y)
    turns = [2 * math.pi * corner / CORNERS for corner in range(CORNERS)]
    return [value for t in turns for value in (x + radius * math.cos(t), y + radius * math.sin(t))]


def _mask(shape: Mapping[str, Any]) -> Patch:
    """A picture file of what lies between two points."""
    (x, y), *_ = _points(shape, 1)
    try:
        return Patch(round(x), round(y), base64.b64decode(shape["mask"], validate=True))
    except (TypeError, binascii.Error):
        raise ValueError("its mask is no picture in base64") from None


PARTS = {"polygon": _polygon, "circle": _circle, "mask": _mask} | dict.fromkeys(BOXES, _box)
