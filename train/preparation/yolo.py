"""YOLO segmentation folders: a text file a photo, a polygon a line, in shares of the photo's width and height."""

from pathlib import Path, PurePosixPath
from typing import Any

import yaml  # type: ignore[import-untyped]

from train.preparation.labels import BOX, Faults, Labels, Photo, Shape, boxed, clean, files_below, split_of

NO_LABELS = ("classes.txt", "obj.names", "train.txt", "val.txt", "test.txt")
FARTHEST = 2.0  # times width or height; what lies further away is in pixels, not in shares


def read_yolo(folder: Path) -> Labels:
    """Reads a folder in Ultralytics' layout (YOLOv5 to YOLO26), as CVAT, Roboflow, Label Studio and labelme export it.

    Names of the classes are `names` of the one .yaml file below the folder, or the lines of `classes.txt`. Label files
    are in folders called `labels` (`labels/train/a.txt` or `train/labels/a.txt`), or anywhere where there is no such
    folder. Their photos have the same path with `images` in place of `labels`, or the same name. Folders called train,
    val and test are the splits, if all label files are in such.

    Raises:
        ValueError: The folder has no class names or no labels, or a line is not as it should be; all faults are named.
    """
    names = _names(folder)
    files = [path for path in files_below(folder, "*.txt") if path.name not in NO_LABELS]
    files = [path for path in files if "labels" in path.relative_to(folder).parent.parts] or files
    if not files:
        raise ValueError(f"there are no label files (.txt) below {folder}")
    splits = {path: split_of(path.relative_to(folder).parent.as_posix()) for path in files}
    faults = Faults(str(folder))
    photos: dict[int, Photo] = {}
    shapes: list[Shape] = []
    for number, path in enumerate(files, start=1):
        name = path.relative_to(folder).as_posix()
        more = {"split": splits[path]} if all(splits.values()) else {}
        photos[number] = Photo(number, _photo_of(name), name, path.parent, None, more)
        for line, text in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
            if not text.strip():
                continue
            try:
                shapes.append(_shape(text, names, len(shapes) + 1, number, f"line {line}"))
            except ValueError as error:
                faults.add(f"{name}, line {line}: {error}")
    faults.check()
    categories = dict(enumerate(dict.fromkeys(names.values()), start=1))
    return Labels(photos, shapes, categories)


def _shape(text: str, names: dict[int, str], number: int, photo: int, title: str) -> Shape:
    """The object of a line: a polygon, or a box in four numbers.

    Raises:
        ValueError: It has other than a known class and four or six and more shares.
    """
    category, *words = text.split()
    if not category.isdecimal() or int(category) not in names:
        raise ValueError(f"class {category} is none of the {len(names)} classes, {min(names)} to {max(names)}")
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise ValueError("after the class come numbers") from None
    if far := [value for value in values if not -FARTHEST <= value <= FARTHEST]:  # NaN too
        raise ValueError(f"{far[0]:g} is no share of the photo's width or height, 0 to 1")
    name = names[int(category)]
    if len(values) == 4:
        x, y, width, height = values
        box = boxed(x - width / 2, y - height / 2, width, height)
        return Shape(number, photo, name, (box,), title, True, BOX, relative=True)
    if len(values) < 6 or len(values) % 2:
        raise ValueError(f"{len(values)} numbers after the class; a polygon has x and y of three points and more")
    return Shape(number, photo, name, (values,), title, relative=True)


def _photo_of(name: str) -> str:
    """The photo's path without its suffix: the last folder called labels is called images."""
    parts = list(PurePosixPath(name).with_suffix("").parts)
    places = [place for place, part in enumerate(parts[:-1]) if part == "labels"]
    if places:
        parts[places[-1]] = "images"
    return "/".join(parts)


def _names(folder: Path) -> dict[int, str]:
    """The names of the classes by their numbers."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder; --labels is the folder of data.yaml or classes.txt")
    for path in files_below(folder, "*.yaml", "*.yml"):
        try:
            about = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise ValueError(f"{path} can't be read: {' '.join(str(error).split())}") from None
        if isinstance(about, dict) and "names" in about:
            return _numbered(about["names"], path)
    for path in files_below(folder, "classes.txt", "obj.names"):
        lines = path.read_text(encoding="utf-8-sig").split("\n")
        return _numbered([line.strip() for line in lines if line.strip()], path)
    raise ValueError(f"there are no class names below {folder}: a .yaml file with names, or classes.txt")


def _numbered(names: Any, path: Path) -> dict[int, str]:
    pairs = names.items() if isinstance(names, dict) else enumerate(names) if isinstance(names, list) else ()
    found = {int(k): clean(str(name)) for k, name in pairs if str(k).isdecimal() and str(name).strip()}
    if not found or len(found) != len(names):
        raise ValueError(f"{path}: names must be a list of class names, or numbers with names")
    return found
