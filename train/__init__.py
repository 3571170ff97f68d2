"""Training and measuring CEFNet: `python -m train --help`, or from Python `prepare`, `fit` and `evaluate`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from train.evaluation.command import evaluate
    from train.preparation import prepare
    from train.run import fit

__all__ = ["evaluate", "fit", "prepare"]
# Imported when used: they load torch.
DOORS = {"evaluate": "train.evaluation.command", "fit": "train.run", "prepare": "train.preparation"}


def __getattr__(name: str) -> Any:
    if name not in DOORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(DOORS[name]), name)
