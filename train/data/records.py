"""What the tables of a data folder hold: photos, annotations and what is said of them."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

MAX_PIXELS = 100_000_000  # of a photo; no data set has such large ones
FARTHEST = 1e7  # pixels; beyond any photo


@dataclass(frozen=True)
class ImageRecord:
    """A photo as `instances.json` describes it.

    Attributes:
        image_id: Its number.
        file_name: Relative to the folder of the photos.
        width: In pixels.
        height: Likewise.
        split: Such as train.
        squashed: Whether it was stored as a square whatever its true aspect.
        license: Of the photo.
        url: Where it comes from.
        photo_set: The set of photos that it is from (`set`).
        annotated: Of which categories every thing is annotated: "all", or names with commas between.
    """

    image_id: int
    file_name: str
    width: int
    height: int
    split: str = ""
    squashed: bool = False
    license: str = ""
    url: str = ""
    photo_set: str = ""
    annotated: str = ""

    def complete(self, category: str) -> bool:
        """Whether every thing of a category is annotated, so that what is not annotated is not there."""
        return self.annotated == "all" or category in map(str.strip, self.annotated.split(","))


@dataclass(frozen=True)
class Annotation:
    """One instance. `box` is (x, y, width, height) in pixels; `segmentation` is RLE (dict) or polygons (list)."""

    ann_id: int
    image_id: int
    category_id: int
    area: float
    box: tuple[float, float, float, float]
    segmentation: Any = field(repr=False)
    source: str = ""
    score: float = 1.0
    iscrowd: bool = False

    @property
    def predicted(self) -> bool:
        """True where a detector, not a person, drew the mask: others of its category may be missing."""
        return self.source == "predicted"


@dataclass(frozen=True)
class Sentence:
    """One expression; `kind` is location, look, free, written, or empty where the file doesn't say."""

    sent_id: int
    sent: str
    kind: str = ""


@dataclass(frozen=True)
class Ref:
    """What people (or models) referred to, with all their expressions for it.

    Attributes:
        ref_id: Its number.
        ann_ids: The annotations meant: mostly one; several; or none, where the expressions name something that is
            not in the photo.
        image_id: The photo.
        category_id: Of the one object; 0 where several are meant or none.
        split: Such as train, val, testA.
        sentences: The expressions.
    """

    ref_id: int
    ann_ids: tuple[int, ...]
    image_id: int
    category_id: int
    split: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True)
class Absent:
    """An expression of something that is not in the photo."""

    image_id: int
    sent: str
    split: str


def image_record(i: dict) -> ImageRecord:
    """A record of `images` in `instances.json`.

    Raises:
        ValueError: No photo can be as large, or its file would lie outside the folder of the photos.
    """
    name, width, height = text(i["file_name"]), int(i["width"]), int(i["height"])
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ValueError(f"file_name {name!r} leads out of the folder of the photos")
    if not (width > 0 and height > 0 and width * height <= MAX_PIXELS):
        raise ValueError(f"a photo of {width} x {height} pixels; 1 to {MAX_PIXELS:,} pixels are read")
    return ImageRecord(
        image_id=int(i["id"]),
        file_name=name,
        width=width,
        height=height,
        split=i.get("split", ""),
        squashed=bool(i.get("squashed", False)),
        license=str(i.get("license", "")),
        url=i.get("url", ""),
        photo_set=str(i.get("set") or ""),
        annotated=str(i.get("annotated") or ""),
    )


def annotation(a: dict) -> Annotation:
    """A record of `annotations` in `instances.json`.

    Raises:
        ValueError: Its box has not four numbers, or one that no photo has.
    """
    x, y, w, h = (float(v) for v in a["bbox"])
    if not all(abs(v) <= FARTHEST for v in (x, y, w, h)):  # true for NaN
        raise ValueError(f"bbox {a['bbox']} is not x, y, width, height in pixels")
    return Annotation(
        ann_id=int(a["id"]),
        image_id=int(a["image_id"]),
        category_id=int(a["category_id"]),
        area=float(a["area"]),
        box=(x, y, w, h),
        segmentation=a["segmentation"],
        source=a.get("source", ""),
        score=float(a.get("score", 1.0)),
        iscrowd=bool(a.get("iscrowd", 0)),
    )


def ref(r: dict) -> Ref:
    """A record of `refs.json`: `ann_ids`, or `ann_id` where it means one object."""
    sentences = tuple(Sentence(int(s["sent_id"]), text(s["sent"]), s.get("kind", "")) for s in r["sentences"])
    ann_ids = tuple(int(a) for a in (r["ann_ids"] if "ann_ids" in r else [r["ann_id"]]))
    return Ref(int(r["ref_id"]), ann_ids, int(r["image_id"]), int(r.get("category_id", 0)), text(r["split"]), sentences)


def absent(a: dict) -> Absent:
    """A record of `absent.json`."""
    return Absent(int(a["image_id"]), text(a["sent"]), text(a.get("split", "")))


def caption(c: dict) -> tuple[int, str]:
    """Photo and caption of a record of `captions.json`."""
    return int(c["image_id"]), text(c["caption"])


def text(value: Any) -> str:
    """The value, if it is a text.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(value, str):
        raise TypeError(f"text expected, not {type(value).__name__}")
    return value
