"""For your own photos: a shipped model goes on learning, carefully."""

from __future__ import annotations

from train.data.samples import BatchSpec
from train.optim import Schedule
from train.recipes.cefnet_acm import LOSSES
from train.recipes.recipe import Masks, Recipe


def fine_tune() -> Recipe:
    """A shipped model on some hundred photos of your own.

    The rate is low, the encoder and all BatchNorm statistics stay, and the result is a mean with the weights it started
    from: few photos teach what is new about them, and little of the rest is forgotten.

    Command: python -m train run fine-tune --data DIR
    Duration: not measured yet.
    Score: not measured yet.
    """
    masks = Masks(
        "masks",
        steps=400,
        data=BatchSpec(photos=4, expressions=4, absent=0.1, captions=0.0, smallest_crop=0.5),
        losses=LOSSES,
        sizes=(),
        learning_rate=4e-4,
        text_rate=0.5,
        schedule=Schedule("poly", warmup=20),
        ema=0.98,
        mix=0.33,
        frozen_stages=5,
        frozen_norms=5,
        frozen_statistics=True,
    )
    return Recipe("fine-tune", "cefnet-acm", (masks,), checkpoint_every=100)
