"""What moves the weights: what is trained and how fast, the schedule, the running average."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from cefnet.model import CEFNet
from train.recipes import Recipe


def freeze(model: CEFNet, recipe: Recipe) -> None:
    """Stops the gradient of the first encoder stages; call `train_mode` for their BatchNorm."""
    for i in range(1, recipe.frozen_stages + 1):
        for part in model.encoder.parts(i):
            part.requires_grad_(False)


def train_mode(model: CEFNet, recipe: Recipe) -> None:
    """Training mode, but for the BatchNorm of the first encoder stages, which keeps its statistics."""
    model.train()
    for i in range(1, max(recipe.frozen_norms, recipe.frozen_stages) + 1):
        for part in model.encoder.parts(i):
            part.eval()


def build_optimiser(model: CEFNet, objective: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW or SGD over groups that differ in their rate (`rate_factor`) and weight decay."""
    groups: dict[tuple[float, bool], list[Tensor]] = {}
    named = [*model.named_parameters(), *(("objective." + n, p) for n, p in objective.named_parameters())]
    for name, p in named:
        if p.requires_grad:
            decays = p.ndim > 1 or recipe.optimiser == "sgd"
            groups.setdefault((rate_factor(name, recipe), decays), []).append(p)
    settings = [
        {"params": parameters, "scale": factor, "weight_decay": recipe.weight_decay if decays else 0.0}
        for (factor, decays), parameters in groups.items()
    ]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(settings, lr=recipe.learning_rate, momentum=0.9)
    return torch.optim.AdamW(settings, lr=recipe.learning_rate)


def rate_factor(name: str, recipe: Recipe) -> float:
    """What the learning rate of a parameter is multiplied by: less where it starts from what others taught it."""
    if name.startswith(("encoder.", "text.embedding.")):
        return recipe.pretrained_rate if recipe.pretrained else 1.0
    return recipe.text_rate if name.startswith(("text.", "matching.")) else 1.0


def learning_rate(recipe: Recipe, step: int) -> float:
    """The rate of step 0..steps-1, before a group's own factor."""
    done = step / recipe.steps
    if recipe.schedule == "step":
        return recipe.learning_rate * 0.1 ** sum(done >= m for m in recipe.milestones)
    warm = math.ceil(recipe.warmup * recipe.steps)
    if step < warm:
        return recipe.learning_rate * (step + 1) / warm
    return recipe.learning_rate * (1 - (step - warm) / (recipe.steps - warm)) ** 0.9


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate * group["scale"]


class Average:
    """Exponential moving average of a model's parameters and BatchNorm statistics.

    Args:
        model: whose state to follow.
        decay: of the average; it grows from 0 with the steps, so that early weights are forgotten.
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
