"""The floor: what the machine could do at best, and how close a model comes to it."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cefnet.cost import work_of
from train.experiments.speed.latency import rest
from train.experiments.speed.models import EXPRESSION, predictor, tokenizer
from train.experiments.speed.timing import medians

SIDE, COPIED = 2048, 2**28  # a matrix of 2048 x 2048; 256 MB, far more than any cache holds


class Traffic(TorchDispatchMode):
    """Counts the bytes that operations read and write, if each read its inputs and wrote its outputs once."""

    bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view and func is not torch.ops.aten._unsafe_view.default:
            tensors = [x for x in tree_leaves((args, kwargs, out)) if isinstance(x, Tensor)]
            self.bytes += sum(x.numel() * x.element_size() for x in tensors)
        return out


def machine_peaks(runs: int, device: torch.device) -> dict[str, float]:
    """What a large matrix product (GFLOP a second) and a large copy (GB a second, read and written) reach here.

    The product is tried as such and as a 1x1 convolution, because PyTorch has the two from different libraries; the
    faster one counts.
    """
    a, b = torch.rand(2, SIDE, SIDE, device=device).unbind(0)
    places = b.view(1, SIDE, SIDE // 32, 32).contiguous(memory_format=torch.channels_last)
    kernel = a.view(SIDE, SIDE, 1, 1).contiguous(memory_format=torch.channels_last)
    source = torch.rand(COPIED // 4, device=device)
    target = torch.empty_like(source)
    actions = {"product": lambda: a @ b, "convolution": lambda: F.conv2d(places, kernel)}
    ms = medians({**actions, "copy": lambda: target.copy_(source)}, runs)
    product = min(ms[name] for name in actions)
    return {"gflops": 2 * SIDE**3 / product / 1e6, "gbytes": 2 * COPIED / ms["copy"] / 1e6}


def floor(names: tuple[str, ...], runs: int, device: torch.device) -> list[dict[str, Any]]:
    """A further expression against the machine's peaks.

    Returns:
        A row a model: the arithmetic (GFLOP), what its operations read and write (MB), the time (ms), the least time
        that each alone would take at the machine's peak, and the share of the time that the larger of the two is.
    """
    peaks = machine_peaks(runs, device)
    tokens = len(tokenizer().encode(EXPRESSION).ids)
    rows = []
    for name in names:
        model = predictor(name, device).model
        gflop = work_of(model, model.config.image_size, tokens).expression / 1e9
        run = rest(model)
        with Traffic() as traffic:
            run()
        ms = medians({name: run}, runs)[name]
        arithmetic, memory = 1000 * gflop / peaks["gflops"], traffic.bytes / peaks["gbytes"] / 1e6
        rows.append({
            "model": name, "gflop": gflop, "mb": traffic.bytes / 1e6, "ms": ms, "arithmetic_ms": arithmetic,
            "memory_ms": memory, "share": max(arithmetic, memory) / ms, **peaks,
        })  # fmt: skip
    return rows
