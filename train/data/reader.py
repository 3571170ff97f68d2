"""The one data layout: photos, instance masks and referring expressions in REFER/COCO files."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from train.data.records import Absent, Annotation, ImageRecord, Ref, annotation, image_record, ref
from train.data.shards import Place, local_shards, remote_shards


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
            folder: holds `instances.json`, `refs.json`, photos in `photos-NN.tar` shards or in `photos/`, and
                optionally `absent.json`, `captions.json` and `dataset.json`, which says where photos are that lie
                elsewhere: `photos` is their folder (relative paths are relative to the data folder), `shards` the
                address of tar shards, such as `s3://bucket/photos-*.tar`.

        Raises:
            ValueError: something is missing or the files contradict each other; says what.
        """
        folder = Path(folder)
        instances = _read_json(folder, "instances.json")
        categories = {int(c["id"]): str(c["name"]) for c in instances["categories"]}
        images = {int(i["id"]): image_record(i) for i in instances["images"]}
        annotations = {int(a["id"]): annotation(a) for a in instances["annotations"]}
        annotations_of: dict[int, list[int]] = {image_id: [] for image_id in images}
        for a in annotations.values():
            if a.image_id not in images or a.category_id not in categories:
                raise ValueError(f"{folder}/instances.json: annotation {a.ann_id} names an unknown photo or category")
            annotations_of[a.image_id].append(a.ann_id)
        refs = [ref(r) for r in _read_json(folder, "refs.json")]
        for r in refs:
            if r.image_id not in images:
                raise ValueError(f"{folder}/refs.json: ref {r.ref_id} names photo {r.image_id}, not in instances.json")
            for ann_id in set(r.ann_ids).difference(annotations_of[r.image_id]):
                raise ValueError(f"{folder}/refs.json: ref {r.ref_id} names annotation {ann_id}, not in that photo")
        absent = [
            Absent(int(a["image_id"]), a["sent"], a.get("split", "")) for a in _read_json(folder, "absent.json", [])
        ]
        captions = defaultdict(list)
        for c in _read_json(folder, "captions.json", []):
            captions[int(c["image_id"])].append(c["caption"])
        about = _read_json(folder, "dataset.json", {})
        photos = folder / about.get("photos", "photos")
        files = remote_shards(about["shards"], folder) if "shards" in about else local_shards(folder)
        caption_table = {i: tuple(texts) for i, texts in captions.items()}
        return cls(folder, categories, images, annotations, annotations_of, refs, absent, caption_table, files, photos)

    def refs_of(self, split: str) -> list[Ref]:
        """The refs of one split.

        Raises:
            ValueError: the data has no such split; lists those it has.
        """
        found = [r for r in self.refs if r.split == split]
        if not found:
            raise ValueError(f"no expressions in split {split!r}; there are: {sorted({r.split for r in self.refs})}")
        return found

    def photo_bytes(self, image_id: int) -> bytes:
        """The photo's file, undecoded."""
        name = self.images[image_id].file_name
        if name in self.files:
            return self.files[name].read()
        path = self.photos / name
        if not path.is_file():
            raise Damaged(f"photo {name} is neither in a tar shard nor in {self.photos}")
        return path.read_bytes()

    def photo(self, image_id: int) -> np.ndarray:
        """A photo: H x W x 3 uint8 RGB.

        Raises:
            Damaged: the file is missing, can't be decoded, or has another size than `instances.json` says.
        """
        record = self.images[image_id]
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION  # masks belong to the pixels as stored
        image = cv2.imdecode(np.frombuffer(self.photo_bytes(image_id), np.uint8), flags)
        if image is None:
            raise Damaged(f"photo {record.file_name} can't be decoded; is the download complete?")
        if image.shape[:2] != (record.height, record.width):
            raise Damaged(
                f"photo {record.file_name} is {image.shape[1]} x {image.shape[0]} pixels, but instances.json says "
                f"{record.width} x {record.height}: its masks won't fit"
            )
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def mask(self, ann_id: int) -> np.ndarray:
        """An instance's mask: H x W bool."""
        annotation = self.annotations[ann_id]
        record = self.images[annotation.image_id]
        return decode_mask(annotation.segmentation, record.height, record.width).astype(bool)

    def union(self, image_id: int, ann_ids: Sequence[int]) -> np.ndarray:
        """The mask of what an expression means, all of `ann_ids` of a photo: H x W bool, empty without any."""
        record = self.images[image_id]
        mask = np.zeros((record.height, record.width), bool)
        for ann_id in ann_ids:
            mask |= self.mask(ann_id)
        return mask


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
