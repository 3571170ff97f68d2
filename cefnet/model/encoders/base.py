"""What every visual encoder offers to the model."""

import torch
from torch import Tensor, nn


class Encoder(nn.Module):
    """An ImageNet backbone cut into the five stages E_1..E_5 of the paper.

    The stages are called one by one, because encoder fusion adds a language feature to E_3, E_4 and E_5
    before the next stage reads it. The last stage keeps its input's resolution (stride 1), as in the paper.

    Attributes:
        dilated: Stage 5 keeps the receptive field that it had with stride 2 (see `dilate`).
        channels: Channels of E_1..E_5.
        strides: Image pixels per pixel of E_1..E_5.
        mean: What to subtract from an RGB image in 0..1, before `stage(1, ...)`.
        std: What to divide it by afterwards.
    """

    dilated: bool
    channels: tuple[int, int, int, int, int]
    strides: tuple[int, int, int, int, int] = (2, 4, 8, 16, 16)
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def stage(self, i: int, x: Tensor) -> Tensor:
        """Computes E_i.

        Args:
            i: Stage, 1..5.
            x: For stage 1 the standardised image, N x 3 x H x W; for the others E_{i-1}, fused or not.

        Returns:
            E_i, N x channels[i-1] x ceil(H / strides[i-1]) x ceil(W / strides[i-1]).

        Raises:
            ValueError: `i` is not 1..5.
        """
        raise NotImplementedError

    def parts(self, i: int) -> list[nn.Module]:
        """The modules that make up stage `i`, 1..5, in order (training freezes stages by them)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """All of E_1..E_5 of standardised images N x 3 x H x W, with no language in between."""
        features = []
        for i in range(1, 6):
            x = self.stage(i, x)
            features.append(x)
        return tuple(features)


def dilate(stage: nn.Module, x: Tensor) -> Tensor:
    """Runs a stage whose stride 2 became 1 with dilation 2 in all blocks but the first.

    That is what the ImageNet network's weights expect: each place sees the same grid of neighbours as before.
    A dilated convolution is an ordinary one on each of the four interleaved half-size grids, which go through
    the blocks as four samples: nothing is slower than without dilation.

    Raises:
        ValueError: The feature map has an odd height or width (photos must be multiples of 32 pixels).
    """
    first, *blocks = stage.children()
    x = first(x)
    n, c, h, w = x.shape
    if h % 2 or w % 2:
        raise ValueError(f"stage 5 is {h} x {w} places; with dilation the input must be a multiple of 32 pixels")
    grids = x.reshape(n, c, h // 2, 2, w // 2, 2).permute(3, 5, 0, 1, 2, 4).reshape(4 * n, c, h // 2, w // 2)
    grids = grids.contiguous(memory_format=torch.channels_last)
    for block in blocks:
        grids = block(grids)
    c = grids.shape[1]
    x = grids.reshape(2, 2, n, c, h // 2, w // 2).permute(2, 3, 4, 0, 5, 1).reshape(n, c, h, w)
    return x.contiguous(memory_format=torch.channels_last)


def check_stage(i: int) -> None:
    """Refuses a stage that does not exist.

    Raises:
        ValueError: `i` is not 1..5.
    """
    if i not in range(1, 6):
        raise ValueError(f"stage {i} does not exist: an encoder has the stages 1 to 5")
