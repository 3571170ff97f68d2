"""Weights folders: `model.safetensors`, `config.json`, `tokenizer.model`, `words.json` and a model card."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as to_safetensors
from torch import Tensor

from cefnet.arguments import check_pointer, described, home_of
from cefnet.config import Decision, ModelConfig, check_decision, parse_config, write_config
from cefnet.files import write_whole
from cefnet.model import CEFNet
from cefnet.text import Tokenizer

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


HERE = Path(__file__).resolve().parent
SHIPPED = HERE / "shipped" if (HERE / "shipped").is_dir() else HERE.parent / "weights"  # installed, or a checkout
FILES = tuple(MOST)  # what a model needs; a card is for people
MANIFEST = "manifest.json"  # SHA-256 of every shipped file


@dataclass(frozen=True)
class Checkpoint:
    """A model that is ready for use, and what belongs to it.

    Attributes:
        model: In evaluation mode, float32, on its device.
        tokenizer: Cuts expressions into the model's pieces.
        config: What the model is built from.
        decision: How its answers are decided.
        words: How often each word (lower-cased) was seen in training.
        name: Last part of what was asked for, such as "cefnet-acm".
        source: Where the files come from: a folder, or "owner/name@revision" on the Hub.
        folder: Where the files are.
        sha256: Of `model.safetensors`.
    """

    model: CEFNet
    tokenizer: Tokenizer
    config: ModelConfig
    decision: Decision
    words: dict[str, int]
    name: str
    source: str
    folder: Path
    sha256: str


def load(name_or_path: str | Path, device: str | torch.device = "auto", revision: str | None = None) -> Checkpoint:
    """Loads a shipped name, a weights folder, a run folder or a Hub id.

    Shipped weights are checked against the SHA-256 in `weights/manifest.json`. Hub models come from the local
    cache where the Hub can't be reached.

    Args:
        name_or_path: "cefnet-acm", a folder or a file in it, or "owner/name".
        device: "auto" (CUDA if there is a GPU, else the CPU) or a torch device.
        revision: Branch, tag or commit of a Hub model.

    Raises:
        ValueError: If there is no such model, or a file is missing, damaged, changed or another model's.
    """
    target = pick_device(device)
    folder, source, expected = locate(name_or_path, revision)
    contents = {}
    for file in FILES:
        contents[file] = read(folder, file)
        if expected is not None and hashlib.sha256(contents[file]).hexdigest() != expected.get(file):
            raise ValueError(f"{folder / file} is not the file that was shipped (SHA-256); fetch it again.")
    try:
        config, decision = parse_config(contents[CONFIG].decode())
        words = parse_words(contents[WORDS])
        tokenizer = Tokenizer.from_bytes(contents[TOKENIZER])
        if tokenizer.size != config.vocabulary:
            raise ValueError(f"{TOKENIZER} has {tokenizer.size} pieces, {CONFIG} says {config.vocabulary}.")
        model = _build(config, contents[MODEL])
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error
    given = home_of(name_or_path).resolve()
    name = given.parent.name if given.is_file() else given.name
    sha256 = hashlib.sha256(contents[MODEL]).hexdigest()
    return Checkpoint(model.to(target).eval(), tokenizer, config, decision, words, name, source, folder, sha256)


def save(
    folder: str | Path,
    model: CEFNet,
    decision: Decision,
    tokenizer_file: str | Path,
    words: dict[str, int],
    card: str,
) -> None:
    """Writes a weights folder, floats as fp16; each file is replaced in one step, the weights last.

    Args:
        folder: Created if need be; other files in it stay.
        model: On any device.
        decision: How its answers are decided.
        tokenizer_file: The `tokenizer.model` that it was trained with.
        words: Word counts of the training expressions.
        card: Text of the model card (README.md).

    Raises:
        ValueError: If a parameter is not finite, the tokenizer is not the model's, or the model cannot decide so.
    """
    check_decision(model.config, decision)
    pieces = Tokenizer.from_file(tokenizer_file).size
    if pieces != model.config.vocabulary:
        raise ValueError(f"{tokenizer_file} has {pieces} pieces, the model {model.config.vocabulary}.")
    tensors = {name: _half(name, tensor) for name, tensor in model.state_dict().items()}
    contents = {
        CARD: card.encode(),
        WORDS: (json.dumps(words, ensure_ascii=False, indent=0) + "\n").encode(),
        TOKENIZER: Path(tokenizer_file).read_bytes(),
        CONFIG: write_config(model.config, decision).encode(),
        MODEL: to_safetensors(tensors, metadata={"format": "pt"}),
    }
    folder = home_of(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in contents.items():
        write_whole(folder / file, content)


def ship(source: str | Path, name: str, root: Path = SHIPPED) -> None:
    """Copies a weights folder to `root/name` and records its SHA-256 sums in `root/manifest.json`."""
    target = root / name
    target.mkdir(parents=True, exist_ok=True)
    for file in (*FILES, CARD):
        if (Path(source) / file).resolve() != (target / file).resolve():
            shutil.copyfile(Path(source) / file, target / file)
    sums = {file: hashlib.sha256((target / file).read_bytes()).hexdigest() for file in FILES}
    manifest = _read_manifest(root) | {name: sums}
    (root / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def locate(
    name_or_path: str | Path, revision: str | None = None, root: Path | None = None
) -> tuple[Path, str, dict[str, str] | None]:
    """Finds the folder of a model.

    Args:
        name_or_path: A shipped name, a weights folder, a run folder, any of their files, or a Hub id; `~` is the home.
        revision: Branch, tag or commit of a Hub model.
        root: Folder of the shipped models.

    Returns:
        folder: Where its files are.
        source: The same for people, or "owner/name@revision".
        sums: SHA-256 by file name for a shipped model, else None.

    Raises:
        ValueError: If there is no such model, or the Hub has none and the cache neither.
    """
    root = root or SHIPPED
    manifest = _read_manifest(root)
    if not isinstance(name_or_path, (str, os.PathLike)):
        raise ValueError(f"The model is {described(name_or_path)}; give a shipped name, a folder or a Hub id.")
    name = str(name_or_path)
    if name in manifest:
        return root / name, str(root / name), manifest[name]
    path = home_of(name)
    beside = path.parent if path.is_file() else path  # of a file of the folder the folder is meant
    for folder in (beside, beside / "weights"):  # a weights folder, a run folder
        if name and (folder / CONFIG).is_file():
            return folder, str(folder), None
    if path.exists() and name:
        raise ValueError(f"{beside} has no {CONFIG}; a weights folder holds {', '.join(FILES)}.")
    if re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name) and ".." not in name:
        return _from_hub(name, revision), f"{name}@{revision or 'main'}", None
    shipped = ", ".join(sorted(manifest)) or "none yet"
    raise ValueError(f"There is no model {name!r}. Give a shipped name ({shipped}), a folder or a Hub id (owner/name).")


def pick_device(device: str | torch.device) -> torch.device:
    """Turns "auto" into CUDA where there is a GPU, else the CPU; refuses devices that aren't there."""
    if str(device) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        picked = torch.device(device)
        torch.empty(0, device=picked)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise ValueError(f"The device {str(device)!r} can't be used here; try 'auto' or 'cpu'.") from error
    return picked


def _from_hub(repository: str, revision: str | None) -> Path:
    # Imported here: shipped and local models need neither the package's start-up time nor a network.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    check_revision(revision)

    def fetch(local: bool) -> Path:
        return Path(
            snapshot_download(repository, revision=revision, allow_patterns=[*FILES, CARD], local_files_only=local)
        )

    if revision and re.fullmatch(r"[0-9a-f]{40}", revision):  # a commit never changes: the cache will do
        try:
            return fetch(local=True)
        except LocalEntryNotFoundError:
            pass
    try:
        return fetch(local=False)  # falls back to the cache where the Hub can't be reached
    except LocalEntryNotFoundError as error:
        raise ValueError(f"{repository!r} is not on this computer, and the Hub can't be reached.") from error
    except ImportError as error:  # of httpx, where the environment names a SOCKS proxy
        raise ValueError(f"The Hub can't be reached: {error}") from error
    except (HfHubHTTPError, OSError) as error:
        raise ValueError(f"The Hub doesn't give {repository}@{revision or 'main'}: {error}") from error


def _build(config: ModelConfig, serialised: bytes) -> CEFNet:
    """A CEFNet with these weights; a ValueError says which tensors don't fit."""
    tensors = parse_tensors(serialised, config)
    model = CEFNet(config)  # on the CPU: the meta device imports its decompositions first, which takes seconds
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if wanted != found:
        wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        first = wrong[0]
        raise ValueError(
            f"{MODEL} is of another model than {CONFIG}: {len(wrong)} tensors differ, first {first!r}"
            f" (expected {wanted.get(first, 'none')}, found {found.get(first, 'none')})."
        )
    model.load_state_dict(tensors, assign=True)
    return model


def _half(name: str, tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    if not tensor.is_floating_point():
        return tensor
    if not tensor.isfinite().all():
        raise ValueError(f"{name} has values that are not finite; these weights are of no use.")
    half = tensor.half()
    return half if half.isfinite().all() else tensor.float()  # beyond fp16's 65504


def _read_manifest(root: Path) -> dict[str, dict[str, str]]:
    path = root / MANIFEST
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
