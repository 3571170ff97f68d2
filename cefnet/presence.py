""""Is it there at all": the shipped models' own output (not in the paper)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Presence(nn.Module):
    """A small network that looks at what the mask lies on, at how sure the mask is, and at the expression.

    Args:
        top: channels of D_5.
        text: width of h_T.
        hidden: units in between.
    """

    def __init__(self, top: int, text: int, hidden: int = 64) -> None:
        super().__init__()
        self.w_visual = nn.Linear(3 * top + 3, hidden, bias=False)
        self.w_sentence = nn.Linear(text, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, top: Tensor, mask_logits: Tensor, sentence: Tensor) -> Tensor:
        """The logit of "it is there".

        Args:
            top: D_5, N x top x h x w.
            mask_logits: SM_1, N x 1 x H x W; no gradient goes into it, which has losses of its own.
            sentence: h_T, N x text.

        Returns:
            N.
        """
        p = mask_logits.detach().sigmoid()
        mask = F.adaptive_avg_pool2d(p, (top.shape[-2], top.shape[-1]))
        inside = (top * mask).sum((2, 3)) / mask.sum((2, 3)).clamp(min=1e-6)
        p = p.flatten(1)
        sure = torch.stack([p.amax(1), (p * p).sum(1) / p.sum(1).clamp(min=1e-6), p.mean(1)], dim=1)
        seen = torch.cat([top.mean((2, 3)), top.amax((2, 3)), inside, sure], dim=1)
        return self.out(F.relu(self.w_visual(seen) + self.w_sentence(sentence))).squeeze(1)
