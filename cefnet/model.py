"""CEFNet: encoder fusion with co-attention, then the boundary-enhanced decoder."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from cefnet.boundary import Decoder
from cefnet.coattention import CoAttentionMaps
from cefnet.config import ModelConfig
from cefnet.encoders import build_encoder
from cefnet.fusion import Fusion
from cefnet.text import TextEncoder


@dataclass
class PhotoFeatures:
    """What no expression changes: E_1, E_2 and res3's own output, P x C_i x h_i x w_i."""

    e1: Tensor
    e2: Tensor
    e3: Tensor

    def select(self, index: Tensor) -> PhotoFeatures:
        """The features of the photos that N expressions are about; `index` is N photo indices."""
        return PhotoFeatures(self.e1[index], self.e2[index], self.e3[index])


@dataclass
class Output:
    """All outputs by name; level 1 is the finest.

    Attributes:
        mask_logits: SM_1..SM_4 before the sigmoid, N x 1 x h x w each, at their own resolution.
        boundary_logits: BM_1..BM_4 alike; empty without the boundary module.
        body_logits: masks predicted from every STN output alike; empty without the boundary module.
        presence_logit: N, "is it there at all"; None without that output.
        top: D_5, N x C x h x w (auxiliary losses read it).
        word_attention: stage 3, 4, 5 -> N x T x h x w, sums to 1 over T; filled with `explain=True`.
        co_attention: stage 3, 4, 5 -> rows of the affinity on demand; filled with `explain=True`.
    """

    mask_logits: tuple[Tensor, ...]
    boundary_logits: tuple[Tensor, ...]
    body_logits: tuple[Tensor, ...]
    presence_logit: Tensor | None
    top: Tensor
    word_attention: dict[int, Tensor] = field(default_factory=dict)
    co_attention: dict[int, CoAttentionMaps] = field(default_factory=dict)


class CEFNet(nn.Module):
    """The network of the paper, or a named departure from it (see `ModelConfig`)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = build_encoder(config.encoder, config.dilated)
        self.pixel_norm = nn.BatchNorm2d(3) if config.pixels == "batchnorm" else None
        self.text = TextEncoder(
            config.vocabulary,
            config.word_width,
            config.text_width,
            normalise="l2" if config.normalisation == "l2" else "layer",
        )
        channels = self.encoder.channels
        self.fusions = nn.ModuleDict({str(i): Fusion(config, channels[i - 1]) for i in (3, 4, 5)})
        self.decoder = Decoder(
            channels, self.encoder.strides, config.decoder_widths, config.boundary, config.decoder_stride
        )
        top = config.decoder_widths[0]
        self.presence = nn.Linear(2 * top, 1) if config.presence else None

    def standardise(self, images: Tensor) -> Tensor:
        """RGB in 0..1, P x 3 x H x W -> what the encoder's first convolution takes."""
        if self.pixel_norm is not None:
            return self.pixel_norm(images.flip(1) * 255)  # raw BGR, as in the authors' code
        mean = images.new_tensor(self.encoder.mean).view(3, 1, 1)
        std = images.new_tensor(self.encoder.std).view(3, 1, 1)
        return (images - mean) / std

    def encode_photo(self, images: Tensor) -> PhotoFeatures:
        """The part that no expression changes.

        Args:
            images: P x 3 x H x W, RGB in 0..1; H and W multiples of 16.
        """
        e1 = self.encoder.stage(1, self.standardise(images))
        e2 = self.encoder.stage(2, e1)
        return PhotoFeatures(e1, e2, self.encoder.stage(3, e2))

    @torch.no_grad()
    def match_strength(self, images: Tensor) -> None:
        """Before training: makes each fusion's F as strong as the E_i it will be added to (see `Fusion`)."""
        for i, e in enumerate(self.encoder(self.standardise(images)), 1):
            if i >= 3:
                fusion = self.fusions[str(i)]
                assert isinstance(fusion, Fusion)
                fusion.match_strength(e)

    def forward(
        self,
        photo: PhotoFeatures,
        ids: Tensor,
        mask: Tensor,
        photo_index: Tensor | None = None,
        explain: bool = False,
    ) -> Output:
        """Segments what N expressions name.

        Args:
            photo: features of P photos.
            ids: N x T piece ids, 0 = padding.
            mask: N x T, True for real pieces.
            photo_index: N, which photo each expression is about; None means one each, or all about one.
            explain: also return word attention and co-attention.

        Raises:
            ValueError: P photos do not match N expressions and no `photo_index` says which is whose.
        """
        n, p = ids.shape[0], photo.e3.shape[0]
        if photo_index is None:
            if p not in (1, n):
                raise ValueError(f"{p} photos and {n} expressions: pass photo_index")
            photo_index = torch.arange(n, device=ids.device) if p == n else ids.new_zeros(n)
        words, sentence = self.text(ids, mask)
        features, word_attention, co_attention = self._fuse(
            photo.select(photo_index), words, sentence, mask, explain
        )
        decoded, top = self.decoder(features)
        presence = None
        if self.presence is not None:
            pooled = torch.cat([top.mean((2, 3)), top.amax((2, 3))], dim=1)
            presence = self.presence(pooled).squeeze(1)
        return Output(
            tuple(decoded.mask_logits),
            tuple(decoded.boundary_logits),
            tuple(decoded.body_logits),
            presence,
            top,
            word_attention,
            co_attention,
        )

    def _fuse(
        self, photo: PhotoFeatures, words: Tensor, sentence: Tensor, mask: Tensor, explain: bool
    ) -> tuple[list[Tensor], dict[int, Tensor], dict[int, CoAttentionMaps]]:
        """E_1..E_5 with the multi-modal feature added after stages 3, 4 and 5."""
        in_encoder = self.config.fusion == "encoder"
        features = [photo.e1, photo.e2]
        word_attention: dict[int, Tensor] = {}
        co_attention: dict[int, CoAttentionMaps] = {}
        e = photo.e3
        for i in (3, 4, 5):
            if i > 3:
                e = self.encoder.stage(i, e)
            fusion = self.fusions[str(i)]
            assert isinstance(fusion, Fusion)
            fused = fusion(e, words, sentence, mask, explain)
            features.append(fusion.add(e, fused))
            e = features[-1] if in_encoder else e  # EFN: the sum feeds the next block; DFN: only the decoder
            if fused.word_attention is not None:
                word_attention[i] = fused.word_attention
            if fused.co_attention is not None:
                co_attention[i] = fused.co_attention
        return features, word_attention, co_attention
