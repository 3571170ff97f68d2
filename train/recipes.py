"""How each model is trained: `python -m train run NAME`; `python -m train recipes` lists the names.

Every recipe is a function; its docstring says what to type, how long it takes and what it must reach. Those of a
family differ in a word or two, so a small function makes all of them, docstring included.
"""

from __future__ import annotations

import argparse
import inspect
import json
from collections.abc import Callable
from dataclasses import replace

from cefnet.config import ABLATION, PRESETS
from train.data.samples import BatchSpec
from train.losses import LossWeights
from train.paper import ablated, published
from train.recipe import Recipe, change

__all__ = ["RECIPES", "Recipe", "change", "find"]

# As the paper: a step draws from all expressions alike, each with its photo; nothing generated, nothing augmented.
PLAIN = BatchSpec(
    image_size=320, expressions=1, several_weight=1.0, generated=0.0, absent=0.0, captions=0.0, flip=0.0, crop=0.0,
    colour=0.0, typos=0.0, retyped=0.0, by_expression=True,
)  # fmt: skip
SLOW = "On 2 cores of an AMD EPYC paper-unc-acm trains on one expression in 4 seconds: too slow."
CPU_HOURS = "75 minutes on 2 cores of an AMD EPYC (9 expressions a second at 160 px, 5 at 224 px)"


def _compact(name: str) -> Recipe:
    return Recipe(
        name=name,
        model=PRESETS[name],
        data=BatchSpec(photos=6, expressions=4),
        losses=LossWeights(mask=(1.0, 0.4, 0.4, 0.2), boundary=0.1, body=0.05, dice=0.5, presence=0.2, classes=0.3),
        steps=1500,
        sizes=((0.0, 160), (0.85, 224)),
    )


def cefnet_acm() -> Recipe:
    """The shipped ACM model, for a CPU.

    Command: python -m train run cefnet-acm --data DIR --embeddings GLOVE.npz
    Duration: 75 minutes on 2 cores of an AMD EPYC (9 expressions a second at 160 px, 5 at 224 px).
    Score: on its model card (weights/cefnet-acm/README.md).
    """
    return _compact("cefnet-acm")


def cefnet_vcm() -> Recipe:
    """The shipped VCM model, from the ACM model's weights, as the paper's G-Ref models start from UNC's.

    Command: python -m train run cefnet-vcm --data DIR --init runs/cefnet-acm
    Duration: half an hour on 2 cores of an AMD EPYC, after the ACM model's 75 minutes.
    Score: on its model card (weights/cefnet-vcm/README.md).
    """
    return replace(
        _compact("cefnet-vcm"), steps=600, learning_rate=7e-4, sizes=((0.0, 160), (0.8, 224)), checkpoint_every=100
    )


def smoke() -> Recipe:
    """To see that everything runs.

    Command: python -m train run smoke --data DIR
    Duration: a minute on 2 cores of an AMD EPYC.
    Score: none; ten steps teach nothing.
    """
    model = replace(
        PRESETS["cefnet-acm"],
        encoder="efficientnet_lite0",
        width=16,
        word_width=16,
        text_width=16,
        decoder_widths=(16, 16, 8, 8, 8),
        image_size=64,
    )
    recipe = _compact("cefnet-acm")
    data = replace(recipe.data, photos=2, expressions=2)
    return replace(
        recipe, name="smoke", model=model, data=data, steps=10, sizes=((0.0, 64),), pretrained=False,
        frozen_stages=0, frozen_norms=0, checkpoint_every=5,
    )  # fmt: skip


def paper(dataset: str, attention: str) -> Recipe:
    """The paper's models: SGD, 7.5e-4 divided by 10 after half of 200,000 steps of 12 expressions, at 320 pixels.

    Args:
        dataset: unc, unc+, gref, referit or joint.
        attention: vcm or acm.
    """
    return Recipe(
        name=f"paper-{dataset}-{attention}", model=PRESETS[f"paper-{attention}"], data=replace(PLAIN, photos=12),
        steps=200_000, sizes=((0.0, 320),), optimiser="sgd", learning_rate=7.5e-4, pretrained_rate=1.0,
        weight_decay=5e-4, schedule="step", milestones=(0.5,), warmup=0.0, clip=0.0, ema=0.0, frozen_stages=0,
        frozen_norms=0, checkpoint_every=2000,
    )  # fmt: skip


def authors(dataset: str, attention: str) -> Recipe:
    """The models of the authors' code: 5e-4, 8 expressions a step, divided by 10 after 120,000 and 200,000 steps.

    Their code ends at 200,000 steps, so the second division never acts. Arguments as `paper`.
    """
    return replace(
        paper(dataset, attention), name=f"authors-{dataset}-{attention}", model=PRESETS[f"authors-{attention}"],
        data=replace(PLAIN, photos=8), learning_rate=5e-4, milestones=(0.6, 1.0),
    )  # fmt: skip


def ablation(row: str) -> Recipe:
    """A row of the paper's Table 3 with the encoder, data and budget of `cefnet-acm`; only the modules differ.

    The encoder learns at a tenth of the others' rate: at more, it forgets ImageNet (RUNS.md).

    Args:
        row: a key of `cefnet.config.ABLATION`.
    """
    recipe = _compact("cefnet-acm")
    return replace(recipe, name=f"ablation-{row}", model=recipe.model.with_values(ABLATION[row]), pretrained_rate=0.1)


def public(attention: str) -> Recipe:
    """`cefnet-*` unchanged, for data that everyone can get."""
    return replace((cefnet_acm if attention == "acm" else cefnet_vcm)(), name=f"cefnet-{attention}-public")


def _member(recipe: Recipe, title: str, options: str, duration: str, score: str) -> Callable[[], Recipe]:
    """One recipe of a family as a function with a docstring of its own."""

    def make() -> Recipe:
        return recipe

    make.__name__ = recipe.name
    command = f"python -m train run {recipe.name} {options}"
    make.__doc__ = f"{title}\n\n    Command: {command}\n    Duration: {duration}\n    Score: {score}\n    "
    return make


def _published(family: Callable[[str, str], Recipe], title: str, backbone: str) -> list[Callable[[], Recipe]]:
    members = []
    for dataset in ("unc", "unc+", "gref", "referit", "joint"):
        for attention in ("vcm", "acm"):
            recipe = family(dataset, attention)
            # The paper's G-Ref models start from its UNC models, which bring the backbone along.
            start = f"--init runs/{family('unc', attention).name}" if dataset == "gref" else f"--backbone {backbone}"
            scores = published(attention, None if dataset == "joint" else dataset, dataset == "joint")
            members.append(_member(
                recipe, f"{title}, {attention.upper()}, on {dataset}.", f"--data data/{dataset} {start}",
                f"{recipe.steps:,} steps of {recipe.data.photos} expressions; on a GPU not measured here. {SLOW}",
                "overall IoU, the paper's: " + ", ".join(f"{k} {v:.2f}" for k, v in scores.items())
                + "; not measured here.",
            ))  # fmt: skip
    return members


def _ablations() -> list[Callable[[], Recipe]]:
    return [
        _member(
            ablation(row),
            f"Table 3, {row.upper().replace('-', ' + ')}, with the compact encoder and budget.",
            "--data DIR --embeddings GLOVE.npz",
            f"at most that of cefnet-acm: {CPU_HOURS}.",
            f"not measured here; the paper's row, with ResNet-101 on UNC val: {ablated(row.upper().split('-')):.2f}.",
        )  # fmt: skip
        for row in ABLATION
    ]


def _public() -> list[Callable[[], Recipe]]:
    options = {"acm": "--embeddings GLOVE.npz", "vcm": "--init runs/cefnet-acm-public"}
    return [
        _member(
            public(attention),
            f"`cefnet-{attention}` on the public UNC, UNC+ and G-Ref.",
            f"--data data/joint {options[attention]}",
            f"as cefnet-{attention}: {CPU_HOURS}.",
            "not measured here.",
        )  # fmt: skip
        for attention in ("acm", "vcm")
    ]


RECIPES: dict[str, Callable[[], Recipe]] = {
    make().name: make
    for make in (
        cefnet_acm, cefnet_vcm, *_public(),
        *_published(paper, "The paper's model", "timm/resnet101.tv_in1k"),
        *_published(authors, "The model of the authors' code", "timm/wide_resnet101_2.tv_in1k"),
        *_ablations(), smoke,
    )
}  # fmt: skip


def find(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        ValueError: unknown name; the message lists the known ones.
    """
    return _function(name)()


def _function(name: str) -> Callable[[], Recipe]:
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}; the recipes are: {', '.join(RECIPES)}")
    return RECIPES[name]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="show this recipe whole; without it: list all")


def main(args: argparse.Namespace) -> None:
    """Lists the recipes, or shows one: what to type, how long it takes, what it must reach, every value.

    Raises:
        ValueError: unknown recipe.
    """
    if args.name:
        make = _function(args.name)
        print(f"{make().name}: {inspect.getdoc(make)}\n\n{json.dumps(make().to_dict(), indent=1)}")
    else:
        titles = {name: (inspect.getdoc(make) or "").splitlines()[0] for name, make in RECIPES.items()}
        print("\n".join(f"{name:22}{title}" for name, title in titles.items()))
