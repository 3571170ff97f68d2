"""A model made ready for answers: BatchNorm folded into convolutions, and bfloat16 where it pays."""

from __future__ import annotations

import copy
import time

import torch
from torch import Tensor, nn
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


PRECISIONS = ("float32", "bfloat16", "auto")
FURTHEST = 0.02  # that a probability may move
LEAST_GAIN = 1.1  # times as fast, or it isn't worth it
ROUNDS = 3


def has_bfloat16() -> bool:
    """Whether this CPU has instructions for it (AVX-512 BF16 or AMX); others emulate it, a dozen times slower."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def pick_precision(model: CEFNet, precision: str, device: torch.device) -> torch.dtype:
    """What a model is to compute in.

    Args:
        model: In evaluation mode, on `device`.
        precision: "float32", "bfloat16", or "auto": bfloat16 on CPUs that have it, if a drawn photo is answered faster
            and no probability moves by more than 0.02; a second's work there, none elsewhere.
        device: Where it computes.

    Raises:
        ValueError: If `precision` is none of these.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; it must be one of: {', '.join(PRECISIONS)}")
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    if device.type != "cpu" or not has_bfloat16():
        return torch.float32
    (slow, exact), (fast, near) = (_tried(model, dtype) for dtype in (torch.float32, torch.bfloat16))
    right = bool((near - exact).abs().max() <= FURTHEST)
    return torch.bfloat16 if right and slow / fast >= LEAST_GAIN else torch.float32


@torch.inference_mode()
def _tried(model: CEFNet, dtype: torch.dtype) -> tuple[float, Tensor]:
    """The fastest of a few answers about noise, in seconds, and its probabilities."""
    side = model.config.image_size
    images = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    ids = torch.arange(2, 6)[None] % model.config.vocabulary
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            output = model(model.encode_photo(images), ids, torch.ones_like(ids, dtype=torch.bool))
        best = min(best, time.perf_counter() - start)
    return best, output.mask_logits[0].float().sigmoid()
