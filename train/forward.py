"""From a batch to its loss: the one forward pass of training."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from cefnet.model import CEFNet
from cefnet.precision import has_bfloat16
from train.data.batch import Batch
from train.losses import Objective, count


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
        """The loss terms of a batch on the model's device; see `Objective` for `shares` and what is returned."""
        images = batch.images.float().div(255).contiguous(memory_format=torch.channels_last)
        with precision(images.device):
            photo = self.model.encode_photo(images)
            output = self.model(photo, batch.ids, batch.token_mask, batch.photo_index)
            classes, objects = batch.classes[batch.photo_index], batch.objects
            return self.objective(output, batch.masks, batch.present, classes, shares, objects)


def precision(device: torch.device) -> AbstractContextManager:
    """bf16 where the device computes in it, else fp32."""
    if device.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16, enabled=torch.cuda.is_bf16_supported())
    return torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16())
