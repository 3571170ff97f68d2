"""Photo + expression -> mask; stateless, so that threads and users can share one predictor.

>>> predictor = Predictor.from_pretrained("cefnet-acm")
>>> photo = predictor.encode(image)
>>> result = predictor.segment(photo, "dog on the left")
"""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cefnet.arguments import described, text_of
from cefnet.config import Decision, ModelConfig, check_decision
from cefnet.inference import folded, pick_precision
from cefnet.model import CEFNet, Output, PhotoFeatures
from cefnet.model.clicks import clicks_tensor
from cefnet.model.layers import to_numpy
from cefnet.photos import Source, read_photo, squash
from cefnet.result import Click, Result, enlarge
from cefnet.text import NOTHING_SAID, Tokenizer, Tokens, pad
from cefnet.weights import Checkpoint, load, pick_device

__all__ = ["Click", "Photo", "Predictor", "Result"]

MOST_CLICKS = 100  # of an expression
DEFAULT = Decision()


@dataclass(frozen=True)
class Photo:
    """What no expression changes, on the model's device.

    Attributes:
        features: Of one photo.
        height: Of the photo as given, in pixels.
        width: Likewise.
        size: Side in pixels of the square that the network saw.
        seconds: What encoding took.
        sha256: Of the weights that encoded it, if from files.
    """

    features: PhotoFeatures
    height: int
    width: int
    size: int
    seconds: float
    sha256: str = ""


class Predictor:
    """A model with its tokenizer, ready for photos. Keeps nothing between calls.

    Args:
        model: In evaluation mode, on `device`.
        tokenizer: The model's own.
        device: Where the model is.
        source: Where its files came from (see `Checkpoint`), if from files.
        sha256: Of its weights, if from files.
        words: How often each word was seen in training, if known.
        precision: "float32", "bfloat16" or "auto" (see `cefnet.inference.pick_precision`).
        decision: How its answers are decided.

    Raises:
        ValueError: If the model cannot decide so, or the device or precision cannot be used.
    """

    def __init__(
        self,
        model: CEFNet,
        tokenizer: Tokenizer,
        device: str | torch.device = "cpu",
        source: str = "",
        sha256: str = "",
        words: Mapping[str, int] | None = None,
        precision: str = "float32",
        decision: Decision = DEFAULT,
    ) -> None:
        check_decision(model.config, decision)
        self.model, self.tokenizer = model, tokenizer
        self.source, self.sha256 = source, sha256
        self.words: Mapping[str, int] = words or {}
        self.config: ModelConfig = model.config
        self.decision = decision
        self.device = pick_device(device)
        self.dtype = pick_precision(model, precision, self.device)
        self._process: int | None = None  # the one whose threads it has used

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        device: str | torch.device = "auto",
        revision: str | None = None,
        precision: str = "float32",
    ) -> "Predictor":
        """Loads a shipped name, a weights or run folder, or a Hub id; errors as `cefnet.weights.load`."""
        return cls.from_checkpoint(load(name_or_path, device, revision), precision)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, precision: str = "float32") -> "Predictor":
        """Wraps what `cefnet.weights.load` returned, BatchNorm folded into the convolutions."""
        device = next(checkpoint.model.parameters()).device
        model, about = folded(checkpoint.model), (checkpoint.source, checkpoint.sha256, checkpoint.words)
        return cls(model, checkpoint.tokenizer, device, *about, precision=precision, decision=checkpoint.decision)

    @torch.inference_mode()
    def encode(self, image: Source, size: int | None = None) -> Photo:
        """Does the part of the work that no expression changes.

        Args:
            image: H x W x 3 uint8 RGB, or anything else that `cefnet.photos.read_photo` takes.
            size: Side in pixels of the square that the network sees, a multiple of 32; None: the config's.

        Raises:
            ValueError: As `read_photo`, or an impossible size, or this is a forked process (see `_check_process`).
        """
        self._check_process()
        start = time.perf_counter()
        size = int(size) if isinstance(size, np.integer) else size
        side = replace(self.config, image_size=size).image_size if size is not None else self.config.image_size
        pixels = read_photo(image)
        square = torch.from_numpy(squash(pixels, side)).to(self.device)
        with self._lower():
            features = self.model.encode_photo(square.permute(2, 0, 1)[None].float() / 255)
        self._wait()
        return Photo(features, pixels.shape[0], pixels.shape[1], side, time.perf_counter() - start, self.sha256)

    def segment(self, photo: Photo, expression: str, clicks: Sequence[Click] = (), explain: bool = True) -> Result:
        """Finds what one expression names; arguments and errors as `segment_many`.

        >>> predictor.segment(photo, "", [Click(120, 200), Click(40, 30, here=False)])
        """
        return self.segment_many(photo, [text_of(expression, "expression")], explain, [clicks])[0]

    @torch.inference_mode()
    def segment_many(
        self,
        photo: Photo,
        expressions: Sequence[str],
        explain: bool = True,
        clicks: Sequence[Sequence[Click]] | None = None,
    ) -> list[Result]:
        """Finds what several expressions name in one photo, in one batch.

        Args:
            photo: From `encode` of this predictor.
            expressions: Each of at most `config.max_tokens` word pieces. Empty where a click "here" says it all.
            explain: Keep what `word_attention` and `co_attention` need (a few per cent of the time).
            clicks: For each expression where somebody pointed, at most 100 places of the photo; None: nowhere.

        Raises:
            ValueError: If an expression is empty, unreadable, too long or no text, or there is none; if `photo` is not
                from `encode` of this model; if a click is outside the photo, or the model takes no clicks (config
                `clicks`); if this is a forked process (see `_check_process`).
        """
        self._check_process()
        self._check_photo(photo)
        expressions = _texts(expressions)
        start = time.perf_counter()
        pointed = _clicks(clicks) if clicks is not None else [()] * len(expressions)
        rows = self._check_clicks(photo, pointed, len(expressions))
        tokens = [self._read(*question) for question in zip(expressions, pointed, strict=True)]
        ids, mask = (torch.from_numpy(array).to(self.device) for array in pad(tokens))
        with self._lower():
            output = self.model(photo.features, ids, mask, explain=explain, clicks=rows)
        results = [
            self._result(photo, expression, one, output, n)
            for n, (expression, one) in enumerate(zip(expressions, tokens, strict=True))
        ]
        timings = {"encode": photo.seconds, "segment": time.perf_counter() - start}
        here = [tuple((c.y / photo.height, c.x / photo.width) for c in some if c.here) for some in pointed]
        return [
            replace(result, clicks=some, _here=places, timings=timings)
            for result, some, places in zip(results, pointed, here, strict=True)
        ]

    def _read(self, expression: str, clicks: Sequence[Click]) -> Tokens:
        """An expression's pieces; those of nothing said where it is empty and a click says what is meant."""
        if not expression.strip() and any(click.here for click in clicks):
            return NOTHING_SAID
        return self.tokenizer.encode(expression, self.config.max_tokens)

    def _check_clicks(self, photo: Photo, clicks: Sequence[Sequence[Click]], expressions: int) -> torch.Tensor | None:
        """The clicks as the model takes them, or None where there are none; errors as `segment_many`."""
        if len(clicks) != expressions:
            raise ValueError(
                f"{expressions} expressions and {len(clicks)} lists of clicks; give one list an expression."
            )
        if not any(clicks):
            return None
        if not self.config.clicks:
            raise ValueError("This model takes no clicks (its config has clicks: false); use one that does.")
        for click in (click for some in clicks for click in some):
            if not isinstance(click, Click):
                raise ValueError(f"A click is {click!r}; it must be a cefnet.Click(y, x, here).")
            if not (0 <= click.y < photo.height and 0 <= click.x < photo.width):
                raise ValueError(
                    f"The click at y={click.y}, x={click.x} is outside the photo, which is {photo.height} high and"
                    f" {photo.width} wide."
                )
        slots = max(map(len, clicks))
        if slots > MOST_CLICKS:
            raise ValueError(f"There are {slots} clicks; the limit is {MOST_CLICKS}.")
        rows = [clicks_tensor(some, photo.height, photo.width, slots) for some in clicks]
        return torch.stack(rows).to(self.device)

    def _result(self, photo: Photo, expression: str, tokens: Tokens, output: Output, n: int) -> Result:
        levels = tuple(to_numpy(logits[n, 0].float().sigmoid()) for logits in output.mask_logits)
        presence = _chance(output.presence_logit, n)
        if presence is None:
            probability = enlarge(levels[0], photo.height, photo.width)
            chosen = probability[probability >= self.decision.mask_threshold]
            presence = float(chosen.mean(dtype=np.float64)) if chosen.size else 0.0
        right = _chance(output.right_logit, n)
        boundary = to_numpy(output.boundary_logits[0][n, 0].float().sigmoid()) if output.boundary_logits else None
        length = len(tokens.ids)
        words = {stage: to_numpy(alpha[n, :length].float()) for stage, alpha in output.word_attention.items()}
        places = {stage: maps.of(n) for stage, maps in output.co_attention.items()}
        return Result(
            expression=expression,
            score=presence if right is None else right,
            presence=presence,
            decision=self.decision,
            several=_chance(output.several_logit, n),
            timings={},
            height=photo.height,
            width=photo.width,
            levels=levels,
            _boundary=boundary,
            _tokens=tokens,
            _word_attention=words,
            _co_attention=places,
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_process": None}  # a spawned process has threads of its own

    def _check_process(self) -> None:
        """Refuses to wait for ever: a fork has none of the threads that its parent's PyTorch goes on counting on.

        On a GPU nothing waits for them, and ZeroGPU forks.
        """
        here = os.getpid()
        if self._process not in (None, here) and self.device.type == "cpu" and torch.get_num_threads() > 1:
            raise ValueError(
                "This process was forked from one that has used the predictor, and would wait for ever for PyTorch's"
                " threads. Start it with multiprocessing.get_context('spawn') or 'forkserver', or call"
                " torch.set_num_threads(1) in it first."
            )
        self._process = here

    def _check_photo(self, photo: Photo) -> None:
        if not isinstance(photo, Photo):
            raise ValueError(f"photo is {described(photo)}; it must come from encode: photo = predictor.encode(image).")
        if photo.sha256 != self.sha256 and photo.sha256 and self.sha256:
            raise ValueError("photo was encoded by another model; encode it with this predictor.")

    def _lower(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # CUDA returns before it is done; timings are to be true


def _chance(logits: torch.Tensor | None, n: int) -> float | None:
    return None if logits is None else float(logits[n].float().sigmoid())


def _clicks(clicks: Iterable[Sequence[Click] | None]) -> list[tuple[Click, ...]]:
    """The clicks of each expression; None is none of them."""
    lists = [() if some is None else some for some in clicks]
    if wrong := [some for some in lists if not isinstance(some, Sequence)]:
        raise ValueError(f"clicks is {described(wrong[0])}; it must be a list of cefnet.Click(y, x, here).")
    return [tuple(some) for some in lists]


def _texts(expressions: Iterable[str]) -> list[str]:
    """Expressions, each a text and one at least; errors name the one that is not."""
    if isinstance(expressions, str):
        raise ValueError("segment_many takes a list of expressions; for one use segment.")
    if not isinstance(expressions, Iterable):
        raise ValueError(f"expressions is {described(expressions)}; it must be a list of texts.")
    texts = [text_of(one, f"expression {n}") for n, one in enumerate(expressions, 1)]
    if not texts:
        raise ValueError("No expressions were given; pass at least one.")
    return texts
