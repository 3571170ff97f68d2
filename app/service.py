"""The models in memory, and what one question about one photo leaves behind."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cefnet.predictor import Photo, Predictor

log = logging.getLogger(__name__)

DEFAULT_MODELS = {"cefnet-vcm": "cefnet-vcm", "cefnet-acm": "cefnet-acm"}
SHOWN_SIDE = 1024  # pixels of the longer side of what is shown; downloads have the photo's own size
REMEMBERED_PHOTOS = 4


@dataclass(frozen=True)
class KeptMask:
    """All that redrawing one model's mask takes: it stays with the browser tab.

    Attributes:
        model: Name of the model.
        grid: h x w float32 in 0..1, the probability at the network's own resolution.
        score: 0..1, how sure the model is that the thing is there at all.
        presence_threshold: The score from which it counts as present.
        seconds: What this question took, the photo's encoding included where it was new.
    """

    model: str
    grid: NDArray[np.float32]
    score: float
    presence_threshold: float
    seconds: float

    @property
    def present(self) -> bool:
        return self.score >= self.presence_threshold

    def at(self, threshold: float, height: int, width: int) -> NDArray[np.bool_]:
        """height x width bool: the mask at `threshold` (0..1), empty where nothing is `present`."""
        if not self.present:
            return np.zeros((height, width), bool)
        return cv2.resize(self.grid, (width, height), interpolation=cv2.INTER_LINEAR) >= threshold


@dataclass(frozen=True)
class Kept:
    """One question, as a browser tab remembers it.

    Attributes:
        photo: h x w x 3 uint8, at most `SHOWN_SIDE` long.
        size: Height and width of the photo itself, in pixels.
        expression: As typed.
        masks: One for each model.
    """

    photo: NDArray[np.uint8]
    size: tuple[int, int]
    expression: str
    masks: tuple[KeptMask, ...]


@dataclass(frozen=True)
class Details:
    """Drawn once, not kept; as large as `Kept.photo`: boundary (0..1) and a map for each typed word."""

    boundary: NDArray[np.float32]
    words: list[tuple[str, NDArray[np.float32]]]


def models_from_environment() -> dict[str, str]:
    """Names and sources of the models, from CEFNET_MODELS="name=folder,name=folder" or the shipped two."""
    text = os.environ.get("CEFNET_MODELS", "").strip()
    if not text:
        return dict(DEFAULT_MODELS)
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if any(not (name.strip() and source.strip()) for name, _, source in pairs):
        raise ValueError(f"CEFNET_MODELS is {text!r}: write it as name=folder,name=folder")
    return {name.strip(): source.strip() for name, _, source in pairs}


class Service:
    """Segments photos with every model that could be loaded. Safe to call from several threads."""

    def __init__(self, predictors: Mapping[str, Predictor], missing: tuple[str, ...] = ()) -> None:
        self.predictors = dict(predictors)
        self.missing = missing
        self._photos: OrderedDict[tuple[str, str], Photo] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def load(cls, models: Mapping[str, str], device: str = "auto") -> Service:
        """Load `models` (name -> MODEL); one that cannot be loaded is left out and named in `missing`.

        Raises:
            RuntimeError: if none can be loaded.
        """
        predictors, missing = {}, []
        for name, source in models.items():
            try:
                predictors[name] = Predictor.from_pretrained(source, device=device)
            except (OSError, ValueError) as error:
                log.warning("%s is left out: %s", name, error)
                missing.append(name)
        if not predictors:
            raise RuntimeError(f"No model could be loaded (tried {', '.join(models)}); see the lines above.")
        return cls(predictors, tuple(missing))

    def segment(self, image: NDArray[np.uint8], expression: str) -> tuple[Kept, list[Details]]:
        """Ask every model for `expression` in `image` (H x W x 3 uint8).

        Raises:
            ValueError: if the expression or the photo cannot be used; the text is meant for the person.
        """
        shown = fit(image, SHOWN_SIDE)
        masks, details = [], []
        for name, predictor in self.predictors.items():
            start = time.perf_counter()
            photo = self._encode(name, image)
            small = replace(photo, height=shown.shape[0], width=shown.shape[1])  # maps no larger than shown
            result = predictor.segment(small, expression)
            seconds = time.perf_counter() - start
            masks.append(KeptMask(name, result.levels[0], result.score, result.presence_threshold, seconds))
            words = result.word_attention() if predictor.config.attention != "none" else []
            details.append(Details(result.boundary, words))
        return Kept(shown, image.shape[:2], expression.strip(), tuple(masks)), details

    def _encode(self, name: str, image: NDArray[np.uint8]) -> Photo:
        """The language-free part of `image`, remembered by content: nobody can ask for another's photo."""
        digest = hashlib.sha256(repr(image.shape).encode())
        digest.update(np.ascontiguousarray(image).data)
        key = name, digest.hexdigest()
        with self._lock:
            if key in self._photos:
                self._photos.move_to_end(key)
                return self._photos[key]
        photo = self.predictors[name].encode(image)
        with self._lock:
            self._photos[key] = photo
            while len(self._photos) > REMEMBERED_PHOTOS * len(self.predictors):
                self._photos.popitem(last=False)
        return photo


def fit(image: NDArray, side: int) -> NDArray:
    """`image` (H x W or H x W x C) made smaller so that neither side exceeds `side` pixels; never larger."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
