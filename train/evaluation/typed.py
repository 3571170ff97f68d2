"""Whether an expression keeps its mask when it is typed otherwise, in the ways that people type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from train.data.reader import ReferData
from train.evaluation.metrics import iou
from train.evaluation.questions import Query

if TYPE_CHECKING:
    from cefnet.config import Decision
    from cefnet.predictor import Predictor

ALIKE = 0.9  # IoU with the mask of the plain expression

WAYS: dict[str, Callable[[str], str]] = {
    "final stop": lambda text: text + ".",
    "capitals": str.upper,
    "the": lambda text: "the " + _without_article(text),
    "doubled blanks": lambda text: "  " + text.replace(" ", "  "),
    "quotes": lambda text: f"\u201c{text}\u201d",
    "please select": lambda text: "please select the " + _without_article(text),
    "a photo of": lambda text: "a photo of " + text,
}


def _without_article(text: str) -> str:
    first, _, rest = text.partition(" ")
    return rest if first.lower() in ("a", "an", "the") and rest else text


def typed_otherwise(
    predictor: Predictor,
    data: ReferData,
    photos: Sequence[Sequence[Query]],
    decision: Decision | None = None,
    progress: bool = False,
) -> dict[str, float]:
    """The share of expressions whose mask stays (IoU of 0.9 or more), by way of typing.

    Both masks are as decided: "nothing" is an empty one, and two empty ones agree. What the tokenizer reads alike is
    not asked again. Expressions that get too long for the model by what is added are left out of that way.

    Args:
        predictor: The model.
        data: Where the photos are.
        photos: What is asked, photo by photo; expressions that are themselves too long are left out.
        decision: How the answers are decided; None: as the model does.
        progress: Whether to show a progress bar.

    Returns:
        A share for each of `WAYS`, and for "all": of all expressions in all ways.
    """
    kept: dict[str, list[bool]] = {way: [] for way in WAYS}
    for photo in tqdm(photos, unit=" photos", disable=not progress):
        encoded = None
        plain = [query.expression for query in photo if _pieces(predictor, query.expression)]
        asked = {text: _pieces(predictor, text) for text in plain}
        typed = {(way, text): change(text) for way, change in WAYS.items() for text in plain}
        new = {t for (_, text), t in typed.items() if _pieces(predictor, t) not in (None, asked[text])}
        masks: dict[str, np.ndarray] = {}
        if new:
            encoded = predictor.encode(data.photo(photo[0].image_id))
            wanted = [*asked, *sorted(new - asked.keys())]
            results = predictor.segment_many(encoded, wanted, explain=False)
            masks = {text: result.decided(decision).found for text, result in zip(wanted, results, strict=True)}
        for (way, text), other in typed.items():
            if other in new:
                kept[way].append(_agree(masks[text], masks[other]))
            elif _pieces(predictor, other):
                kept[way].append(True)
    shares = {way: float(np.mean(some)) if some else 1.0 for way, some in kept.items()}
    everything = [one for some in kept.values() for one in some]
    return {**shares, "all": float(np.mean(everything)) if everything else 1.0}


def _pieces(predictor: Predictor, text: str) -> tuple[int, ...] | None:
    """What the model reads of an expression; None if it is too long."""
    try:
        return predictor.tokenizer.encode(text, predictor.config.max_tokens).ids
    except ValueError:
        return None


def _agree(a: np.ndarray, b: np.ndarray) -> bool:
    return iou(int((a & b).sum()), int((a | b).sum())) >= ALIKE
