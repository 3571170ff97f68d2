import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cefnet.model.encoders import ENCODER_NAMES, Encoder, build_encoder
from cefnet.model.encoders.base import dilate
from cefnet.model.encoders.efficientnet import SameConv2d

CHANNELS = {
    "resnet18": (64, 64, 128, 256, 512),
    "resnet34": (64, 64, 128, 256, 512),
    "resnet50": (64, 256, 512, 1024, 2048),
    "resnet101": (64, 256, 512, 1024, 2048),
    "resnet152": (64, 256, 512, 1024, 2048),
    "wide_resnet101_2": (64, 256, 512, 1024, 2048),
    "efficientnet_lite0": (16, 24, 40, 112, 320),
    "efficientnet_lite1": (16, 24, 40, 112, 320),
    "efficientnet_lite2": (16, 24, 48, 120, 352),
}
# Parameters of the whole ImageNet networks, as published, and of what comes after our E_5.
PARAMETERS = {
    "resnet18": (11_689_512, 512 * 1000 + 1000),
    "resnet34": (21_797_672, 512 * 1000 + 1000),
    "resnet50": (25_557_032, 2048 * 1000 + 1000),
    "resnet101": (44_549_160, 2048 * 1000 + 1000),
    "resnet152": (60_192_808, 2048 * 1000 + 1000),
    "wide_resnet101_2": (126_886_696, 2048 * 1000 + 1000),
    "efficientnet_lite0": (4_652_008, 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000),
    "efficientnet_lite1": (5_416_680, 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000),
    "efficientnet_lite2": (6_092_072, 352 * 1280 + 2 * 1280 + 1280 * 1000 + 1000),
}
SMALL = ("resnet18", "resnet50", "efficientnet_lite0", "efficientnet_lite2")


def meta_encoder(name: str) -> Encoder:
    with torch.device("meta"):
        return build_encoder(name)


def randomise(encoder: Encoder) -> Encoder:
    """Batch normalisation that does something, so that a mix-up of two layers shows."""
    torch.manual_seed(0)
    for module in encoder.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(std=0.1)
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    return encoder.double().eval()


@pytest.mark.parametrize("name", ENCODER_NAMES)
def test_stages_have_the_stated_channels_and_strides(name: str) -> None:
    height, width = 61, 96
    encoder = meta_encoder(name)
    assert encoder.channels == CHANNELS[name]
    assert encoder.strides == (2, 4, 8, 16, 16)
    features = encoder(torch.empty(2, 3, height, width, device="meta"))
    assert [tuple(e.shape) for e in features] == [
        (2, c, math.ceil(height / s), math.ceil(width / s))
        for c, s in zip(CHANNELS[name], encoder.strides, strict=True)
    ]


@pytest.mark.parametrize("name", ENCODER_NAMES)
def test_parameters_are_as_many_as_published(name: str) -> None:
    whole, dropped = PARAMETERS[name]
    assert sum(p.numel() for p in meta_encoder(name).parameters()) == whole - dropped


def test_every_listed_encoder_is_tested_and_others_are_refused() -> None:
    assert set(ENCODER_NAMES) == set(CHANNELS)
    with pytest.raises(ValueError, match=r"'resnet42'.*resnet101.*efficientnet_lite2"):
        build_encoder("resnet42")


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0"])
@pytest.mark.parametrize("i", [-1, 0, 6])
def test_stages_that_do_not_exist_are_refused(name: str, i: int) -> None:
    with pytest.raises(ValueError, match=rf"stage {i} "):
        meta_encoder(name).stage(i, torch.empty(1, 3, 32, 32, device="meta"))


@pytest.mark.parametrize("name", SMALL)
def test_stages_leave_their_input_alone(name: str) -> None:
    encoder = build_encoder(name).eval().requires_grad_(False)
    x = torch.randn(1, 3, 32, 32)
    for i in range(1, 6):
        before = x.clone()
        y = encoder.stage(i, x)
        assert torch.equal(x, before), f"stage {i} wrote into its input"
        x = y


@pytest.mark.parametrize("name", SMALL)
def test_channels_last_gives_the_same_and_stays_channels_last(name: str) -> None:
    encoder = randomise(build_encoder(name)).float()  # float64 depthwise convolutions are slow in this layout
    x = torch.randn(2, 3, 48, 32)
    with torch.no_grad():
        expected = encoder(x)
        actual = encoder.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    for a, b in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3 * b.abs().max().item())
        assert a.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    torch.manual_seed(0)
    encoder = build_encoder(name).train()
    sum(e.square().mean() for e in encoder(torch.randn(2, 3, 32, 32))).backward()
    missing = [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert missing == []


@given(st.integers(1, 13), st.integers(1, 13), st.sampled_from([1, 3, 5]), st.sampled_from([1, 2]))
@settings(max_examples=30, deadline=None)
def test_same_padding_is_tensorflows(height: int, width: int, kernel: int, stride: int) -> None:
    # "SAME" by definition: ceil(size / stride) outputs; o covers inputs from o * stride - floor(total / 2).
    conv = SameConv2d(1, 1, kernel, stride, bias=False).double()
    x = torch.randn(1, 1, height, width, dtype=torch.float64)
    size = (math.ceil(height / stride), math.ceil(width / stride))
    start = [max((o - 1) * stride + kernel - n, 0) // 2 for o, n in zip(size, (height, width), strict=True)]
    expected = torch.zeros(size, dtype=torch.float64)
    for oy in range(size[0]):
        for ox in range(size[1]):
            for ky in range(kernel):
                for kx in range(kernel):
                    y, z = oy * stride - start[0] + ky, ox * stride - start[1] + kx
                    if 0 <= y < height and 0 <= z < width:
                        expected[oy, ox] += conv.weight[0, 0, ky, kx] * x[0, 0, y, z]
    torch.testing.assert_close(conv(x)[0, 0], expected)


@pytest.mark.parametrize("size", [(6, 8), (2, 4)])
def test_dilate_is_a_dilated_convolution_after_the_first_block(size: tuple[int, int]) -> None:
    blocks = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))).double()
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    wanted = blocks[0](x)
    for conv in list(blocks)[1:]:
        wanted = F.conv2d(wanted, conv.weight, conv.bias, padding=2, dilation=2)
    torch.testing.assert_close(dilate(blocks, x), wanted)
