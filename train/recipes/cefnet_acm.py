"""The shipped ACM model of the second generation."""

from __future__ import annotations

from dataclasses import replace

from train.data.samples import BatchSpec
from train.losses import LossWeights
from train.optim import Schedule
from train.recipes.ablation import COMPACT
from train.recipes.recipe import Align, Ground, Masks, New, Recipe

# What the model says beside its mask: is it right, are several things meant; and that it reads clicks.
OUTPUTS = {"right": True, "several": True, "clicks": True}
DATA = BatchSpec(
    photos=4, expressions=4, absent=0.1, unanswerable=0.1, smallest_crop=0.5, clicked=1 / 3, set_shares=(("coco", 0.5),)
)
LOSSES = LossWeights(
    mask=(1.0, 0.4, 0.4, 0.2), boundary=0.1, body=0.05, dice=0.8, presence=0.3, classes=0.3, rivals=0.4, alignment=0.3,
    right=0.2, several=0.1, mask_threshold=0.4,
)  # fmt: skip
GROUND = Ground(
    "ground",
    steps=10_000,
    data=replace(DATA, photos=12, expressions=8, absent=0.06, captions=0.1, clicked=0.0),
    sizes=((0.0, 224),),
    learning_rate=1e-3,
    pretrained_rate=0.1,
    text_rate=0.4,
    weight_decay=0.02,
    schedule=Schedule("constant", warmup=30, decay=0.4),
    ema=0.99,
    frozen_stages=3,
    frozen_statistics=True,
)
FROZEN = Masks(
    "masks",
    steps=48_000,
    data=DATA,
    losses=LOSSES,
    sizes=((0.0, 224),),
    learning_rate=8e-4,
    text_rate=0.15,
    schedule=Schedule("constant", warmup=100, decay=0.2),
    ema=0.997,
    frozen_stages=5,
    frozen_norms=5,
)


def cefnet_acm() -> Recipe:
    """The ACM model for a CPU: words, then words with the encoder, masks, all of it slowly, and larger photos.

    Command: python -m train run cefnet-acm --data DIR --embeddings GLOVE.npz
    Duration: not run as a whole yet: a million expressions of words and 1.5 million with masks. On 2 cores with AVX-512
        at 224 px 30 expressions a second of `ground` were seen, and 14 to 20 of `masks`.
    Score: not run yet. The weights that are shipped now came of the runs in train/RUNS.md.
    """
    slowly = replace(FROZEN, learning_rate=4e-4, pretrained_rate=0.1, text_rate=0.2, frozen_stages=3)
    return Recipe(
        "cefnet-acm",
        New(COMPACT),
        (
            Align("words", split="val", model={"matching": True, **OUTPUTS}),
            GROUND,
            FROZEN,
            replace(slowly, name="encoder", steps=32_000, sizes=((0.0, 320),)),
            replace(slowly, name="large", steps=14_000, sizes=((0.0, 384),), learning_rate=2e-4),
        ),
    )
