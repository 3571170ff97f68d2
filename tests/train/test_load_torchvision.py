from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from cefnet.model.encoders import build_encoder
from train.convert import load_torchvision


def torchvision_shapes(blocks: tuple[int, ...], widening: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of torchvision's bottleneck ResNets, written from the published architecture."""
    shapes: dict[str, tuple[int, ...]] = {}

    def conv_norm(conv: str, norm: str, shape: tuple[int, ...]) -> None:
        shapes[f"{conv}.weight"] = shape
        for key in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{norm}.{key}"] = shape[:1]
        shapes[f"{norm}.num_batches_tracked"] = ()

    conv_norm("conv1", "bn1", (64, 3, 7, 7))
    inputs = 64
    for k, repeats in enumerate(blocks):
        inner, outputs = 64 * 2**k * widening, 256 * 2**k
        for j in range(repeats):
            block = f"layer{k + 1}.{j}"
            conv_norm(f"{block}.conv1", f"{block}.bn1", (inner, inputs, 1, 1))
            conv_norm(f"{block}.conv2", f"{block}.bn2", (inner, inner, 3, 3))
            conv_norm(f"{block}.conv3", f"{block}.bn3", (outputs, inner, 1, 1))
            if j == 0:
                conv_norm(f"{block}.downsample.0", f"{block}.downsample.1", (outputs, inputs, 1, 1))
            inputs = outputs
    return shapes | {"fc.weight": (1000, 2048), "fc.bias": (1000,)}


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")
@pytest.mark.parametrize("name, widening", [("resnet101", 1), ("wide_resnet101_2", 2)])
@pytest.mark.parametrize("counters", [True, False], ids=["with", "without"])  # old checkpoints lack the counters
def test_a_torchvision_checkpoint_loads(name: str, widening: int, counters: bool) -> None:
    shapes = torchvision_shapes((3, 4, 23, 3), widening)
    state = {
        key: torch.empty(shape, device="meta")
        for key, shape in shapes.items()
        if counters or not key.endswith("num_batches_tracked")
    }
    with torch.device("meta"):
        encoder = build_encoder(name)
    assert {k: tuple(v.shape) for k, v in encoder.state_dict().items()} == {
        k: v for k, v in shapes.items() if not k.startswith("fc.")
    }
    load_torchvision(encoder, state)


def resnet_by_name(p: dict[str, Tensor], x: Tensor, convs: int) -> list[Tensor]:
    """A ResNet in evaluation, computed from torchvision's names alone; layer4 keeps its resolution."""

    def step(x: Tensor, conv: str, norm: str, stride: int = 1) -> Tensor:
        w = p[f"{conv}.weight"]
        x = F.conv2d(x, w, stride=stride, padding=w.shape[-1] // 2)
        mean, variance, scale, shift = (
            p[f"{norm}.{k}"].view(-1, 1, 1) for k in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 1e-5).sqrt() * scale + shift

    x = step(x, "conv1", "bn1", 2).relu()
    features = [x]
    x = F.max_pool2d(x, 3, 2, 1)
    strided = 2 if convs == 3 else 1  # a bottleneck strides in its 3x3 convolution, a basic block in its first
    for k in range(1, 5):
        for j in range(sum(key.startswith(f"layer{k}.") and key.endswith(".conv1.weight") for key in p)):
            stride = 2 if k in (2, 3) and j == 0 else 1
            y, block = x, f"layer{k}.{j}"
            for c in range(1, convs + 1):
                y = step(y, f"{block}.conv{c}", f"{block}.bn{c}", stride if c == strided else 1)
                y = y.relu() if c < convs else y
            if f"{block}.downsample.0.weight" in p:
                x = step(x, f"{block}.downsample.0", f"{block}.downsample.1", stride)
            x = (x + y).relu()
        features.append(x)
    return features


@pytest.mark.parametrize("name, convs", [("resnet18", 2), ("resnet50", 3)])
def test_resnet_computes_what_its_names_say(name: str, convs: int) -> None:
    torch.manual_seed(0)
    encoder = build_encoder(name)
    for key, value in encoder.state_dict().items():
        if ".bn" in f".{key}" or "downsample.1" in key:  # norms that do something, so that a mix-up shows
            value.copy_(torch.rand(value.shape) + 0.5)
    encoder.double().eval()
    x = torch.randn(1, 3, 29, 40, dtype=torch.float64)
    with torch.no_grad():
        for actual, expected in zip(encoder(x), resnet_by_name(encoder.state_dict(), x, convs), strict=True):
            torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_torchvision_file_loads(tmp_path: Path, suffix: str) -> None:
    source, target = build_encoder("resnet18"), build_encoder("resnet18")
    state = source.state_dict() | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    path = tmp_path / f"resnet18{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    load_torchvision(target, path)
    loaded = target.state_dict()
    assert all(torch.equal(value, loaded[key]) for key, value in source.state_dict().items())


def test_a_foreign_or_missing_torchvision_file_is_refused(tmp_path: Path) -> None:
    encoder = build_encoder("resnet18")
    with pytest.raises(ValueError, match="does not fit this ResNet: 99 tensors .* bn1.bias first"):
        load_torchvision(encoder, {"conv1.weight": torch.zeros(64, 3, 7, 7)})
    wider = encoder.state_dict() | {"layer1.0.conv1.weight": torch.zeros(128, 64, 3, 3)}
    with pytest.raises(ValueError, match="1 tensors .* layer1.0.conv1.weight first"):
        load_torchvision(encoder, wider)
    with pytest.raises(ValueError, match="neither a file nor a Hub id"):
        load_torchvision(encoder, tmp_path / "nothing.pth")
    with pytest.raises(ValueError, match="neither a file nor a Hub id"):
        load_torchvision(encoder, "resnet18.pth")


class Trap:
    """Pickles to a call."""

    def __reduce__(self) -> tuple:
        return print, ("called",)


@pytest.mark.parametrize("content", [b"", b"no tensors", {"conv1.weight": Trap()}, [1, 2], {"conv1.weight": "text"}])
def test_files_from_anybody_are_refused(content: object, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for suffix in ("pth", "safetensors") if isinstance(content, bytes) else ("pth",):
        path = tmp_path / f"weights.{suffix}"
        path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
        with pytest.raises(ValueError, match=rf"weights.{suffix} (is no file of tensors|holds something else)"):
            load_torchvision(build_encoder("resnet101"), path)
    assert capsys.readouterr().out == ""
