"""How well each place of a photo fits the sentence, before anything is fused (not in the paper)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cefnet.model.clicks import CLICK_MAPS, Hints
from cefnet.model.layers import COORDINATES, coordinates

WIDTH = 80  # of the space where places and sentences meet
FIT = 2  # maps that `relative` makes of a fit
LEVELS = 4


class Matching(nn.Module):
    """Places and sentences as vectors of one space; a large product means that they fit.

    What a place is depends on the photo alone: on E_3, E_4 and E_5 of the encoder without language, and on where it is.
    So it is computed once a photo, and an expression costs a product a place. Both maps into the space are linear: the
    mean over an object's places is the object's own vector, which is how it all is first learned (`train/align.py`).
    Eq. 1 reads the fit beside s, and SM_1..SM_4 lean towards what fits (`lean`).

    Args:
        channels: Of E_3, E_4 and E_5 together.
        text: Width of h_T.
        clicks: Whether the masks lean on the maps of clicks too.
    """

    def __init__(self, channels: int, text: int, clicks: bool = False) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.w_place = nn.Conv2d(channels + COORDINATES, WIDTH, 1)
        self.w_sentence = nn.Linear(text, WIDTH)
        self.sharpness = nn.Parameter(torch.tensor(0.0))
        self.bias = nn.Parameter(torch.tensor(-2.0))  # few places fit
        self.lean_on = nn.ModuleList(nn.Conv2d(FIT + CLICK_MAPS * clicks, 1, 1) for _ in range(LEVELS))
        for layer in self.lean_on.children():
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    @staticmethod
    def seen(e3: Tensor, e4: Tensor, e5: Tensor) -> Tensor:
        """E_3, E_4, E_5 (P x C_i x h_i x w_i) and s, one above the other: P x (channels + 8) x h x w of E_5."""
        s = coordinates(e5.shape[-2], e5.shape[-1], e5).expand(len(e5), -1, -1, -1)
        return torch.cat([F.adaptive_avg_pool2d(e3, (e5.shape[-2], e5.shape[-1])), e4, e5, s], dim=1)

    def standardised(self, seen: Tensor) -> Tensor:
        """What `seen` returned, with the encoder's channels brought to one scale."""
        e, s = seen.split([seen.shape[1] - COORDINATES, COORDINATES], dim=1)
        return torch.cat([self.norm(e), s], dim=1)

    def places(self, seen: Tensor) -> Tensor:
        """What `seen` returned -> P x 80 x h x w."""
        return self.w_place(self.standardised(seen))

    def forward(self, places: Tensor, sentence: Tensor) -> Tensor:
        """The places of N photos and N sentences h_T -> logits of "this place fits", N x 1 x h x w."""
        s = F.normalize(self.w_sentence(sentence), dim=1)
        return self.sharpness.exp() * torch.einsum("nchw,nc->nhw", places, s)[:, None] + self.bias

    def lean(self, mask_logits: list[Tensor], hints: Hints) -> list[Tensor]:
        """SM_1..SM_4 before the sigmoid, plus one linear layer of the hints each (0 before it is trained)."""
        return [a + layer(hints.at(a)) for a, layer in zip(mask_logits, self.lean_on, strict=True)]


def relative(fit: Tensor) -> Tensor:
    """What is read of a fit, N x 1 x h x w: itself and how far it is above the photo's mean, both about -1..1."""
    deviation, mean = torch.std_mean(fit, (2, 3), keepdim=True)
    return torch.cat([fit / 4, (fit - mean) / (deviation + 1e-3) / 2], dim=1)
