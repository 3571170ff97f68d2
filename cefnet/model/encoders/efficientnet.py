"""EfficientNet-Lite 0, 1 and 2 (Tan & Le, 2019; the Lite variant of 2020: ReLU6, no squeeze-and-excitation).

The ImageNet network's last 1x1 convolution (to 1280 channels) serves its classifier alone and is left out.
"""

import math
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from cefnet.model.encoders.base import Encoder, check_stage, dilate


@dataclass(frozen=True)
class LiteSpec:
    """How a member of the family scales the base network's channels and repeats."""

    width: float
    depth: float


@dataclass(frozen=True)
class Group:
    """Inverted-residual blocks in a row; the first of them has the stride."""

    stage: int
    channels: int
    repeats: int
    kernel: int
    stride: int
    expand: int


LITE_SPECS: dict[str, LiteSpec] = {
    "efficientnet_lite0": LiteSpec(width=1.0, depth=1.0),
    "efficientnet_lite1": LiteSpec(width=1.0, depth=1.1),
    "efficientnet_lite2": LiteSpec(width=1.1, depth=1.2),
}

STEM_CHANNELS = 32  # the Lite variant scales neither the stem nor how often the first and last groups repeat
GROUPS = (
    Group(stage=1, channels=16, repeats=1, kernel=3, stride=1, expand=1),
    Group(stage=2, channels=24, repeats=2, kernel=3, stride=2, expand=6),
    Group(stage=3, channels=40, repeats=2, kernel=5, stride=2, expand=6),
    Group(stage=4, channels=80, repeats=3, kernel=3, stride=2, expand=6),
    Group(stage=4, channels=112, repeats=3, kernel=5, stride=1, expand=6),
    Group(stage=5, channels=192, repeats=4, kernel=5, stride=1, expand=6),  # stride 2 in the ImageNet network
    Group(stage=5, channels=320, repeats=1, kernel=3, stride=1, expand=6),
)


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's "SAME": if the padding is odd, the extra pixel is at the end."""

    # The weights come from TensorFlow; on 97 labelled crops at 320 px SAME fitted no worse than symmetric.

    def forward(self, x: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        if stride == 1:  # symmetric: let the convolution pad, which is faster
            return F.conv2d(x, self.weight, self.bias, 1, kernel // 2, 1, self.groups)
        top, bottom = _same_padding(x.shape[-2], kernel, stride)
        left, right = _same_padding(x.shape[-1], kernel, stride)
        return super().forward(F.pad(x, (left, right, top, bottom)))


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class ConvNorm(nn.Sequential):
    """Convolution, batch normalisation and, unless `linear`, ReLU6."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, linear: bool = False):
        super().__init__()
        self.conv = SameConv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01)
        if not linear:
            self.act = nn.ReLU6(inplace=True)


class InvertedResidual(nn.Module):
    """Expand (1x1), filter each channel by itself, project (1x1, linear); added to the input if it fits."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expand: int):
        super().__init__()
        inner = inputs * expand
        self.expand = ConvNorm(inputs, inner, 1) if expand > 1 else nn.Identity()
        self.depthwise = ConvNorm(inner, inner, kernel, stride, groups=inner)
        self.project = ConvNorm(inner, outputs, 1, linear=True)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class EfficientNetLite(Encoder):
    """The five stages of an EfficientNet-Lite; `stages.0` makes E_1 (stem, first group), `stages.4` E_5."""

    # TensorFlow's values; ImageNet's, as the README of the PyTorch port has them, classified worse
    mean = (127 / 255,) * 3
    std = (128 / 255,) * 3

    def __init__(self, spec: LiteSpec, dilated: bool = False):
        super().__init__()
        self.dilated = dilated
        stages: list[list[nn.Module]] = [[ConvNorm(3, STEM_CHANNELS, 3, stride=2)], [], [], [], []]
        outputs = [0] * 5
        inputs = STEM_CHANNELS
        for k, group in enumerate(GROUPS):
            channels = scale_channels(group.channels, spec.width)
            fixed = k in (0, len(GROUPS) - 1)
            repeats = group.repeats if fixed else math.ceil(group.repeats * spec.depth)
            for j in range(repeats):
                stride = group.stride if j == 0 else 1
                stages[group.stage - 1].append(InvertedResidual(inputs, channels, group.kernel, stride, group.expand))
                inputs = channels
            outputs[group.stage - 1] = channels
        self.stages = nn.ModuleList(nn.Sequential(*blocks) for blocks in stages)
        e1, e2, e3, e4, e5 = outputs
        self.channels = (e1, e2, e3, e4, e5)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def stage(self, i: int, x: Tensor) -> Tensor:
        check_stage(i)
        if i == 5 and self.dilated:
            return dilate(self.stages[4], x)
        return self.stages[i - 1](x)

    def parts(self, i: int) -> list[nn.Module]:
        check_stage(i)
        return [self.stages[i - 1]]


def scale_channels(channels: int, width: float) -> int:
    """`channels * width`, rounded to a multiple of 8 but never down by more than 10%."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded
