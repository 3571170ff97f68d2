"""Eq. 3-8 against loops written from the equations, in float64."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cefnet.affinity import spread
from cefnet.model.coattention import BINS, AsymmetricCoAttention, Mixture, VanillaCoAttention, attend

SIZES = [(1, 1), (4, 4), (3, 7), (9, 5), (11, 8)]


def conv1x1(layer: torch.nn.Module, x: Tensor) -> Tensor:
    """W x for a C x P matrix x."""
    y = layer.weight[:, :, 0, 0] @ x  # type: ignore[index,operator]
    return y if layer.bias is None else y + layer.bias[:, None]


def softmax_rows(a: Tensor) -> Tensor:
    e = (a - a.max(1, keepdim=True).values).exp()
    return e / e.sum(1, keepdim=True)


def pool_loop(x: Tensor, bins: tuple[int, ...] = BINS) -> Tensor:
    """PPM of C x H x W: C x N."""
    h, w = x.shape[1:]
    cells = []
    for b in bins:
        for i in range(b):
            for j in range(b):
                rows = slice(math.floor(i * h / b), math.ceil((i + 1) * h / b))
                columns = slice(math.floor(j * w / b), math.ceil((j + 1) * w / b))
                cells.append(x[:, rows, columns].flatten(1).mean(1))
    return torch.stack(cells, 1)


def features(size: tuple[int, int], width: int = 12, n: int = 2) -> tuple[Tensor, Tensor]:
    torch.manual_seed(size[0] * 100 + size[1])
    return torch.randn(2, n, width, *size, dtype=torch.float64).unbind(0)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_vcm_is_equations_3_to_5(size: tuple[int, int], scaled: bool) -> None:
    m, l = features(size)  # noqa: E741
    vcm = VanillaCoAttention(12, scaled).double()
    m_out, l_out = vcm(m, l)
    affinity = vcm.affinity(m, l)
    for n in range(2):
        mm, ll = m[n].flatten(1), l[n].flatten(1)
        a = conv1x1(vcm.w_m, mm).T @ conv1x1(vcm.w_l, ll) * (6**-0.5 if scaled else 1)  # (3)
        a1, a2 = softmax_rows(a), softmax_rows(a.T)  # (4)
        torch.testing.assert_close(m_out[n].flatten(1), mm @ a1.T)  # (5)
        torch.testing.assert_close(l_out[n].flatten(1), ll @ a2.T)
        y, x = size[0] - 1, size[1] // 2
        row = affinity.of(n).row(y, x).ravel()
        np.testing.assert_allclose(row, a1[y * size[1] + x].detach(), atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_acm_is_equations_6_to_8(size: tuple[int, int]) -> None:
    m, l = features(size)  # noqa: E741
    acm = AsymmetricCoAttention(12, 8).double().eval()
    m_out, l_out = (mixture.map() for mixture in acm(m, l))
    affinity = acm.affinity(m, l)
    for n in range(2):
        p = {name: getattr(acm, name)(x[n : n + 1])[0] for name, x in
             [("w_m1", m), ("w_m2", m), ("w_l1", l), ("w_l2", l), ("w_m3", m), ("w_l3", l)]}  # fmt: skip
        sa_m = pool_loop(p["w_m1"]).T @ p["w_m2"].flatten(1)  # (6), 110 x HW
        sa_l = pool_loop(p["w_l1"]).T @ p["w_l2"].flatten(1)
        a3 = softmax_rows((sa_m + sa_l).T * 6**-0.5)  # (7), HW x 110
        assert a3.shape == (size[0] * size[1], 110)
        torch.testing.assert_close(m_out[n].flatten(1), (a3 @ pool_loop(p["w_m3"]).T).T)  # (8)
        torch.testing.assert_close(l_out[n].flatten(1), (a3 @ pool_loop(p["w_l3"]).T).T)
        y, x = size[0] // 2, size[1] - 1
        wanted = spread(a3[y * size[1] + x].detach().numpy(), *size, BINS)
        np.testing.assert_allclose(affinity.of(n).row(y, x), wanted, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_spread_is_the_transpose_of_average_pooling(size: tuple[int, int]) -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(110))
    x = torch.randn(1, *size, dtype=torch.float64)
    laid = spread(weights, *size, BINS)
    assert laid.sum() == pytest.approx(1)
    assert (laid * x[0].numpy()).sum() == pytest.approx((pool_loop(x)[0].numpy() * weights).sum())


@pytest.mark.parametrize("widths", [(4, 4), (4, 8), (4, 10), (8, 4)])
def test_attend_slices_values_of_any_width(widths: tuple[int, int]) -> None:
    key, value = widths
    q, k = torch.randn(2, 2, 7, key, dtype=torch.float64).unbind(0)
    v = torch.randn(2, 7, value, dtype=torch.float64)
    wanted = (q @ k.transpose(1, 2) * 0.3).softmax(-1) @ v
    torch.testing.assert_close(attend(q, k, v, 0.3), wanted)


def test_rows_outside_the_map_are_refused() -> None:
    m, l = features((3, 7))  # noqa: E741
    affinity = VanillaCoAttention(12, True).double().affinity(m, l)
    for y, x in [(-1, 0), (3, 0), (0, 7)]:
        with pytest.raises(ValueError, match="outside"):
            affinity.of(0).row(y, x)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.booleans())
def test_convolving_the_bins_is_convolving_the_map(n: int, height: int, width: int, kernel: int, bias: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 5, kernel, padding=kernel // 2, bias=bias).to(memory_format=torch.channels_last)
    weights, values = torch.randn(n, height * width, 7).softmax(-1), torch.randn(n, 7, 6)
    mixture = Mixture(weights, values, height, width)
    torch.testing.assert_close(mixture.convolve(conv), conv(mixture.map()))
