"""A photo's generated expressions, several of each object; what `prepare` does with each photo of one's own."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
from torch.utils.data import Dataset, get_worker_info

from cefnet.photos import squash, squash_mask
from train.data import augment
from train.data.reader import Damaged, ReferData
from train.data.samples import Companions
from train.describe.absent import tell_absent
from train.describe.expressions import KINDS, LOOKS, Told, scene_of, tell, with_article
from train.describe.things import Frame, Thing, thing
from train.describe.vocabulary import COLOURS, PEOPLE, SYNONYMS, Synonyms, category_name, means
from train.preparation.labels import BOX

_SIDE = 400  # pixels of the longer side of the frame that is measured
_WORDS = frozenset(w for ws in (COLOURS, PEOPLE, SYNONYMS, *SYNONYMS.values(), ("back",)) for w in " ".join(ws).split())


@dataclass(frozen=True)
class WriterSpec:
    """How much to write.

    Attributes:
        expressions: Of an object, at most; each of another kind.
        absent: Expressions of missing things, a photo.
        smallest: Objects below this share of the photo are rivals only, 0..1.
        typos: Share of the expressions with one, 0..1.
        without: Kinds of expressions not to use.
        seed: Of all chance; the same seed writes the same.
    """

    expressions: int = 3
    absent: int = 1
    smallest: float = 0.002
    typos: float = 0.02
    without: tuple[str, ...] = ()
    seed: int = 0


@dataclass
class Written:
    """What was written about one photo.

    Attributes:
        image_id: The photo.
        sentences: Annotation id -> (kind, expression) pairs.
        absent: Expressions of what is missing.
        said: How many true claims were made, by kind.
        kept: How many of them single their object out.
        objects: Annotations that were to be described.
        left_out: Annotation id -> why no expression means it.
        damaged: Why the photo can't be used; empty if it can.
    """

    image_id: int
    sentences: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    said: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    objects: int = 0
    left_out: dict[int, str] = field(default_factory=dict)
    damaged: str = ""


class Writer(Dataset):
    """Writes the expressions of photo after photo. Use with DataLoader(writer, batch_size=None) to use more processes.

    Args:
        data: An opened data folder.
        synonyms: Category name -> other words for it.
        verified: Photo's id -> names that somebody made sure are missing; photos that are not here are taken to be
            annotated with all categories.
        spec: How much to write.
    """

    def __init__(
        self, data: ReferData, synonyms: Synonyms, verified: Mapping[int, Sequence[str]], spec: WriterSpec
    ) -> None:
        self.data, self.synonyms, self.verified, self.spec = data, synonyms, verified, spec
        self.ids = sorted(data.images)
        self.kinds = {name: kind for name, kind in KINDS.items() if name not in spec.without}

    @cached_property
    def companions(self) -> Companions:
        """Only asked for where a detector may have missed things."""
        return Companions(self.data)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i: int) -> Written:
        if get_worker_info() is not None:
            cv2.setNumThreads(0)  # a worker is one of several processes already
        written, rng = Written(self.ids[i]), np.random.default_rng((self.spec.seed, self.ids[i]))
        try:
            frame = self.frame(written)
        except Damaged as error:
            return Written(self.ids[i], damaged=str(error))
        crowds = self.crowds(written.image_id)
        taken: set[str] = set()
        for target in frame.things:
            if target.area < self.spec.smallest:
                written.left_out[target.ann_id] = "small"
            elif target.category in crowds:
                written.left_out[target.ann_id] = "one of a crowd"
            else:
                written.objects += 1
                if found := self._sentences(target, frame, crowds, taken, rng, written):
                    written.sentences[target.ann_id] = found
                else:
                    written.left_out[target.ann_id] = "nothing singles it out"
        written.absent = self._absent(frame, crowds, rng, written.image_id)
        return written

    def frame(self, written: Written) -> Frame:
        """A photo and its things, as large as needed to measure them."""
        image_id = written.image_id
        image, things = self.data.photo(image_id), []
        size = _fitted(image.shape[1], image.shape[0])
        for ann_id in self.data.annotations_of[image_id]:
            annotation = self.data.annotations[ann_id]
            if annotation.iscrowd:
                written.left_out[ann_id] = "a box without a mask" if annotation.source == BOX else "a crowd"
                continue
            try:
                mask = squash_mask(self.data.mask(ann_id).astype(np.uint8), size)
            except Exception:  # pycocotools raises many kinds, Exception itself too
                mask = np.zeros(size[::-1], np.uint8)
            if mask.any():
                name = self.data.categories[annotation.category_id]
                things.append(thing(ann_id, name, mask, not annotation.predicted))
            else:
                written.left_out[ann_id] = "no usable mask"
        return Frame(squash(image, size), tuple(things))

    def crowds(self, image_id: int) -> frozenset[str]:
        """Names of which the photo has more than is annotated one by one."""
        annotations = (self.data.annotations[a] for a in self.data.annotations_of[image_id])
        return frozenset(self.data.categories[a.category_id] for a in annotations if a.iscrowd)

    def _sentences(
        self,
        target: Thing,
        frame: Frame,
        crowds: frozenset[str],
        taken: set[str],
        rng: np.random.Generator,
        written: Written,
    ) -> list[tuple[str, str]]:
        """Up to `spec.expressions` of one object, each of another kind; `taken` are those of the photo so far."""
        known: dict[str, Told] = {}
        found: dict[str, str] = {}
        for _ in range(self.spec.expressions):
            noun = category_name(target.category, rng, self.synonyms)
            if any(means(noun, crowd, self.synonyms) for crowd in crowds):
                continue
            if noun not in known:
                known[noun] = tell(scene_of(target, frame, noun, self.synonyms), noun, self.kinds)
                written.said += Counter(known[noun].said)
                written.kept += Counter({kind: len(texts) for kind, texts in known[noun].kept.items()})
            kinds = [kind for kind, texts in known[noun].kept.items() if kind not in found and not taken & set(texts)]
            if kinds:
                kind = str(rng.choice(kinds))
                found[kind] = str(rng.choice(known[noun].kept[kind]))
                taken.add(found[kind])
        return [(kind, self._typed(text, rng)) for kind, text in found.items()]

    def _absent(self, frame: Frame, crowds: frozenset[str], rng: np.random.Generator, image_id: int) -> list[str]:
        here = {self.data.annotations[a].category_id for a in self.data.annotations_of[image_id]}
        if not here:
            return []
        names = {self.data.categories[c] for c in here}
        likely = not all(t.certain for t in frame.things)  # more is there than is annotated
        strangers = self.companions.strangers(here).tolist() if likely else self.data.categories
        strange = self.verified.get(image_id) or [self.data.categories[c] for c in strangers]
        missing = sorted(m for m in set(strange) if not any(means(m, n, self.synonyms) for n in names))
        texts = [tell_absent(frame, missing, rng, crowds, self.synonyms) for _ in range(self.spec.absent)]
        return [self._typed(t, rng) for t in dict.fromkeys(texts) if t]

    def _typed(self, text: str, rng: np.random.Generator) -> str:
        text = with_article(text, rng)
        return slip(text, rng) if rng.random() < self.spec.typos else text


def slip(text: str, rng: np.random.Generator) -> str:
    """A typo, but none that makes another word, nor one in a place word: a flip must find "left" to mirror it."""
    wrong = augment.misspell(text, rng)
    for before, after in zip(text.split(), wrong.split(), strict=True):
        if before != after and (after in _WORDS or augment.names_place(before)):
            return text
    return wrong


def sentence_kind(text: str, kind: str) -> str:
    """The `kind` of a sentence in `refs.json`: location, look or free."""
    return "location" if augment.names_place(text) else "look" if kind in LOOKS else "free"


def _fitted(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, _SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
