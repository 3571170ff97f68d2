"""What a recipe is: a frozen dataclass, changed from the command line by `--set key=value`."""

from __future__ import annotations

import ast
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any

from cefnet.config import ModelConfig
from train.data.samples import BatchSpec
from train.losses import LossWeights


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome of a run, but for the data.

    Attributes:
        name: also that of the preset it trains, unless `model` says otherwise.
        model: the network.
        data: what a step draws.
        losses: weights of the terms.
        steps: optimiser steps.
        sizes: input sizes as (share of the steps done, pixels), in order: small photos first, for speed.
        optimiser: `adamw` or `sgd` (momentum 0.9).
        learning_rate: of the parts that start from nothing.
        pretrained_rate: factor of it for the encoder and the word embeddings.
        text_rate: factor of it for the rest of the text encoder and `matching`; below 1 after `train align`.
        weight_decay: on matrices and kernels; none on biases and norms with AdamW.
        schedule: `poly` = warm-up, then to zero with power 0.9; `step` = divided by 10 at `milestones`.
        warmup: share of the steps.
        milestones: shares of the steps.
        clip: largest gradient norm; 0 = none.
        ema: decay of the averaged weights, which are the result; 0 = none.
        pretrained: start the encoder from public ImageNet weights.
        fusion_strength: of each new F beside the ImageNet features E_i that it is added to (deviations; `batch` only).
        frozen_stages: encoder stages 1..n are not trained.
        frozen_norms: BatchNorm of encoder stages 1..n keeps its ImageNet statistics.
        seed: of weights and data.
        checkpoint_every: steps between checkpoints.
        accumulate: parts that a step's photos are computed in, one after the other, so that large batches fit small
            GPUs; the processes of a run share them.
        sync_norm: BatchNorm statistics over all processes of a run (GPUs only).
    """

    name: str
    model: ModelConfig
    data: BatchSpec = BatchSpec()
    losses: LossWeights = LossWeights()
    steps: int = 1000
    sizes: tuple[tuple[float, int], ...] = ((0.0, 320),)
    optimiser: str = "adamw"
    learning_rate: float = 1.5e-3
    pretrained_rate: float = 0.4
    text_rate: float = 1.0
    weight_decay: float = 0.01
    schedule: str = "poly"
    warmup: float = 0.02
    milestones: tuple[float, ...] = ()
    clip: float = 1.0
    ema: float = 0.995
    pretrained: bool = True
    fusion_strength: float = 1.0
    frozen_stages: int = 2
    frozen_norms: int = 3
    seed: int = 0
    checkpoint_every: int = 200
    accumulate: int = 1
    sync_norm: bool = False

    def __post_init__(self) -> None:
        if self.optimiser not in ("adamw", "sgd"):
            raise ValueError(f"optimiser is {self.optimiser!r}; it must be adamw or sgd")
        if self.schedule not in ("poly", "step"):
            raise ValueError(f"schedule is {self.schedule!r}; it must be poly or step")
        if self.fusion_strength < 0:
            raise ValueError(f"fusion_strength is {self.fusion_strength}; it must be 0 or more")
        if self.steps < 1 or self.checkpoint_every < 1:
            raise ValueError("steps and checkpoint_every must be at least 1")
        if not 1 <= self.accumulate <= self.data.photos:
            photos = self.data.photos
            raise ValueError(f"accumulate is {self.accumulate}; it must be 1 to {photos}, the photos of a step")
        if not self.sizes or self.sizes[0][0] != 0.0 or list(self.sizes) != sorted(self.sizes):
            raise ValueError(f"sizes is {self.sizes}; give (share, pixels) pairs in order, the first share 0.0")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def change(recipe: Recipe, settings: list[str]) -> Recipe:
    """Applies `key=value` settings; a dot enters a part: `data.photos=4`, `model.width=128`.

    Raises:
        ValueError: not key=value, an unknown key, or a value of another type.
    """
    for setting in settings:
        key, found, text = setting.partition("=")
        if not found:
            raise ValueError(f"--set {setting!r} is not key=value")
        recipe = _set(recipe, key.split("."), _value(text), key)
    return recipe


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _set(part: Any, path: list[str], value: Any, key: str) -> Any:
    names = [f.name for f in fields(part)] if is_dataclass(part) else []
    if path[0] not in names:
        raise ValueError(f"--set {key}: no such key; known here: {', '.join(names) or 'nothing'}")
    old = getattr(part, path[0])
    new = value if len(path) == 1 else _set(old, path[1:], value, key)
    new = float(new) if type(old) is float and type(new) is int else new
    if type(new) is not type(old):
        raise ValueError(f"--set {key}={value!r}: a {type(old).__name__} such as {old!r} is needed")
    return replace(part, **{path[0]: new})
