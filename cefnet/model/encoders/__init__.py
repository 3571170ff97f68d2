"""Visual encoders by name."""

from cefnet.model.encoders.base import Encoder
from cefnet.model.encoders.efficientnet import LITE_SPECS, EfficientNetLite
from cefnet.model.encoders.resnet import RESNET_SPECS, ResNet

__all__ = ["ENCODER_NAMES", "Encoder", "build_encoder"]

ENCODER_NAMES: tuple[str, ...] = (*RESNET_SPECS, *LITE_SPECS)


def build_encoder(name: str, dilated: bool = False) -> Encoder:
    """Builds an encoder with random weights.

    Args:
        name: One of `ENCODER_NAMES`.
        dilated: Dilation 2 in stage 5, in place of the stride that it lost (not in the paper).

    Raises:
        ValueError: The name is unknown; the message lists those that exist.
    """
    if name in RESNET_SPECS:
        return ResNet(RESNET_SPECS[name], dilated)
    if name in LITE_SPECS:
        return EfficientNetLite(LITE_SPECS[name], dilated)
    raise ValueError(f"unknown encoder {name!r}: choose one of {', '.join(ENCODER_NAMES)}")
