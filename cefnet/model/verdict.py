"""What a model says about its own answer: is it there, is it right, are several things meant (not in the paper)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Verdict(nn.Module):
    """A small network that looks at what the mask lies on, at how sure the mask is, and at the expression.

    In models that have `Matching` also at the best fit anywhere and at the fit where the mask is; the maps of clicks
    alike.

    Args:
        top: Channels of D_5.
        text: Width of h_T.
        beside: Channels of each group of other maps.
        hidden: Units in between.
    """

    def __init__(self, top: int, text: int, beside: Sequence[int] = (), hidden: int = 64) -> None:
        super().__init__()
        self.w_visual = nn.Linear(3 * top + 3 + 2 * sum(beside), hidden, bias=False)
        self.w_sentence = nn.Linear(text, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, top: Tensor, mask_logits: Tensor, sentence: Tensor, beside: Sequence[Tensor] = ()) -> Tensor:
        """The logit of "yes".

        Args:
            top: D_5, N x top x h x w.
            mask_logits: SM_1, N x 1 x H x W; no gradient goes into it, which has losses of its own.
            sentence: h_T, N x text.
            beside: The other maps, N x channels x h x w each; no gradient goes into them either.

        Returns:
            N.
        """
        mask = mask_logits.detach().sigmoid()
        p = mask.flatten(1)
        sure = torch.stack([p.amax(1), (p * p).sum(1) / p.sum(1).clamp(min=1e-6), p.mean(1)], dim=1)
        seen = [top.mean((2, 3)), top.amax((2, 3)), _inside(top, mask), sure]
        for maps in beside:
            seen += [maps.detach().amax((2, 3)), _inside(maps.detach(), mask)]
        return self.out(F.relu(self.w_visual(torch.cat(seen, dim=1)) + self.w_sentence(sentence))).squeeze(1)

    @torch.no_grad()
    def scale(self, scale: float, shift: float) -> None:
        """Makes every logit `scale` times what it was, plus `shift`."""
        self.out.weight *= scale
        self.out.bias.copy_(self.out.bias * scale + shift)


def _inside(x: Tensor, mask: Tensor) -> Tensor:
    """The mean of x, N x C x h x w, where the mask is, N x C."""
    mask = F.adaptive_avg_pool2d(mask, (x.shape[-2], x.shape[-1]))
    return (x * mask).sum((2, 3)) / mask.sum((2, 3)).clamp(min=1e-6)
