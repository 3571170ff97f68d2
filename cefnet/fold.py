"""A model as inference wants it: BatchNorm folded into the convolutions before it, channels last in memory."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cefnet.model import CEFNet

# Children of one module of which the second takes the first one's output and nothing else does; in an
# `nn.Sequential` all neighbours are such pairs.
NAMED = [("out", "norm_f"), *((f"conv{i}", f"bn{i}") for i in (1, 2, 3))]


def folded(model: CEFNet) -> CEFNet:
    """A copy of a model for inference alone.

    Where a BatchNorm follows a convolution, y = (W x - mean) gain / deviation + shift is one convolution with another
    kernel and bias. Outputs differ by rounding only.

    Args:
        model: In evaluation mode; it is left as it is.

    Raises:
        ValueError: If it is in training mode, where BatchNorm depends on the batch.
    """
    if model.training:
        raise ValueError("The model is in training mode; call its eval() first.")
    result = copy.deepcopy(model)
    for module in result.modules():
        names = list(module._modules)
        pairs = zip(names, names[1:], strict=False) if isinstance(module, nn.Sequential) else NAMED
        for conv, norm in pairs:
            before, after = getattr(module, conv, None), getattr(module, norm, None)
            if isinstance(before, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
                setattr(module, conv, fuse_conv_bn_eval(before, after))
                setattr(module, norm, nn.Identity())
    return result.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
