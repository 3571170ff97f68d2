"""A photo as a step shows it: cropped, squashed and mirrored, with its objects and what is said of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from cefnet.photos import squash, squash_mask
from train.data import augment
from train.data.masks import decode_mask
from train.data.reader import Damaged, ReferData
from train.data.samples import BatchSpec, Sample


@dataclass(frozen=True)
class Picture:
    """What the network will see, before colours are changed and generated expressions are written.

    Attributes:
        image_id: The photo.
        image: S x S x 3 uint8 RGB.
        masks: S x S uint8, 0 or 1, of every annotation that can be seen.
        samples: True of it.
    """

    image_id: int
    image: np.ndarray
    masks: dict[int, np.ndarray]
    samples: list[Sample]


class Pictures:
    """Makes pictures of a data folder's photos.

    Args:
        data: An opened data folder.
        spec: How often and how far photos are cropped and mirrored.
    """

    def __init__(self, data: ReferData, spec: BatchSpec) -> None:
        self.data, self.spec = data, spec

    def make(self, image_id: int, drawn: Sequence[Sample], size: int, rng: np.random.Generator) -> Picture:
        """Draws a crop and a flip that drawn expressions survive.

        Raises:
            Damaged: The photo or the mask of an object that is spoken of can't be used.
        """
        window = self.window(image_id, drawn, rng)
        flip = bool(rng.random() < self.spec.flip) and all(augment.mirrorable(s.text) for s in drawn)
        image = squash(window.cut(self.data.photo(image_id)), size)
        masks = {}
        for ann_id in self.data.annotations_of[image_id]:
            cut = window.cut(self._mask(ann_id))
            if cv2.countNonZero(cut):
                masks[ann_id] = squash_mask(cut, size)
        for ann_id in (a for s in drawn for a in s.ann_ids if a not in masks):
            what = f"annotation {ann_id} of photo {self.data.images[image_id].file_name}"
            raise Damaged(f"{what}: its mask is empty, unreadable or not in its box")
        if flip:
            image = np.ascontiguousarray(image[:, ::-1])
            masks = {a: np.ascontiguousarray(m[:, ::-1]) for a, m in masks.items()}
            drawn = [replace(s, text=augment.mirror_text(s.text)) for s in drawn]
        return Picture(image_id, image, masks, list(drawn))

    def _mask(self, ann_id: int) -> np.ndarray:
        """H x W uint8, 0 or 1; all 0 if it can't be read."""
        annotation = self.data.annotations[ann_id]
        record = self.data.images[annotation.image_id]
        try:
            return decode_mask(annotation.segmentation, record.height, record.width)
        except ValueError:
            return np.zeros((record.height, record.width), np.uint8)

    def window(self, image_id: int, drawn: Sequence[Sample], rng: np.random.Generator) -> augment.Window:
        """Draws a crop, or the whole frame, in which drawn expressions stay true.

        It holds their objects whole; where one speaks of place, order or size, it holds every annotated object and
        nearly the whole frame.
        """
        record = self.data.images[image_id]
        if rng.random() >= self.spec.crop:
            return augment.Window(0, 0, record.width, record.height)
        kept = [self.data.annotations[a] for s in drawn for a in s.ann_ids]
        smallest = self.spec.smallest_crop
        if any(augment.names_place(s.text) for s in drawn):
            kept = [self.data.annotations[a] for a in self.data.annotations_of[image_id]]
            smallest = max(smallest, 0.925)  # 0.855 of the frame
        return augment.draw_window(record.width, record.height, [a.box for a in kept], smallest, rng)
