"""The one data layout: photos, instance masks and referring expressions in REFER/COCO files."""

import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from cefnet.arguments import check_pointer, home_of
from cefnet.photos import read_photo
from train.data.masks import decode_mask
from train.data.records import Absent, Annotation, ImageRecord, Ref, absent, annotation, caption, image_record, ref
from train.data.shards import Place, local_shards

NAMED = 20  # faults that a message names one by one
Id = TypeVar("Id", bound=Hashable)
Item = TypeVar("Item")

# What converting a record raises when the record is not what it should be.
NOT_AS_EXPECTED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        ValueError: It is no JSON, or nested without end, or Git LFS has left a pointer in its place.
        OSError: It can't be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))  # some tools put a byte order mark before it
    except (ValueError, RecursionError) as error:
        check_pointer(path)
        raise ValueError(f"{path} is not JSON; is the download complete? ({error})") from error


def converted(convert: Callable, record: Any, where: str, *more: Any) -> Any:
    """`convert(record, *more)`.

    Args:
        convert: Turns a record into what it is used as.
        record: From a file.
        where: Where it comes from, for the message.
        more: Further arguments.

    Raises:
        ValueError: The record lacks something, or holds something else than it should.
    """
    try:
        return convert(record, *more)
    except NOT_AS_EXPECTED as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{where}: not as it should be: {reason}") from error


def records(table: Any, convert: Callable, where: str) -> list[Any]:
    """All records of a table, converted.

    Raises:
        ValueError: It is no list, or a record is not as it should be; says which.
    """
    if not isinstance(table, list):
        raise ValueError(f"{where} must be a list, not {type(table).__name__}")
    return [converted(convert, record, f"{where}, record {place}") for place, record in enumerate(table)]


def by_id(items: Iterable[tuple[Id, Item]], where: str) -> dict[Id, Item]:
    """A table by its ids; `where` names it for the message. The same record twice is harmless.

    Raises:
        ValueError: Two records have one id, so that what names it may mean either; all such ids are named.
    """
    found: dict[Id, Item] = {}
    twice: dict[Id, None] = {}
    for key, item in items:
        if found.setdefault(key, item) != item:
            twice[key] = None
    if twice:
        raise ValueError(f"{where}: {listed([str(key) for key in twice], 'ids are there twice')}")
    return found


def listed(texts: Sequence[str], what: str) -> str:
    """How many there are, and the first `NAMED` of them, a line each."""
    lines = [f"{len(texts)} {what}:", *(f"  {text}" for text in texts[:NAMED])]
    return "\n".join([*lines, f"  and {len(texts) - NAMED} more"] if len(texts) > NAMED else lines)


class Damaged(ValueError):
    """A photo or a mask that can't be used; the message names it."""


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
    files: dict[str, Place] = field(repr=False)  # file name -> where it is in a shard
    photos: Path  # folder of the photos that are in no shard

    @classmethod
    def open(cls, folder: str | Path) -> "ReferData":
        """Reads the tables of a data folder and finds its photos.

        Args:
            folder: Holds `instances.json`, `refs.json`, photos in `photos-NN.tar` shards or in `photos/`, and
                optionally `absent.json`, `captions.json` and `dataset.json`, whose `photos` is the folder of photos
                that lie elsewhere (relative paths are relative to the data folder).

        Raises:
            ValueError: Something is missing or the files contradict each other; says what.
        """
        folder = home_of(folder)
        folder = folder.parent if folder.is_file() else folder  # of one of its tables the folder is meant
        instances, where = _table(folder, "instances.json"), f"{folder}/instances.json"
        if not isinstance(instances, dict):
            raise ValueError(f"{where} must hold images, annotations and categories")
        categories = by_id(
            records(instances.get("categories"), _category, f"{where}: categories"), f"{where}: categories"
        )
        photo_records = records(instances.get("images"), image_record, f"{where}: images")
        images = by_id(((i.image_id, i) for i in photo_records), f"{where}: images")
        shapes = records(instances.get("annotations"), annotation, f"{where}: annotations")
        annotations = by_id(((a.ann_id, a) for a in shapes), f"{where}: annotations")
        annotations_of: dict[int, list[int]] = {image_id: [] for image_id in images}
        for a in annotations.values():
            if a.image_id not in images or a.category_id not in categories:
                raise ValueError(f"{where}: annotation {a.ann_id} names an unknown photo or category")
            annotations_of[a.image_id].append(a.ann_id)
        refs = records(_table(folder, "refs.json"), ref, f"{folder}/refs.json")
        for r in refs:
            _check_ref(r, f"{folder}/refs.json: ref {r.ref_id}", annotations_of, categories)
        missing = records(_table(folder, "absent.json", []), absent, f"{folder}/absent.json")
        captions = defaultdict(list)
        for image_id, words in records(_table(folder, "captions.json", []), caption, f"{folder}/captions.json"):
            captions[image_id].append(words)
        about = converted(dict, _table(folder, "dataset.json", {}), f"{folder}/dataset.json")
        photos = folder / str(about.get("photos", "photos"))
        told = {i: tuple(texts) for i, texts in captions.items()}
        files = local_shards(folder)
        return cls(folder, categories, images, annotations, annotations_of, refs, missing, told, files, photos)

    def refs_of(self, split: str) -> list[Ref]:
        """The refs of one split.

        Raises:
            ValueError: The data has no such split; lists those it has.
        """
        found = [r for r in self.refs if r.split == split]
        if not found:
            raise ValueError(f"no expressions in split {split!r}; there are: {sorted({r.split for r in self.refs})}")
        return found

    def photo_bytes(self, image_id: int) -> bytes:
        """The photo's file, undecoded.

        Raises:
            Damaged: There is none, or it can't be read.
        """
        name = self.images[image_id].file_name
        if place := self.files.get(name):
            content = place.read()
            if len(content) != place.size:
                raise Damaged(f"photo {name} is cut off: {place.shard} has become shorter")
            return content
        try:
            return (self.photos / name).read_bytes()
        except FileNotFoundError as error:
            raise Damaged(f"photo {name} is neither in a tar shard nor in {self.photos}") from error
        except (PermissionError, IsADirectoryError, NotADirectoryError) as error:  # others may pass: the run ends
            raise Damaged(f"photo {name} can't be read ({error.strerror})") from error

    def photo(self, image_id: int) -> np.ndarray:
        """A photo as the app and the library show it (`cefnet.photos.read_photo`): H x W x 3 uint8 RGB, upright.

        Raises:
            Damaged: The file is missing, can't be decoded, or has another size than `instances.json` says.
        """
        record, content = self.images[image_id], self.photo_bytes(image_id)
        try:
            return read_photo(content, f"photo {record.file_name}", (record.width, record.height))
        except ValueError as error:
            raise Damaged(str(error)) from error

    def mask(self, ann_id: int) -> np.ndarray:
        """An instance's mask: H x W bool.

        Raises:
            Damaged: It can't be decoded, or has another size than its photo.
        """
        annotation = self.annotations[ann_id]
        record = self.images[annotation.image_id]
        try:
            return decode_mask(annotation.segmentation, record.height, record.width).astype(bool)
        except ValueError as error:
            raise Damaged(f"annotation {ann_id} of photo {record.file_name} has no readable mask: {error}") from error

    def union(self, image_id: int, ann_ids: Sequence[int]) -> np.ndarray:
        """The mask of what an expression means, all of `ann_ids` of a photo: H x W bool, empty without any."""
        record = self.images[image_id]
        mask = np.zeros((record.height, record.width), bool)
        for ann_id in ann_ids:
            mask |= self.mask(ann_id)
        return mask


def _category(c: dict) -> tuple[int, str]:
    return int(c["id"]), str(c["name"])


def _check_ref(r: Ref, where: str, annotations_of: dict[int, list[int]], categories: dict[int, str]) -> None:
    if r.image_id not in annotations_of:
        raise ValueError(f"{where} names photo {r.image_id}, not in instances.json")
    for ann_id in set(r.ann_ids).difference(annotations_of[r.image_id]):
        raise ValueError(f"{where} names annotation {ann_id}, not in that photo")
    if len(r.ann_ids) == 1 and r.category_id not in categories:
        raise ValueError(f"{where} names category {r.category_id}, not in instances.json")


def _table(folder: Path, name: str, default: Any = None) -> Any:
    path = folder / name
    if not path.is_file():
        if default is not None:
            return default
        raise ValueError(f"{path} is missing: a data folder needs instances.json, refs.json and the photos")
    return read_json(path)
