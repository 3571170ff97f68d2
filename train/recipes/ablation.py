"""The rows of the paper's Table 3 at a CPU's budget (docs/ablation.md)."""

from __future__ import annotations

from collections.abc import Callable

from cefnet.config import ABLATION, ModelConfig
from train.data.samples import BatchSpec
from train.losses import LossWeights
from train.paper import ablated
from train.recipes.recipe import Masks, New, Recipe, member

# The first generation's network; the rows change its modules.
COMPACT = ModelConfig(
    encoder="efficientnet_lite2", dilated=True, width=160, word_width=100, text_width=256,
    decoder_widths=(128, 96, 64, 48, 32), decoder_stride=4,
    normalisation="batch", gated=True, residual=True, presence=True,
)  # fmt: skip
LOSSES = LossWeights(mask=(1.0, 0.4, 0.4, 0.2), boundary=0.1, body=0.05, dice=0.5, presence=0.2, classes=0.3)


def ablation(row: str) -> Recipe:
    """A row of Table 3: the same encoder, data and budget for all; only the modules differ.

    The encoder learns at a tenth of the others' rate: at more, it forgets ImageNet (RUNS.md).

    Args:
        row: A key of `cefnet.config.ABLATION`.
    """
    masks = Masks(
        "masks",
        steps=1500,
        data=BatchSpec(photos=6, expressions=4),
        losses=LOSSES,
        sizes=((0.0, 160), (0.85, 224)),
        pretrained_rate=0.1,
    )
    return Recipe(f"ablation-{row}", New(COMPACT.with_values(ABLATION[row])), (masks,))


def ablations() -> list[Callable[[], Recipe]]:
    """The recipes of all rows."""
    return [
        member(
            ablation(row),
            f"Table 3, {row.upper().replace('-', ' + ')}, with the first generation's encoder and budget.",
            "--data DIR --embeddings GLOVE.npz",
            "not measured by itself; `python -m train ablation` trains all rows, on fewer expressions.",
            "of such runs in docs/ablation.md, made before generated expressions were of every kind; the paper's row, "
            f"with ResNet-101 on UNC val: {ablated(row.upper().split('-')):.2f}.",
        )
        for row in ABLATION
    ]
