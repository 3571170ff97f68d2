"""The presence output on cases that can be computed by hand."""

import torch
from torch import nn

from cefnet.presence import Presence


def seen_by(presence: Presence, top: torch.Tensor, logits: torch.Tensor, *fit: torch.Tensor) -> torch.Tensor:
    """What the first layer is given."""
    given = []
    hook = presence.w_visual.register_forward_hook(lambda _, inputs, __: given.append(inputs[0]))
    presence(top, logits, torch.zeros(1, 4), *fit)
    hook.remove()
    return given[0][0]


def test_it_looks_inside_the_mask() -> None:
    """The right half of a 2 x 4 D_5 is masked: the second channel is 3 there, and 1 on the left."""
    top = torch.stack([torch.zeros(2, 4), torch.tensor([[1.0, 1, 3, 3]] * 2)])[None]
    logits = torch.full((1, 1, 4, 8), -50.0)
    logits[..., 4:] = 50
    seen = seen_by(Presence(2, 4), top, logits)
    whole, largest, inside, sure = seen[:2], seen[2:4], seen[4:6], seen[6:]
    assert whole.tolist() == [0, 2] and largest.tolist() == [0, 3]
    torch.testing.assert_close(inside, torch.tensor([0.0, 3.0]))
    torch.testing.assert_close(sure, torch.tensor([1.0, 1.0, 0.5]))  # the surest place, the mask's own mean, its area


def test_an_unsure_mask_is_told_from_a_sure_one() -> None:
    sure = seen_by(Presence(2, 4), torch.zeros(1, 2, 2, 2), torch.full((1, 1, 4, 4), 0.0))[6:]
    torch.testing.assert_close(sure, torch.tensor([0.5, 0.5, 0.5]))


def test_with_matching_it_looks_at_the_best_fit_and_at_that_of_the_mask() -> None:
    """The fit is 4, -4 on the left and 8, -8 on the right, which the mask has: mean 0, deviation (160/3)^0.5."""
    logits = torch.full((1, 1, 4, 4), -50.0)
    logits[..., 2:] = 50
    fit = torch.tensor([[4.0, 8.0], [-4.0, -8.0]])[None, None]
    seen = seen_by(Presence(2, 4, matching=True), torch.zeros(1, 2, 2, 2), logits, fit)[9:]
    torch.testing.assert_close(seen, torch.tensor([2.0, 4 / (160 / 3) ** 0.5, 0.0, 0.0]), atol=1e-3, rtol=0)


def test_no_gradient_reaches_the_mask_and_the_fit() -> None:
    presence, logits = Presence(2, 4, matching=True), torch.zeros(1, 1, 4, 4, requires_grad=True)
    top, sentence = torch.rand(1, 2, 2, 2, requires_grad=True), torch.rand(1, 4, requires_grad=True)
    fit = torch.rand(1, 1, 2, 2, requires_grad=True)
    nn.functional.softplus(presence(top, logits, sentence, fit)).sum().backward()
    assert logits.grad is None and fit.grad is None and top.grad is not None and sentence.grad is not None
