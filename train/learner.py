"""What training moves, and one step of it: over the parts of a batch and the processes of a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cefnet.model import CEFNet
from train.data.batch import Batch
from train.distributed import Team
from train.forward import Forward
from train.losses import Objective
from train.optim import Average, set_learning_rate


class Learner:
    """Model, objective, optimiser and running average of one process, and the number of steps made.

    Args:
        model: On the team's device, in training mode.
        objective: On the same device.
        optimiser: Of the parameters of both.
        rate: The learning rate of a step, before a group's own factor.
        team: The processes that share each step.
        parts: That this process computes its photos of a step in.
        clip: Largest gradient norm; 0 = none.
        ema: Decay of the averaged weights; 0 = none.
    """

    def __init__(
        self,
        model: CEFNet,
        objective: Objective,
        optimiser: torch.optim.Optimizer,
        rate: Callable[[int], float],
        team: Team,
        parts: int = 1,
        clip: float = 0.0,
        ema: float = 0.0,
    ) -> None:
        self.model, self.objective, self.optimiser = model, objective, optimiser
        self.rate, self.team, self.parts, self.clip = rate, team, parts, clip
        self.steps = 0
        self.average = Average(model, ema) if ema else None
        self.local = Forward(model, objective)
        weights = {"presence": model.presence, "right": model.right, "several": model.several}
        unused = any(verdict is not None and not getattr(objective.weights, name) for name, verdict in weights.items())
        self.forward = team.wrap(self.local, unused)

    def state(self) -> dict[str, Any]:
        """All that a bit-exact resume needs."""
        return {
            "step": self.steps,
            "model": self.model.state_dict(),
            "objective": self.objective.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average.state if self.average else {},
            "rng": torch.get_rng_state(),
        }

    def result(self) -> dict[str, Tensor]:
        """The model's state that counts: the averaged one, if there is an average."""
        return self.average.state if self.average else self.model.state_dict()

    def load_state(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.objective.load_state_dict(state["objective"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.average:
            self.average.state = {k: v.to(self.team.device) for k, v in state["average"].items()}
        torch.set_rng_state(state["rng"])
        self.steps = state["step"]

    def step(self, batch: Batch) -> dict[str, float]:
        """One optimiser step.

        Args:
            batch: This process's share of the step's batch, on the CPU.

        Returns:
            The loss terms of the whole batch, and the learning rate.

        Raises:
            ValueError: The loss or the gradient is not finite; the weights are as they were before.
        """
        rate = self.rate(self.steps)
        set_learning_rate(self.optimiser, rate)
        parts = [part.to(self.team.device) for part in batch.split(self.parts)]
        shares = self.shares(parts)
        terms = self.backward(parts, shares)
        norm = nn.utils.clip_grad_norm_(self.parameters(), self.clip or math.inf)
        if not norm.isfinite():
            raise ValueError(self.not_finite(f"the gradient's norm is {norm}", parts))
        self.optimiser.step()
        if self.average:
            self.average.update(self.model, self.steps)
        self.steps += 1
        return {**terms, "learning_rate": rate}

    def shares(self, parts: list[Batch]) -> list[Tensor]:
        """Each part's share of the step's whole batch, by which the parts' losses add up to the whole one's."""
        counts = [self.local.count(part) for part in parts]
        whole = self.team.sum(torch.stack(counts).sum(0)).clamp(min=1)
        return [count / whole for count in counts]

    def backward(self, parts: list[Batch], shares: list[Tensor]) -> dict[str, float]:
        """Leaves the gradients of the step's whole batch in the parameters; returns its loss terms.

        Raises:
            ValueError: The loss is not finite, here or in another process.
        """
        self.optimiser.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        for i, (part, share) in enumerate(zip(parts, shares, strict=True), 1):
            with self.team.hold(self.forward, last=i == len(parts)):
                terms = self.forward(part, share)
                loss = terms["total"].item()
                # before backward: grid_sample's writes anywhere when its grid is NaN
                if self.team.any(not math.isfinite(loss)):
                    raise ValueError(self.not_finite(f"the loss is {loss}", parts))
                (terms["total"] * self.team.size).backward()  # the processes' gradients get averaged
            sums = {name: value.detach() + sums.get(name, 0) for name, value in terms.items()}
        return dict(zip(sums, self.team.sum(torch.stack(list(sums.values()))).tolist(), strict=True))

    def parameters(self) -> list[nn.Parameter]:
        return [p for group in self.optimiser.param_groups for p in group["params"]]

    def not_finite(self, what: str, parts: list[Batch]) -> str:
        """Names the step and its samples."""
        samples = [sample for part in parts for sample in part.sample_ids]
        others = "" if self.team.size == 1 else f" (process {self.team.rank} of {self.team.size}; see the others' too)"
        return f"{what} at step {self.steps}; samples (photo, annotation): {samples}{others}"
