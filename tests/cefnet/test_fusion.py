"""Eq. 1 and 2 against loops written from the equations, in float64."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from cefnet.config import ModelConfig
from cefnet.model.fusion import Fusion
from cefnet.model.layers import coordinates

L2 = ModelConfig(width=12, word_width=6, text_width=8, attention="acm")
BATCH = replace(L2, normalisation="batch")


def unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True)


def test_coordinates_of_two_by_four() -> None:
    s = coordinates(2, 4, torch.zeros(1, dtype=torch.float64))[0]
    assert s[:, 0, 0].tolist() == [-1.0, -1.0, -0.5, 0.0, -0.75, -0.5, 0.5, 0.25]
    assert s[:, 1, 3].tolist() == [0.5, 0.0, 1.0, 1.0, 0.75, 0.5, 0.5, 0.25]


@pytest.mark.parametrize("size", [(2, 4), (5, 3)])
def test_multimodal_feature_is_equation_1(size: tuple[int, int]) -> None:
    fusion = Fusion(L2, 10).double()
    e, h = torch.randn(2, 10, *size, dtype=torch.float64), torch.randn(2, 8, dtype=torch.float64)
    m = fusion.multimodal(e, h)
    w = torch.cat([fusion.w_visual.weight.flatten(1), fusion.w_sentence.weight, fusion.w_place.weight.flatten(1)], 1)
    s = coordinates(*size, e)[0]
    for n in range(2):
        for y in range(size[0]):
            for x in range(size[1]):
                parts = [unit(e[n, :, y, x]), unit(h[n]), s[:, y, x]]
                wanted = unit(w @ torch.cat(parts) + fusion.w_sentence.bias)
                torch.testing.assert_close(m[n, :, y, x], wanted)


@pytest.mark.parametrize("config", [L2, BATCH], ids=["l2", "batch"])
def test_word_attention_is_equation_2(config: ModelConfig) -> None:
    fusion = Fusion(config, 10).double().eval()
    m = torch.randn(2, 12, 3, 2, dtype=torch.float64)
    words = torch.randn(2, 4, 6, dtype=torch.float64)
    mask = torch.tensor([[True, True, True, True], [True, True, False, False]])
    language, weights = fusion.attend_words(m, words, mask)
    assert fusion.word is not None
    for n in range(2):
        real = int(mask[n].sum())
        e = [fusion.word(words[n, t]) for t in range(real)]
        e = [unit(v) for v in e] if config is L2 else [fusion.norm_word(v) for v in e]
        scale = 1.0 if config is L2 else 12**-0.5
        for y in range(3):
            for x in range(2):
                alpha = torch.stack([m[n, :, y, x] @ v for v in e]) * scale
                p = alpha.exp() / alpha.exp().sum()
                torch.testing.assert_close(weights[n, :real, y, x], p)
                assert weights[n, real:, y, x].abs().sum() == 0
                wanted = torch.stack([p[t] * e[t] for t in range(real)]).sum(0)
                torch.testing.assert_close(language[n, :, y, x], wanted)


@pytest.mark.parametrize("attention", ["none", "vcm", "acm"])
@pytest.mark.parametrize("base", [L2, BATCH, replace(L2, branch_kernel=3), replace(BATCH, gated=True, residual=True)])
def test_feature_has_the_shape_of_e(base: ModelConfig, attention: str) -> None:
    fusion = Fusion(replace(base, attention=attention), 10)
    e = torch.randn(2, 10, 9, 8)
    mask = torch.tensor([[True, True], [True, False]])
    fused = fusion(e, torch.randn(2, 2, 6), torch.randn(2, 8), mask, explain=True)
    assert fused.feature.shape == e.shape
    assert (fused.word_attention is None) == (attention == "none")
    if base.normalisation == "l2":
        torch.testing.assert_close(fused.feature.norm(dim=1), torch.ones(2, 9, 8))


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_new_branch_is_as_strong_as_e(share: float) -> None:
    fusion = Fusion(replace(BATCH, attention="none"), 10)
    e = 8 * torch.randn(4, 10, 8, 8)
    fusion.match_strength(e, share)
    f = fusion(e, torch.randn(4, 2, 6), torch.randn(4, 8), torch.ones(4, 2, dtype=torch.bool)).feature
    assert f.std().item() == pytest.approx(8 * share, rel=0.1)


@pytest.mark.parametrize("kernel", [0, 1])
@pytest.mark.parametrize("config", [L2, BATCH], ids=["l2", "batch"])
def test_the_bins_way_has_the_same_feature_and_gradients(config: ModelConfig, kernel: int) -> None:
    torch.manual_seed(0)
    fusion = Fusion(replace(config, branch_kernel=kernel), 10).double()
    e, h = torch.randn(2, 10, 9, 7, dtype=torch.float64), torch.randn(2, 8, dtype=torch.float64)
    words, mask = torch.randn(2, 4, 6, dtype=torch.float64), torch.tensor([[True] * 4, [True] * 2 + [False] * 2])
    found = []
    for fusion.of_bins in (True, False):
        fusion.zero_grad()
        feature = fusion(e, words, h, mask).feature
        (feature * torch.linspace(-1, 1, feature.numel(), dtype=torch.float64).view_as(feature)).sum().backward()
        found.append([feature.detach(), *(p.grad.clone() for p in fusion.parameters())])
    for ours, plain in zip(*found, strict=True):
        torch.testing.assert_close(ours, plain)


def test_who_goes_the_bins_way() -> None:
    """It needs a map that is nothing but a mixture of bins, and no convolution of places before the last one."""
    assert Fusion(L2, 10).of_bins and Fusion(replace(L2, branch_kernel=1), 10).of_bins
    for other in (replace(L2, residual=True), replace(L2, branch_kernel=3), replace(L2, attention="vcm")):
        assert not Fusion(other, 10).of_bins
