"""Visual encoders by name."""

from cefnet.encoders.base import Encoder
from cefnet.encoders.efficientnet import LITE_SPECS, EfficientNetLite
from cefnet.encoders.resnet import RESNET_SPECS, ResNet

__all__ = ["ENCODER_NAMES", "Encoder", "build_encoder"]

ENCODER_NAMES: tuple[str, ...] = (*RESNET_SPECS, *LITE_SPECS)


def build_encoder(name: str) -> Encoder:
    """Builds an encoder with random weights.

    Args:
        name: one of `ENCODER_NAMES`.

    Raises:
        ValueError: the name is unknown; the message lists those that exist.
    """
    if name in RESNET_SPECS:
        return ResNet(RESNET_SPECS[name])
    if name in LITE_SPECS:
        return EfficientNetLite(LITE_SPECS[name])
    raise ValueError(f"unknown encoder {name!r}: choose one of {', '.join(ENCODER_NAMES)}")
