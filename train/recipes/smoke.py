"""A run that shows that everything runs."""

from __future__ import annotations

from dataclasses import replace

from train.data.samples import BatchSpec
from train.recipes.ablation import COMPACT, LOSSES
from train.recipes.recipe import Masks, New, Recipe


def smoke() -> Recipe:
    """To see that everything runs.

    Command: python -m train run smoke --data DIR
    Duration: a minute on 2 cores of an AMD EPYC.
    Score: none; ten steps teach nothing.
    """
    model = replace(
        COMPACT,
        encoder="efficientnet_lite0",
        width=16,
        word_width=16,
        text_width=16,
        decoder_widths=(16, 16, 8, 8, 8),
        image_size=64,
    )
    masks = Masks(
        "masks",
        steps=10,
        data=BatchSpec(photos=2, expressions=2),
        losses=LOSSES,
        sizes=(),
        pretrained_rate=1.0,
        frozen_stages=0,
        frozen_norms=0,
    )
    return Recipe("smoke", New(model, pretrained=False), (masks,), checkpoint_every=5)
