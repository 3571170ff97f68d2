"""The one data layout: photos, instance masks and referring expressions in REFER/COCO files."""

import json
import tarfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask


@dataclass(frozen=True)
class ImageRecord:
    """A photo as `instances.json` describes it; `squashed` ones are squares whatever their true aspect."""

    image_id: int
    file_name: str
    width: int
    height: int
    split: str = ""
    squashed: bool = False
    license: str = ""
    url: str = ""


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
    """An object that people (or models) referred to, with all its expressions."""

    ref_id: int
    ann_id: int
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


@dataclass(frozen=True)
class ReferData:
    """A data folder, opened. Holds the tables; photos and masks are decoded when asked for.

    Safe to share between threads and to send to worker processes: it keeps no open file.
    """

    folder: Path
    categories: dict[int, str]
    images: dict[int, ImageRecord]
    annotations: dict[int, Annotation]
    annotations_of: dict[int, list[int]]  # image id -> annotation ids
    refs: list[Ref]
    absent: list[Absent]
    captions: dict[int, tuple[str, ...]]  # image id -> captions
    files: dict[str, tuple[Path, int, int]] = field(
        repr=False
    )  # file name -> (file, offset, bytes) in a shard

    @classmethod
    def open(cls, folder: str | Path) -> "ReferData":
        """Reads the tables of a data folder and finds its photos.

        Args:
            folder: holds `instances.json`, `refs.json`, photos in `photos-NN.tar` shards or in `photos/`, and
                optionally `absent.json` and `captions.json`.

        Raises:
            ValueError: something is missing or the files contradict each other; says what.
        """
        folder = Path(folder)
        instances = _read_json(folder, "instances.json")
        categories = {int(c["id"]): str(c["name"]) for c in instances["categories"]}
        images = {int(i["id"]): _image(i) for i in instances["images"]}
        annotations = {int(a["id"]): _annotation(a) for a in instances["annotations"]}
        annotations_of: dict[int, list[int]] = {image_id: [] for image_id in images}
        for a in annotations.values():
            if a.image_id not in images or a.category_id not in categories:
                raise ValueError(
                    f"{folder}/instances.json: annotation {a.ann_id} names an unknown photo or category"
                )
            annotations_of[a.image_id].append(a.ann_id)
        refs = [_ref(r) for r in _read_json(folder, "refs.json")]
        for r in refs:
            if r.ann_id not in annotations or annotations[r.ann_id].image_id != r.image_id:
                raise ValueError(
                    f"{folder}/refs.json: ref {r.ref_id} names annotation {r.ann_id}, not in that photo"
                )
        absent = [
            Absent(int(a["image_id"]), a["sent"], a.get("split", ""))
            for a in _read_json(folder, "absent.json", [])
        ]
        captions = defaultdict(list)
        for c in _read_json(folder, "captions.json", []):
            captions[int(c["image_id"])].append(c["caption"])
        caption_table = {i: tuple(texts) for i, texts in captions.items()}
        return cls(
            folder,
            categories,
            images,
            annotations,
            annotations_of,
            refs,
            absent,
            caption_table,
            _index(folder),
        )

    def refs_of(self, split: str) -> list[Ref]:
        """The refs of one split.

        Raises:
            ValueError: the data has no such split; lists those it has.
        """
        found = [r for r in self.refs if r.split == split]
        if not found:
            raise ValueError(
                f"no expressions in split {split!r}; there are: {sorted({r.split for r in self.refs})}"
            )
        return found

    def photo_bytes(self, image_id: int) -> bytes:
        """The photo's file, undecoded."""
        name = self.images[image_id].file_name
        if name in self.files:
            path, offset, size = self.files[name]
            with path.open("rb") as shard:
                shard.seek(offset)
                return shard.read(size)
        path = self.folder / "photos" / name
        if not path.is_file():
            raise ValueError(
                f"photo {name} is neither in a photos-NN.tar shard nor in {self.folder / 'photos'}"
            )
        return path.read_bytes()

    def photo(self, image_id: int) -> np.ndarray:
        """A photo: H x W x 3 uint8 RGB.

        Raises:
            ValueError: the file is missing, can't be decoded, or has another size than `instances.json` says.
        """
        record = self.images[image_id]
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION  # masks belong to the pixels as stored
        image = cv2.imdecode(np.frombuffer(self.photo_bytes(image_id), np.uint8), flags)
        if image is None:
            raise ValueError(f"photo {record.file_name} can't be decoded; is the download complete?")
        if image.shape[:2] != (record.height, record.width):
            raise ValueError(
                f"photo {record.file_name} is {image.shape[1]} x {image.shape[0]} pixels, but instances.json says "
                f"{record.width} x {record.height}: its masks won't fit"
            )
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def mask(self, ann_id: int) -> np.ndarray:
        """An instance's mask: H x W bool."""
        annotation = self.annotations[ann_id]
        record = self.images[annotation.image_id]
        return decode_mask(annotation.segmentation, record.height, record.width).astype(bool)


def decode_mask(segmentation: dict | Sequence[Sequence[float]], height: int, width: int) -> np.ndarray:
    """Decodes COCO RLE (compressed or not) or polygons to H x W uint8, 0 or 1."""
    if not isinstance(segmentation, dict):
        rle = coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        rle = coco_mask.frPyObjects(segmentation, height, width)
    else:
        rle = segmentation
    return coco_mask.decode(rle)


def _read_json(folder: Path, name: str, default: Any = None) -> Any:
    path = folder / name
    if not path.is_file():
        if default is not None:
            return default
        raise ValueError(f"{path} is missing: a data folder needs instances.json, refs.json and the photos")
    return json.loads(path.read_text(encoding="utf-8"))


def _image(i: dict) -> ImageRecord:
    return ImageRecord(
        image_id=int(i["id"]),
        file_name=i["file_name"],
        width=int(i["width"]),
        height=int(i["height"]),
        split=i.get("split", ""),
        squashed=bool(i.get("squashed", False)),
        license=str(i.get("license", "")),
        url=i.get("url", ""),
    )


def _annotation(a: dict) -> Annotation:
    x, y, w, h = (float(v) for v in a["bbox"])
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


def _ref(r: dict) -> Ref:
    sentences = tuple(Sentence(int(s["sent_id"]), s["sent"], s.get("kind", "")) for s in r["sentences"])
    ids = (int(r["ref_id"]), int(r["ann_id"]), int(r["image_id"]), int(r["category_id"]))
    return Ref(*ids, r["split"], sentences)


def _index(folder: Path) -> dict[str, tuple[Path, int, int]]:
    """Where each photo lies in the tar shards, so that reading one needs no search."""
    files = {}
    for path in sorted(folder.glob("photos-*.tar")):
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if member.isfile():
                    files[member.name.removeprefix("./")] = (path, member.offset_data, member.size)
    return files
