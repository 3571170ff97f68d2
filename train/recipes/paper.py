"""The paper's models and those of the authors' code, by their own schedules. None of them has been run here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cefnet.config import PRESETS
from train.data.samples import BatchSpec
from train.optim import Schedule
from train.paper import published
from train.recipes.recipe import Masks, New, Recipe, member

# As the paper: a step draws from all expressions alike, each with its photo; nothing generated, nothing augmented.
PLAIN = BatchSpec(
    photos=12, expressions=1, several_weight=1.0, generated=0.0, absent=0.0, captions=0.0, flip=0.0, crop=0.0,
    colour=0.0, typos=0.0, retyped=0.0, by_expression=True,
)  # fmt: skip
SLOW = "On 2 cores of an AMD EPYC paper-unc-acm trains on one expression in 4 seconds: too slow."
MASKS = Masks(
    "masks", steps=200_000, data=PLAIN, sizes=((0.0, 320),), optimiser="sgd", learning_rate=7.5e-4, pretrained_rate=1.0,
    weight_decay=5e-4, schedule=Schedule("step", milestones=(0.5,)), clip=0.0, ema=0.0, frozen_stages=0, frozen_norms=0,
)  # fmt: skip


def paper(dataset: str, attention: str) -> Recipe:
    """The paper's models: SGD, 7.5e-4 divided by 10 after half of 200,000 steps of 12 expressions, at 320 pixels.

    Args:
        dataset: One of `unc`, `unc+`, `gref`, `referit` and `joint`.
        attention: Either `vcm` or `acm`.
    """
    start = New(PRESETS[f"paper-{attention}"])
    return Recipe(f"paper-{dataset}-{attention}", start, (MASKS,), checkpoint_every=2000)


def authors(dataset: str, attention: str) -> Recipe:
    """The models of the authors' code: 5e-4, 8 expressions a step, divided by 10 after 120,000 and 200,000 steps.

    Their code ends at 200,000 steps, so the second division never acts. Arguments as `paper`.
    """
    masks = replace(
        MASKS, data=replace(PLAIN, photos=8), learning_rate=5e-4, schedule=Schedule("step", milestones=(0.6, 1.0))
    )
    start = New(PRESETS[f"authors-{attention}"])
    return Recipe(f"authors-{dataset}-{attention}", start, (masks,), checkpoint_every=2000)


def published_models(family: Callable[[str, str], Recipe], title: str, backbone: str) -> list[Callable[[], Recipe]]:
    """The recipes of a family for every data set and both attentions.

    Args:
        family: `paper` or `authors`.
        title: Of its recipes.
        backbone: Hub id of its encoder's ImageNet weights.
    """
    members = []
    expressions = 12 if family is paper else 8
    for dataset in ("unc", "unc+", "gref", "referit", "joint"):
        for attention in ("vcm", "acm"):
            recipe = family(dataset, attention)
            # The paper's G-Ref models start from its UNC models, which bring the backbone along.
            start = f"--init runs/{family('unc', attention).name}" if dataset == "gref" else f"--backbone {backbone}"
            scores = published(attention, None if dataset == "joint" else dataset, dataset == "joint")
            members.append(
                member(
                    recipe,
                    f"{title}, {attention.upper()}, on {dataset}; not run here.",
                    f"--data data/{dataset} {start}",
                    f"{recipe.steps:,} steps of {expressions} expressions; on a GPU not measured here. {SLOW}",
                    "overall IoU, the paper's: "
                    + ", ".join(f"{k} {v:.2f}" for k, v in scores.items())
                    + "; not measured here.",
                )
            )
    return members
