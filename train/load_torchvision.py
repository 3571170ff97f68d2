"""ImageNet weights with torchvision's names (as torchvision and timm publish them) for our ResNets."""

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from huggingface_hub import hf_hub_download
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from train.checkpoint import check_sums


def load_torchvision(
    encoder: nn.Module, source: Mapping[str, Tensor] | str | Path, revision: str | None = None
) -> None:
    """Gives a ResNet encoder the weights of an ImageNet checkpoint; the classifier (`fc`) is left out.

    Args:
        encoder: a ResNet or wide ResNet of `build_encoder`.
        source: a state dict, a local file (.pth, .pt or .safetensors), or a Hub id with a `model.safetensors`
            such as "timm/resnet101.tv_in1k".
        revision: branch, tag or commit of the Hub id.

    Raises:
        ValueError: there is no such file, or its tensors are not those of this encoder.
        huggingface_hub.errors.HfHubHTTPError: the Hub has no such checkpoint.
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
