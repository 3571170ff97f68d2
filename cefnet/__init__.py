"""CEFNet: finds what an expression names in a photo (encoder fusion with co-attention)."""

from cefnet.config import PRESETS, Decision, ModelConfig
from cefnet.model import CEFNet
from cefnet.photos import read_photo
from cefnet.predictor import Photo, Predictor
from cefnet.result import Click, Result

__all__ = ["PRESETS", "CEFNet", "Click", "Decision", "ModelConfig", "Photo", "Predictor", "Result", "read_photo"]
