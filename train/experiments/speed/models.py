"""The models that the benchmark asks, and what it asks them."""

from __future__ import annotations

from pathlib import Path

import torch

from cefnet.config import PRESETS
from cefnet.inference import folded
from cefnet.model import CEFNet
from cefnet.predictor import Predictor
from cefnet.text import Tokenizer
from cefnet.weights import SHIPPED, TOKENIZER, load

PHOTO = Path(__file__).resolve().parents[3] / "app" / "examples" / "coco_308.webp"
EXPRESSION = "man in the straw hat on the left"
EIGHT = tuple(f"{what} on the {side}" for what in ("man", "woman", "dog", "red car") for side in ("left", "right"))


def network(name: str, device: torch.device) -> CEFNet:
    """A shipped model's network, or a preset's with random weights: what it has learned doesn't change its speed."""
    if (SHIPPED / name).is_dir():
        return load(name, device).model
    torch.manual_seed(0)
    return CEFNet(PRESETS[name]).eval().to(device)


def predictor(name: str, device: torch.device) -> Predictor:
    """The same as people use it."""
    if (SHIPPED / name).is_dir():
        return Predictor.from_checkpoint(load(name, device))
    return Predictor(folded(network(name, device)), tokenizer(), device)


def tokenizer() -> Tokenizer:
    """That of the shipped models."""
    return Tokenizer.from_file(SHIPPED / "cefnet-acm" / TOKENIZER)
