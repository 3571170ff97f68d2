"""CEFNet: finds what an expression names in a photo (encoder fusion with co-attention).

Importing it, or its modules of photos, expressions and results, does not import torch; asking for a network does.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cefnet.config import PRESETS, Decision, ModelConfig
from cefnet.photos import read_photo
from cefnet.result import Click, Result

if TYPE_CHECKING:
    from cefnet.model import CEFNet
    from cefnet.predictor import Photo, Predictor

__all__ = ["PRESETS", "CEFNet", "Click", "Decision", "ModelConfig", "Photo", "Predictor", "Result", "read_photo"]

_NETWORKS = {"CEFNet": "cefnet.model", "Photo": "cefnet.predictor", "Predictor": "cefnet.predictor"}


def __getattr__(name: str) -> Any:
    """What needs torch, imported when it is first asked for."""
    if name not in _NETWORKS:
        raise AttributeError(f"module 'cefnet' has no attribute {name!r}")
    return getattr(import_module(_NETWORKS[name]), name)
