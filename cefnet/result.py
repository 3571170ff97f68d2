"""What a model answers about one expression, in the photo's own pixels, and the separate regions of the answer.

>>> if len(places := rivals(result)) > 1:
...     print(f"{len(places)} places fit about equally well")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from cefnet.affinity import Affinity
from cefnet.arguments import described, number_of
from cefnet.config import Decision
from cefnet.text import Tokens

Map = NDArray[np.float32]
Kept = TypeVar("Kept")

GAP = 0.02  # of the longer side: what lies closer together is one region, such as a dog behind a pole
FAIR = 1 / 3  # of the largest region's area
ALIKE = 0.1  # of probability
LOOKED_AT = 384  # pixels of the longer side on which the strongest region is looked for


@dataclass(frozen=True)
class Click:
    """Somebody pointed at a place of a photo.

    Attributes:
        y: Row of the upright photo as given, in pixels from the top; 0 is the first one.
        x: Column, from the left.
        here: Whether what is meant is there; False: something is there that is not meant.
    """

    y: float
    x: float
    here: bool = True

    def __post_init__(self) -> None:
        number_of(self.y, "y")
        number_of(self.x, "x")
        if self.here not in (True, False):
            raise ValueError(f"here is {described(self.here)}; it must be True (what is meant) or False.")


@dataclass(frozen=True, kw_only=True)
class Result:
    """The answer to one expression. All maps are H x W, at first the photo's own size.

    Only what the network said at its own resolution is kept; the maps are made when they are asked for. Another
    decision or size needs no second run: `result.decided(mask_threshold=0.4)`, `dataclasses.replace(result, height=480,
    width=640)`.

    Attributes:
        expression: As typed.
        score: 0..1, the probability that the mask is right (an IoU of 0.5 or more; of what is absent no mask is right):
            the model's own output where it has one (config `right`), else `presence`.
        presence: 0..1, is it there at all: the model's own output where it has one (config `presence`), else the
            mean probability over the mask at the predictor's mask threshold (0 if that is empty).
        decision: Its mask threshold and regions make `mask`, its presence threshold makes `present`.
        several: 0..1, the model's own "several things are meant"; None if it does not say.
        clicks: Where somebody pointed, in pixels of the photo as given.
        timings: Seconds: "encode" (the photo, once for all its expressions) and "segment" (the whole batch).
        height: Of all maps, in pixels.
        width: Likewise.
        levels: Probabilities SM_1..SM_4 at the network's own resolution, h x w float32 each, finest first.
    """

    expression: str
    score: float
    presence: float
    decision: Decision
    several: float | None = None
    clicks: tuple[Click, ...] = ()
    timings: dict[str, float]
    height: int
    width: int
    levels: tuple[Map, ...]
    _here: tuple[tuple[float, float], ...] = field(default=(), repr=False)  # y, x of clicks, shares of the sides
    _boundary: Map | None = field(repr=False)
    _tokens: Tokens = field(repr=False)
    _word_attention: dict[int, Map] = field(repr=False)  # stage -> T x h x w
    _co_attention: dict[int, Affinity] = field(repr=False)

    def __post_init__(self) -> None:
        self.decision.keeps_one(self.several)  # refuses what the model cannot decide now, not when the mask is made

    @property
    def probability(self) -> Map:
        """H x W float32 in 0..1, of belonging to what the expression names (SM_1). Not zeroed by absence."""
        return self._at_photo_size(self.levels[0])

    @property
    def reached(self) -> NDArray[np.bool_]:
        """H x W bool: every place whose probability reaches the mask threshold.

        Where none of the places clicked "here" does, the threshold is what the best of them has: a click is answered.
        """
        probability = self.probability
        best = max((float(probability[place]) for place in self._clicked), default=1.0)
        return probability >= min(self.decision.mask_threshold, best)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """H x W bool: `reached`, or of its regions those clicked "here", or the strongest one.

        Not emptied by absence: look at `present` too.
        """
        if not self.decision.keeps_one(self.several):
            return self.reached
        return strongest(self.reached, self.probability, self._clicked)

    @property
    def present(self) -> bool:
        """Whether `presence` reaches the presence threshold, or somebody clicked "here"."""
        return self.presence >= self.decision.presence_threshold or bool(self._here)

    @property
    def found(self) -> NDArray[np.bool_]:
        """H x W bool: the mask, empty where nothing is `present`."""
        return self.mask if self.present else np.zeros((self.height, self.width), bool)

    @property
    def boundary(self) -> Map:
        """H x W float32 in 0..1: BM_1; of a model without boundary module, the slope of the probability."""
        if self._boundary is not None:
            return self._at_photo_size(self._boundary)
        return cv2.morphologyEx(self.probability, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))  # type: ignore[return-value]

    @property
    def side_masks(self) -> tuple[Map, ...]:
        """The masks of the decoder's levels, coarse to fine (SM_4..SM_1), H x W float32 in 0..1 each."""
        return tuple(self._at_photo_size(level) for level in reversed(self.levels))

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """x_min, y_min, x_max, y_max of the mask in pixels (the maxima lie outside); None if it is empty."""
        return box_of(self.mask)

    def word_attention(self, stage: int = 5) -> list[tuple[str, Map]]:
        """How much each place listens to each word (softmax of alpha, Eq. 2).

        Args:
            stage: 3, 4 or 5.

        Returns:
            A word as typed and its map (H x W float32 in 0..1), in order; a word's sub-word pieces are added
            up, so that at every place the words sum to 1. Nothing of an empty expression.

        Raises:
            ValueError: If there is no such stage, or the model has no word attention (`attention="none"`).
        """
        pieces = _stage(self._word_attention, stage, "word attention")
        if not self._tokens.words:  # clicks alone were given
            return []
        maps = np.zeros((len(self._tokens.words), *pieces.shape[1:]), np.float32)
        np.add.at(maps, np.array(self._tokens.word_of), pieces)
        return [(word, self._at_photo_size(one)) for word, one in zip(self._tokens.words, maps, strict=True)]

    def co_attention(self, y: float, x: float, stage: int = 5) -> Map:
        """What one place attends to: a row of A_1 (VCM, Eq. 4) or, laid over the bins, of A_3 (ACM, Eq. 7).

        Args:
            y: Photo pixels, 0 <= y < H.
            x: Photo pixels, 0 <= x < W.
            stage: 3, 4 or 5.

        Returns:
            H x W float32 weights: those of the network's grid, which sum to 1 there, resized to the photo.

        Raises:
            ValueError: If the place is outside the photo, there is no such stage, or the model has no
                co-attention.
        """
        y, x = number_of(y, "y"), number_of(x, "x")
        if not (0 <= y < self.height and 0 <= x < self.width):
            raise ValueError(f"y={y}, x={x} is outside the photo, which is {self.height} high and {self.width} wide.")
        maps = _stage(self._co_attention, stage, "co-attention")
        row = min(int(y / self.height * maps.height), maps.height - 1)
        column = min(int(x / self.width * maps.width), maps.width - 1)
        return self._at_photo_size(maps.row(row, column))

    def decided(
        self,
        decision: Decision | None = None,
        *,
        mask_threshold: float | None = None,
        presence_threshold: float | None = None,
        regions: str | None = None,
    ) -> Result:
        """The same answer, decided otherwise: no network is asked.

        Args:
            decision: Instead of the result's own; None: its own.
            mask_threshold: Instead of the decision's, 0..1; None: as there. The other two likewise.
            presence_threshold: 0..1.
            regions: "one", "all" or "auto" (see `Decision`).

        Raises:
            ValueError: If a value is out of range, or `regions` is "auto" and the model has no output for it.
        """
        if decision is not None and not isinstance(decision, Decision):
            raise ValueError(
                f"decision is {described(decision)}; give a cefnet.Decision, or mask_threshold=... by name."
            )
        decision = decision or self.decision
        return replace(self, decision=decision.changed(mask_threshold, presence_threshold, regions))

    def to_dict(self) -> dict[str, Any]:
        """What a JSON file needs. The mask in it is empty where nothing is `present`.

        Returns:
            Expression, clicks (y, x and here of each), score, presence, several, present, mask_threshold,
            presence_threshold, regions, box (x_min, y_min, x_max, y_max or None), area (fraction of the photo), mask
            (COCO RLE: size [H, W] and counts), timings.
        """
        mask = self.found
        box = box_of(mask)
        return {
            "expression": self.expression,
            "clicks": [[click.y, click.x, click.here] for click in self.clicks],
            "score": self.score,
            "presence": self.presence,
            "several": self.several,
            "present": self.present,
            **asdict(self.decision),
            "box": list(box) if box else None,
            "area": float(mask.mean()),
            "mask": run_lengths(mask),
            "timings": self.timings,
        }

    @property
    def _clicked(self) -> list[tuple[int, int]]:
        """Row and column of the clicks "here" in the maps, which may have another size than the photo."""
        return [(int(y * self.height), int(x * self.width)) for y, x in self._here]

    def _at_photo_size(self, grid: Map) -> Map:
        return enlarge(grid, self.height, self.width)


@dataclass(frozen=True)
class Region:
    """A connected part of what was found.

    Attributes:
        area: Share of the photo, 0..1.
        box: x_min, y_min, x_max, y_max in pixels (the maxima lie outside).
        probability: Mean over the region, 0..1.
    """

    area: float
    box: tuple[int, int, int, int]
    probability: float


def labelled(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], list[tuple[int, int, int, int]]]:
    """Tells the connected parts of a mask apart; those with no more than `GAP` between them belong together.

    Args:
        mask: H x W.

    Returns:
        H x W, the number of the region at each place, 1 to n, 0 = not in the mask; and the n regions' boxes.
    """
    reach = max(1, round(GAP * max(mask.shape) / 2))
    pad = reach + 1  # closing would fill what lies between a region and the edge
    padded = np.pad(mask, pad).astype(np.uint8)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    return np.where(mask, labels[pad:-pad, pad:-pad], 0), [_corners(one, pad) for one in stats[1:]]


def strongest(
    mask: NDArray[np.bool_], probability: NDArray[np.float32], places: Sequence[tuple[int, int]] = ()
) -> NDArray[np.bool_]:
    """The regions of a mask at some places or, where none lies in it, the one that holds most of its probability.

    Which ones those are can be seen on a small copy, in a third of the time for a photo of a megapixel.

    Args:
        mask: H x W.
        probability: H x W.
        places: Y and x in pixels.
    """
    height, width = mask.shape
    scale = min(1.0, LOOKED_AT / max(mask.shape))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    touched = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    labels, boxes = labelled(touched)
    if len(boxes) < 2:
        return mask
    wanted = {int(labels[min(int(y * scale), size[1] - 1), min(int(x * scale), size[0] - 1)]) for y, x in places} - {0}
    if not wanted:
        held = cv2.resize(np.where(mask, probability, 0), size, interpolation=cv2.INTER_AREA)
        wanted = {int(np.bincount(labels.ravel(), weights=held.ravel(), minlength=2)[1:].argmax()) + 1}
    chosen = np.isin(labels, list(wanted))
    return mask & cv2.resize(chosen.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)


def regions(result: Result) -> list[Region]:
    """The regions of all that `reached` the threshold, largest first; empty where nothing is present.

    The gap between parts of one region counts neither as area nor for the mean.
    """
    if not result.present:
        return []
    mask = result.reached
    labels, boxes = labelled(mask)
    own = labels[mask]
    areas = np.bincount(own, minlength=len(boxes) + 1)
    sums = np.bincount(own, weights=result.probability[mask], minlength=len(boxes) + 1)
    order = 1 + np.argsort(-areas[1:], kind="stable")
    return [Region(areas[n] / mask.size, boxes[n - 1], sums[n] / areas[n]) for n in order.tolist()]


def rivals(result: Result) -> list[Region]:
    """The regions that could each be what was meant; fewer than two of them: one stands out, or nothing was found.

    A region is a rival of the largest if it has at least a third of its area (`FAIR`) and a mean probability no
    further from its own than 0.1 (`ALIKE`). Both are needed: specks beside the answer are as certain as it is, and
    a second object that the model holds for less likely is paler though it may be as large. Areas differ by three
    already between equal things at distances of 1 and 1.7, hence a bound no tighter. Whether somebody asked for several
    things ("two dogs") is not known here, so that all this says is that several places fit.
    """
    found = regions(result)
    return [
        one
        for one in found
        if one.area >= FAIR * found[0].area and abs(one.probability - found[0].probability) <= ALIKE
    ]


def run_lengths(mask: NDArray[np.bool_] | NDArray[np.uint8]) -> dict[str, Any]:
    """A mask, H x W bool or 0 and 1, as compressed COCO RLE for a JSON file: `size` ([H, W]) and `counts`, a text."""
    rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode()}


def box_of(mask: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """x_min, y_min, x_max, y_max of a mask, H x W, in pixels (the maxima lie outside); None if it is empty."""
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1) if len(xs) else None


def enlarge(grid: Map, height: int, width: int) -> Map:
    """Resizes h x w to height x width, bilinearly."""
    return cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


def _stage(by_stage: dict[int, Kept], stage: int, what: str) -> Kept:
    if stage not in (3, 4, 5):
        raise ValueError(f"stage is {stage!r}; it must be 3, 4 or 5.")
    if stage not in by_stage:
        raise ValueError(f"This result has no {what}: the model has none, or it was made with explain=False.")
    return by_stage[stage]


def _corners(stats: np.ndarray, pad: int) -> tuple[int, int, int, int]:
    x, y, width, height = (int(value) for value in stats[:4])
    return x - pad, y - pad, x - pad + width, y - pad + height
