"""Multi-modal fusion of one encoder stage: Eq. 1, word attention (Eq. 2), co-attention, output convolution."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cefnet.config import ModelConfig
from cefnet.model.clicks import CLICK_MAPS, Hints
from cefnet.model.coattention import AsymmetricCoAttention, CoAttentionMaps, Mixture, VanillaCoAttention, as_map
from cefnet.model.layers import COORDINATES, UnitLength, coordinates
from cefnet.model.matching import FIT


@dataclass
class Fused:
    """The feature to add to E_i (N x C_i x H x W), M of Eq. 1, and what explains them (None unless asked for)."""

    feature: Tensor
    multimodal: Tensor  # N x C x H x W
    word_attention: Tensor | None = None  # N x T x H x W
    co_attention: CoAttentionMaps | None = None


class Fusion(nn.Module):
    """From E_i and the expression to the normalised multi-modal feature F of E_i's own shape."""

    def __init__(self, config: ModelConfig, channels: int) -> None:
        super().__init__()
        width = config.width
        # w [E, h_T, s] = w_E E + w_h h_T + w_s s: one matrix in three blocks, so that nothing is tiled
        self.w_visual = nn.Conv2d(channels, width, 1, bias=False)
        self.w_sentence = nn.Linear(config.text_width, width)
        self.w_place = nn.Conv2d(COORDINATES + FIT * config.matching + CLICK_MAPS * config.clicks, width, 1, bias=False)
        self.gate = nn.Linear(config.text_width, width) if config.gated else None
        self.word: nn.Linear | None = None
        self.attention: VanillaCoAttention | AsymmetricCoAttention | None = None
        if config.attention != "none":
            self._add_attention(config)
        inputs = width if self.attention is None else 2 * width
        self.out = nn.Conv2d(inputs, channels, 3, padding=1, bias=config.normalisation == "l2")
        self.residual = config.residual
        # Cat(L~, M~) stays a mixture of 110 vectors up to the output convolution: see `Mixture.convolve`
        self.of_bins = config.attention == "acm" and config.branch_kernel < 2 and not config.residual
        self._add_norms(config, channels)

    def _add_attention(self, config: ModelConfig) -> None:
        width, kernel = config.width, config.branch_kernel
        self.word = nn.Linear(config.word_width, width)
        values = width
        if config.attention == "vcm":
            self.attention = VanillaCoAttention(width, scaled=config.normalisation != "l2")
        else:
            values = width // 2 if kernel else width  # 256 of 512, widened by the branch, in the authors' code
            self.attention = AsymmetricCoAttention(width, values)
        self.branch_m, self.branch_l = (
            nn.Conv2d(values, width, kernel, padding=kernel // 2) if kernel else nn.Identity() for _ in "ml"
        )

    def _add_norms(self, config: ModelConfig, channels: int) -> None:
        """What brings each feature to one scale: unit length (`l2`, the authors' code), or learned norms (`batch`)."""
        width = config.width
        self.norm_e: nn.Module  # declared once for both branches, each of which makes its own kind
        self.norm_m: nn.Module
        self.norm_f: nn.Module
        self.norm_sum: nn.Module
        self.norm_sentence: nn.Module
        self.norm_word: nn.Module
        if config.normalisation == "l2":
            self.norm_e, self.norm_m, self.norm_f, self.norm_sum = (UnitLength(dim=1) for _ in "emfs")
            self.norm_sentence, self.norm_word = UnitLength(), UnitLength()
            self.word_scale = 1.0
        else:
            self.norm_e, self.norm_m = nn.BatchNorm2d(channels, affine=False), nn.BatchNorm2d(width)
            self.norm_f, self.norm_sum = nn.BatchNorm2d(channels), nn.Identity()
            self.norm_sentence, self.norm_word = nn.Identity(), nn.LayerNorm(width)
            self.word_scale = width**-0.5

    def multimodal(self, e: Tensor, sentence: Tensor, hints: Hints | None = None) -> Tensor:
        """M of Eq. 1: N x C x H x W.

        Args:
            e: E_i, N x C_i x H x W.
            sentence: h_T, N x text_width.
            hints: What `Matching` and `Clicks` found, in models that have them; stands beside s.
        """
        e, sentence = self.norm_e(e), self.norm_sentence(sentence)
        s = coordinates(e.shape[-2], e.shape[-1], e)
        if hints is not None:
            s = torch.cat([s.expand(len(e), -1, -1, -1), hints.at(e)], dim=1)
        m = self.w_visual(e) + self.w_place(s)
        if self.gate is not None:
            m = m * (1 + self.gate(sentence))[:, :, None, None]
        m = m + self.w_sentence(sentence)[:, :, None, None]
        m = self.norm_m(m)
        return m if self.gate is None else F.relu(m)

    def attend_words(self, m: Tensor, words: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Eq. 2.

        Args:
            m: N x C x H x W.
            words: e_t, N x T x word_width.
            mask: N x T, True for real tokens.

        Returns:
            L, N x C x H x W, and the word attention softmax_t(alpha), N x T x H x W.
        """
        assert self.word is not None
        e = self.norm_word(self.word(words))  # N x T x C
        alpha = self.word_scale * (e @ m.flatten(2))  # N x T x HW
        weights = alpha.masked_fill(~mask[:, :, None], float("-inf")).softmax(1)
        language = (e.transpose(1, 2) @ weights).unflatten(2, m.shape[-2:])
        return language, weights.unflatten(2, m.shape[-2:])

    def forward(
        self,
        e: Tensor,
        words: Tensor,
        sentence: Tensor,
        mask: Tensor,
        hints: Hints | None = None,
        explain: bool = False,
    ) -> Fused:
        """E_i, N x C_i x H x W; words e_t, N x T x word_width; sentence h_T, N x text_width; hints as `multimodal`."""
        m = self.multimodal(e, sentence, hints)
        if self.attention is None:
            return Fused(self.norm_f(self.out(m)), m)
        language, weights = self.attend_words(m, words, mask)
        fused = Fused(self.norm_f(self.attended(m, language)), m)
        if explain:
            fused.word_attention, fused.co_attention = weights, self.attention.affinity(m, language)
        return fused

    def attended(self, m: Tensor, language: Tensor) -> Tensor:
        """Eq. 3-8 with the output convolution of Cat(L~, M~): F before its norm, N x C_i x H x W.

        Args:
            m: M, N x C x H x W.
            language: L, alike.
        """
        assert self.attention is not None
        m_out, l_out = self.attention(m, language)
        if self.of_bins:
            assert isinstance(m_out, Mixture) and isinstance(l_out, Mixture)
            return l_out.pointwise(self.branch_l).cat(m_out.pointwise(self.branch_m)).convolve(self.out)
        m_out, l_out = self.branch_m(as_map(m_out)), self.branch_l(as_map(l_out))
        if self.residual:
            m_out, l_out = m_out + m, l_out + language
        return self.out(torch.cat([l_out, m_out], dim=1))

    @torch.no_grad()
    def match_strength(self, e: Tensor, share: float) -> None:
        """Gives a new F `share` of E_i's deviation (`batch` only): EfficientNet's E_3 and E_4 deviate by about 8, and a
        branch of deviation 1 is drowned. N x C_i x H x W."""
        if isinstance(self.norm_f, nn.BatchNorm2d):
            self.norm_f.weight.fill_(share * e.std((0, 2, 3)).mean().item())

    def add(self, e: Tensor, fused: Fused) -> Tensor:
        """The sum that feeds the next block: E_i + F (both of unit length with `l2`)."""
        return self.norm_sum(e) + fused.feature
