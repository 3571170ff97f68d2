"""What a run starts from: its tokenizer, ImageNet weights, word vectors, or another model."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from cefnet.files import write_whole
from cefnet.model import CEFNet
from cefnet.text import Tokenizer
from cefnet.weights import TOKENIZER, WORDS, load
from train.convert_efficientnet import load_efficientnet_lite2
from train.load_torchvision import load_torchvision
from train.recipes import Recipe
from train.tokenizer import count_words, glove_embeddings, train_captions, train_expressions, train_tokenizer


def origin(recipe: Recipe, embeddings: Path | None, init: str | None, backbone: str | None = None) -> str:
    """What a run starts from, in words for the model card."""
    if init:
        return f"the weights of `{Path(init).name}`"
    encoder = f"ImageNet weights of {recipe.model.encoder}" if recipe.pretrained else "random weights"
    encoder += f" (`{Path(backbone).name}`)" if backbone and recipe.pretrained else ""
    return f"{encoder} and word vectors of `{embeddings.name}`" if embeddings else encoder


def load_imagenet(model: CEFNet, backbone: str | None = None) -> None:
    """Public ImageNet weights for the encoder.

    Args:
        model: whose encoder gets them.
        backbone: a file or Hub id with the encoder's tensors (see `load_torchvision`); None: those of
            EfficientNet-Lite2, which a package holds.

    Raises:
        ValueError: none are known for this encoder, they are not installed, or the file is of another encoder.
    """
    if backbone:
        load_torchvision(model.encoder, backbone)
        return
    if model.config.encoder != "efficientnet_lite2":
        raise ValueError(f"no public ImageNet weights are built in for {model.config.encoder}: "
                         "use --backbone FILE_OR_HUB_ID or --init, or --set pretrained=False")  # fmt: skip
    load_efficientnet_lite2(model.encoder)


@torch.no_grad()
def towards_imagenet(model: CEFNet, share: float) -> None:
    """Takes the encoder part of the way back to its ImageNet weights, statistics included.

    Training on few photos makes an encoder forget; the mean of both is often better than either ("Robust fine-tuning of
    zero-shot models", Wortsman et al., 2022).

    Args:
        model: whose encoder was trained from ImageNet weights.
        share: of ImageNet, 0..1.

    Raises:
        ValueError: `share` is out of range, or as `load_imagenet`.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share of ImageNet is {share}; it must be between 0 and 1")
    fresh = CEFNet(model.config)
    load_imagenet(fresh)
    theirs = fresh.encoder.state_dict()
    for name, mine in model.encoder.state_dict().items():
        if mine.is_floating_point():
            mine.lerp_(theirs[name], share)


def start_from(model: CEFNet, other: CEFNet) -> None:
    """Copies every tensor of the same name and shape; the rest (another attention, say) stays new."""
    mine = model.state_dict()
    shared = {k: v for k, v in other.state_dict().items() if k in mine and mine[k].shape == v.shape}
    model.load_state_dict({**mine, **shared})


def prepare_text(data: Path, folder: Path, size: int, init: str | None) -> tuple[Tokenizer, dict[str, int]]:
    """The run's tokenizer and word counts: those in its folder, of the model it starts from, or new ones."""
    if not (folder / TOKENIZER).is_file():
        if init:
            source = load(init, "cpu").folder
            model, words = (source / TOKENIZER).read_bytes(), json.loads((source / WORDS).read_text())
        else:
            expressions = train_expressions(data)
            model = train_tokenizer(expressions + train_captions(data), size)
            words = count_words(expressions)
        write_whole(folder / WORDS, json.dumps(words, ensure_ascii=False, indent=0) + "\n")
        write_whole(folder / TOKENIZER, model)  # last: it says that both are there
    return Tokenizer.from_file(folder / TOKENIZER), json.loads((folder / WORDS).read_text(encoding="utf-8"))


@torch.no_grad()
def load_embeddings(model: CEFNet, tokenizer: Tokenizer, file: Path) -> None:
    """Word vectors for the pieces that are whole words.

    Raises:
        ValueError: the vectors' width is not the model's.
    """
    vectors, known = glove_embeddings(tokenizer, file)
    if vectors.shape[1] != model.config.word_width:
        found, needed = vectors.shape[1], model.config.word_width
        raise ValueError(f"{file} has {found}-d vectors; the model needs {needed}-d ones")
    model.text.embedding.weight[known] = vectors[known]
