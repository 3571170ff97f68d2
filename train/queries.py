"""What is asked when a model is measured: a split's expressions, as they are or dealt wrongly."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from train.data.reader import ReferData


@dataclass(frozen=True)
class Query:
    """One expression to be asked about a photo, and the annotations it means: none if what it names is absent."""

    image_id: int
    ann_ids: tuple[int, ...]
    expression: str
    kind: str


def queries(data: ReferData, split: str, limit: int | None = None, seed: int = 0) -> list[list[Query]]:
    """A split's expressions, present and absent, photo by photo.

    Photos come in an order drawn with `seed`, so that a limited run measures a fair sample.

    Args:
        data: The data set.
        split: Such as "dev".
        limit: At most this many expressions of present objects (None: all); plus absent ones of their photos.
        seed: Of the order.

    Raises:
        ValueError: The split has no expressions, or the limit is below 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}")
    photos: dict[int, list[Query]] = {}
    absent = [Query(a.image_id, (), a.sent, "absent") for a in data.absent if a.split == split]
    for ref in data.refs_of(split):
        for sentence in ref.sentences:
            if ref.ann_ids:
                query = Query(ref.image_id, ref.ann_ids, sentence.sent, sentence.kind)
                photos.setdefault(ref.image_id, []).append(query)
            else:
                absent.append(Query(ref.image_id, (), sentence.sent, "absent"))
    left = sum(map(len, photos.values())) if limit is None else limit
    chosen: dict[int, list[Query]] = {}
    for place in np.random.default_rng(seed).permutation(len(photos)):
        image_id = list(photos)[place]
        if left > 0:
            chosen[image_id] = photos[image_id][:left]
            left -= len(chosen[image_id])
    for query in absent:
        if query.image_id in chosen or (limit is None and query.image_id not in photos):
            chosen.setdefault(query.image_id, []).append(query)
    return list(chosen.values())


CLICK_WORDS = ("right", "empty", "other")


def reworded(photos: Sequence[Sequence[Query]], words: str) -> list[list[Query]]:
    """The expressions of present objects with other words, for objects that clicks point at.

    Args:
        photos: Queries, photo by photo; those of absent things are left out, for nobody clicks on them.
        words: "right": as they are; "empty": none; "other": those of the photo's next expression that means another
            object (none where there is no other).

    Raises:
        ValueError: Unknown words, or nothing is left.
    """
    if words not in CLICK_WORDS:
        raise ValueError(f"no click words {words!r}; choose from {', '.join(CLICK_WORDS)}")
    changed = []
    for photo in photos:
        present = [query for query in photo if query.ann_ids]
        texts = [query.expression if words == "right" else "" for query in present]
        if words == "other":
            texts = [_next_other(present, n) for n in range(len(present))]
        changed.append([replace(query, expression=text) for query, text in zip(present, texts, strict=True)])
    if not any(changed):
        raise ValueError("no expressions of objects that are in the photo: nothing to click on")
    return [photo for photo in changed if photo]


def _next_other(present: Sequence[Query], n: int) -> str:
    turned = [*present[n + 1 :], *present[:n]]
    return next((q.expression for q in turned if not set(q.ann_ids) & set(present[n].ann_ids)), "")


def shuffled(photos: Sequence[Sequence[Query]], seed: int = 0) -> list[list[Query]]:
    """Each photo's expressions dealt to its other objects: what a model reaches without the words.

    In a photo of several objects every object gets all expressions of another one (a random cycle through the
    objects, so none keeps its own). Photos with a single object are left out, for there is no other to deal
    to; so are absent expressions.

    Raises:
        ValueError: No photo has two objects.
    """
    rng = np.random.default_rng(seed)
    dealt = []
    for photo in photos:
        present = [query for query in photo if query.ann_ids]
        objects = sorted({query.ann_ids for query in present})
        objects = [objects[i] for i in rng.permutation(len(objects))]
        other = dict(zip(objects, objects[1:] + objects[:1], strict=True))
        if len(objects) > 1:
            dealt.append([replace(query, ann_ids=other[query.ann_ids]) for query in present])
    if not dealt:
        raise ValueError("no photo has two objects with expressions: nothing to shuffle")
    return dealt
