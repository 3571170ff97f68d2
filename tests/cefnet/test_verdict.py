"""What a verdict looks at, on cases that can be computed by hand."""

import torch
from torch import nn

from cefnet.model.verdict import Verdict


def seen_by(verdict: Verdict, top: torch.Tensor, logits: torch.Tensor, *beside: torch.Tensor) -> torch.Tensor:
    """What the first layer is given."""
    given = []
    hook = verdict.w_visual.register_forward_hook(lambda _, inputs, __: given.append(inputs[0]))
    verdict(top, logits, torch.zeros(1, 4), beside)
    hook.remove()
    return given[0][0]


def test_it_looks_inside_the_mask() -> None:
    """The right half of a 2 x 4 D_5 is masked: the second channel is 3 there, and 1 on the left."""
    top = torch.stack([torch.zeros(2, 4), torch.tensor([[1.0, 1, 3, 3]] * 2)])[None]
    logits = torch.full((1, 1, 4, 8), -50.0)
    logits[..., 4:] = 50
    seen = seen_by(Verdict(2, 4), top, logits)
    whole, largest, inside, sure = seen[:2], seen[2:4], seen[4:6], seen[6:]
    assert whole.tolist() == [0, 2] and largest.tolist() == [0, 3]
    torch.testing.assert_close(inside, torch.tensor([0.0, 3.0]))
    torch.testing.assert_close(sure, torch.tensor([1.0, 1.0, 0.5]))  # the surest place, the mask's own mean, its area


def test_an_unsure_mask_is_told_from_a_sure_one() -> None:
    sure = seen_by(Verdict(2, 4), torch.zeros(1, 2, 2, 2), torch.full((1, 1, 4, 4), 0.0))[6:]
    torch.testing.assert_close(sure, torch.tensor([0.5, 0.5, 0.5]))


def test_it_looks_at_the_largest_of_the_other_maps_and_at_those_where_the_mask_is() -> None:
    """The map is 1, -1 on the left and 2, -2 on the right, which the mask has; the second group is 5 everywhere."""
    logits = torch.full((1, 1, 4, 4), -50.0)
    logits[..., 2:] = 50
    beside = torch.tensor([[1.0, 2.0], [-1.0, -4.0]])[None, None], torch.full((1, 1, 2, 2), 5.0)
    seen = seen_by(Verdict(2, 4, (1, 1)), torch.zeros(1, 2, 2, 2), logits, *beside)[9:]
    torch.testing.assert_close(seen, torch.tensor([2.0, -1.0, 5.0, 5.0]))


def test_no_gradient_reaches_the_mask_and_the_other_maps() -> None:
    verdict, logits = Verdict(2, 4, (1,)), torch.zeros(1, 1, 4, 4, requires_grad=True)
    top, sentence = torch.rand(1, 2, 2, 2, requires_grad=True), torch.rand(1, 4, requires_grad=True)
    fit = torch.rand(1, 1, 2, 2, requires_grad=True)
    nn.functional.softplus(verdict(top, logits, sentence, [fit])).sum().backward()
    assert logits.grad is None and fit.grad is None and top.grad is not None and sentence.grad is not None


def test_a_scaled_verdict_says_the_logits_of_a_line() -> None:
    verdict = Verdict(2, 4)
    asked = torch.rand(3, 2, 2, 2), torch.rand(3, 1, 4, 4), torch.rand(3, 4)
    before = verdict(*asked)
    verdict.scale(0.5, -1.25)
    torch.testing.assert_close(verdict(*asked), 0.5 * before - 1.25)
