"""Memory: the paper's Table 5 measured again, and what a model takes for one answer."""

from __future__ import annotations

from typing import Any

import torch

from cefnet.cost import MEGABYTE, attention_memory, peak_memory
from cefnet.model.coattention import AsymmetricCoAttention, VanillaCoAttention
from train.experiments.speed.latency import ours
from train.experiments.speed.models import predictor
from train.experiments.speed.plain import PlainVanillaCoAttention
from train.paper import paper_tables

CHANNELS = 512
SIDES = (20, 40, 96)


def table5(device: torch.device, sides: tuple[int, ...] = SIDES) -> list[dict[str, Any]]:
    """Megabytes of one co-attention above its inputs, without gradients: the paper's beside ours and the plain one.

    Returns:
        One row a size. The paper measured on a GPU, in a way that it doesn't describe.
    """
    modules = {
        "plain VCM": PlainVanillaCoAttention(CHANNELS, scaled=False),
        "our VCM": VanillaCoAttention(CHANNELS, scaled=False),
        "our ACM": AsymmetricCoAttention(CHANNELS, CHANNELS),
    }
    paper = paper_tables()["table5"]["rows"]
    rows = []
    for side in sides:
        name = f"{CHANNELS}x{side}x{side}"
        row: dict[str, Any] = {"size": name}
        for kind in ("VCM", "ACM"):
            row[f"paper {kind}"] = dict(zip(paper["sizes"], paper[kind], strict=True)).get(name)
        for called, module in modules.items():
            measured = attention_memory(module.eval().to(device), CHANNELS, side, side, device)
            row[called] = measured / MEGABYTE
        rows.append(row)
    return rows


def of_models(names: tuple[str, ...], device: torch.device) -> list[dict[str, Any]]:
    """Megabytes of a model's weights, and of tensors at the worst moment of its first answer beside them."""
    rows = []
    for name in names:
        model = predictor(name, device)
        weights = sum(p.nbytes for p in model.model.parameters())
        peak = peak_memory(ours(model)["first"], device)
        rows.append({"model": name, "weights": weights / MEGABYTE, "answer": peak / MEGABYTE})
    return rows
