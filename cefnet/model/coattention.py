"""Co-attention between the visual feature M and the language feature L: VCM (Eq. 3-5), ACM (Eq. 6-8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cefnet.affinity import Affinity
from cefnet.model.layers import to_numpy

BINS = (1, 3, 6, 8)  # PPM of the ACM: N = 1 + 9 + 36 + 64 = 110
ROWS = 512  # queries at a time in `attend`: what the fused kernel returns for them waits to be copied


def attend(queries: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
    """softmax(scale * queries keys^T) values without building the affinity matrix.

    Values wider than the keys are taken in slices of the keys' width: with unequal widths the CPU kernel
    falls back to the whole HW x HW matrix, which costs more than computing it once a slice. It does so too where the
    width is not the last dimension in memory. Results are written where they belong at once: putting slices together
    at the end would need their memory twice.

    Args:
        queries: N x P x d.
        keys: N x K x d.
        values: N x K x C.
        scale: Factor of the logits.

    Returns:
        N x P x C.
    """
    q, k = queries.contiguous().unsqueeze(1), keys.contiguous().unsqueeze(1)
    out = values.new_empty(*queries.shape[:2], values.shape[-1])
    width = keys.shape[-1]
    for first in range(0, values.shape[-1], width):
        channels = slice(first, first + width)
        _fill(out[..., channels], q, k, values[..., channels].contiguous().unsqueeze(1), scale)
    return out


def _fill(out: Tensor, q: Tensor, k: Tensor, v: Tensor, scale: float) -> None:
    for first in range(0, q.shape[2], ROWS):
        rows = slice(first, first + ROWS)
        out[:, rows] = F.scaled_dot_product_attention(q[:, :, rows], k, v, scale=scale)[:, 0]


def positions(x: Tensor) -> Tensor:
    """N x C x H x W -> N x HW x C."""
    return x.flatten(2).transpose(1, 2)


def maps(x: Tensor, size: Sequence[int]) -> Tensor:
    """N x HW x C -> N x C x H x W, with size = (H, W)."""
    return x.transpose(1, 2).unflatten(2, size)


@dataclass(frozen=True)
class CoAttentionMaps:
    """What rows of the affinity are read from, for a batch (see `Affinity`).

    Attributes:
        queries: N x HW x d, one a place.
        keys: N x K x d; K = HW (VCM) or 110 (ACM).
        scale: Factor of the logits.
        height: Rows of the feature map.
        width: Columns of the feature map.
        bins: Pooling sizes that the keys come from; empty for VCM.
    """

    queries: Tensor
    keys: Tensor
    scale: float
    height: int
    width: int
    bins: tuple[int, ...] = ()

    def of(self, n: int) -> Affinity:
        """That of the n-th answer alone, on the CPU."""
        queries, keys = (to_numpy(one[n].float()) for one in (self.queries, self.keys))
        return Affinity(queries, keys, self.scale, self.height, self.width, self.bins)


class VanillaCoAttention(nn.Module):
    """VCM, Eq. 3-5: the affinity of every place of M with every place of L."""

    def __init__(self, width: int, scaled: bool) -> None:
        super().__init__()
        key_width = width // 2
        self.w_m = nn.Conv2d(width, key_width, 1)
        self.w_l = nn.Conv2d(width, key_width, 1)
        self.scale = key_width**-0.5 if scaled else 1.0  # the paper has no scale

    def forward(self, m: Tensor, l: Tensor) -> tuple[Tensor, Tensor]:  # noqa: E741 (the paper's name)
        """M, L: N x C x H x W -> M~, L~ of the same shape."""
        q, k = positions(self.w_m(m)).contiguous(), positions(self.w_l(l)).contiguous()  # A = q k^T, never built   (3)
        m_out = attend(q, k, positions(m), self.scale)  # M~ = M A_1^T, A_1 = softmax(A)     (4, 5)
        l_out = attend(k, q, positions(l), self.scale)  # L~ = L A_2^T, A_2 = softmax(A^T)   (4, 5)
        return maps(m_out, m.shape[-2:]), maps(l_out, l.shape[-2:])

    def affinity(self, m: Tensor, l: Tensor) -> CoAttentionMaps:  # noqa: E741
        q, k = positions(self.w_m(m)), positions(self.w_l(l))
        return CoAttentionMaps(q, k, self.scale, m.shape[-2], m.shape[-1])


class _Projection(nn.Sequential):
    """1x1 convolution, BN, ReLU: the ACM's keys and queries (as in the authors' code)."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__(nn.Conv2d(width, out, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU())


@dataclass(frozen=True)
class Mixture:
    """A map that is A_3 V (Eq. 8): at every place a mixture of the same B vectors, multiplied out when it is asked for.

    Attributes:
        weights: A_3, N x HW x B; its rows sum to 1.
        values: V, N x B x C.
        height: H.
        width: W.
    """

    weights: Tensor
    values: Tensor
    height: int
    width: int

    def map(self) -> Tensor:
        """N x C x H x W."""
        return maps(self.weights @ self.values, (self.height, self.width))  # (8)

    def pointwise(self, layer: nn.Module) -> Mixture:
        """A 1x1 convolution (or `Identity`) of the map, which is that of the B vectors: the weights sum to 1."""
        values = layer(self.values.transpose(1, 2)[..., None])[..., 0].transpose(1, 2)
        return replace(self, values=values)

    def cat(self, other: Mixture) -> Mixture:
        """Both maps' channels, one after the other; `other` has the same weights."""
        return replace(self, values=torch.cat([self.values, other.values], dim=2))

    def convolve(self, conv: nn.Conv2d) -> Tensor:
        """conv(A_3 V) without A_3 V: the convolution meets the B vectors, and A_3 distributes what comes out.

        In the paper's model it takes less than a fifth of the arithmetic at 40 x 40 places and two fifths at 20 x 20.

        Args:
            conv: k x k, stride 1, padded to keep the size.

        Returns:
            N x conv.out_channels x H x W.
        """
        (k, _), outputs = conv.kernel_size, conv.out_channels
        kernel = conv.weight.permute(0, 2, 3, 1).flatten(0, 2)  # outputs * k^2 x C; no copy with channels last
        of_values = (self.values @ kernel.T).unflatten(2, (outputs, k * k))  # N x B x outputs x k^2
        of_values = of_values.permute(0, 2, 1, 3).flatten(2)  # N x outputs x B * k^2
        weights = self.weights.transpose(1, 2).unflatten(2, (self.height, self.width))
        near = F.unfold(weights, k, padding=k // 2)  # N x B * k^2 x HW
        out = (of_values @ near).unflatten(2, (self.height, self.width))
        return out if conv.bias is None else out + conv.bias[:, None, None]


def as_map(x: Tensor | Mixture) -> Tensor:
    """M~ or L~ as N x C x H x W, whichever module it comes from."""
    return x.map() if isinstance(x, Mixture) else x


class AsymmetricCoAttention(nn.Module):
    """ACM, Eq. 6-8: every place attends to 110 pooled bins of M and L together."""

    def __init__(self, width: int, value_width: int) -> None:
        super().__init__()
        key_width = width // 2
        self.w_m1, self.w_l1 = _Projection(width, key_width), _Projection(width, key_width)
        self.w_m2, self.w_l2 = _Projection(width, key_width), _Projection(width, key_width)
        self.w_m3, self.w_l3 = nn.Conv2d(width, value_width, 1), nn.Conv2d(width, value_width, 1)
        self.scale = key_width**-0.5  # 256^-0.5 in the authors' code, where width = 512

    @staticmethod
    def pool(x: Tensor) -> Tensor:
        """PPM: N x C x H x W -> N x 110 x C."""
        return torch.cat([positions(F.adaptive_avg_pool2d(x, b)) for b in BINS], dim=1)

    def affinity(self, m: Tensor, l: Tensor) -> CoAttentionMaps:  # noqa: E741
        """Queries and keys side by side: their product is SA_m + SA_l (6)."""
        queries = torch.cat([positions(self.w_m2(m)), positions(self.w_l2(l))], dim=-1)
        keys = torch.cat([self.pool(self.w_m1(m)), self.pool(self.w_l1(l))], dim=-1)
        return CoAttentionMaps(queries, keys, self.scale, m.shape[-2], m.shape[-1], BINS)

    def weights(self, m: Tensor, l: Tensor) -> Tensor:  # noqa: E741
        """A_3, N x HW x 110."""
        affinity = self.affinity(m, l)
        return (affinity.queries @ affinity.keys.transpose(1, 2) * self.scale).softmax(-1)  # (7)

    def values(self, m: Tensor, l: Tensor) -> tuple[Tensor, Tensor]:  # noqa: E741
        """What A_3 weighs: pooled M and L, N x 110 x value_width each."""
        # pooled first: the mean of a 1x1 convolution is that of the mean, at 110 places in place of HW
        m_values, l_values = (
            F.linear(self.pool(x), w.weight.flatten(1), w.bias) for x, w in ((m, self.w_m3), (l, self.w_l3))
        )
        return m_values, l_values

    def forward(self, m: Tensor, l: Tensor) -> tuple[Mixture, Mixture]:  # noqa: E741
        """M, L: N x C x H x W -> M~, L~, mixtures of value_width channels."""
        a3, (height, width) = self.weights(m, l), m.shape[-2:]
        m_out, l_out = (Mixture(a3, values, height, width) for values in self.values(m, l))
        return m_out, l_out
