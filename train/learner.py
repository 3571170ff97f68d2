"""What training moves, and one step of it: over the parts of a batch and the processes of a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cefnet.inference import has_bfloat16
from cefnet.model import CEFNet, PhotoFeatures
from cefnet.model.clicks import clicks_tensor
from train.clicks import corrections
from train.data.batches import Batch
from train.distributed import Team
from train.losses import Objective, Target, count
from train.optim import Average, set_learning_rate


class Lesson(nn.Module):
    """A model and what it is taught, as one module: DistributedDataParallel needs that.

    Args:
        model: On the team's device, in training mode.
        objective: On the same device; its parameters are trained with the model's.
    """

    unused = False  # whether some trained parameters don't reach the loss

    def __init__(self, model: CEFNet, objective: nn.Module) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def images(self, batch: Batch) -> Tensor:
        """A batch's photos as the model takes them: P x 3 x S x S, 0..1."""
        return batch.images.float().div(255).contiguous(memory_format=torch.channels_last)

    def count(self, batch: Batch) -> Tensor:
        """What the terms of a batch are means over (`losses.COUNTED`): 3 floats."""
        side = batch.images.shape[-1] // self.model.encoder.strides[-1]  # of E_5 and D_5
        return count(batch.present, batch.classes[batch.photo_index], (side, side))


class Forward(Lesson):
    """The whole network, taught masks."""

    objective: Objective

    def __init__(self, model: CEFNet, objective: Objective) -> None:
        super().__init__(model, objective)
        verdicts = {"presence": model.presence, "right": model.right, "several": model.several}
        self.unused = any(v is not None and not getattr(objective.weights, name) for name, v in verdicts.items())

    def forward(self, batch: Batch, shares: Tensor | None = None) -> dict[str, Tensor]:
        """The loss terms of a batch on the model's device; see `Objective` for `shares` and what is returned.

        Raises:
            ValueError: The batch has clicks and the model reads none.
        """
        images = self.images(batch)
        with precision(images.device):
            photo = self.model.encode_photo(images)
            clicks = self.clicks(photo, batch)
            output = self.model(photo, batch.ids, batch.token_mask, batch.photo_index, clicks=clicks)
            classes = batch.classes[batch.photo_index]
            target = Target(batch.masks, batch.present, classes, batch.objects, batch.several, batch.meant)
            return self.objective(output, target, shares)

    def clicks(self, photo: PhotoFeatures, batch: Batch) -> Tensor | None:
        """The batch's clicks, and those that correct the answer to the words and clicks so far: N x K x 3.

        The answer is that of the model as it is used: in evaluation mode, so that this pass leaves no trace in the
        statistics of BatchNorm, and for the samples alone that are corrected.
        """
        if self.model.clicks is None:
            if batch.clicks[..., 2].any() or any(batch.corrections):
                raise ValueError("the recipe draws clicks (data.clicked), but its model reads none (model.clicks)")
            return None
        rows = [n for n, count in enumerate(batch.corrections) if count]
        if not rows:
            return batch.clicks
        chosen = torch.tensor(rows, device=batch.ids.device)
        given = batch.ids[chosen], batch.token_mask[chosen], batch.photo_index[chosen]
        with torch.no_grad(), answering(self.model):
            logits = self.model(photo, *given, clicks=batch.clicks[chosen]).mask_logits[0].float()
        size = (batch.masks.shape[-2], batch.masks.shape[-1])
        probability = F.interpolate(logits, size, mode="bilinear", align_corners=False)[:, 0].sigmoid()
        marked = (probability >= self.objective.weights.mask_threshold).cpu().numpy()
        wanted = batch.masks[chosen].bool().cpu().numpy()
        clicks = batch.clicks.clone()
        for n, answer, truth in zip(rows, marked, wanted, strict=True):
            more = corrections(answer, truth, batch.corrections[n])
            free = int((clicks[n, :, 2] != 0).sum())  # the given ones come first
            clicks[n, free : free + len(more)] = clicks_tensor(more, *size, len(more)).to(clicks.device)
        return clicks


@contextmanager
def answering(model: nn.Module) -> Iterator[None]:
    """A model in evaluation mode; afterwards every module is in the mode it was in."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def precision(device: torch.device) -> AbstractContextManager:
    """bf16 where the device computes in it, else fp32."""
    if device.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16, enabled=torch.cuda.is_bf16_supported())
    return torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16())


class Learner:
    """A lesson, its optimiser and the model's running average in one process, and the number of steps made.

    Args:
        lesson: A model and what it is taught.
        optimiser: Of the parameters of both.
        rate: The learning rate of a step, before a group's own factor.
        team: The processes that share each step.
        parts: That this process computes its photos of a step in.
        clip: Largest gradient norm; 0 = none.
        ema: Decay of the averaged weights; 0 = none.
    """

    def __init__(
        self,
        lesson: Lesson,
        optimiser: torch.optim.Optimizer,
        rate: Callable[[int], float],
        team: Team,
        parts: int = 1,
        clip: float = 0.0,
        ema: float = 0.0,
    ) -> None:
        self.lesson, self.model, self.objective, self.optimiser = lesson, lesson.model, lesson.objective, optimiser
        self.rate, self.team, self.parts, self.clip = rate, team, parts, clip
        self.steps = 0
        self.average = Average(self.model, ema) if ema else None
        self.forward = team.wrap(lesson, lesson.unused)

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
        counts = [self.lesson.count(part) for part in parts]
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
