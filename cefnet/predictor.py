"""Photo + expression -> mask, in three lines; stateless, so that threads and users can share one predictor.

predictor = Predictor.from_pretrained("cefnet-acm")
photo = predictor.encode(image)
result = predictor.segment(photo, "dog on the left")
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from cefnet.coattention import CoAttentionMaps
from cefnet.config import ModelConfig
from cefnet.model import CEFNet, Output, PhotoFeatures
from cefnet.photos import Source, read_photo, squash
from cefnet.text import Tokenizer, Tokens, pad
from cefnet.weights import Checkpoint, load, pick_device

Map = NDArray[np.float32]
Kept = TypeVar("Kept")


@dataclass(frozen=True)
class Photo:
    """What no expression changes: E_1, E_2 and res3's own output, on the model's device.

    Attributes:
        features: Of one photo.
        height: Of the photo as given, in pixels.
        width: Likewise.
        seconds: What encoding took.
    """

    features: PhotoFeatures
    height: int
    width: int
    seconds: float


@dataclass(frozen=True)
class Result:
    """The answer to one expression. All maps are of the photo's own size, H x W.

    Other thresholds need no second run of the model: `dataclasses.replace(result, mask_threshold=0.4)`.

    Attributes:
        expression: As typed.
        probability: float32 in 0..1, of belonging to what the expression names (SM_1). Not zeroed by absence.
        score: 0..1, is it there at all: the model's own output where it has one (config `presence`), else the
            mean probability over the mask at the config's threshold (0 if that is empty).
        mask_threshold: `mask` is where `probability` reaches it.
        presence_threshold: `present` is whether `score` reaches it.
        timings: Seconds: "encode" (the photo, once for all its expressions) and "segment" (the whole batch).
        levels: Probabilities SM_1..SM_4 at the network's own resolution, h x w float32 each, finest first.
    """

    expression: str
    probability: Map
    score: float
    mask_threshold: float
    presence_threshold: float
    timings: dict[str, float]
    levels: tuple[Map, ...]
    _boundary: Map | None = field(repr=False)
    _tokens: Tokens = field(repr=False)
    _word_attention: dict[int, Map] = field(repr=False)  # stage -> T x h x w
    _co_attention: dict[int, CoAttentionMaps] = field(repr=False)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """H x W bool. Not emptied by absence: look at `present` too."""
        return self.probability >= self.mask_threshold

    @property
    def present(self) -> bool:
        return self.score >= self.presence_threshold

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
        ys, xs = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        return (int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1) if len(xs) else None

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
        height, width = self.probability.shape
        if not (0 <= y < height and 0 <= x < width):
            raise ValueError(f"y={y}, x={x} is outside the photo, which is {height} high and {width} wide.")
        maps = _stage(self._co_attention, stage, "co-attention")
        row = min(int(y / height * maps.height), maps.height - 1)
        column = min(int(x / width * maps.width), maps.width - 1)
        return self._at_photo_size(_numpy(maps.row(0, row, column)))

    def to_dict(self) -> dict[str, Any]:
        """What a JSON file needs. The mask in it is empty where nothing is `present`.

        Returns:
            expression, score, present, both thresholds, box (x_min, y_min, x_max, y_max or None), area
            (fraction of the photo), mask (COCO RLE: size [H, W] and counts), timings.
        """
        mask = self.mask & self.present
        rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        return {
            "expression": self.expression,
            "score": self.score,
            "present": self.present,
            "presence_threshold": self.presence_threshold,
            "mask_threshold": self.mask_threshold,
            "box": list(self.box or ()) if self.present and self.box else None,
            "area": float(mask.mean()),
            "mask": {"size": list(mask.shape), "counts": rle["counts"].decode()},
            "timings": self.timings,
        }

    def _at_photo_size(self, grid: Map) -> Map:
        return _enlarge(grid, *self.probability.shape)


class Predictor:
    """A model with its tokenizer, ready for photos. Keeps nothing between calls.

    Args:
        model: In evaluation mode, on `device`.
        tokenizer: The model's own.
        device: Where the model is.
    """

    def __init__(self, model: CEFNet, tokenizer: Tokenizer, device: str | torch.device = "cpu") -> None:
        self.model, self.tokenizer = model, tokenizer
        self.config: ModelConfig = model.config
        self.device = pick_device(device)

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | Path, device: str | torch.device = "auto", revision: str | None = None
    ) -> "Predictor":
        """Loads a shipped name, a weights or run folder, or a Hub id; errors as `cefnet.weights.load`."""
        return cls.from_checkpoint(load(name_or_path, device, revision))

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> "Predictor":
        """Wraps what `cefnet.weights.load` returned."""
        device = next(checkpoint.model.parameters()).device
        return cls(checkpoint.model, checkpoint.tokenizer, device)

    @torch.inference_mode()
    def encode(self, image: Source) -> Photo:
        """Does the part of the work that no expression changes.

        Args:
            image: H x W x 3 uint8 RGB, or anything else that `cefnet.photos.read_photo` takes.

        Raises:
            ValueError: As `read_photo`.
        """
        start = time.perf_counter()
        pixels = read_photo(image)
        square = torch.from_numpy(squash(pixels, self.config.image_size)).to(self.device)
        features = self.model.encode_photo(square.permute(2, 0, 1)[None].float() / 255)
        self._wait()
        return Photo(features, pixels.shape[0], pixels.shape[1], time.perf_counter() - start)

    def segment(self, photo: Photo, expression: str, explain: bool = True) -> Result:
        """Finds what one expression names; arguments and errors as `segment_many`."""
        return self.segment_many(photo, [expression], explain)[0]

    @torch.inference_mode()
    def segment_many(self, photo: Photo, expressions: Sequence[str], explain: bool = True) -> list[Result]:
        """Finds what several expressions name in one photo, in one batch.

        Args:
            photo: From `encode` of this predictor.
            expressions: Each of at most `config.max_tokens` word pieces.
            explain: Keep what `word_attention` and `co_attention` need (a few per cent of the time).

        Raises:
            ValueError: If an expression is empty, unreadable or too long, or there is none.
        """
        if isinstance(expressions, str):
            raise ValueError("segment_many takes a list of expressions; for one use segment.")
        if not expressions:
            raise ValueError("No expressions were given; pass at least one.")
        start = time.perf_counter()
        tokens = [self.tokenizer.encode(one, self.config.max_tokens) for one in expressions]
        ids, mask = pad(tokens)
        output = self.model(photo.features, ids.to(self.device), mask.to(self.device), explain=explain)
        results = [
            self._result(photo, expression, one, output, n)
            for n, (expression, one) in enumerate(zip(expressions, tokens, strict=True))
        ]
        timings = {"encode": photo.seconds, "segment": time.perf_counter() - start}
        return [replace(result, timings=timings) for result in results]

    def _result(self, photo: Photo, expression: str, tokens: Tokens, output: Output, n: int) -> Result:
        levels = tuple(_numpy(logits[n, 0].float().sigmoid()) for logits in output.mask_logits)
        probability = _enlarge(levels[0], photo.height, photo.width)
        threshold = self.config.mask_threshold
        if output.presence_logit is not None:
            score = float(output.presence_logit[n].float().sigmoid())
        else:
            chosen = probability[probability >= threshold]
            score = float(chosen.mean(dtype=np.float64)) if chosen.size else 0.0
        boundary = (
            _numpy(output.boundary_logits[0][n, 0].float().sigmoid()) if output.boundary_logits else None
        )
        length = len(tokens.ids)
        words = {stage: _numpy(alpha[n, :length].float()) for stage, alpha in output.word_attention.items()}
        places = {  # on the CPU, and without the batch's other expressions
            stage: replace(maps, queries=maps.queries[n : n + 1].cpu(), keys=maps.keys[n : n + 1].cpu())
            for stage, maps in output.co_attention.items()
        }
        presence = self.config.presence_threshold
        return Result(
            expression, probability, score, threshold, presence, {}, levels, boundary, tokens, words, places
        )

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # CUDA returns before it is done; timings are to be true


def _stage(by_stage: dict[int, Kept], stage: int, what: str) -> Kept:
    if stage not in (3, 4, 5):
        raise ValueError(f"stage is {stage}; it must be 3, 4 or 5.")
    if stage not in by_stage:
        raise ValueError(f"This result has no {what}: the model has none, or it was made with explain=False.")
    return by_stage[stage]


def _numpy(tensor: torch.Tensor) -> Map:
    return tensor.cpu().numpy()


def _enlarge(grid: Map, height: int, width: int) -> Map:
    return cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]
