"""What moves the weights: what is trained and how fast, the schedule, the running average."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cefnet.model import CEFNet

SCHEDULES = ("poly", "step", "constant")


@dataclass(frozen=True)
class Schedule:
    """How the learning rate rises and falls.

    Attributes:
        kind: `poly` = after the warm-up to zero with power 0.9; `step` = divided by 10 at `milestones`; `constant` =
            after the warm-up constant, then linearly to zero, so that a run can be made longer before it falls.
        warmup: Steps in which the rate rises at first (not with `step`).
        milestones: Shares of the steps (`step` only).
        decay: Share of the steps, the last ones, in which the rate falls (`constant` only).
    """

    kind: str = "poly"
    warmup: int = 30
    milestones: tuple[float, ...] = ()
    decay: float = 0.2

    def __post_init__(self) -> None:
        if self.kind not in SCHEDULES:
            raise ValueError(f"schedule.kind is {self.kind!r}; it must be one of: {', '.join(SCHEDULES)}")
        if not 0 <= self.decay <= 1:
            raise ValueError(f"schedule.decay is {self.decay}; it must be between 0 and 1")

    def factor(self, step: int, steps: int) -> float:
        """What the highest rate is multiplied by at step 0..steps-1."""
        if self.kind == "step":
            return 0.1 ** sum(step / steps >= m for m in self.milestones)
        if step < self.warmup:
            return (step + 1) / self.warmup
        if self.kind == "poly":
            return (1 - (step - self.warmup) / (steps - self.warmup)) ** 0.9
        falls = self.settled(steps)
        return 1.0 if step < falls else (steps - step) / (steps - falls)

    def settled(self, steps: int) -> int:
        """The first step whose rate depends on `steps`: until then a run can be made longer."""
        return steps - math.floor(self.decay * steps) if self.kind == "constant" else 0


def freeze(model: CEFNet, stages: int) -> None:
    """Stops the gradient of encoder stages 1..`stages`; call `train_mode` for their BatchNorm."""
    for i in range(1, stages + 1):
        for part in model.encoder.parts(i):
            part.requires_grad_(False)


def train_mode(model: CEFNet, frozen_norms: int, frozen_statistics: bool = False) -> None:
    """Training mode, but for the BatchNorm that keeps its statistics.

    Args:
        model: Goes into training mode.
        frozen_norms: Encoder stages 1..n keep theirs.
        frozen_statistics: The whole network does.
    """
    model.train()
    kept = [part for i in range(1, frozen_norms + 1) for part in model.encoder.parts(i)]
    if frozen_statistics:
        kept = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for part in kept:
        part.eval()


def build_optimiser(
    named: Iterable[tuple[str, nn.Parameter]],
    kind: str,
    learning_rate: float,
    weight_decay: float,
    factor: Callable[[str], float],
) -> torch.optim.Optimizer:
    """AdamW or SGD over groups that differ in their rate and weight decay.

    Args:
        named: Parameters by name; those without gradient are left out.
        kind: `adamw` or `sgd` (momentum 0.9).
        learning_rate: The highest.
        weight_decay: On matrices and kernels; on biases and norms with SGD only.
        factor: What the rate of a parameter of that name is multiplied by.
    """
    groups: dict[tuple[float, bool], list[Tensor]] = {}
    for name, p in named:
        if p.requires_grad:
            groups.setdefault((factor(name), p.ndim > 1 or kind == "sgd"), []).append(p)
    settings = [
        {"params": parameters, "scale": scale, "weight_decay": weight_decay if decays else 0.0}
        for (scale, decays), parameters in groups.items()
    ]
    if kind == "sgd":
        return torch.optim.SGD(settings, lr=learning_rate, momentum=0.9)
    return torch.optim.AdamW(settings, lr=learning_rate)


def rate_factor(name: str, pretrained: float, text: float) -> float:
    """What the learning rate of a parameter is multiplied by: less where it starts from what others taught it.

    Args:
        name: Of the parameter.
        pretrained: Factor for the encoder and the word embeddings.
        text: Factor for the rest of the text encoder and `matching`.
    """
    if name.startswith(("encoder.", "text.embedding.")):
        return pretrained
    return text if name.startswith(("text.", "matching.")) else 1.0


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate * group["scale"]


class Average:
    """Exponential moving average of a model's parameters and BatchNorm statistics.

    Args:
        model: Whose state to follow.
        decay: Of the average; it grows from 0 with the steps, so that early weights are forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for mine, theirs in self._pairs(model):
            if mine.is_floating_point():
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)

    def _pairs(self, model: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
        for key, value in model.state_dict().items():
            yield self.state[key], value
