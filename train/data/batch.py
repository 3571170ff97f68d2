"""A training batch, and how to cut it into parts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


def spans(count: int, parts: int) -> list[range]:
    """0..count-1 in `parts` runs of about the same length, in order."""
    return [range(i * count // parts, (i + 1) * count // parts) for i in range(parts)]


@dataclass
class Batch:
    """P photos with K expressions each; N = P * K samples, those of a photo together."""

    images: Tensor  # P x 3 x S x S uint8 RGB
    photo_index: Tensor  # N int64: the photo of each sample
    ids: Tensor  # N x T int64 pieces, 0 = padding
    token_mask: Tensor  # N x T bool, True = real
    masks: Tensor  # N x S x S uint8, 0 or 1
    present: Tensor  # N bool, False where the expression names something absent (mask empty)
    classes: Tensor  # P x S x S: 0 = not annotated, k + 1 = the k-th of the sorted category ids; uint8 if those fit
    objects: Tensor  # P x S x S uint8: 0 = none, k = the photo's k-th annotated object; small ones lie on large ones
    several: Tensor  # N bool, whether the mask is that of several annotations
    meant: Tensor  # N int64: which of the photo's K samples the words mean, mostly the sample itself; -1 = none of them
    clicks: Tensor  # N x 3 x 3 float32, see `cefnet.clicks.Hints`
    corrections: list[int]  # N: how many more clicks follow where the answer to all that is most wrong
    expressions: list[str]
    sample_ids: list[tuple[int, int]]  # (image id, annotation id or 0)
    kinds: list[str] = field(default_factory=list)  # written, generated, category, caption, absent, clicked
    skipped: list[str] = field(default_factory=list)  # what could not be used, in words; others took its place

    def to(self, device: torch.device | str) -> "Batch":
        """The batch with its tensors on a device."""
        return self._map(lambda t: t.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """For DataLoader(pin_memory=True)."""
        return self._map(Tensor.pin_memory)

    def split(self, parts: int) -> list["Batch"]:
        """The photos in `parts` runs of about the same length, each with its samples."""
        if parts == 1:
            return [self]
        each = len(self.photo_index) // len(self.images)  # samples of a photo
        return [self._cut(span, slice(span.start * each, span.stop * each)) for span in spans(len(self.images), parts)]

    def _cut(self, photos: range, samples: slice) -> "Batch":
        chosen = slice(photos.start, photos.stop)
        return Batch(
            images=self.images[chosen],
            photo_index=self.photo_index[samples] - photos.start,
            ids=self.ids[samples],
            token_mask=self.token_mask[samples],
            masks=self.masks[samples],
            present=self.present[samples],
            classes=self.classes[chosen],
            objects=self.objects[chosen],
            several=self.several[samples],
            meant=self.meant[samples],
            clicks=self.clicks[samples],
            corrections=self.corrections[samples],
            expressions=self.expressions[samples],
            sample_ids=self.sample_ids[samples],
            kinds=self.kinds[samples],
        )

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        fields: dict[str, Any] = {k: change(v) if isinstance(v, Tensor) else v for k, v in vars(self).items()}
        return Batch(**fields)
