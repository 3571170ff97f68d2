"""ResNet (He et al., 2016) and wide ResNet (Zagoruyko & Komodakis, 2016), in torchvision's names."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from cefnet.model.encoders.base import Encoder, check_stage, dilate


@dataclass(frozen=True)
class ResNetSpec:
    """Blocks of layer1..layer4, their kind, and how wide a bottleneck's inner convolutions are."""

    blocks: tuple[int, int, int, int]
    bottleneck: bool
    widening: int = 1


RESNET_SPECS: dict[str, ResNetSpec] = {
    "resnet18": ResNetSpec((2, 2, 2, 2), bottleneck=False),
    "resnet34": ResNetSpec((3, 4, 6, 3), bottleneck=False),
    "resnet50": ResNetSpec((3, 4, 6, 3), bottleneck=True),
    "resnet101": ResNetSpec((3, 4, 23, 3), bottleneck=True),
    "resnet152": ResNetSpec((3, 8, 36, 3), bottleneck=True),
    "wide_resnet101_2": ResNetSpec((3, 4, 23, 3), bottleneck=True, widening=2),
}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)), inplace=True)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut; the 3x3 one has the stride, as in torchvision."""

    def __init__(self, inputs: int, inner: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)), inplace=True)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class ResNet(Encoder):
    """The five stages of a ResNet: conv1, then (after max pooling) layer1 to layer4, which has stride 1."""

    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)

    def __init__(self, spec: ResNetSpec, dilated: bool = False):
        super().__init__()
        self.dilated = dilated
        expansion = 4 if spec.bottleneck else 1
        self.channels = (64, 64 * expansion, 128 * expansion, 256 * expansion, 512 * expansion)
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._layer(spec, 0, stride=1)
        self.layer2 = self._layer(spec, 1, stride=2)
        self.layer3 = self._layer(spec, 2, stride=2)
        self.layer4 = self._layer(spec, 3, stride=1)  # 2 in the ImageNet network
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def _layer(self, spec: ResNetSpec, k: int, stride: int) -> nn.Sequential:
        inputs, outputs, planes = self.channels[k], self.channels[k + 1], 64 * 2**k
        blocks: list[nn.Module] = []
        for _ in range(spec.blocks[k]):
            if spec.bottleneck:
                blocks.append(Bottleneck(inputs, planes * spec.widening, outputs, stride))
            else:
                blocks.append(BasicBlock(inputs, outputs, stride))
            inputs, stride = outputs, 1
        return nn.Sequential(*blocks)

    def stage(self, i: int, x: Tensor) -> Tensor:
        check_stage(i)
        if i == 1:
            return F.relu(self.bn1(self.conv1(x)), inplace=True)
        if i == 2:
            return self.layer1(self.maxpool(x))
        if i == 5 and self.dilated:
            return dilate(self.layer4, x)
        return (self.layer2, self.layer3, self.layer4)[i - 3](x)

    def parts(self, i: int) -> list[nn.Module]:
        check_stage(i)
        return [self.conv1, self.bn1] if i == 1 else [(self.layer1, self.layer2, self.layer3, self.layer4)[i - 2]]
