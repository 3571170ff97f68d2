"""Where the places of a feature map are: s of Eq. 1."""

from __future__ import annotations

import torch
from torch import Tensor

COORDINATES = 8


def coordinates(height: int, width: int, like: Tensor) -> Tensor:
    """s of Eq. 1: 1 x 8 x H x W, (x_min, y_min, x_max, y_max, x_centre, y_centre, 1/H, 1/W), -1..1."""
    y = torch.arange(height, device=like.device, dtype=torch.float32)[:, None].expand(height, width)
    x = torch.arange(width, device=like.device, dtype=torch.float32)[None, :].expand(height, width)
    x_min, x_max = x / width * 2 - 1, (x + 1) / width * 2 - 1
    y_min, y_max = y / height * 2 - 1, (y + 1) / height * 2 - 1
    ones = torch.ones_like(x)
    s = [x_min, y_min, x_max, y_max, (x_min + x_max) / 2, (y_min + y_max) / 2, ones / height, ones / width]
    return torch.stack(s)[None].to(like.dtype)
