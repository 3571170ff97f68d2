"""The section "Text" of the paper: pieces -> word vectors e_t and a sentence vector h_T."""

from typing import Literal

import torch
from torch import Tensor, nn

from cefnet.model.layers import UnitLength
from cefnet.text import PADDING


class TextEncoder(nn.Module):
    """Embedding and Bi-GRU (section "Text" of the paper).

    Args:
        vocabulary: Number of pieces; id 0 is padding, its vector is zero.
        word_width: Width of a word vector e_t.
        width: Width of the sentence vector h_T, even; half of it for each direction of the GRU.
        normalise: What h_T passes before it meets the picture: "layer" (LayerNorm) or "l2" (unit length, as
            in the authors' code). A GRU's own outputs are so small that the model learns to ignore them.

    Raises:
        ValueError: If `width` is odd or `normalise` is unknown.
    """

    def __init__(self, vocabulary: int, word_width: int, width: int, normalise: Literal["layer", "l2"]) -> None:
        super().__init__()
        if width % 2:
            raise ValueError(f"width is {width}; it must be even, half of it for each direction of the GRU.")
        if normalise not in ("layer", "l2"):
            raise ValueError(f"normalise is {normalise!r}; it must be 'layer' or 'l2'.")
        self.embedding = nn.Embedding(vocabulary, word_width, padding_idx=PADDING)
        self.gru = nn.GRU(word_width, width // 2, batch_first=True, bidirectional=True)
        self.norm = nn.LayerNorm(width) if normalise == "layer" else UnitLength()

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Encodes a padded batch; padding changes nothing.

        Args:
            ids: N x T int64.
            mask: N x T bool, True at real pieces, which come first and number at least one a row.

        Returns:
            words: N x T x word_width, the embeddings e_t (zero at padding).
            sentence: N x width, h_T.
        """
        words = self.embedding(ids)  # N x T x word_width
        lengths = mask.sum(1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(words, lengths, batch_first=True, enforce_sorted=False)
        # Forward state at the last real piece, backward state at the first; the authors' code takes both at
        # the last, where the backward half has read one piece.
        _, last = self.gru(packed)  # 2 x N x width/2
        return words, self.norm(torch.cat([last[0], last[1]], dim=1))
