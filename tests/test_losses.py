import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cefnet.model import Output
from train.losses import LossWeights, Objective, category_loss, contour, dice_loss, rival_loss


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


def halves(*rows: tuple[float, float]) -> torch.Tensor:
    """N x 1 x 2 x 2: one value on the left, one on the right."""
    return torch.tensor([[a, b, a, b] for a, b in rows]).view(-1, 1, 2, 2)


def test_rivals_by_hand() -> None:
    """One photo, "left" and "right": the first votes 2 to 0 for its own, the second 1 to 1; a third photo is alone."""
    masks, logits = halves((1, 0), (0, 1), (1, 0)), halves((2, 0), (1, 1), (5, -5))
    present, photos = torch.tensor([True, True, True]), torch.tensor([0, 0, 1])
    expressions = [math.log(1 + math.exp(-2)), math.log(2)]  # each expression among the objects
    objects = [math.log(1 + math.exp(-1))] * 2  # each object among the expressions: 2 against 1, 1 against 0
    wanted = sum(expressions + objects) / 4 * 2 / 3
    assert rival_loss(logits, masks, present, photos).item() == pytest.approx(wanted, rel=1e-5)


def test_rivals_are_other_objects_that_are_there() -> None:
    logits, photos = halves((2, 0), (0, 2)), torch.tensor([0, 0])
    there = torch.tensor([True, True])
    assert rival_loss(logits, halves((1, 0), (1, 0)), there, photos) == 0  # the same object, said twice
    assert rival_loss(logits, halves((1, 0), (1, 1)), there, photos) == 0  # "two dogs" is no rival of one of them
    assert rival_loss(logits, halves((1, 0), (0, 0)), torch.tensor([True, False]), photos) == 0  # absent
    assert rival_loss(logits, halves((1, 0), (0, 1)), there, torch.tensor([0, 1])) == 0  # another photo
    assert rival_loss(logits, halves((1, 0), (0, 1)), there, photos) > 0


def test_the_same_object_said_twice_counts_as_right_twice() -> None:
    masks, logits = halves((1, 0), (1, 0), (0, 1)), halves((3, 0), (3, 0), (0, 3))
    photos, there = torch.zeros(3, dtype=torch.long), torch.ones(3, dtype=torch.bool)
    wanted = (2 * math.log(1 + math.exp(-3) / 2) + math.log(1 + 2 * math.exp(-3))) / 3
    assert rival_loss(logits, masks, there, photos).item() == pytest.approx(wanted, rel=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_rivals_gradient_is_finite(seed: int) -> None:
    torch.manual_seed(seed)
    logits = (torch.randn(6, 1, 3, 3) * 50).requires_grad_()
    masks = (torch.rand(6, 1, 3, 3) > 0.7).float()
    loss = rival_loss(logits, masks, torch.rand(6) > 0.3, torch.tensor([0, 0, 0, 1, 1, 1]))
    loss.backward()
    assert loss >= 0 and logits.grad is not None and logits.grad.isfinite().all()


def test_rivals_are_off_unless_asked_for() -> None:
    zeros = [torch.zeros(2, 1, s, s) for s in (8, 4, 2, 1)]
    masks = torch.zeros(2, 8, 8)
    masks[0, :, :4], masks[1, :, 4:] = 1, 1
    there, photos = torch.tensor([True, True]), torch.tensor([0, 0])
    assert "rivals" not in Objective(LossWeights(), 4, 0)(output(zeros), masks, there, photo_index=photos)
    losses = [Objective(LossWeights(rivals=w), 4, 0) for w in (0.0, 0.5)]
    off, on = (loss(output(zeros), masks, there, photo_index=photos) for loss in losses)
    assert on["rivals"].item() == pytest.approx(math.log(2))
    assert on["total"].item() == pytest.approx(off["total"].item() + 0.5 * math.log(2))
