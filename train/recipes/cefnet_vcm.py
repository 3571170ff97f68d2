"""The shipped VCM model of the second generation."""

from __future__ import annotations

from dataclasses import replace

from train.recipes.cefnet_acm import FROZEN, OUTPUTS
from train.recipes.recipe import Recipe


def cefnet_vcm() -> Recipe:
    """The VCM model, from the ACM model's weights, as the paper's G-Ref models start from UNC's.

    All but the co-attention is taken over, which ACM and VCM have no tensor of in common.

    Command: python -m train run cefnet-vcm --data DIR --init runs/cefnet-acm
    Duration: not run yet; half a million expressions, a third of cefnet-acm's.
    Score: not run yet. The weights that are shipped now came of the runs in train/RUNS.md.
    """
    attention = replace(
        FROZEN, name="attention", steps=16_000, learning_rate=5e-4, model={"attention": "vcm", **OUTPUTS},
        may_drop=("fusions.*.attention.*",),
    )  # fmt: skip
    encoder = replace(
        FROZEN, name="encoder", steps=15_000, sizes=((0.0, 320),), learning_rate=3e-4, pretrained_rate=0.1,
        text_rate=0.2, frozen_stages=3,
    )  # fmt: skip
    return Recipe("cefnet-vcm", "cefnet-acm", (attention, encoder))
