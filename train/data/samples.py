"""Which photos a step sees and which expressions of them: drawing, before any augmentation."""

import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from train.data.expressions import SYNONYMS
from train.data.reader import ReferData, Ref

if TYPE_CHECKING:
    from train.data.batches import BatchSpec

_PEOPLE = "man woman boy girl child kid baby toddler lady guy player rider skier surfer climber".split()
_SEVERAL = re.compile(
    r"\b(?:two|three|four|five|six|several|many|some|group|couple|people|men|women|kids|children|boys|girls|dogs)\b"
)


@dataclass(frozen=True)
class Sample:
    """An expression and the annotations it means: none where it is absent; text is empty until generated."""

    text: str
    ann_ids: tuple[int, ...]
    kind: str  # written, generated, category, caption, absent


class Sampler:
    """Draws photos and their expressions from one split; holds tables only, all chance comes from the caller."""

    def __init__(self, data: ReferData, spec: "BatchSpec", split: str) -> None:
        self.data, self.spec = data, spec
        self.refs: dict[int, list[Ref]] = defaultdict(list)
        for ref in data.refs_of(split):
            self.refs[ref.image_id].append(ref)
        self.absent: dict[int, list[str]] = defaultdict(list)
        for a in data.absent:
            if a.split == split:
                self.absent[a.image_id].append(a.sent)
        self.ids = np.array(
            [
                i
                for i, r in data.images.items()
                if i in self.refs or (r.split == split and data.annotations_of[i])
            ]
        )
        if len(self.ids) < spec.photos:
            raise ValueError(f"split {split!r} has {len(self.ids)} photos, a batch needs {spec.photos}")
        several = np.array([len({r.ann_id for r in self.refs.get(i, ())}) >= 2 for i in self.ids])
        weights = np.where(several, spec.several_weight, 1.0)
        self.weights = weights / weights.sum()
        self.subjects = clear_subjects(data, self.ids)
        share = float(self.weights[np.isin(self.ids, list(self.subjects))].sum())
        self.caption_chance = min(0.5, spec.captions / share) if share else 0.0
        self.foreign = sorted(data.categories)

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
                samples.append(self._absent(image_id, rng))
            elif chance < spec.absent + spec.generated:
                kind = "category" if rng.random() < spec.categories else "generated"
                samples.append(Sample("", (), kind))
            elif image_id in self.subjects and rng.random() < self.caption_chance:
                ann_id, captions = self.subjects[image_id]
                samples.append(Sample(str(rng.choice(captions)), (ann_id,), "caption"))
            else:
                samples.append(queue.pop() if queue else Sample("", (), "generated"))
        return samples

    def spare(self, image_id: int, visible: Collection[int], rng: np.random.Generator) -> Sample:
        """Something to say where nothing could be generated: about nothing in sight."""
        return self._absent(image_id, rng)

    def _written(self, image_id: int, rng: np.random.Generator) -> list[Sample]:
        """All written expressions of a photo, to be taken from the end: one of each object, then one more of each."""
        refs = self.refs.get(image_id, [])
        queue: list[Sample] = []
        orders = [rng.permutation(len(r.sentences)) for r in refs]
        for turn in range(max((len(o) for o in orders), default=0)):
            for i in rng.permutation(len(refs)):
                if turn < len(orders[i]):
                    queue.append(
                        Sample(refs[i].sentences[orders[i][turn]].sent, (refs[i].ann_id,), "written")
                    )
        return queue[::-1]

    def _absent(self, image_id: int, rng: np.random.Generator) -> Sample:
        """A near miss from absent.json, or the name of a category that no one annotated or mentioned here."""
        known = self.absent.get(image_id)
        if known and rng.random() < 0.7:
            return Sample(str(rng.choice(known)), (), "absent")
        here = {self.data.annotations[a].category_id for a in self.data.annotations_of[image_id]}
        said = " ".join(s.sent for r in self.refs.get(image_id, ()) for s in r.sentences)
        said = f"{said} {' '.join(self.data.captions.get(image_id, ()))}".lower()
        for category in rng.permutation(self.foreign):
            name = self.data.categories[int(category)]
            words = (name, *SYNONYMS.get(name, ()))
            if int(category) not in here and name != "person" and not any(w in said for w in words):
                return Sample(name, (), "absent")
        return Sample("unicorn", (), "absent")  # every category is here


def clear_subjects(data: ReferData, image_ids: Collection[int]) -> dict[int, tuple[int, tuple[str, ...]]]:
    """Photos with captions whose one large object the captions must mean.

    One annotation covers over 8% of the photo, no other over 3%; captions that speak of several, or that don't name
    the object's category, are left out.

    Returns:
        image id -> (annotation id, captions).
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
        words = {name, *SYNONYMS.get(name, ()), *(_PEOPLE if name == "person" else ())} - {"one"}
        fitting = [
            c.rstrip(" .")
            for c in captions
            if words & set(c.lower().split()) and not _SEVERAL.search(c.lower())
        ]
        if fitting:
            subjects[image_id] = (large[0], tuple(fitting))
    return subjects
