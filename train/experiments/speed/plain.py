"""The peer that we are measured against: the paper's model computed as its equations are written.

It has the weights and the answers of our own model (tested). What it does not do: reuse anything between expressions,
fold BatchNorm, avoid tiling h_T and s over all places (Eq. 1), avoid building A, A_1 and A_2 (Eq. 3, 4).
"""

from __future__ import annotations

import copy

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cefnet.config import Decision
from cefnet.model import CEFNet, Output
from cefnet.model.clicks import Hints
from cefnet.model.coattention import VanillaCoAttention, maps, positions
from cefnet.model.fusion import Fusion
from cefnet.model.layers import coordinates, to_numpy
from cefnet.photos import squash
from cefnet.result import enlarge


class PlainVanillaCoAttention(VanillaCoAttention):
    """Eq. 3-5 as they are written: A, A_1 and A_2 are there at once."""

    def forward(self, m: Tensor, l: Tensor) -> tuple[Tensor, Tensor]:  # noqa: E741 (the paper's name)
        q, k = positions(self.w_m(m)), positions(self.w_l(l))
        a = q @ k.transpose(1, 2)  # (3)
        a1, a2 = a.softmax(-1), a.transpose(1, 2).softmax(-1)  # (4)
        return maps(a1 @ positions(m), m.shape[-2:]), maps(a2 @ positions(l), l.shape[-2:])  # (5)


class PlainFusion(Fusion):
    """Eq. 1 as it is written, for models without a gate: one matrix times E, h_T and s of every place."""

    w: Tensor  # set by `plain`

    def multimodal(self, e: Tensor, sentence: Tensor, hints: Hints | None = None) -> Tensor:
        assert hints is None  # `plain` takes models of the paper only
        e, sentence = F.normalize(e, dim=1), F.normalize(sentence, dim=1)
        n, _, height, width = e.shape
        tiled = sentence[:, :, None, None].expand(-1, -1, height, width)
        everything = torch.cat([e, tiled, coordinates(height, width, e).expand(n, -1, -1, -1)], dim=1)
        return F.normalize(F.conv2d(everything, self.w, self.w_sentence.bias), dim=1)  # (1)


def plain(model: CEFNet) -> CEFNet:
    """A copy of a model that computes Eq. 1 and, with `attention` "vcm", Eq. 3-5 as they are written.

    Args:
        model: Of the `paper-*` or `authors-*` configs, in evaluation mode.

    Raises:
        ValueError: If the model departs from Eq. 1, or isn't normalised as in the authors' code.
    """
    if model.config.gated or model.config.matching or model.config.normalisation != "l2":
        raise ValueError("only the paper-* and authors-* models have a plain implementation")
    result = copy.deepcopy(model)
    for fusion in result.fusions.values():
        assert isinstance(fusion, Fusion)
        fusion.__class__ = PlainFusion
        sentence = fusion.w_sentence.weight[:, :, None, None]
        weight = torch.cat([fusion.w_visual.weight, sentence, fusion.w_place.weight], dim=1)
        fusion.register_buffer("w", weight.detach(), persistent=False)
        if isinstance(fusion.attention, VanillaCoAttention):
            fusion.attention.__class__ = PlainVanillaCoAttention
    return result


@torch.inference_mode()
def answer(model: CEFNet, pixels: np.ndarray, ids: Tensor, mask: Tensor, size: int | None = None) -> np.ndarray:
    """One expression about one photo from beginning to end, as for the first time.

    Args:
        model: From `plain`.
        pixels: H x W x 3 uint8 RGB.
        ids: 1 x T piece ids.
        mask: 1 x T, True at real pieces.
        size: Side in pixels of the square that the network sees; None: the config's.

    Returns:
        The mask, H x W bool.
    """
    device = next(model.parameters()).device
    square = torch.from_numpy(squash(pixels, size or model.config.image_size)).to(device)
    image = square.permute(2, 0, 1)[None].contiguous().float() / 255
    output: Output = model(model.encode_photo(image), ids.to(device), mask.to(device))
    probability = to_numpy(output.mask_logits[0][0, 0].sigmoid())
    return enlarge(probability, *pixels.shape[:2]) >= Decision().mask_threshold  # the paper's
