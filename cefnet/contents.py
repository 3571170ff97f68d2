"""The files of a weights folder, which may be anybody's: read within limits, or refused in plain words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from torch import Tensor

from cefnet.arguments import check_pointer
from cefnet.config import ModelConfig

MODEL, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
TOKENIZER, WORDS = "tokenizer.model", "words.json"
MOST = {MODEL: 4 * 2**30, CONFIG: 2**16, TOKENIZER: 2**24, WORDS: 2**26}  # bytes; far above the largest preset's


def read(folder: Path, file: str) -> bytes:
    """A file's content.

    Raises:
        ValueError: If there is no such file, it is larger than `MOST` says, or Git LFS has left a pointer in its place.
    """
    path = folder / file
    if not path.is_file():
        raise ValueError(f"{folder} has no {file}; a weights folder holds {', '.join(MOST)}.")
    if path.stat().st_size > MOST[file]:
        raise ValueError(f"{path} is larger than {MOST[file]:,} bytes; that is no {file} of a model here.")
    content = path.read_bytes()
    check_pointer(content, str(path))
    return content


def parse_words(content: bytes) -> dict[str, int]:
    """Word counts; a ValueError says what is wrong with them."""
    try:
        words = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{WORDS} is not JSON: {error}") from None
    if not isinstance(words, dict) or not all(type(count) is int for count in words.values()):
        raise ValueError(f"{WORDS} must be an object of word: count.")
    return words


def parse_tensors(content: bytes, config: ModelConfig) -> dict[str, Tensor]:
    """Tensors by name, floats as float32.

    Raises:
        ValueError: If `content` is no whole safetensors file, holds numbers that are not finite or of a kind that no
            model here has, or so few that a model of `config` need not be built to tell that it is another's.
    """
    try:
        tensors = parse_safetensors(content)
    except (SafetensorError, KeyError) as error:  # KeyError: a number format that the package knows only half
        raise ValueError(f"{MODEL} is damaged or cut off: {error}") from None
    held, least = sum(tensor.numel() for tensor in tensors.values()), least_parameters(config)
    if held < least:
        raise ValueError(
            f"{MODEL} is of another model than {CONFIG}, which describes at least {least:,} numbers: it holds {held:,}."
        )
    return {name: _finite(name, tensor) for name, tensor in tensors.items()}


def least_parameters(config: ModelConfig) -> int:
    """Fewer than any model of `config` has, in no time, but not many times fewer where its widths are large."""
    widths = config.decoder_widths
    text = config.text_width * (3 * config.word_width + 3 * config.text_width // 2)  # Bi-GRU
    fusion = 3 * config.width * config.text_width  # W [.., h_T, ..] of Eq. 1
    if config.attention == "acm":
        fusion += 6 * config.width**2  # the values of Eq. 8
    decoder = 9 * widths[0] * widths[1] + 18 * sum(a * b for a, b in zip(widths[1:], widths[2:], strict=False))
    return config.vocabulary * config.word_width + text + fusion + decoder


def check_revision(revision: str | None) -> None:
    """Refuses what is no name of a branch, tag or commit: the Hub's cache makes a path of it."""
    if revision is not None and (
        not isinstance(revision, str) or not re.fullmatch(r"[\w.-]+(/[\w.-]+)*", revision) or ".." in revision
    ):
        raise ValueError(f"{revision!r} is no revision of a Hub model; give a branch, a tag or a commit.")


def _finite(name: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        if tensor.dtype != torch.int64 or not name.endswith("num_batches_tracked"):  # BatchNorm's; all else is floats
            raise ValueError(f"{MODEL} holds {name!r} as {tensor.dtype}; a model here has floats.")
        return tensor
    tensor = tensor.float()
    if not tensor.isfinite().all():
        raise ValueError(f"{MODEL} holds numbers in {name!r} that are not finite; these weights are of no use.")
    return tensor
