"""Who answers expressions when something is measured: a model, under one of two protocols."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from train.clicks import play
from train.data.reader import ReferData
from train.queries import Query

if TYPE_CHECKING:  # baselines are measured without loading torch
    from cefnet.config import Decision
    from cefnet.predictor import Photo, Predictor
    from cefnet.result import Click, Result
    from cefnet.text import Tokenizer

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
