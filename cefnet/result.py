"""What a model answers about one expression, in the photo's own pixels."""

from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from cefnet.coattention import CoAttentionMaps
from cefnet.regions import strongest
from cefnet.text import Tokens

Map = NDArray[np.float32]
Kept = TypeVar("Kept")


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


@dataclass(frozen=True)
class Result:
    """The answer to one expression. All maps are H x W, at first the photo's own size.

    Only what the network said at its own resolution is kept; the maps are made when they are asked for. Other
    thresholds or another size need no second run: `dataclasses.replace(result, mask_threshold=0.4, height=480,
    width=640)`.

    Attributes:
        expression: As typed.
        score: 0..1, is it there at all: the model's own output where it has one (config `presence`), else the
            mean probability over the mask at the config's threshold (0 if that is empty).
        mask_threshold: `reached` is where `probability` reaches it.
        one_region: Whether `mask` is the strongest region of that alone.
        presence_threshold: `present` is whether `score` reaches it.
        timings: Seconds: "encode" (the photo, once for all its expressions) and "segment" (the whole batch).
        height: Of all maps, in pixels.
        width: Likewise.
        levels: Probabilities SM_1..SM_4 at the network's own resolution, h x w float32 each, finest first.
    """

    expression: str
    score: float
    mask_threshold: float
    one_region: bool
    presence_threshold: float
    timings: dict[str, float]
    height: int
    width: int
    levels: tuple[Map, ...]
    _boundary: Map | None = field(repr=False)
    _tokens: Tokens = field(repr=False)
    _word_attention: dict[int, Map] = field(repr=False)  # stage -> T x h x w
    _co_attention: dict[int, CoAttentionMaps] = field(repr=False)

    @property
    def probability(self) -> Map:
        """H x W float32 in 0..1, of belonging to what the expression names (SM_1). Not zeroed by absence."""
        return self._at_photo_size(self.levels[0])

    @property
    def reached(self) -> NDArray[np.bool_]:
        """H x W bool: every place whose probability reaches the threshold."""
        return self.probability >= self.mask_threshold

    @property
    def mask(self) -> NDArray[np.bool_]:
        """H x W bool: `reached`, or its strongest region. Not emptied by absence: look at `present` too."""
        probability = self.probability
        reached = probability >= self.mask_threshold
        return strongest(reached, probability) if self.one_region else reached

    @property
    def present(self) -> bool:
        return self.score >= self.presence_threshold

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
        return _box(self.mask)

    def word_attention(self, stage: int = 5) -> list[tuple[str, Map]]:
        """How much each place listens to each word (softmax of alpha, Eq. 2).

        Args:
            stage: 3, 4 or 5.

        Returns:
            A word as typed and its map (H x W float32 in 0..1), in order; a word's sub-word pieces are added
            up, so that at every place the words sum to 1.

        Raises:
            ValueError: If there is no such stage, or the model has no word attention (`attention="none"`).
        """
        pieces = _stage(self._word_attention, stage, "word attention")
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
        if not (0 <= y < self.height and 0 <= x < self.width):
            raise ValueError(f"y={y}, x={x} is outside the photo, which is {self.height} high and {self.width} wide.")
        maps = _stage(self._co_attention, stage, "co-attention")
        row = min(int(y / self.height * maps.height), maps.height - 1)
        column = min(int(x / self.width * maps.width), maps.width - 1)
        return self._at_photo_size(to_numpy(maps.row(0, row, column)))

    def decided(
        self,
        mask_threshold: float | None = None,
        one_region: bool | None = None,
        presence_threshold: float | None = None,
    ) -> "Result":
        """The same answer, decided otherwise; what is None stays as it is."""
        asked = {"mask_threshold": mask_threshold, "one_region": one_region, "presence_threshold": presence_threshold}
        given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
        return replace(self, **given)

    def to_dict(self) -> dict[str, Any]:
        """What a JSON file needs. The mask in it is empty where nothing is `present`.

        Returns:
            expression, score, present, both thresholds, one_region, box (x_min, y_min, x_max, y_max or None), area
            (fraction of the photo), mask (COCO RLE: size [H, W] and counts), timings.
        """
        mask = self.found
        box = _box(mask)
        rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        return {
            "expression": self.expression,
            "score": self.score,
            "present": self.present,
            "presence_threshold": self.presence_threshold,
            "mask_threshold": self.mask_threshold,
            "one_region": self.one_region,
            "box": list(box) if box else None,
            "area": float(mask.mean()),
            "mask": {"size": list(mask.shape), "counts": rle["counts"].decode()},
            "timings": self.timings,
        }

    def _at_photo_size(self, grid: Map) -> Map:
        return enlarge(grid, self.height, self.width)


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1) if len(xs) else None


def to_numpy(tensor: torch.Tensor) -> Map:
    """Of a tensor on any device."""
    return tensor.cpu().numpy()


def enlarge(grid: Map, height: int, width: int) -> Map:
    """Resizes h x w to height x width, bilinearly."""
    return cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


def _stage(by_stage: dict[int, Kept], stage: int, what: str) -> Kept:
    if stage not in (3, 4, 5):
        raise ValueError(f"stage is {stage}; it must be 3, 4 or 5.")
    if stage not in by_stage:
        raise ValueError(f"This result has no {what}: the model has none, or it was made with explain=False.")
    return by_stage[stage]
