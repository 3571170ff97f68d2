"""People's own labels in one form, whatever tool wrote them, and what can't be used of them.

A file that contradicts itself is refused with all its faults in one message (`Faults`). What is sound but of no use,
such as a box without a mask, is left out and listed (`Skipped`).
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from train.data.reader import listed

PREDICTED, BOX = "predicted", "box"  # sources of a mask that people did not draw
SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


class Faults:
    """What is wrong with a file, collected so that people can mend all of it at once."""

    def __init__(self, file: str) -> None:
        self.file, self.found = file, list[str]()

    def add(self, text: str) -> None:
        """Adds a fault; `text` names the photo or annotation."""
        self.found.append(text)

    def check(self) -> None:
        """Ends here if there are faults.

        Raises:
            ValueError: There are; the first 20 are named, the others counted.
        """
        if self.found:
            title = f"{self.file} can't be used: "
            raise ValueError(title + (self.found[0] if len(self.found) == 1 else listed(self.found, "faults")))


@dataclass(frozen=True)
class Skipped:
    """Something that is not used, a row of `skipped.csv`.

    Attributes:
        file: Label file that it is from.
        photo: Photo's file name, as the label file has it.
        annotation: What the label file calls it, such as "annotation 17"; empty where the whole photo is left out.
        reason: Why, in few words that are the same for all of a kind.
        detail: What is particular about this one.
    """

    file: str
    photo: str
    annotation: str
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Photo:
    """A labelled photo.

    Attributes:
        number: Its id in our layout.
        name: File name; as the label file has it until `photos.found` has found it.
        file: Label file.
        beside: Folder of the label file; photos are looked for there too.
        size: Width and height as the label file says, None where it doesn't.
        more: Further fields of its record in our layout: `split`, `set`, `annotated`, `license`, `url`.
    """

    number: int
    name: str
    file: str
    beside: Path
    size: tuple[int, int] | None = None
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Patch:
    """A mask of a part of a photo: `png` is a picture file, not 0 on the object; its left upper corner is at x, y."""

    x: int
    y: int
    png: bytes


@dataclass(frozen=True)
class Shape:
    """A labelled object.

    Attributes:
        number: Its id in our layout.
        photo: Number of its photo.
        category: Its name, as people write it.
        parts: Its mask is their union: polygons (flat lists x, y, x, y, ...), RLE (dict) or patches.
        name: What the label file calls it, such as "annotation 17".
        iscrowd: True where it is several that were not told apart.
        source: Who drew it: "people", `PREDICTED`, `BOX` or what the label file says.
        score: A detector's confidence.
        relative: True if polygons are in shares of width and height, not in pixels.
    """

    number: int
    photo: int
    category: str
    parts: tuple[Any, ...]
    name: str
    iscrowd: bool = False
    source: str = "people"
    score: float | None = None
    relative: bool = False


def boxed(x: float, y: float, width: float, height: float) -> list[float]:
    """The polygon of a box.

    A thing of which only a box is known is no object to speak of, but it is there: it becomes a crowd (`iscrowd`) with
    the source `BOX`, so that nobody calls its name absent, or another thing the only one of its name.
    """
    return [x, y, x + width, y, x + width, y + height, x, y + height]


@dataclass(frozen=True)
class Labels:
    """All labels of one or several files.

    Attributes:
        photos: By number.
        shapes: In the order of the file.
        categories: Number -> name; no name twice.
        synonyms: Category name -> other words for it that the file has.
        verified: Photo's number -> names that somebody made sure are missing (LVIS's `neg_category_ids`); photos that
            are not here are taken to be annotated with all categories.
        skipped: What was left out so far.
    """

    photos: dict[int, Photo]
    shapes: list[Shape]
    categories: dict[int, str]
    synonyms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    verified: dict[int, tuple[str, ...]] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)

    def without(self, photos: dict[int, Skipped]) -> "Labels":
        """The labels without some photos and all that is on them."""
        kept = {number: photo for number, photo in self.photos.items() if number not in photos}
        shapes = [s for s in self.shapes if s.photo in kept]
        return replace(self, photos=kept, shapes=shapes, skipped=[*self.skipped, *photos.values()])


def joined(parts: Sequence[Labels]) -> Labels:
    """The labels of several files with numbers of their own; categories are the same where their names are.

    Files whose names or folders tell a split ("train/_annotations.coco.json", "instances_val2017.json") give it to
    their photos, if all files do.
    """
    if len(parts) == 1:
        return parts[0]
    photos: dict[int, Photo] = {}
    shapes: list[Shape] = []
    verified: dict[int, tuple[str, ...]] = {}
    for part in parts:
        numbers = {old: len(photos) + place for place, old in enumerate(part.photos, start=1)}
        photos |= {numbers[old]: replace(p, number=numbers[old]) for old, p in part.photos.items()}
        verified |= {numbers[old]: names for old, names in part.verified.items()}
        first = len(shapes) + 1
        shapes += [replace(s, number=first + n, photo=numbers[s.photo]) for n, s in enumerate(part.shapes)]
    splits = {photo.file: split_of(photo.file) for photo in photos.values()}
    if all(splits.values()):
        photos = {n: replace(p, more={"split": splits[p.file]} | p.more) for n, p in photos.items()}
    names = dict.fromkeys(name for part in parts for name in part.categories.values())
    synonyms: dict[str, tuple[str, ...]] = {}
    for part in parts:
        synonyms |= part.synonyms
    skipped = [row for part in parts for row in part.skipped]
    return Labels(photos, shapes, dict(enumerate(names, start=1)), synonyms, verified, skipped)


def files_below(folder: Path, *patterns: str) -> list[Path]:
    """Files below a folder, in order; hidden ones, such as the "._a.json" of a Mac's archive, are passed over."""
    found = {path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()}
    return sorted(path for path in found if not path.name.startswith("."))


def split_of(file: str) -> str:
    """The split that a path names, its last such word: "a/valid/b.json" -> val; empty if none."""
    words = re.split(r"[^a-z]+", file.lower())
    return next((SPLITS[word] for word in reversed(words) if word in SPLITS), "")


def counted(skipped: Iterable[Skipped]) -> dict[str, int]:
    """How many rows there are of each reason, most first."""
    return dict(Counter(row.reason for row in skipped).most_common())


def clean(name: str) -> str:
    """ "Traffic_Light" as people write it; LVIS's "cup_(drinkware)" without the brackets."""
    return " ".join(name.split("(")[0].replace("_", " ").replace("-", " ").lower().split()) or name.strip()


def whole(value: Any) -> int:
    """A whole number, be it written 640, 640.0 or "640".

    Raises:
        ValueError: It is something else.
    """
    if isinstance(value, str):
        value = float(value) if re.fullmatch(r"\s*[+-]?\d{1,15}(\.0*)?\s*", value) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value != int(value):
        raise ValueError("no whole number")
    return int(value)


def key(value: Any) -> str:
    """An id as text: 1, 1.0 and "1" are the same.

    Raises:
        ValueError: It is neither a whole number nor a text.
    """
    try:
        return str(whole(value))
    except ValueError:
        if isinstance(value, str) and value.strip():
            return value.strip()
        raise ValueError(f"id {value!r} is neither a number nor a text") from None


def numbers(keys: Iterable[str]) -> dict[str, int]:
    """Ids as numbers: as they are where all are whole numbers from 0, else counted from 1."""
    keys = list(keys)
    if all(re.fullmatch(r"\d{1,15}", k) for k in keys):
        return {k: int(k) for k in keys}
    return {k: place for place, k in enumerate(keys, start=1)}
