"""Who answers expressions when something is measured: a model, under one of two protocols."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from train.data.reader import ReferData

if TYPE_CHECKING:  # baselines are measured without loading torch
    from cefnet.config import Decision
    from cefnet.predictor import Predictor, Result
    from cefnet.text import Tokenizer

PROTOCOLS = ("ours", "authors")


@dataclass(frozen=True)
class Answer:
    """What is said to one expression.

    Attributes:
        mask: H x W bool at the photo's own size, whether or not the object is taken to be there.
        score: "Is it there at all", 0..1.
        present: Whether the answer is the mask rather than "nothing".
        shortened: Whether the expression was too long for the model, so that only its beginning was read.
    """

    mask: np.ndarray
    score: float = 1.0
    present: bool = True
    shortened: bool = False


# Answers to several expressions about one photo, given by its id.
Answers = Callable[[int, Sequence[str]], list[Answer]]


def ask(
    predictor: "Predictor",
    data: ReferData,
    protocol: str = "ours",
    decision: "Decision | None" = None,
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

    Raises:
        ValueError: Unknown protocol, or a decision that the model cannot make.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"no protocol {protocol!r}; choose from {', '.join(PROTOCOLS)}")

    def answers(image_id: int, expressions: Sequence[str]) -> list[Answer]:
        read = [shorten(expression, predictor.tokenizer, predictor.config.max_tokens) for expression in expressions]
        results = predictor.segment_many(predictor.encode(data.photo(image_id)), read, explain=False)
        results = [result.decided(decision) for result in results]
        size = predictor.config.image_size
        return [
            Answer(
                result.mask if protocol == "ours" else _authors_mask(result, size),
                result.score,
                result.present,
                shortened=text != expression,
            )
            for result, text, expression in zip(results, read, expressions, strict=True)
        ]

    return answers


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
