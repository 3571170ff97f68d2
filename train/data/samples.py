"""Which photos a step sees and which expressions of them: drawing, before any augmentation."""

import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from train.data.reader import ReferData
from train.data.records import Ref
from train.data.unanswerable import unanswerable
from train.describe.vocabulary import category_words

_SEVERAL = re.compile(
    r"\b(?:two|three|four|five|six|several|many|some|group|couple|people|men|women|kids|children|boys|girls|dogs)\b"
)


@dataclass(frozen=True)
class BatchSpec:
    """What a batch holds. Shares are of samples; flip, crop, colour are chances a photo, typos, retyped a sample."""

    photos: int = 6
    expressions: int = 4  # per photo
    several_weight: float = 4.0  # photos with two or more referred objects are drawn this much more often
    generated: float = 0.2  # expressions made from annotations
    categories: float = 0.4  # share of the generated ones that are "category name -> all its masks"
    absent: float = 0.06  # expressions of something that isn't there
    unanswerable: float = 0.0  # share of the absent ones that no photo answers (train/data/unanswerable.py)
    captions: float = 0.05  # captions of photos with one clear subject, where there are enough such photos
    flip: float = 0.5
    crop: float = 0.5
    smallest_crop: float = 0.55  # share of each side that a crop keeps at least
    colour: float = 0.5
    typos: float = 0.03
    retyped: float = 0.03  # said as somebody else may type it
    clicked: float = 0.0  # samples with 0 to 3 clicks (train/clicks.py); needs a model with `clicks`
    clicked_without_words: float = 0.25  # share of the samples with clicks
    clicked_wrong_words: float = 0.25  # alike: with an expression of something else in the photo, or of nothing there
    set_shares: tuple[tuple[str, float], ...] = ()  # (set of photos, its share of all draws); the rest as it comes
    by_expression: bool = False  # all expressions of the split are equally likely, instead of all its photos


@dataclass(frozen=True)
class Sample:
    """An expression and the annotations it means: none where it is absent; text is empty until generated."""

    text: str
    ann_ids: tuple[int, ...]
    kind: str  # written, generated, category, caption, absent, clicked (not by its own words)


class Sampler:
    """Draws photos and their expressions from one split; holds tables only, all chance comes from the caller."""

    def __init__(self, data: ReferData, spec: BatchSpec, split: str) -> None:
        self.data, self.spec = data, spec
        self.refs: dict[int, list[Ref]] = defaultdict(list)
        for ref in data.refs_of(split):
            self.refs[ref.image_id].append(ref)
        self.misses: dict[int, list[str]] = defaultdict(list)
        for a in data.absent:
            if a.split == split:
                self.misses[a.image_id].append(a.sent)
        annotated = {i for i, r in data.images.items() if r.split == split and data.annotations_of[i]}
        self.ids = np.array(sorted(annotated | self.refs.keys()))
        if len(self.ids) < spec.photos:
            raise ValueError(f"split {split!r} has {len(self.ids)} photos, a batch needs {spec.photos}")
        several = np.array([len({r.ann_ids for r in self.refs.get(i, ()) if r.ann_ids}) >= 2 for i in self.ids])
        weights = np.where(several, spec.several_weight, 1.0)
        if spec.by_expression:
            weights *= [sum(len(r.sentences) for r in self.refs.get(i, ())) for i in self.ids]
        self.weights = self._shared(weights / weights.sum())
        self.subjects = clear_subjects(data, self.ids)
        share = float(self.weights[np.isin(self.ids, list(self.subjects))].sum())
        self.caption_chance = min(0.5, spec.captions / share) if share else 0.0
        self.companions = Companions(data)
        self.looks = self._looks()

    def _shared(self, weights: np.ndarray) -> np.ndarray:
        """Photos' weights, which sum to 1, changed so that each set of `set_shares` has its share.

        Sets that the data doesn't have are left out: a recipe may name those of one data set and train on another.

        Raises:
            ValueError: Impossible shares, or such that leave nothing for the rest.
        """
        sets = np.array([self.data.images[int(i)].photo_set for i in self.ids])
        shares = {name: share for name, share in self.spec.set_shares if share < 0 or name in sets}
        rest = ~np.isin(sets, list(shares))
        if (
            min(shares.values(), default=0) < 0
            or not 0 <= (left := 1 - sum(shares.values()))
            or (left and not rest.any())
        ):
            raise ValueError(f"set_shares is {self.spec.set_shares}: shares of 0 to 1 are needed, together at most 1")
        weights = weights.copy()
        for chosen, share in [(sets == name, share) for name, share in shares.items()] + [(rest, left)]:
            if chosen.any():
                weights[chosen] *= share / weights[chosen].sum()
        return weights

    def _looks(self) -> dict[int, list[str]]:
        """Sentences, by category, that name the category and no place: true wherever such a thing is."""
        looks: dict[int, list[str]] = defaultdict(list)
        for ref in (r for refs in self.refs.values() for r in refs if len(r.ann_ids) == 1):
            words = category_words(self.data.categories[ref.category_id])
            looks[ref.category_id] += [
                s.sent for s in ref.sentences if s.kind != "location" and words & set(s.sent.lower().split())
            ]
        return looks

    def photos(self, rng: np.random.Generator) -> list[int]:
        """The photos of a step, all different."""
        return [int(i) for i in rng.choice(self.ids, self.spec.photos, replace=False, p=self.weights)]

    def draw(self, image_id: int, rng: np.random.Generator) -> list[Sample]:
        """The expressions of one photo: different objects first, further sentences of them after.

        Generated ones come with an empty text, to be written once the frame is known.
        """
        spec, queue = self.spec, self._written(image_id, rng)
        samples = []
        for _ in range(spec.expressions):
            chance = rng.random()
            if chance < spec.absent:
                samples.append(self.absent(image_id, rng))
            elif chance < spec.absent + spec.generated:
                kind = "category" if rng.random() < spec.categories else "generated"
                samples.append(Sample("", (), kind))
            elif image_id in self.subjects and rng.random() < self.caption_chance:
                ann_id, captions = self.subjects[image_id]
                samples.append(Sample(str(rng.choice(captions)), (ann_id,), "caption"))
            else:
                samples.append(queue.pop() if queue else Sample("", (), "generated"))
        return samples

    def _written(self, image_id: int, rng: np.random.Generator) -> list[Sample]:
        """All written expressions of a photo, to be taken from the end: one of each object, then one more of each.

        With `by_expression` in any order.
        """
        refs = self.refs.get(image_id, [])
        orders = [rng.permutation(len(r.sentences)) for r in refs]
        queue: list[Sample] = []
        for turn in range(max((len(order) for order in orders), default=0)):
            for i in (int(i) for i in rng.permutation(len(refs)) if turn < len(orders[i])):
                sentence = refs[i].sentences[orders[i][turn]]
                queue.append(Sample(sentence.sent, refs[i].ann_ids, "written" if refs[i].ann_ids else "absent"))
        if self.spec.by_expression:
            return [queue[i] for i in rng.permutation(len(queue))]
        return queue[::-1]

    def absent(self, image_id: int, rng: np.random.Generator) -> Sample:
        """Something that is not in a photo: a near miss, or what is rarely seen in such photos."""
        said = " ".join(self.said_of(image_id)).lower()
        if rng.random() < self.spec.unanswerable:
            return Sample(unanswerable(rng, said), (), "absent")
        known = self.misses.get(image_id)
        if known and rng.random() < 0.7:
            return Sample(str(rng.choice(known)), (), "absent")
        here = {self.data.annotations[a].category_id for a in self.data.annotations_of[image_id]}
        for category in rng.permutation(self._missing(image_id, here)):
            name = self.data.categories[int(category)]
            if not any(w in said for w in category_words(name)):
                looks = self.looks.get(int(category))
                text = str(rng.choice(looks)) if looks and rng.random() < 0.5 else name
                return Sample(text, (), "absent")
        return Sample("unicorn", (), "absent")  # every category is here

    def _missing(self, image_id: int, here: Collection[int]) -> np.ndarray:
        """Ids of categories that a photo can't hold: all others where everything is annotated, else a guess."""
        record = self.data.images[image_id]
        if record.annotated == "all":
            return self.companions.ids[~np.isin(self.companions.ids, list(here))]
        strangers = self.companions.strangers(here)
        known = [c for c, name in self.data.categories.items() if c not in here and record.complete(name)]
        return np.union1d(strangers, known).astype(int)

    def said_of(self, image_id: int) -> list[str]:
        """All that is said of a photo."""
        written = [s.sent for r in self.refs.get(image_id, ()) for s in r.sentences]
        return [*written, *self.data.captions.get(image_id, ())]


class Companions:
    """How often categories share a photo, to guess what a photo with unannotated things can't hold."""

    def __init__(self, data: ReferData) -> None:
        self.ids = np.array(sorted(data.categories))
        sets = [{data.annotations[a].category_id for a in anns} for anns in data.annotations_of.values()]
        has = np.array([[c in s for c in self.ids] for s in sets], dtype=np.float32)
        # [a, b]: of the photos with a, the share that has b
        self.share = (has.T @ has) / np.maximum(1.0, has.sum(0))[:, None]

    def strangers(self, here: Collection[int], limit: float = 0.01) -> np.ndarray:
        """Category ids that at most `limit` of the photos with any of `here` have."""
        rows = self.share[np.isin(self.ids, list(here))]
        return self.ids[(rows <= limit).all(axis=0)]


def clear_subjects(data: ReferData, image_ids: Collection[int]) -> dict[int, tuple[int, tuple[str, ...]]]:
    """Photos with captions whose one large object the captions must mean.

    One annotation covers over 8% of the photo, no other over 3%; captions that speak of several, or that don't name
    the object's category, are left out.

    Returns:
        Image id -> (annotation id, captions).
    """
    subjects = {}
    for image_id in (int(i) for i in image_ids):
        record, captions = data.images[image_id], data.captions.get(image_id, ())
        if not captions:
            continue
        whole = record.width * record.height
        shares = {a: data.annotations[a].area / whole for a in data.annotations_of[image_id]}
        large = [a for a, share in shares.items() if share > 0.03]
        if len(large) != 1 or shares[large[0]] <= 0.08:
            continue
        name = data.categories[data.annotations[large[0]].category_id]
        words = category_words(name)
        alone = [c.rstrip(" .") for c in captions if not _SEVERAL.search(c.lower())]
        fitting = [c for c in alone if words & set(c.lower().split())]
        if fitting:
            subjects[image_id] = (large[0], tuple(fitting))
    return subjects
