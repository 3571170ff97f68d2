import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cefnet.model import Output
from train.losses import LossWeights, Objective, category_loss, contour, dice_loss


def contour_loop(mask: np.ndarray, distance: int) -> np.ndarray:
    """A place with both an inside and an outside place within the distance (photo only)."""
    h, w = mask.shape
    out = np.zeros_like(mask)
    for y in range(h):
        for x in range(w):
            near = {
                int(mask[v, u])
                for v in range(max(0, y - distance), min(h, y + distance + 1))
                for u in range(max(0, x - distance), min(w, x + distance + 1))
                if (v - y) ** 2 + (u - x) ** 2 <= distance**2
            }
            out[y, x] = near == {0, 1}
    return out


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**31), st.integers(1, 3))
def test_contour_is_what_its_docstring_says(height: int, width: int, seed: int, distance: int) -> None:
    mask = (np.random.default_rng(seed).random((height, width)) > 0.7).astype(np.float32)
    got = contour(torch.from_numpy(mask)[None, None], distance)[0, 0].numpy()
    np.testing.assert_array_equal(got, contour_loop(mask, distance))


def test_dice_by_hand() -> None:
    big = 50.0
    target = torch.tensor([[1.0, 1, 0, 0]]).view(1, 1, 2, 2)
    there = torch.tensor([True])
    perfect = (target * 2 - 1) * big
    assert dice_loss(perfect, target, there).item() == pytest.approx(0)
    assert dice_loss(-perfect, target, there).item() == pytest.approx(1 - 1 / 5)  # (0 + 1) / (2 + 2 + 1)
    assert dice_loss(perfect, target, ~there).item() == 0


def output(levels: list[torch.Tensor], **others: object) -> Output:
    values = {
        "boundary_logits": (),
        "body_logits": (),
        "presence_logit": None,
        "top": torch.zeros(1, 4, 2, 2),
    }
    return Output(tuple(levels), **{**values, **others})  # type: ignore[arg-type]


def test_the_paper_sums_plain_cross_entropies() -> None:
    """Logits of 0 cost log 2 each: 4 masks, 4 boundaries, 4 bodies."""
    zeros = [torch.zeros(1, 1, s, s) for s in (8, 4, 2, 1)]
    out = output(zeros, boundary_logits=tuple(zeros), body_logits=tuple(zeros))
    mask = torch.zeros(1, 8, 8, dtype=torch.uint8)
    mask[0, 2:5, 2:5] = 1
    terms = Objective(LossWeights(), 4, 3)(out, mask, torch.tensor([True]))
    assert terms["total"].item() == pytest.approx(12 * math.log(2), rel=1e-5)


def test_targets_are_cell_averages() -> None:
    mask = torch.zeros(1, 4, 4, dtype=torch.uint8)
    mask[0, :2, :1] = 1  # half of the first 2 x 2 cell
    logit = torch.tensor([[[[0.0, -60], [-60, -60]]]])
    terms = Objective(LossWeights(mask=(1.0, 0, 0, 0)), 4, 3)(output([logit] * 4), mask, torch.tensor([True]))
    assert terms["mask"].item() == pytest.approx(math.log(2) / 4, rel=1e-5)


def test_presence_and_absent_samples() -> None:
    out = output([torch.zeros(2, 1, 2, 2)] * 4, presence_logit=torch.tensor([0.0, 0.0]))
    masks = torch.zeros(2, 2, 2, dtype=torch.uint8)
    masks[0] = 1
    terms = Objective(LossWeights(dice=1.0, presence=1.0), 4, 3)(out, masks, torch.tensor([True, False]))
    assert terms["presence"].item() == pytest.approx(math.log(2), rel=1e-5)
    assert torch.isfinite(terms["total"])


def test_unannotated_places_are_not_background() -> None:
    logits = torch.randn(1, 3, 2, 2)
    classes = torch.tensor([[[0, 2], [0, 0]]])
    wanted = -logits[0, :, 0, 1].log_softmax(0)[1]
    assert category_loss(logits, classes).item() == pytest.approx(wanted.item(), rel=1e-5)
    assert category_loss(logits, torch.zeros(1, 2, 2)).item() == 0
