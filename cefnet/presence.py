""" "Is it there at all": the shipped models' own output (not in the paper)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cefnet.matching import FIT, relative


class Presence(nn.Module):
    """A small network that looks at what the mask lies on, at how sure the mask is, and at the expression.

    In models that have `Matching` also at the best fit anywhere and at the fit where the mask is.

    Args:
        top: channels of D_5.
        text: width of h_T.
        hidden: units in between.
        matching: whether the model has `Matching`.
    """

    def __init__(self, top: int, text: int, hidden: int = 64, matching: bool = False) -> None:
        super().__init__()
        self.w_visual = nn.Linear(3 * top + 3 + 2 * FIT * matching, hidden, bias=False)
        self.w_sentence = nn.Linear(text, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, top: Tensor, mask_logits: Tensor, sentence: Tensor, fit: Tensor | None = None) -> Tensor:
        """The logit of "it is there".

        Args:
            top: D_5, N x top x h x w.
            mask_logits: SM_1, N x 1 x H x W; no gradient goes into it, which has losses of its own.
            sentence: h_T, N x text.
            fit: what `Matching` found, N x 1 x h x w; alike.

        Returns:
            N.
        """
        mask = mask_logits.detach().sigmoid()
        p = mask.flatten(1)
        sure = torch.stack([p.amax(1), (p * p).sum(1) / p.sum(1).clamp(min=1e-6), p.mean(1)], dim=1)
        seen = [top.mean((2, 3)), top.amax((2, 3)), _inside(top, mask), sure]
        if fit is not None:
            fits = relative(fit.detach())
            seen += [fits.amax((2, 3)), _inside(fits, mask)]
        return self.out(F.relu(self.w_visual(torch.cat(seen, dim=1)) + self.w_sentence(sentence))).squeeze(1)


def _inside(x: Tensor, mask: Tensor) -> Tensor:
    """The mean of x, N x C x h x w, where the mask is, N x C."""
    mask = F.adaptive_avg_pool2d(mask, (x.shape[-2], x.shape[-1]))
    return (x * mask).sum((2, 3)) / mask.sum((2, 3)).clamp(min=1e-6)
