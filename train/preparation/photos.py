"""Where the photos of a label file are on this disk, and how they lie in their files."""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cefnet.photos import Layout, layout
from train.data.reader import listed
from train.preparation.labels import Labels, Skipped

SUFFIXES = frozenset(".jpg .jpeg .jfif .png .webp .avif .gif .bmp .tif .tiff".split())  # of photos


def find_photos(
    root: Path, names: Iterable[str], beside: Path | None = None, without_suffix: bool = False
) -> dict[str, str]:
    r"""Where photos are below a folder.

    A photo is looked for at its own path below the folder, then beside its label file, then anywhere below the folder
    by its own name, then by COCO's newer name (000000000009.jpg for COCO_train2014_000000000009.jpg). Of several files
    of that name the one is taken whose folders agree best with the path that was asked for. Paths may be another
    system's ("images\a.jpg", "C:\labels\a.jpg", "/home/somebody/a.jpg"); letter case and the two ways to write an
    accent in Unicode make no difference.

    Args:
        root: The folder.
        names: As the label file has them.
        beside: Folder of the label file.
        without_suffix: True if names lack the ".jpg" or whatever it is.

    Returns:
        Name -> path relative to `root`, with "/"; photos that are not there are left out.

    Raises:
        ValueError: Several files fit a name equally well, or one file fits several names; lists them.
    """
    found: dict[str, str] = {}
    missing = []
    for name in dict.fromkeys(names):
        places = [place for place in (root, beside) if place is not None and not without_suffix]
        at = next((path for place in places if (path := _inside(root, place / name.replace("\\", "/")))), None)
        if at is None:
            missing.append(name)
        else:
            found[name] = at
    unclear: list[str] = []
    files = _files(root, without_suffix) if missing else {}
    for name in missing:
        best = _best(name, files)
        if len(best) == 1:
            found[name] = best[0]
        elif best:
            unclear.append(f"{name} may be {' or '.join(sorted(best)[:5])}")
    unclear += [f"{path} would be {' and '.join(several[:5])}" for path, several in _shared(found).items()]
    _check(unclear, f"photos can't be told apart; --images may be a folder nearer to them than {root}")
    return found


def _check(faults: list[str], title: str) -> None:
    if faults:
        raise ValueError(f"{title}; {listed(faults, 'faults')}")


def _inside(root: Path, path: Path) -> str | None:
    """The path relative to `root`, if it is a file below it; links are not followed."""
    relative = os.path.relpath(os.path.abspath(path), os.path.abspath(root))
    if relative.startswith(os.pardir) or os.path.isabs(relative) or not path.is_file():
        return None
    return Path(relative).as_posix()


def _files(root: Path, without_suffix: bool) -> dict[str, list[str]]:
    """All files below a folder by their names, or all photos by their names without the suffix."""
    below: dict[str, list[str]] = defaultdict(list)
    for folder, folders, files in os.walk(root):
        folders.sort()
        inside = Path(folder).relative_to(root)
        for file in files:
            stem, suffix = os.path.splitext(file)
            if not without_suffix:
                below[_folded(file)].append((inside / file).as_posix())
            elif suffix.lower() in SUFFIXES:
                below[_folded(stem)].append((inside / file).as_posix())
    return below


def _best(name: str, files: Mapping[str, list[str]]) -> list[str]:
    """Of the files with that name those whose folders agree best with it."""
    parts = [_folded(part) for part in re.split(r"[\\/]+", name) if part]
    own = parts[-1] if parts else ""
    candidates = files.get(own) or files.get(own.rpartition("_")[2]) or []

    def agreement(path: str) -> int:
        pairs = zip(reversed(parts[:-1]), reversed(_folded(path).split("/")[:-1]), strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    most = max((agreement(path) for path in candidates), default=0)
    return [path for path in candidates if agreement(path) == most]


def _shared(found: Mapping[Any, str]) -> dict[str, list[Any]]:
    """Files that several names were found at: one of them is another photo's."""
    names: dict[str, list[Any]] = defaultdict(list)
    for name, path in found.items():
        names[path].append(name)
    return {path: several for path, several in names.items() if len(several) > 1}


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def found(labels: Labels, root: Path, without_suffix: bool = False) -> Labels:
    """The labels with their photos' names as paths below `root`; those that are not there are skipped.

    Raises:
        ValueError: As `find_photos`, or a photo is labelled twice: in two label files, or under two ids of one.
    """
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder; --images is the folder that the photos are in")
    places: dict[tuple[Path, str], str] = {}
    for beside in dict.fromkeys(photo.beside for photo in labels.photos.values()):
        names = [photo.name for photo in labels.photos.values() if photo.beside == beside]
        places |= {(beside, name): path for name, path in find_photos(root, names, beside, without_suffix).items()}
    missing, photos = {}, {}
    for number, photo in labels.photos.items():
        path = places.get((photo.beside, photo.name))
        if path is None:
            missing[number] = Skipped(photo.file, photo.name, "", "no such photo", f"below {root}")
        else:
            photos[number] = replace(photo, name=path)
    twice = _shared({number: photo.name for number, photo in photos.items()})
    files = {path: " and in ".join(photos[n].file for n in several[:5]) for path, several in twice.items()}
    _check([f"{path}, in {where}" for path, where in files.items()],
           "photos are labelled twice; put all labels of a photo under one id of one file")  # fmt: skip
    return replace(labels, photos=labels.photos | photos).without(missing)


def layouts(root: Path, names: Mapping[int, str]) -> tuple[dict[int, Layout], dict[int, str]]:
    """How photos lie in their files.

    Args:
        root: Their folder.
        names: Photo's number -> path below `root`.

    Returns:
        Number -> layout, and number -> why a photo can't be read.
    """
    lie, damaged = {}, {}
    for number, name in tqdm(names.items(), unit="photo", desc="photos", mininterval=1.0, leave=False, disable=None):
        try:
            lie[number] = layout(root / name, name)
        except ValueError as error:
            damaged[number] = str(error)
    return lie, damaged
