"""Where somebody pointed, as maps that Eq. 1 reads beside s (not in the paper)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cefnet.model.decoder import resize
from cefnet.model.layers import COORDINATES

if TYPE_CHECKING:  # results are made of what the model says
    from cefnet.result import Click

RADIUS = 0.025  # of a click's disc, as a share of each side of the photo
CLICK_MAPS = 4  # a disc and a likeness for "here", and for "not here"
WIDTH = 64  # of the space where places are compared with clicked ones
SIGNS = (1, -1)  # "here", "not here"


@dataclass
class Hints:
    """What Eq. 1 reads beside s, and what the masks lean on, at any resolution.

    Attributes:
        fit: What `cefnet.model.matching.relative` makes of a fit, N x 2 x h x w.
        clicks: N x K x 3: y and x in 0..1 of the photo's sides, and 1 = "here", -1 = "not here", 0 = no click; None in
            models without clicks.
        alike: What `Clicks` found, N x 2 x h x w; None alike.
    """

    fit: Tensor
    clicks: Tensor | None = None
    alike: Tensor | None = None

    def at(self, like: Tensor) -> Tensor:
        """All maps at the height and width of `like`: N x 2 x H x W, and with clicks N x 6 x H x W."""
        clicked = self.clicked(like)
        fit = resize(self.fit, like)
        return fit if clicked is None else torch.cat([fit, clicked], dim=1)

    def clicked(self, like: Tensor) -> Tensor | None:
        """The maps of the clicks alone, N x 4 x H x W: discs (here, not here), then likenesses."""
        if self.clicks is None or self.alike is None:
            return None
        alike = resize(self.alike, like)
        return torch.cat([discs(self.clicks, like.shape[-2], like.shape[-1]).to(alike.dtype), alike], dim=1)


class Clicks(nn.Module):
    """Which places are like the clicked ones, so that a click can select its whole object.

    Eq. 1 is a 1x1 convolution: from a disc alone it learns about the disc's own places, and what belongs to them has to
    travel by co-attention and the decoder. So each place also reads how much it is like a clicked place: the cosine of
    their vectors, which a linear layer makes of what `Matching` sees (E_3, E_4, E_5 without language, and s). The
    photo's mean vector is taken off first, else all places of a photo are alike.

    Args:
        channels: Of E_3, E_4 and E_5 together.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.w_place = nn.Conv2d(channels + COORDINATES, WIDTH, 1, bias=False)

    def places(self, standardised: Tensor) -> Tensor:
        """What `Matching.standardised` returned -> P x 64 x h x w, of unit length at each place."""
        x = self.w_place(standardised)
        return F.normalize(x - x.mean((2, 3), keepdim=True), dim=1)

    def forward(self, places: Tensor, clicks: Tensor) -> Tensor:
        """How much each place is like the clicked place of each kind that it is most like.

        Args:
            places: From `places`, of N photos.
            clicks: N x K x 3, as in `Hints`.

        Returns:
            N x 2 x h x w in -1..1, for "here" and "not here"; 0 everywhere where there is no such click.
        """
        places = places.float()
        grid = (2 * clicks[:, None, :, :2] - 1).flip(-1).to(places.dtype)  # N x 1 x K x (x, y)
        clicked = F.grid_sample(places, grid, padding_mode="border", align_corners=False)[:, :, 0]  # N x 64 x K
        alike = torch.einsum("nchw,nck->nkhw", places, F.normalize(clicked, dim=1))
        return _of_each_sign(alike, clicks, nothing=-1.0)


def clicks_tensor(clicks: Sequence[Click], height: int, width: int, slots: int) -> Tensor:
    """Clicks in pixels of a photo as the model takes them: slots x 3, as in `Hints`; at most `slots` clicks."""
    rows = [[(click.y + 0.5) / height, (click.x + 0.5) / width, 1.0 if click.here else -1.0] for click in clicks]
    return torch.tensor(rows + [[0.0, 0.0, 0.0]] * (slots - len(rows)))


def discs(clicks: Tensor, height: int, width: int) -> Tensor:
    """A soft disc around each click, drawn for a grid of places: right at any resolution.

    Its radius is `RADIUS` of the sides, at least half a place, so that no click falls between places. Its rim is one
    place wide.

    Args:
        clicks: N x K x 3, as in `Hints`.
        height: Of the grid.
        width: Likewise.

    Returns:
        N x 2 x height x width in 0..1, "here" and "not here".
    """
    y = (torch.arange(height, device=clicks.device, dtype=clicks.dtype) + 0.5) / height
    x = (torch.arange(width, device=clicks.device, dtype=clicks.dtype) + 0.5) / width
    down, across = (y - clicks[..., :1])[..., :, None], (x - clicks[..., 1:2])[..., None, :]
    place = 1 / min(height, width)
    distance = (down.square() + across.square()).sqrt()  # N x K x height x width
    return _of_each_sign(((max(RADIUS, place / 2) - distance) / place + 0.5).clamp(0, 1), clicks, nothing=0.0)


def _of_each_sign(maps: Tensor, clicks: Tensor, nothing: float) -> Tensor:
    """The largest value at each place over the clicks of a kind: N x K x h x w -> N x 2 x h x w, 0 without any."""
    chosen = [clicks[..., 2] == sign for sign in SIGNS]
    largest = [maps.masked_fill(~one[:, :, None, None], nothing).amax(1) * one.any(1)[:, None, None] for one in chosen]
    return torch.stack(largest, dim=1)
