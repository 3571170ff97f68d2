"""The clicks of a user who is never wrong: where the next one goes, in training and when a model is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from cefnet.result import Click, Result
from train.data.samples import BatchSpec, Sample

MOST_CLICKS = 3  # of a training sample


def middle(mask: np.ndarray) -> tuple[int, int]:
    """y and x of the place that is farthest from a mask's edge (H x W bool, not empty); the photo's edge is one too.

    Of several as far, as in a long bar, the one nearest to their mean.
    """
    padded = np.pad(mask.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    farthest = np.argwhere(distance >= distance.max() - 1e-3)
    y, x = farthest[np.square(farthest - farthest.mean(0)).sum(1).argmin()]
    return int(y), int(x)


def corrections(answer: np.ndarray, truth: np.ndarray, count: int = 1) -> list[Click]:
    """Where a user would click next: in the middle of each of the largest errors, the largest first.

    An error is a connected region of what is missing ("here") or of what is marked too much ("not here"). An empty
    answer is one error, or as many as the truth has regions.

    Args:
        answer: H x W bool, what was marked.
        truth: H x W bool, what is meant.
        count: How many clicks at most.

    Returns:
        `count` clicks in pixels; fewer, or none, where there are not as many errors.
    """
    found = []
    for here, wrong in ((True, truth & ~answer), (False, answer & ~truth)):
        number, labels, stats, _ = cv2.connectedComponentsWithStats(wrong.astype(np.uint8), connectivity=8)
        found += [(int(stats[n, cv2.CC_STAT_AREA]), here, labels, n) for n in range(1, number)]
    largest = sorted(found, key=lambda error: -error[0])[:count]
    return [Click(*middle(labels == n), here) for _, here, labels, n in largest]


def play(
    segment: Callable[[Sequence[Sequence[Click]]], list[Result | None]], truths: Sequence[np.ndarray], clicks: int
) -> list[Result | None]:
    """Clicks as a user would who looks at each answer, and is never wrong: after each one at the largest error left.

    Args:
        segment: Answers questions, each with its list of clicks so far; None stands for no answer yet, all is missing.
        truths: H x W bool, what each question means.
        clicks: How many a question.

    Returns:
        The answers after the last click. Where nothing is wrong any more nothing is clicked.
    """
    given: list[list[Click]] = [[] for _ in truths]
    results = segment(given)
    for _ in range(clicks):
        for some, truth, result in zip(given, truths, results, strict=True):
            some += corrections(np.zeros_like(truth) if result is None else result.found, truth)
        results = segment(given)
    return results


@dataclass(frozen=True)
class Pointed:
    """A training sample with its clicks.

    Attributes:
        sample: With the words that go with the clicks; the object stays.
        meant: Which of the photo's samples the words mean, -1 for none.
        clicks: In pixels of the mask.
        corrections: How many more follow, in the middle of the largest errors that the model then makes.
    """

    sample: Sample
    meant: int
    clicks: tuple[Click, ...] = ()
    corrections: int = 0


def point(
    samples: Sequence[Sample], masks: Sequence[np.ndarray], spec: BatchSpec, rng: np.random.Generator
) -> list[Pointed]:
    """Draws 0 to 3 clicks for a share of a photo's samples (`BatchSpec.clicked`), for some of them other words or none.

    The first click is in the middle of the object, or, with the right words, in half of the cases where the answer to
    the words alone is most wrong: a user looks at an answer before correcting it. So that a click alone works, and one
    against the words, some samples of single objects have no words or those of another object.

    Args:
        samples: Of one photo, their expressions written.
        masks: Their masks, H x W uint8.
        spec: Says how often.
        rng: Source of chance.
    """
    return [_pointed(samples, n, masks[n], spec, rng) for n in range(len(samples))]


def _pointed(samples: Sequence[Sample], n: int, mask: np.ndarray, spec: BatchSpec, rng: np.random.Generator) -> Pointed:
    sample = samples[n]
    if not sample.ann_ids or rng.random() >= spec.clicked:
        return Pointed(sample, n)
    count, words = int(rng.integers(MOST_CLICKS + 1)), rng.random()
    if not count:
        return Pointed(sample, n)
    first = (Click(*middle(mask > 0), here=True),)
    if len(sample.ann_ids) > 1 or words >= spec.clicked_without_words + spec.clicked_wrong_words:
        if rng.random() < 0.5:
            return Pointed(sample, n, (), count)
        return Pointed(sample, n, first, count - 1)
    others = [k for k, other in enumerate(samples) if not set(other.ann_ids) & set(sample.ann_ids)]
    if others and words < spec.clicked_wrong_words:
        other = int(rng.choice(others))
        return Pointed(replace(sample, text=samples[other].text, kind="clicked"), other, first, count - 1)
    return Pointed(replace(sample, text="", kind="clicked"), -1, first, count - 1)
