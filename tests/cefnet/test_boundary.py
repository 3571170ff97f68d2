"""Eq. 9-11 against the equations written out, in float64."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cefnet.model.decoder import BoundaryStep, Decoded, Decoder, SpatialTransformer


def bilinear_at(image: Tensor, y: float, x: float) -> Tensor:
    """C x H x W read at a fractional place, clamped to the border."""
    h, w = image.shape[1:]
    y, x = min(max(y, 0), h - 1), min(max(x, 0), w - 1)
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, h - 1), min(x0 + 1, w - 1)
    fy, fx = y - y0, x - x0
    top = image[:, y0, x0] * (1 - fx) + image[:, y0, x1] * fx
    bottom = image[:, y1, x0] * (1 - fx) + image[:, y1, x1] * fx
    return top * (1 - fy) + bottom * fy


def test_stn_starts_as_the_identity() -> None:
    s = torch.randn(2, 6, 5, 7)
    stn = SpatialTransformer(6)
    torch.testing.assert_close(stn(s), s, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(4, 4), (5, 9)])
def test_stn_samples_where_its_affine_map_points(size: tuple[int, int]) -> None:
    h, w = size
    stn = SpatialTransformer(3).eval()
    theta = torch.tensor([[0.9, 0.1, 0.2], [-0.05, 1.1, -0.3]])
    with torch.no_grad():
        stn.theta[-1].bias.copy_(theta.flatten())  # type: ignore[operator,union-attr]
    s = torch.randn(1, 3, h, w)
    warped = stn(s)[0]
    for i in range(h):
        for j in range(w):
            place = torch.tensor([(2 * j + 1) / w - 1, (2 * i + 1) / h - 1, 1.0])
            x, y = (theta @ place).tolist()
            wanted = bilinear_at(s[0], ((y + 1) * h - 1) / 2, ((x + 1) * w - 1) / 2)
            torch.testing.assert_close(warped[:, i, j], wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [(6, 6), (5, 9), (1, 4), (1, 1)])
def test_stn_pools_the_convolution_of_the_pair_without_convolving(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    stn = SpatialTransformer(3).double().eval()
    torch.nn.init.normal_(stn.theta[-1].weight)  # type: ignore[arg-type]
    s = torch.randn(2, 3, *size, dtype=torch.float64)
    low = F.interpolate(stn.down(s), size=size, mode="bilinear", align_corners=False)
    plain = stn.theta(stn.pair(torch.cat([s, low], 1)).mean((2, 3))).view(-1, 2, 3)
    torch.testing.assert_close(stn.affine(s), plain)
    ours, theirs = (torch.autograd.grad(x.square().sum(), stn.pair.parameters()) for x in (stn.affine(s), plain))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("size", [(4, 4), (3, 5)])
def test_step_is_equations_9_to_11(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    step = BoundaryStep(6, 4, 5).double().eval()
    torch.nn.init.normal_(step.stn.theta[-1].weight, std=0.1)  # type: ignore[arg-type]
    s = torch.randn(2, 6, *size, dtype=torch.float64)
    d = torch.randn(2, 4, 2 * size[0], 2 * size[1], dtype=torch.float64)
    out = Decoded()
    s_next = step(s, d, out)

    def up(x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

    b = s - step.stn(s)  # (9)
    b_tilde = step.conv_b(torch.cat([up(b), d], 1))  # (10)
    wanted = step.conv_s(torch.cat([b_tilde + up(step.stn(s)), up(s)], 1))  # (11)
    torch.testing.assert_close(s_next, wanted)
    torch.testing.assert_close(out.boundary_logits[0], step.boundary(b_tilde))
    torch.testing.assert_close(out.mask_logits[0], step.mask(wanted))
    torch.testing.assert_close(out.body_logits[0], step.body(up(step.stn(s))))


@pytest.mark.parametrize(("finest", "sides"), [(2, [32, 16, 8, 4]), (4, [16, 16, 8, 4])])
@pytest.mark.parametrize("boundary", [True, False])
def test_levels_of_the_decoder(finest: int, sides: list[int], boundary: bool) -> None:
    strides, channels = (2, 4, 8, 16, 16), (3, 4, 5, 6, 7)
    features = [torch.randn(2, c, 64 // s, 64 // s) for c, s in zip(channels, strides, strict=True)]
    decoder = Decoder(channels, strides, (10, 8, 6, 4, 2), boundary, finest)
    out, top = decoder(decoder.fine(*features[:2]), features[2:])
    assert [level.shape[-1] for level in out.mask_logits] == sides
    assert len(out.boundary_logits) == len(out.body_logits) == (4 if boundary else 0)
    assert top.shape == (2, 10, 4, 4)
