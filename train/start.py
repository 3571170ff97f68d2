"""What a run starts from: its tokenizer, ImageNet weights, word vectors, or another model."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from cefnet.config import Decision, ModelConfig, check_decision
from cefnet.files import write_whole
from cefnet.model import CEFNet
from cefnet.text import Tokenizer
from cefnet.weights import TOKENIZER, WORDS, load
from train.convert import load_efficientnet_lite2, load_torchvision
from train.recipes.recipe import New
from train.tokenizer import count_words, glove_embeddings, train_captions, train_expressions, train_tokenizer


@dataclass(frozen=True)
class Sources:
    """What a run was given to start from, as the command line has it.

    Attributes:
        embeddings: Word vectors for a new network, a file with `words` and `vectors`.
        backbone: ImageNet weights for the encoder of a new network, or of a stage that goes back to them: a file or
            Hub id; None: those of the package.
        allow_drop: Whether tensors of the start may find no place.
    """

    embeddings: Path | None = None
    backbone: str | None = None
    allow_drop: bool = False


def origin(start: New | str, sources: Sources) -> str:
    """What a run starts from, in words for the model card."""
    if isinstance(start, str):
        return f"the weights of `{Path(start).name}`"
    encoder = f"ImageNet weights of {start.model.encoder}" if start.pretrained else "random weights"
    encoder += f" (`{Path(sources.backbone).name}`)" if sources.backbone and start.pretrained else ""
    return f"{encoder} and word vectors of `{sources.embeddings.name}`" if sources.embeddings else encoder


def load_imagenet(model: CEFNet, backbone: str | None = None) -> None:
    """Public ImageNet weights for the encoder.

    Args:
        model: Whose encoder gets them.
        backbone: A file or Hub id with the encoder's tensors (see `load_torchvision`); None: those of
            EfficientNet-Lite2, which a package holds.

    Raises:
        ValueError: None are known for this encoder, they are not installed, or the file is of another encoder.
    """
    if backbone:
        load_torchvision(model.encoder, backbone)
        return
    if model.config.encoder != "efficientnet_lite2":
        raise ValueError(f"no public ImageNet weights are built in for {model.config.encoder}: "
                         "use --backbone FILE_OR_HUB_ID or --init, or --set pretrained=False")  # fmt: skip
    load_efficientnet_lite2(model.encoder)


@torch.no_grad()
def towards_imagenet(model: CEFNet, share: float, backbone: str | None = None) -> None:
    """Takes the encoder part of the way back to its ImageNet weights, statistics included.

    Training on few photos makes an encoder forget; the mean of both is often better than either ("Robust fine-tuning of
    zero-shot models", Wortsman et al., 2022).

    Args:
        model: Whose encoder was trained from ImageNet weights.
        share: Of ImageNet, 0..1.
        backbone: ImageNet's weights, as for `load_imagenet`.

    Raises:
        ValueError: `share` is out of range, or as `load_imagenet`.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share of ImageNet is {share}; it must be between 0 and 1")
    fresh = CEFNet(model.config)
    load_imagenet(fresh, backbone)
    theirs = fresh.encoder.state_dict()
    for name, mine in model.encoder.state_dict().items():
        if mine.is_floating_point():
            mine.lerp_(theirs[name], share)


@dataclass(frozen=True)
class Adopted:
    """What became of a start's tensors in a network of another architecture, by name.

    Attributes:
        new: Have no source, and stay as they were.
        widened: Have more inputs than their source; the weights of the new inputs are zeros.
        dropped: Of the source; have no place here.
    """

    new: tuple[str, ...]
    widened: tuple[str, ...]
    dropped: tuple[str, ...]


@torch.no_grad()
def adopt(model: CEFNet, source: Mapping[str, Tensor]) -> Adopted:
    """Gives a network the tensors of another one.

    A layer that has more inputs here than there gets zeros for them: what it computes stays as it was. The new inputs
    are the last ones.

    Args:
        model: Gets the tensors.
        source: The other one's `state_dict()`.
    """
    state, widened = model.state_dict(), []
    placed = set()
    for name, value in source.items():
        if name in state and (fitting := _widened(value, state[name].shape)) is not None:
            widened += [name] if fitting.shape != value.shape else []
            state[name] = fitting
            placed.add(name)
    model.load_state_dict(state)
    left = tuple(name for name in state if name not in placed)
    return Adopted(left, tuple(widened), tuple(name for name in source if name not in placed))


def _widened(value: Tensor, shape: torch.Size) -> Tensor | None:
    """The tensor with zeros for further inputs (its second dimension), or None if that does not give the shape."""
    if value.shape == shape:
        return value
    if value.ndim != len(shape) or value.ndim < 2 or value.shape[1] > shape[1]:
        return None
    padded = F.pad(value, (0, 0) * (value.ndim - 2) + (0, shape[1] - value.shape[1]))
    return padded if padded.shape == shape else None


def check_dropped(dropped: Sequence[str], allowed: Sequence[str], source: str) -> None:
    """Refuses to lose tensors that nobody said may be lost.

    Args:
        dropped: Names of tensors that found no place.
        allowed: Patterns of those that may.
        source: Whose tensors they are.

    Raises:
        ValueError: There are others; names them.
    """
    lost = [name for name in dropped if not any(fnmatch(name, pattern) for pattern in allowed)]
    if lost:
        names = ", ".join(lost[:20]) + (f" and {len(lost) - 20} more" if len(lost) > 20 else "")
        raise ValueError(
            f"{len(lost)} tensors of {source} find no place in this network: {names}. Leave out the change of the "
            "network that drops them, or start without them: --allow-drop"
        )


def told(adopted: Adopted, before: ModelConfig, after: ModelConfig) -> str:
    """What differs from the start, for people; empty if nothing does."""
    changed = [f"{k} {v!r} -> {getattr(after, k)!r}" for k, v in asdict(before).items() if v != getattr(after, k)]
    parts = {"changed": changed, "new": _modules(adopted.new), "more inputs, of no effect at first": adopted.widened,
             "left out": _modules(adopted.dropped)}  # fmt: skip
    return "\n".join(f"{what}: {', '.join(names)}" for what, names in parts.items() if names)


def _modules(names: Sequence[str]) -> list[str]:
    """The modules that tensors are of, each with their number: "matching (12 tensors)"."""
    counts = Counter(re.match(r"[^.]+(?:\.\d[^.]*\.[^.]+)?", name)[0] for name in names)  # type: ignore[index]
    return [f"{module} ({count} tensors)" for module, count in counts.items()]


@dataclass(frozen=True)
class Begun:
    """A network at the start of a stage.

    Attributes:
        model: On the CPU.
        decision: How its answers are decided.
        new: Names of its tensors that nobody has trained.
        about: What differs from what it started from, in words; empty if nothing does.
    """

    model: CEFNet
    decision: Decision
    new: frozenset[str]
    about: str = ""


def begin_with(start: str, changes: Mapping[str, object], may_drop: Sequence[str]) -> Begun:
    """A network with another one's weights and decision, and its architecture but for some changes.

    Args:
        start: Shipped name, weights folder, run folder or Hub id.
        changes: Fields of `ModelConfig`.
        may_drop: Patterns of tensors that may find no place.

    Raises:
        ValueError: No such model, an impossible change, a decision that is then impossible, or tensors without a place.
    """
    source = load(start, "cpu")
    config = source.config.with_values(dict(changes))
    check_decision(config, source.decision)  # now, not when the first result is saved
    model = CEFNet(config)
    adopted = adopt(model, source.model.state_dict())
    check_dropped(adopted.dropped, may_drop, source.name)
    return Begun(model, source.decision, frozenset(adopted.new), told(adopted, source.config, model.config))


def begin_new(start: New, changes: Mapping[str, object], pieces: int) -> Begun:
    """A new network, all of it random.

    Args:
        start: What it is built from.
        changes: Fields of `ModelConfig`.
        pieces: Of its tokenizer.
    """
    model = CEFNet(replace(start.model.with_values(dict(changes)), vocabulary=pieces))
    return Begun(model, Decision(), frozenset(model.state_dict()))


def first_weights(model: CEFNet, start: New, sources: Sources, tokenizer: Tokenizer, images: Tensor) -> None:
    """Gives a new network what others taught: ImageNet's weights and word vectors.

    Args:
        model: Gets them.
        start: Whether the encoder is pretrained, and how strong the language begins.
        sources: Where both are.
        tokenizer: The model's.
        images: P x 3 x H x W, RGB in 0..1, on which the strength of F is matched.

    Raises:
        ValueError: As `load_imagenet` and `load_embeddings`.
    """
    if start.pretrained:
        load_imagenet(model, sources.backbone)
        if model.config.normalisation == "batch":  # with l2, E and F are of unit length anyway
            model.eval().match_strength(images, start.fusion_strength)
    if sources.embeddings:
        load_embeddings(model, tokenizer, sources.embeddings)


def prepare_text(data: Path, folder: Path, start: New | str) -> tuple[Tokenizer, dict[str, int]]:
    """The run's tokenizer and word counts: those in its folder, of the model it starts from, or new ones."""
    if not (folder / TOKENIZER).is_file():
        if isinstance(start, str):
            source = load(start, "cpu").folder
            model, words = (source / TOKENIZER).read_bytes(), json.loads((source / WORDS).read_text(encoding="utf-8"))
        else:
            expressions = train_expressions(data)
            model = train_tokenizer(expressions + train_captions(data), start.model.vocabulary)
            words = count_words(expressions)
        write_whole(folder / WORDS, json.dumps(words, ensure_ascii=False, indent=0) + "\n")
        write_whole(folder / TOKENIZER, model)  # last: it says that both are there
    return Tokenizer.from_file(folder / TOKENIZER), json.loads((folder / WORDS).read_text(encoding="utf-8"))


@torch.no_grad()
def load_embeddings(model: CEFNet, tokenizer: Tokenizer, file: Path) -> None:
    """Word vectors for the pieces that are whole words.

    Raises:
        ValueError: The vectors' width is not the model's.
    """
    vectors, known = glove_embeddings(tokenizer, file)
    if vectors.shape[1] != model.config.word_width:
        found, needed = vectors.shape[1], model.config.word_width
        raise ValueError(f"{file} has {found}-d vectors; the model needs {needed}-d ones")
    model.text.embedding.weight[known] = vectors[known]
