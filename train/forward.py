"""From a batch to its loss: the forward pass of training, before it the one that says where clicks are needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cefnet.clicks import clicks_tensor
from cefnet.model import CEFNet, PhotoFeatures
from cefnet.precision import has_bfloat16
from train.clicks import corrections
from train.data.batch import Batch
from train.losses import Objective, Target, count


class Forward(nn.Module):
    """Model and objective as one module, as DistributedDataParallel needs it."""

    def __init__(self, model: CEFNet, objective: Objective) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def count(self, batch: Batch) -> Tensor:
        """What the terms of a batch are means over (`losses.COUNTED`): 3 floats."""
        side = batch.images.shape[-1] // self.model.encoder.strides[-1]  # of D_5
        return count(batch.present, batch.classes[batch.photo_index], (side, side))

    def forward(self, batch: Batch, shares: Tensor | None = None) -> dict[str, Tensor]:
        """The loss terms of a batch on the model's device; see `Objective` for `shares` and what is returned.

        Raises:
            ValueError: the batch has clicks and the model reads none.
        """
        images = batch.images.float().div(255).contiguous(memory_format=torch.channels_last)
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
