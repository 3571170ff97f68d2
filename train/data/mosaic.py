"""Four photos as one picture: more objects, smaller ones, and words that must tell them from other photos' objects.

Most photos that people train on show one or two large things; those that people ask about are crowded. A mosaic is made
of any four photos, and keeps the expressions of each that are true of its object alone in all four.
"""

import re
from collections.abc import Sequence

import numpy as np

from train.data.augment import names_place
from train.data.pictures import Picture
from train.data.reader import ReferData
from train.data.samples import TILES, Sample, Sampler
from train.data.vocabulary import category_words

SMALLEST = 0.002  # of the mosaic: of what is smaller no expression is asked
TELLING = 2  # words that tell an object from another photo's of its category


def words(text: str) -> frozenset[str]:
    """The words of two letters or more, in small letters; plurals count as singulars."""
    return frozenset(word.rstrip("s") for word in re.findall(r"[^\W_]{2,}", text.lower()))


_FILLERS = words(
    "an and are at be been being by for from has have her his in into is it its of off on or out that the their "
    "there this to up wearing wears which while who whose with"
)


def mosaic(tiles: Sequence[Picture], sampler: Sampler, rng: np.random.Generator) -> Picture:
    """Puts four pictures of S x S together: 2S x 2S, with as many samples as a photo has.

    Args:
        tiles: of four photos: upper left, upper right, lower left, lower right.
        sampler: draws absent things, and knows what is said of the photos.
        rng: source of chance.
    """
    side = len(tiles[0].image)
    rows = [np.concatenate([t.image for t in pair], axis=1) for pair in (tiles[:2], tiles[2:])]
    masks = {}
    for place, tile in enumerate(tiles):
        y, x = side * (place // 2), side * (place % 2)
        for ann_id, mask in tile.masks.items():
            masks[ann_id] = np.zeros((2 * side, 2 * side), np.uint8)
            masks[ann_id][y : y + side, x : x + side] = mask
    image_ids = tuple(i for tile in tiles for i in tile.image_ids)
    return Picture(image_ids, np.concatenate(rows), masks, _samples(tiles, image_ids, sampler, rng))


def _samples(
    tiles: Sequence[Picture], image_ids: tuple[int, ...], sampler: Sampler, rng: np.random.Generator
) -> list[Sample]:
    """Of the kinds that were drawn for the first photo; the written ones are of any, of different objects first."""
    queue: list[Sample] = []
    for tile in tiles:
        beside = [i for i in image_ids if i not in tile.image_ids]
        said = [s for s in tile.samples if s.text and s.ann_ids]
        queue += [s for s in said if visible(s, tile) and holds(s, beside, sampler)]
    queue = [queue[i] for i in rng.permutation(len(queue))]
    last = {s.ann_ids: s for s in queue}
    queue.sort(key=lambda s: last[s.ann_ids] is s)  # taken from the end
    samples = []
    for kind in (s.kind for s in tiles[0].samples):
        if kind == "absent":
            samples.append(sampler.absent(image_ids, rng))
        elif kind in ("generated", "category") or not queue:
            samples.append(Sample("", (), "category" if kind == "category" else "generated"))
        else:
            samples.append(queue.pop())
    return samples


def visible(sample: Sample, tile: Picture) -> bool:
    """Whether the sample's objects are not too small in a mosaic."""
    return sum(int(tile.masks[a].sum()) for a in sample.ann_ids) >= SMALLEST * TILES * tile.image[..., 0].size


def holds(sample: Sample, beside: Sequence[int], sampler: Sampler) -> bool:
    """Whether an expression stays true of its objects alone when other photos stand beside theirs.

    It may name no place. Where another photo shows or names a thing of its category, `TELLING` of its words (all but
    fillers and the category's names) must be missing in each expression and caption of that photo.

    Args:
        sample: a written expression or caption.
        beside: ids of the other photos.
        sampler: knows what is said of them.
    """
    if names_place(sample.text):
        return False
    data = sampler.data
    categories = {data.annotations[a].category_id for a in sample.ann_ids}
    names = frozenset().union(*(category_words(data.categories[c]) for c in categories))
    telling = words(sample.text) - _FILLERS - frozenset().union(*map(words, names))
    for image_id in beside:
        told = [words(text) for text in sampler.said_of(image_id)]
        alike = _shows(data, image_id, categories) or any(words(name) <= text for name in names for text in told)
        if alike and min(len(telling - text) for text in (*told, frozenset())) < TELLING:
            return False
    return True


def _shows(data: ReferData, image_id: int, categories: set[int]) -> bool:
    return any(data.annotations[a].category_id in categories for a in data.annotations_of[image_id])
