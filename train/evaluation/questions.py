"""What is asked when a model is measured, and what answers: a model, or a baseline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from train.clicks import play
from train.data.reader import ReferData

if TYPE_CHECKING:  # baselines are measured without loading torch
    from cefnet.config import Decision
    from cefnet.predictor import Photo, Predictor
    from cefnet.result import Click, Result
    from cefnet.text import Tokenizer


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


PROTOCOLS = ("ours", "authors")


@dataclass(frozen=True)
class Answer:
    """What is said to one expression.

    Attributes:
        mask: H x W bool at the photo's own size, whether or not the object is taken to be there.
        score: The probability that the mask is right, 0..1.
        presence: "Is it there at all", 0..1.
        present: Whether the answer is the mask rather than "nothing".
        shortened: Whether the expression was too long for the model, so that only its beginning was read.
    """

    mask: np.ndarray
    score: float = 1.0
    presence: float = 1.0
    present: bool = True
    shortened: bool = False


# Answers to several questions about one photo.
Answers = Callable[[Sequence[Query]], list[Answer]]


def ask(
    predictor: "Predictor",
    data: ReferData,
    protocol: str = "ours",
    decision: "Decision | None" = None,
    clicks: int = 0,
) -> Answers:
    """A model as something that answers expressions; a photo is encoded once for all of them.

    Of an expression that is longer than the model can read it reads as many words as fit.

    Args:
        predictor: The model.
        data: Where the photos are.
        protocol: "ours": the probability is brought to the photo's own size, then cut. "authors": cut at the
            network's input size, the binary map brought to the photo's size (bilinearly), and every pixel
            above 0 counted, which widens each mask by up to a pixel of the network's input.
        decision: How the answers are decided; as the model does if None.
        clicks: How many clicks a user makes at each answer (`train.clicks.play`); then expressions may be empty.

    Raises:
        ValueError: Unknown protocol, a negative number of clicks, or a decision that the model cannot make.
    """
    if clicks < 0:
        raise ValueError(f"clicks is {clicks}; it must be 0 or more")
    if protocol not in PROTOCOLS:
        raise ValueError(f"no protocol {protocol!r}; choose from {', '.join(PROTOCOLS)}")

    def answers(photo: Sequence[Query]) -> list[Answer]:
        limit = predictor.config.max_tokens
        read = [shorten(q.expression, predictor.tokenizer, limit) if q.expression else "" for q in photo]
        encoded = predictor.encode(data.photo(photo[0].image_id))
        if clicks:
            truths = [data.union(query.image_id, query.ann_ids) for query in photo]
            results = play(lambda given: _with_clicks(predictor, encoded, read, given, decision), truths, clicks)
        else:
            results = [r.decided(decision) for r in predictor.segment_many(encoded, read, explain=False)]
        empty = np.zeros_like(data.union(photo[0].image_id, ()))
        size = predictor.config.image_size if protocol == "authors" else None
        questions = zip(results, read, photo, strict=True)
        return [_answer(result, text != query.expression, empty, size) for result, text, query in questions]

    return answers


def _answer(result: "Result | None", shortened: bool, empty: np.ndarray, size: int | None) -> Answer:
    """What is kept of a result; `size`: at which the authors' protocol cuts the mask, None: at the photo's own."""
    if result is None:
        return Answer(empty, 0.0, 0.0, present=False)
    mask = result.mask if size is None else _authors_mask(result, size)
    return Answer(mask, result.score, result.presence, result.present, shortened)


def _with_clicks(
    predictor: "Predictor",
    photo: "Photo",
    expressions: Sequence[str],
    clicks: Sequence[Sequence["Click"]],
    decision: "Decision | None",
) -> list["Result | None"]:
    """The answers to expressions with their clicks; None where there are neither."""
    asked = [n for n, text in enumerate(expressions) if text or clicks[n]]
    texts, given = [expressions[n] for n in asked], [clicks[n] for n in asked]
    results = predictor.segment_many(photo, texts, explain=False, clicks=given) if asked else []
    found = {n: result.decided(decision) for n, result in zip(asked, results, strict=True)}
    return [found.get(n) for n in range(len(expressions))]


def shorten(expression: str, tokenizer: "Tokenizer", max_tokens: int) -> str:
    """The expression if it fits into `max_tokens` pieces, else the longest beginning of its read words that does.

    Of a first word that alone is too long, as many letters as fit.

    Raises:
        ValueError: There is nothing to read in the expression.
    """

    def fits(text: str) -> bool:
        try:
            return len(tokenizer.encode(text, max_tokens).ids) > 0
        except ValueError:
            return False

    if fits(expression):
        return expression
    words = list(tokenizer.encode(expression, max_tokens, truncate=True).words)
    while len(words) > 1 and not fits(" ".join(words)):
        words.pop()
    text = " ".join(words)
    while text and not fits(text):
        text = text[:-1]
    return text


def _authors_mask(result: "Result", size: int) -> np.ndarray:
    square = replace(result, height=size, width=size).mask.astype(np.float32)
    return cv2.resize(square, (result.width, result.height), interpolation=cv2.INTER_LINEAR) > 0


def center(data: ReferData) -> Answers:
    """An ellipse in the middle of the photo, of the mean size of an annotated object.

    An object's size is the square root of its share of the photo's area; the ellipse has the photo's aspect,
    and the mean of all annotations' sizes as its own.
    """
    shares = [
        a.area / (data.images[a.image_id].width * data.images[a.image_id].height) for a in data.annotations.values()
    ]
    # An ellipse with axes as long as the photo's sides has pi / 4 of its area.
    axes = float(np.mean(np.sqrt(shares)) * (4 / np.pi) ** 0.5)

    def answers(asked: Sequence[Query]) -> list[Answer]:
        photo = data.images[asked[0].image_id]
        mask = np.zeros((photo.height, photo.width), np.uint8)
        box = ((photo.width / 2, photo.height / 2), (axes * photo.width, axes * photo.height), 0.0)
        cv2.ellipse(mask, box, color=1, thickness=-1)
        return [Answer(mask.astype(bool))] * len(asked)

    return answers


def largest(data: ReferData) -> Answers:
    """The photo's largest annotated object, with the annotations in hand, whatever is asked."""

    def answers(asked: Sequence[Query]) -> list[Answer]:
        masks = [data.mask(ann_id) for ann_id in data.annotations_of[asked[0].image_id]]
        return [Answer(max(masks, key=np.count_nonzero))] * len(asked)

    return answers


BASELINES: dict[str, Callable[[ReferData], Answers]] = {"center": center, "largest": largest}
