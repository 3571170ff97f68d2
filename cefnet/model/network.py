"""CEFNet: encoder fusion with co-attention, then the boundary-enhanced decoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from cefnet.config import ModelConfig
from cefnet.model.clicks import CLICK_MAPS, Clicks, Hints
from cefnet.model.coattention import CoAttentionMaps
from cefnet.model.decoder import Decoder
from cefnet.model.encoders import build_encoder
from cefnet.model.fusion import Fused, Fusion
from cefnet.model.matching import FIT, Matching, relative
from cefnet.model.text import TextEncoder
from cefnet.model.verdict import Verdict


@dataclass
class PhotoFeatures:
    """What no expression changes, of P photos; maps are P x C x h x w.

    Attributes:
        encoded: res3's own output; with decoder fusion, where nothing feeds back into the encoder, E_3, E_4 and E_5.
        fine: D_1 and D_2, which the decoder makes of E_1 and E_2.
        places: What `Matching` makes of the photo, in models that have it.
        likeness: What `Clicks` makes of the photo, alike.
    """

    encoded: tuple[Tensor, ...]
    fine: tuple[Tensor, Tensor]
    places: Tensor | None = None
    likeness: Tensor | None = None

    def select(self, index: Tensor) -> PhotoFeatures:
        """The features of the photos that N expressions are about; `index` is N photo indices."""
        return self._each(lambda x: x[index])

    def to(self, device: str | torch.device) -> PhotoFeatures:
        return self._each(lambda x: x.to(device))

    @property
    def photos(self) -> int:
        """P."""
        return len(self.encoded[0])

    @property
    def device(self) -> torch.device:
        return self.encoded[0].device

    @property
    def nbytes(self) -> int:
        return sum(x.nbytes for x in (*self.encoded, *self.fine, self.places, self.likeness) if x is not None)

    def _each(self, change: Callable[[Tensor], Tensor]) -> PhotoFeatures:
        d1, d2 = map(change, self.fine)
        places, likeness = (None if x is None else change(x) for x in (self.places, self.likeness))
        return PhotoFeatures(tuple(map(change, self.encoded)), (d1, d2), places, likeness)


@dataclass
class Output:
    """All outputs by name; level 1 is the finest.

    Attributes:
        mask_logits: SM_1..SM_4 before the sigmoid, N x 1 x h x w each, at their own resolution.
        boundary_logits: BM_1..BM_4 alike; empty without the boundary module.
        body_logits: Masks predicted from every STN output alike; empty without the boundary module.
        presence_logit: N, "is it there at all"; None without that output.
        top: D_5, N x C x h x w (auxiliary losses read it).
        multimodal: M of stages 3, 4 and 5, N x C x h x w; in training mode only (auxiliary losses read them).
        word_attention: Stage 3, 4, 5 -> N x T x h x w, sums to 1 over T; filled with `explain=True`.
        co_attention: Stage 3, 4, 5 -> rows of the affinity on demand; filled with `explain=True`.
        fit: Logits of `Matching`, N x 1 x h x w; None without it.
        right_logit: N, "the mask is right"; None without that output.
        several_logit: N, "more than one thing is meant"; None without that output.
    """

    mask_logits: tuple[Tensor, ...]
    boundary_logits: tuple[Tensor, ...]
    body_logits: tuple[Tensor, ...]
    presence_logit: Tensor | None
    top: Tensor
    multimodal: tuple[Tensor, ...] = ()
    word_attention: dict[int, Tensor] = field(default_factory=dict)
    co_attention: dict[int, CoAttentionMaps] = field(default_factory=dict)
    fit: Tensor | None = None
    right_logit: Tensor | None = None
    several_logit: Tensor | None = None


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
        seen = sum(channels[2:])
        self.matching = Matching(seen, config.text_width, config.clicks) if config.matching else None
        self.clicks = Clicks(seen) if config.clicks else None
        beside = [FIT] * config.matching + [CLICK_MAPS] * config.clicks
        self.presence, self.right, self.several = (
            Verdict(config.decoder_widths[0], config.text_width, beside) if wanted else None
            for wanted in (config.presence, config.right, config.several)
        )

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
        encoded = [self.encoder.stage(3, e2)]
        if self.config.fusion == "decoder":
            for i in (4, 5):
                encoded.append(self.encoder.stage(i, encoded[-1]))
        return PhotoFeatures(tuple(encoded), self.decoder.fine(e1, e2), *self._places(encoded[0]))

    def _places(self, e3: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """What `Matching` and `Clicks` read: the stages once more without language, which learns nothing for them."""
        if self.matching is None:
            return None, None
        with torch.no_grad():
            e4 = self.encoder.stage(4, e3)
            e5 = self.encoder.stage(5, e4)
        seen = self.matching.standardised(self.matching.seen(e3, e4, e5))
        return self.matching.w_place(seen), self.clicks.places(seen) if self.clicks is not None else None

    @torch.no_grad()
    def match_strength(self, images: Tensor, share: float) -> None:
        """Before training: gives each fusion's F `share` of the strength of the E_i it will be added to (`Fusion`)."""
        for i, e in enumerate(self.encoder(self.standardise(images)), 1):
            if i >= 3:
                fusion = self.fusions[str(i)]
                assert isinstance(fusion, Fusion)
                fusion.match_strength(e, share)

    def forward(
        self,
        photo: PhotoFeatures,
        ids: Tensor,
        mask: Tensor,
        photo_index: Tensor | None = None,
        explain: bool = False,
        clicks: Tensor | None = None,
    ) -> Output:
        """Segments what N expressions name.

        Args:
            photo: Features of P photos.
            ids: N x T piece ids, 0 = padding.
            mask: N x T, True for real pieces.
            photo_index: N, which photo each expression is about; None means one each, or all about one.
            explain: Also return word attention and co-attention.
            clicks: N x K x 3, as in `Hints`; None: none.

        Raises:
            ValueError: P photos do not match N expressions and no `photo_index` says which is whose, or clicks for a
                model without them.
        """
        words, sentence = self.text(ids, mask)
        photo = photo.select(_whose(photo.photos, ids) if photo_index is None else photo_index)
        fit = self.matching(photo.places, sentence) if self.matching is not None else None
        hints = self._hints(photo, fit, clicks)
        sums, fused = self._fuse(photo.encoded, words, sentence, mask, hints, explain)
        decoded, top = self.decoder(photo.fine, sums)
        if self.matching is not None and hints is not None:
            decoded.mask_logits = self.matching.lean(decoded.mask_logits, hints)
        presence, right, several = self._verdicts(top, decoded.mask_logits[0], sentence, hints)
        return Output(
            tuple(decoded.mask_logits),
            tuple(decoded.boundary_logits),
            tuple(decoded.body_logits),
            presence,
            top,
            tuple(one.multimodal for one in fused.values()) if self.training else (),
            {i: one.word_attention for i, one in fused.items() if one.word_attention is not None},
            {i: one.co_attention for i, one in fused.items() if one.co_attention is not None},
            fit,
            right,
            several,
        )

    def _hints(self, photo: PhotoFeatures, fit: Tensor | None, clicks: Tensor | None) -> Hints | None:
        if clicks is not None and self.clicks is None:
            raise ValueError("this model takes no clicks (its config has clicks=False)")
        if fit is None:
            return None
        if self.clicks is None:
            return Hints(relative(fit))
        assert photo.likeness is not None
        clicks = fit.new_zeros((len(fit), 1, 3), dtype=torch.float32) if clicks is None else clicks
        return Hints(relative(fit), clicks, self.clicks(photo.likeness, clicks))

    def _verdicts(
        self, top: Tensor, mask_logits: Tensor, sentence: Tensor, hints: Hints | None
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The logits of `presence`, `right` and `several`. `right` judges what was made and changes nothing of it."""
        maps = [] if hints is None else [hints.fit, hints.clicked(hints.fit)]
        beside = [one for one in maps if one is not None]
        presence, several = (
            verdict(top, mask_logits, sentence, beside) if verdict is not None else None
            for verdict in (self.presence, self.several)
        )
        right = None if self.right is None else self.right(top.detach(), mask_logits, sentence.detach(), beside)
        return presence, right, several

    def _fuse(
        self,
        encoded: tuple[Tensor, ...],
        words: Tensor,
        sentence: Tensor,
        mask: Tensor,
        hints: Hints | None,
        explain: bool,
    ) -> tuple[list[Tensor], dict[int, Fused]]:
        """E_3, E_4 and E_5, each with its multi-modal feature added, and what was fused at each stage."""
        sums: list[Tensor] = []
        fused: dict[int, Fused] = {}
        for k, i in enumerate((3, 4, 5)):
            # EFN: the sum feeds the next stage; DFN: it goes to the decoder only
            e = encoded[k] if k < len(encoded) else self.encoder.stage(i, sums[-1])
            fusion = self.fusions[str(i)]
            assert isinstance(fusion, Fusion)
            fused[i] = fusion(e, words, sentence, mask, hints, explain)
            sums.append(fusion.add(e, fused[i]))
        return sums, fused


def _whose(photos: int, ids: Tensor) -> Tensor:
    """The photo of each expression, where one each or the same one is meant: N."""
    n = len(ids)
    if photos not in (1, n):
        raise ValueError(f"{photos} photos and {n} expressions: pass photo_index")
    return torch.arange(n, device=ids.device) if photos == n else ids.new_zeros(n)
