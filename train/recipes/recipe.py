"""What a recipe is: where the weights come from and the stages that train them, as data; `--set` changes it."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from itertools import pairwise
from typing import Any

from cefnet.config import ModelConfig
from train.data.samples import BatchSpec
from train.grounding import FitWeights
from train.losses import LossWeights
from train.optim import Schedule


@dataclass(frozen=True)
class New:
    """A start from a new network: its encoder from ImageNet, all else random.

    Attributes:
        model: What it is built from; its tokenizer has at most `vocabulary` pieces.
        pretrained: Whether the encoder starts from public ImageNet weights.
        fusion_strength: Of each new F beside the ImageNet features E_i that it is added to (`batch` only).
    """

    model: ModelConfig
    pretrained: bool = True
    fusion_strength: float = 1.0

    def __post_init__(self) -> None:
        if self.fusion_strength < 0:
            raise ValueError(f"fusion_strength is {self.fusion_strength}; it must be 0 or more")


@dataclass(frozen=True)
class Align:
    """A stage that teaches words on pooled objects, without masks (`train/align.py`).

    Attributes:
        name: Of the stage.
        steps: Optimiser steps.
        photos: A step.
        size: Side in pixels of the square that the encoder sees, a multiple of 32.
        imagenet: How far the encoder first goes back to ImageNet's weights, 0..1.
        split: On which the choice of the object is measured at the end, where the data has it; empty = not measured.
        model: Fields of `ModelConfig` that this stage changes.
        may_drop: Patterns of tensors that may find no place after these changes.
    """

    name: str
    steps: int = 3300
    photos: int = 48
    size: int = 224
    imagenet: float = 0.0
    split: str = ""
    model: dict[str, Any] = field(default_factory=lambda: {"matching": True})
    may_drop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_steps(self)
        if not 0 <= self.imagenet <= 1:
            raise ValueError(f"imagenet is {self.imagenet}; it must be between 0 and 1")

    def settled(self) -> int:
        """The first step that depends on how many there are: its rate falls from the first step on."""
        return 0


@dataclass(frozen=True)
class Trained:
    """What the stages that train on whole photos, step by step, have in common.

    Attributes:
        name: Of the stage.
        steps: Optimiser steps.
        model: Fields of `ModelConfig` that this stage changes.
        may_drop: Patterns of tensors that may find no place after these changes.
        data: What a step draws.
        sizes: Input sizes as (share of the steps done, pixels), in order; none = the model's own `image_size`.
        optimiser: `adamw` or `sgd` (momentum 0.9).
        learning_rate: Of the parts that start from nothing.
        pretrained_rate: Factor of it for the encoder and the word embeddings.
        text_rate: Factor of it for the rest of the text encoder and `matching`; below 1 after `Align`.
        weight_decay: On matrices and kernels; none on biases and norms with AdamW.
        schedule: How the rate rises and falls.
        clip: Largest gradient norm; 0 = none.
        ema: Decay of the averaged weights, which are the result; 0 = none.
        mix: Share of the stage's first weights in its result, 0..1 ("Robust fine-tuning of zero-shot models",
            Wortsman et al., 2022): what few photos teach is kept, less of the rest is forgotten.
        frozen_stages: Encoder stages 1..n are not trained.
        frozen_norms: BatchNorm of encoder stages 1..n keeps its statistics.
        frozen_statistics: Every BatchNorm of the network does.
        accumulate: Parts that a step's photos are computed in, one after the other, so that large batches fit small
            GPUs; the processes of a run share them.
        sync_norm: BatchNorm statistics over all processes of a run (GPUs only).
    """

    name: str
    steps: int = 1000
    model: dict[str, Any] = field(default_factory=dict)
    may_drop: tuple[str, ...] = ()
    data: BatchSpec = BatchSpec()
    sizes: tuple[tuple[float, int], ...] = ((0.0, 320),)
    optimiser: str = "adamw"
    learning_rate: float = 1.5e-3
    pretrained_rate: float = 0.4
    text_rate: float = 1.0
    weight_decay: float = 0.01
    schedule: Schedule = Schedule()
    clip: float = 1.0
    ema: float = 0.995
    mix: float = 0.0
    frozen_stages: int = 2
    frozen_norms: int = 3
    frozen_statistics: bool = False
    accumulate: int = 1
    sync_norm: bool = False

    def __post_init__(self) -> None:
        _check_steps(self)
        if self.optimiser not in ("adamw", "sgd"):
            raise ValueError(f"optimiser is {self.optimiser!r}; it must be adamw or sgd")
        if not 0 <= self.mix <= 1:
            raise ValueError(f"mix is {self.mix}; it must be between 0 and 1")
        if not 1 <= self.accumulate <= self.data.photos:
            photos = self.data.photos
            raise ValueError(f"accumulate is {self.accumulate}; it must be 1 to {photos}, the photos of a step")
        if self.sizes and (self.sizes[0][0] != 0.0 or list(self.sizes) != sorted(self.sizes)):
            raise ValueError(f"sizes is {self.sizes}; give (share, pixels) pairs in order, the first share 0.0")

    def settled(self) -> int:
        """The first step that depends on how many there are, by its rate or its input size."""
        sizes = [math.ceil(share * self.steps) for share, _ in self.sizes[1:]]
        return min(self.schedule.settled(self.steps), *sizes) if sizes else self.schedule.settled(self.steps)


@dataclass(frozen=True)
class Ground(Trained):
    """A stage that teaches what words name, without fusing or decoding: the fit of `Matching` is the answer.

    The encoder, the text encoder and `Matching` learn; an expression costs little beside its photo.

    Attributes:
        losses: Weights of the terms (`train/grounding.py`).
    """

    losses: FitWeights = FitWeights()


@dataclass(frozen=True)
class Masks(Trained):
    """A stage that trains the whole network on masks.

    Attributes:
        losses: Weights of the terms (`train/losses.py`).
    """

    losses: LossWeights = LossWeights()


Stage = Align | Ground | Masks
KINDS = {"align": Align, "ground": Ground, "masks": Masks}  # as recipe.json names them


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome of a run, but for the data.

    Attributes:
        name: Of the recipe, and of its run folder unless another is asked for.
        start: A new network, or the model (shipped name, folder or Hub id) whose architecture, weights, tokenizer and
            decision are taken.
        stages: One after the other, each from the weights of the one before it.
        seed: Of weights and data.
        checkpoint_every: Steps between checkpoints.
    """

    name: str
    start: New | str
    stages: tuple[Stage, ...]
    seed: int = 0
    checkpoint_every: int = 200

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"the stages are {names}; give one or more, with different names")
        if self.checkpoint_every < 1:
            raise ValueError(f"checkpoint_every is {self.checkpoint_every}; it must be at least 1")

    @property
    def steps(self) -> int:
        """Of all stages."""
        return self.before(len(self.stages))

    def before(self, stage: int) -> int:
        """The steps of the stages before the one of that number, counted from 0."""
        return sum(s.steps for s in self.stages[:stage])

    def number(self, name: str) -> int:
        """The number of a stage, counted from 0.

        Raises:
            ValueError: No stage has this name; the message lists them.
        """
        names = [stage.name for stage in self.stages]
        if name not in names:
            raise ValueError(f"the recipe {self.name} has no stage {name!r}; its stages are: {', '.join(names)}")
        return names.index(name)

    def with_steps(self, steps: int) -> Recipe:
        """A copy that is `steps` long, each stage in proportion.

        Raises:
            ValueError: Fewer steps than stages.
        """
        if steps < len(self.stages):
            raise ValueError(f"--steps is {steps}; {self.name} has {len(self.stages)} stages of a step or more")
        ends = [0]
        for i in range(len(self.stages)):
            share, left = steps * self.before(i + 1) // self.steps, len(self.stages) - 1 - i
            ends.append(min(max(share, ends[-1] + 1), steps - left))
        return self.with_stage_steps([end - start for start, end in pairwise(ends)])

    def with_stage_steps(self, steps: Sequence[int]) -> Recipe:
        """A copy whose stages have so many steps each."""
        return replace(self, stages=tuple(replace(s, steps=n) for s, n in zip(self.stages, steps, strict=True)))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready but for tuples; each stage says of which kind it is."""
        kinds = {kind: name for name, kind in KINDS.items()}
        return asdict(self) | {"stages": [{"kind": kinds[type(stage)], **asdict(stage)} for stage in self.stages]}


def member(recipe: Recipe, title: str, options: str, duration: str, score: str) -> Callable[[], Recipe]:
    """One recipe of a family as a function with a docstring of its own.

    Args:
        recipe: What the function returns.
        title: First line of the docstring.
        options: What follows its name on the command line.
        duration: How long it takes, on which machine.
        score: What it reached.
    """

    def make() -> Recipe:
        return recipe

    make.__name__ = recipe.name
    command = f"python -m train run {recipe.name} {options}"
    make.__doc__ = f"{title}\n\n    Command: {command}\n    Duration: {duration}\n    Score: {score}\n    "
    return make


def _check_steps(stage: Align | Trained) -> None:
    if stage.steps < 1:
        raise ValueError(f"{stage.name}: steps is {stage.steps}; it must be at least 1")


def change(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """Applies `key=value` settings.

    `STAGE.key` changes one stage, `start.key` the start, a key alone every part that has it: `masks.steps=500`,
    `learning_rate=1e-3`, `data.photos=4`. `model.key` alone changes the network from the start on; later stages keep
    it, unless they change it themselves.

    Raises:
        ValueError: Not key=value, an unknown key, or a value of another type or out of range.
    """
    for setting in settings:
        key, found, text = setting.partition("=")
        if not found:
            raise ValueError(f"--set {setting!r} is not key=value")
        recipe = _changed(recipe, key, _value(text))
    return recipe


def _changed(recipe: Recipe, key: str, value: Any) -> Recipe:
    head, _, rest = key.partition(".")
    if head in ("seed", "checkpoint_every"):
        return _set(recipe, [head], value, key)
    parts: dict[str, Any] = {stage.name: stage for stage in recipe.stages}
    if isinstance(recipe.start, New):
        parts = {"start": recipe.start, **parts}
    if head in parts:
        parts, path = {head: parts[head]}, rest.split(".")
    elif head == "model":  # of the network at its start
        first = next(iter(parts))
        parts, path = {first: parts[first]}, key.split(".")
    else:
        path = key.split(".")
    known_to = {name: part for name, part in parts.items() if path[0] in _names(part)}
    having = {name: part for name, part in known_to.items() if _has(part, path)} or known_to
    chosen = {name: _set(part, path, value, key) for name, part in having.items()}
    if not chosen:
        known = sorted({name for part in parts.values() for name in _names(part)})
        raise ValueError(f"--set {key}: no such key; known here: {', '.join(known)}")
    stages = tuple(chosen.get(stage.name, stage) for stage in recipe.stages)
    return replace(recipe, start=chosen.get("start", recipe.start), stages=stages)


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _names(part: Any) -> list[str]:
    """The keys of a part; of a stage's `model`, those of every network."""
    part = ModelConfig() if isinstance(part, dict) else part
    return [f.name for f in fields(part) if f.name != "name"] if is_dataclass(part) else []


def _has(part: Any, path: list[str]) -> bool:
    """Whether a part has the key `path`: kinds of stages have different losses."""
    if path[0] not in _names(part) or len(path) == 1:
        return path[0] in _names(part)
    return _has(getattr(ModelConfig() if isinstance(part, dict) else part, path[0]), path[1:])


def _set(part: Any, path: list[str], value: Any, key: str) -> Any:
    names = _names(part)
    if path[0] not in names:
        raise ValueError(f"--set {key}: no such key; known here: {', '.join(names) or 'nothing'}")
    old = getattr(ModelConfig() if isinstance(part, dict) else part, path[0])
    new = value if len(path) == 1 else _set(old, path[1:], value, key)
    new = float(new) if type(old) is float and type(new) is int else new
    if type(new) is not type(old):
        raise ValueError(f"--set {key}={value!r}: a {type(old).__name__} such as {old!r} is needed")
    return {**part, path[0]: new} if isinstance(part, dict) else replace(part, **{path[0]: new})
