"""Training batches: a few photos, several expressions each, augmented so that every expression stays true."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from cefnet.model.clicks import clicks_tensor
from cefnet.text import NOTHING_SAID, Tokenizer, pad
from train.clicks import MOST_CLICKS, Pointed, point
from train.data import augment
from train.data.pictures import Picture, Pictures
from train.data.reader import Damaged, ReferData
from train.data.samples import BatchSpec, Sample, Sampler
from train.describe.expressions import describe
from train.describe.things import Thing, thing
from train.describe.vocabulary import category_name, means, plural


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
    clicks: Tensor  # N x 3 x 3 float32, see `cefnet.model.clicks.Hints`
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


MOST_OBJECTS = 255  # of a photo
ATTEMPTS = 10  # photos that are tried in the place of one that can't be used


class Batches(Dataset):
    """An endless, shuffled stream of batches; item `step` depends on (seed, step) alone, so that a run can resume.

    Use with DataLoader(batches, batch_size=None).

    Args:
        data: An opened data folder.
        tokenizer: Turns expressions into pieces; too long ones are cut.
        spec: What a batch holds.
        size: Photos are squashed to size x size pixels.
        seed: Of the stream.
        split: Which refs to draw from.
        steps: The length.
        places: Which of a step's photos to prepare (a process's own of several); None: all.

    Raises:
        ValueError: The split has fewer photos than a batch needs, or no expressions.
    """

    def __init__(
        self,
        data: ReferData,
        tokenizer: Tokenizer,
        spec: BatchSpec,
        size: int,
        seed: int,
        split: str = "train",
        steps: int = 1_000_000,
        places: range | None = None,
    ) -> None:
        self.data, self.tokenizer, self.spec, self.size = data, tokenizer, spec, size
        self.seed, self.steps = seed, steps
        self.places = places or range(spec.photos)
        self.sampler, self.pictures = Sampler(data, spec, split), Pictures(data, spec)
        self.class_of = {category: i + 1 for i, category in enumerate(sorted(data.categories))}

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        if not 0 <= step < self.steps:
            raise IndexError(f"step {step} is not in 0..{self.steps - 1}")
        if get_worker_info() is not None:
            cv2.setNumThreads(0)  # a worker is one of several processes already
        (views, skipped), size = self._views(step), self.size
        pointed = [one for view in views for one in view.pointed]
        samples = [one.sample for one in pointed]
        said = [self.tokenizer.encode(s.text, truncate=True) if s.text else NOTHING_SAID for s in samples]
        ids, token_mask = map(torch.from_numpy, pad(said))
        images = np.stack([v.image for v in views]).transpose(0, 3, 1, 2)
        masks = np.stack([m for v in views for m in v.masks])
        return Batch(
            images=torch.from_numpy(np.ascontiguousarray(images)),
            photo_index=torch.arange(len(views)).repeat_interleave(self.spec.expressions),
            ids=ids,
            token_mask=token_mask,
            masks=torch.from_numpy(masks),
            present=torch.tensor([s.kind != "absent" for s in samples]),
            classes=torch.from_numpy(np.stack([v.classes for v in views])),
            objects=torch.from_numpy(np.stack([v.objects for v in views])),
            several=torch.tensor([len(s.ann_ids) > 1 for s in samples]),
            meant=torch.tensor([one.meant for one in pointed]),
            clicks=torch.stack([clicks_tensor(one.clicks, size, size, MOST_CLICKS) for one in pointed]),
            corrections=[one.corrections for one in pointed],
            expressions=[s.text for s in samples],
            sample_ids=[
                (v.image_id, one.sample.ann_ids[0] if len(one.sample.ann_ids) == 1 else 0)
                for v in views
                for one in v.pointed
            ],
            kinds=[s.kind for s in samples],
            skipped=skipped,
        )

    def _views(self, step: int) -> tuple[list["_View"], list[str]]:
        """This process's photos of a step, and what could not be used."""
        image_ids = self.sampler.photos(np.random.default_rng((self.seed, step)))
        skipped: list[str] = []
        return [self._sound_view(image_ids, step, place, skipped) for place in self.places], skipped

    def _sound_view(self, image_ids: Sequence[int], step: int, place: int, skipped: list[str]) -> "_View":
        """The photo of a place, or where it can't be used another one, drawn for this place of this step.

        Each photo of a step has its own source of chance, so that a process of several prepares its own photos alone.
        """
        image_id, rng = image_ids[place], np.random.default_rng((self.seed, step, place + 1))
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._view(image_id, rng)
            except Damaged as error:
                skipped.append(str(error))
            rng = np.random.default_rng((self.seed, step, place + 1, attempt))
            others = self.sampler.photos(rng)
            image_id = next((i for i in others if i not in image_ids), others[0])
        raise ValueError(f"{ATTEMPTS} photos one after the other can't be used; {skipped[-1]}")

    def _view(self, image_id: int, rng: np.random.Generator) -> "_View":
        """One photo: what is drawn for it, then generated expressions, typos, colours and clicks."""
        spec, size = self.spec, self.size
        picture = self.pictures.make(image_id, self.sampler.draw(image_id, rng), size, rng)
        drawn, image = self._fill(picture, rng), picture.image
        drawn = [replace(s, text=augment.misspell(s.text, rng)) if rng.random() < spec.typos else s for s in drawn]
        drawn = [replace(s, text=augment.retyped(s.text, rng)) if rng.random() < spec.retyped else s for s in drawn]
        if rng.random() < spec.colour:
            image = augment.jitter_colours(image, rng)
        masks = [_union([picture.masks[a] for a in s.ann_ids], size) for s in drawn]
        return _View(image_id, image, point(drawn, masks, spec, rng), masks, *self._annotated(picture.masks))

    def _fill(self, picture: Picture, rng: np.random.Generator) -> list[Sample]:
        """Writes the generated expressions, which are made for the frame as it is now."""
        drawn = picture.samples
        if not any(s.kind in ("generated", "category") for s in drawn):
            return drawn
        things = []
        for ann_id, mask in picture.masks.items():
            annotation = self.data.annotations[ann_id]
            name = self.data.categories[annotation.category_id]
            things += [] if annotation.iscrowd else [thing(ann_id, name, mask, not annotation.predicted)]
        filled: list[Sample] = []
        for sample in drawn:
            said = [*drawn, *filled]
            if sample.kind == "generated":
                described = _generated(things, said, picture.image, rng)
                sample = described or replace(sample, kind="category")
            if sample.kind == "category":
                sample = self._category(things, picture, rng) or self.sampler.absent(picture.image_id, rng)
            filled.append(sample)
        return filled

    def _category(self, things: Sequence[Thing], picture: Picture, rng: np.random.Generator) -> Sample | None:
        """A category's name for all its masks, or, where all its things are known, every other time their plural.

        Rare categories as often as frequent ones.
        """
        if not things:
            return None
        name = category_name(str(rng.choice(sorted({t.category for t in things}))), rng)
        meant = tuple(t.ann_id for t in things if means(name, t.category))
        of_name = [c for c, category in self.data.categories.items() if means(name, category)]
        record, annotations = self.data.images[picture.image_id], self.data.annotations
        known = all(record.complete(self.data.categories[c]) for c in of_name)
        crowd = any(annotations[a].iscrowd and annotations[a].category_id in of_name for a in picture.masks)
        text = plural(name, len(meant), rng) if len(meant) > 1 and known and not crowd and rng.random() < 0.5 else name
        return Sample(text, meant, "category")

    def _annotated(self, small: dict[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The category and the number of the object that each place belongs to, small objects on top of large ones."""
        kind = np.uint8 if len(self.class_of) < 256 else np.int16  # ReferIt has 276 categories
        classes = np.zeros((self.size, self.size), kind)
        objects = np.zeros_like(classes, np.uint8)
        smallest = sorted(small, key=lambda a: cv2.countNonZero(small[a]))[:MOST_OBJECTS]
        for number, ann_id in enumerate(reversed(smallest), 1):
            classes[small[ann_id] > 0] = self.class_of[self.data.annotations[ann_id].category_id]
            objects[small[ann_id] > 0] = 0 if self.data.annotations[ann_id].iscrowd else number
        return classes, objects


@dataclass(frozen=True)
class _View:
    image_id: int
    image: np.ndarray
    pointed: list[Pointed]
    masks: list[np.ndarray]
    classes: np.ndarray
    objects: np.ndarray


def _union(masks: Sequence[np.ndarray], size: int) -> np.ndarray:
    return np.maximum.reduce(masks) if masks else np.zeros((size, size), np.uint8)


def _generated(
    things: Sequence[Thing], said: Sequence[Sample], image: np.ndarray, rng: np.random.Generator
) -> Sample | None:
    """Describes a thing of some size in words not yet said, one that no other sample is about if possible."""
    taken, texts = {a for s in said for a in s.ann_ids}, {s.text for s in said}
    worthy = [t for t in things if t.area > 0.002]
    order = sorted(rng.permutation(len(worthy)), key=lambda i: worthy[i].ann_id in taken)
    for i in (order[:4] * 2)[:6]:
        text = describe(worthy[i], things, image, rng)
        if text and text not in texts:
            return Sample(text, (worthy[i].ann_id,), "generated")
    return None
