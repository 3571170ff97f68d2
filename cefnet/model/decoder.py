"""Decoders: the boundary enhancement module (BEM, Eq. 9-11) and the plain FPN of the ablation."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class Decoded:
    """Logits by level, 1 (finest) first; N x 1 x h x w each."""

    mask_logits: list[Tensor] = field(default_factory=list)
    boundary_logits: list[Tensor] = field(default_factory=list)
    body_logits: list[Tensor] = field(default_factory=list)


def resize(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear, to the height and width of `like`."""
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def window_means(x: Tensor) -> Tensor:
    """What each tap of a 3x3 convolution (padding 1) reads, averaged over the places that the kernel stands at.

    The mean of a convolution is the convolution of these nine means: nothing has to be convolved everywhere.

    Args:
        x: N x C x H x W.

    Returns:
        N x C x 3 x 3, float32 or more: the tap in the middle reads all of x, the one above it all but the last row, ...
    """
    area = x.shape[-2] * x.shape[-1]
    x = x if x.dtype == torch.float64 else x.float()
    rows = x.sum(2)
    rows = torch.stack([rows - x[:, :, -1], rows, rows - x[:, :, 0]], dim=2)  # N x C x 3 x W
    whole = rows.sum(3)
    return torch.stack([whole - rows[..., -1], whole, whole - rows[..., 0]], dim=3) / area


class ConvNormAct(nn.Sequential):
    """3x3 convolution, BN, PReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.PReLU(outputs),
        )


class SpatialTransformer(nn.Module):
    """STN of Eq. 9: S warped by one affine map a sample, which starts as the identity.

    Built as in the authors' code: the pair of S and its low-pass (two depthwise stride-2 convolutions,
    upsampled) tells two linear layers how to warp.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down = nn.Sequential(*(self._half(width) for _ in range(2)))
        self.pair = nn.Conv2d(2 * width, width, 3, padding=1)
        self.theta = nn.Sequential(nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, 6))
        last = self.theta[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        with torch.no_grad():
            last.bias.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]))

    @staticmethod
    def _half(width: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(width, width, 3, 2, padding=1, groups=width, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )

    def affine(self, s: Tensor) -> Tensor:
        """N x C x H x W -> N x 2 x 3."""
        windows = torch.cat([window_means(s), window_means(resize(self.down(s), s))], dim=1)
        pair = F.linear(windows.flatten(1), self.pair.weight.flatten(1), self.pair.bias)  # averaged over all places
        return self.theta(pair).view(-1, 2, 3)

    def forward(self, s: Tensor) -> Tensor:
        theta = self.affine(s).float()  # a sampling grid in half precision is off by whole pixels
        grid = F.affine_grid(theta, list(s.shape), align_corners=False)
        return F.grid_sample(s.float(), grid, padding_mode="border", align_corners=False).to(s.dtype)


class BoundaryStep(nn.Module):
    """From S_i and D_{i-1} to S_{i-1}, with mask, boundary and body logits of level i-1."""

    def __init__(self, s_width: int, d_width: int, out: int) -> None:
        super().__init__()
        self.stn = SpatialTransformer(s_width)
        self.conv_b = ConvNormAct(s_width + d_width, s_width)
        self.conv_s = ConvNormAct(2 * s_width, out)
        self.boundary = nn.Conv2d(s_width, 1, 1)
        self.body = nn.Conv2d(s_width, 1, 1)
        self.mask = nn.Conv2d(out, 1, 1)

    def forward(self, s: Tensor, d: Tensor, out: Decoded) -> Tensor:
        warped = self.stn(s)
        b = s - warped  # (9)
        s, warped, b = resize(s, d), resize(warped, d), resize(b, d)
        b = self.conv_b(torch.cat([b, d], dim=1))  # B~_{i-1}   (10)
        s = self.conv_s(torch.cat([b + warped, s], dim=1))  # S_{i-1}   (11)
        out.boundary_logits.insert(0, self.boundary(b))
        out.body_logits.insert(0, self.body(warped))
        out.mask_logits.insert(0, self.mask(s))
        return s


class FeaturePyramidStep(nn.Module):
    """The decoder step without BEM: S_{i-1} = Conv(Cat(S_i, D_{i-1}))."""

    def __init__(self, s_width: int, d_width: int, out: int) -> None:
        super().__init__()
        self.conv_s = ConvNormAct(s_width + d_width, out)
        self.mask = nn.Conv2d(out, 1, 1)

    def forward(self, s: Tensor, d: Tensor, out: Decoded) -> Tensor:
        s = self.conv_s(torch.cat([resize(s, d), d], dim=1))
        out.mask_logits.insert(0, self.mask(s))
        return s


class Decoder(nn.Module):
    """D_i = Conv(E_i) for five levels, then four steps from S_5 to S_1.

    Args:
        channels: Of E_1..E_5.
        strides: Of E_1..E_5.
        widths: Of D_5..D_1; S_i is as wide as D_{i-1}.
        boundary: BEM steps, else plain FPN steps.
        finest: Stride of level 1; finer encoder levels are brought to it by D's own convolution.
    """

    def __init__(
        self,
        channels: tuple[int, ...],
        strides: tuple[int, ...],
        widths: tuple[int, ...],
        boundary: bool,
        finest: int,
    ) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(
            ConvNormAct(c, w, stride=max(1, finest // stride))
            for c, w, stride in zip(channels, reversed(widths), strides, strict=True)
        )
        s_widths = (*widths[1:], widths[-1])  # of S_5..S_1
        self.top = ConvNormAct(widths[0], s_widths[0])
        step = BoundaryStep if boundary else FeaturePyramidStep
        self.steps = nn.ModuleList(step(s_widths[i], widths[i + 1], s_widths[i + 1]) for i in range(4))

    def fine(self, e1: Tensor, e2: Tensor) -> tuple[Tensor, Tensor]:
        """D_1 and D_2, which no expression changes."""
        return self.reduce[0](e1), self.reduce[1](e2)

    def forward(self, fine: tuple[Tensor, Tensor], fused: list[Tensor]) -> tuple[Decoded, Tensor]:
        """D_1, D_2 and the fused E_3, E_4, E_5 -> the logits of levels 1 to 4, and D_5."""
        d = [*fine, *(reduce(e) for reduce, e in zip(list(self.reduce)[2:], fused, strict=True))]
        s, out = self.top(d[4]), Decoded()
        for step, level in zip(self.steps, reversed(d[:4]), strict=True):
            s = step(s, level, out)
        return out, d[4]
