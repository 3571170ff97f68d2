"""Small parts that several modules of the network use: coordinates, norms, arrays."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

COORDINATES = 8


def to_numpy(tensor: Tensor) -> NDArray[np.float32]:
    """Of a float32 tensor on any device."""
    return tensor.detach().cpu().numpy()


def coordinates(height: int, width: int, like: Tensor) -> Tensor:
    """s of Eq. 1: 1 x 8 x H x W, (x_min, y_min, x_max, y_max, x_centre, y_centre, 1/H, 1/W), -1..1."""
    y = torch.arange(height, device=like.device, dtype=torch.float32)[:, None].expand(height, width)
    x = torch.arange(width, device=like.device, dtype=torch.float32)[None, :].expand(height, width)
    x_min, x_max = x / width * 2 - 1, (x + 1) / width * 2 - 1
    y_min, y_max = y / height * 2 - 1, (y + 1) / height * 2 - 1
    ones = torch.ones_like(x)
    s = [x_min, y_min, x_max, y_max, (x_min + x_max) / 2, (y_min + y_max) / 2, ones / height, ones / width]
    return torch.stack(s)[None].to(like.dtype)


class UnitLength(nn.Module):
    """Scales vectors to length 1.

    Args:
        dim: Along which dimension they lie.
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=self.dim)
