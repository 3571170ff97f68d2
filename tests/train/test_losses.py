import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cefnet.config import ModelConfig
from cefnet.model import CEFNet, Output
from train.losses import (
    LossWeights,
    Objective,
    Target,
    category_loss,
    contour,
    dice_loss,
    is_right,
    of_words,
    rival_loss,
    several_loss,
)

CONFIG = ModelConfig(width=8, decoder_widths=(4, 4, 4, 4, 4))


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
    terms = Objective(LossWeights(), CONFIG, 3)(out, Target(mask, torch.tensor([True])))
    assert terms["total"].item() == pytest.approx(12 * math.log(2), rel=1e-5)


def test_right_is_an_iou_of_a_half_at_the_threshold() -> None:
    """The target is the upper half of 4 x 4; the answers: all of it, its half, three of its columns, nothing there."""
    target = torch.zeros(4, 4, 4, dtype=torch.bool)
    target[:, :2] = True
    target[3] = False
    logits = torch.full((4, 1, 4, 4), -3.0)
    logits[0] = 0.1  # 8 of 16 places are right
    logits[1, 0, :2, :1] = logits[2, 0, :2, :3] = 3.0  # 2 of 8, 6 of 8
    assert is_right(logits, target, 0.5).tolist() == [True, False, True, False]
    assert is_right(logits, target, 0.6).tolist() == [False, False, True, False]


def test_words_teach_the_fit_what_they_mean_and_nothing_of_the_clicks() -> None:
    masks = torch.arange(1.0, 5.0).view(4, 1, 1, 1)
    found = of_words(masks, torch.tensor([0, 0, -1, 1]), photos=2)  # two photos of two samples
    assert found.flatten().tolist() == [1, 1, 0, 4]


def test_several_counts_the_samples_that_mean_something() -> None:
    logits, several = torch.tensor([0.0, 50.0, 50.0]), torch.tensor([True, True, False])
    present = torch.tensor([True, True, False])
    assert several_loss(logits, several, present).item() == pytest.approx(math.log(2) / 2)
    assert several_loss(logits, several, ~present & False).item() == 0


def test_targets_are_cell_averages() -> None:
    mask = torch.zeros(1, 4, 4, dtype=torch.uint8)
    mask[0, :2, :1] = 1  # half of the first 2 x 2 cell
    logit = torch.tensor([[[[0.0, -60], [-60, -60]]]])
    terms = Objective(LossWeights(mask=(1.0, 0, 0, 0)), CONFIG, 3)(
        output([logit] * 4), Target(mask, torch.tensor([True]))
    )
    assert terms["mask"].item() == pytest.approx(math.log(2) / 4, rel=1e-5)


def test_presence_and_absent_samples() -> None:
    out = output([torch.zeros(2, 1, 2, 2)] * 4, presence_logit=torch.tensor([0.0, 0.0]))
    masks = torch.zeros(2, 2, 2, dtype=torch.uint8)
    masks[0] = 1
    terms = Objective(LossWeights(dice=1.0, presence=1.0), CONFIG, 3)(out, Target(masks, torch.tensor([True, False])))
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
    return torch.tensor([[a, b, a, b] for a, b in rows], dtype=torch.float32).view(-1, 1, 2, 2)


LEFT_AND_RIGHT = torch.tensor([[[1, 2], [1, 2]]])  # P x 2 x 2: an object in each half


def test_rivals_by_hand() -> None:
    """One photo, "left" and "right": the first votes 2 to 0 for its own, the second 1 to 1; the other photo has one."""
    masks, logits = halves((1, 0), (0, 1), (1, 0), (1, 0)), halves((2, 0), (1, 1), (5, -5), (3, 4))
    objects = torch.cat([LEFT_AND_RIGHT, torch.tensor([[[1, 0], [1, 0]]])])
    of_expressions = [math.log(1 + math.exp(-2)), math.log(2)]  # each expression among the objects
    of_objects = [math.log(1 + math.exp(-1))] * 2  # each object among the expressions: 2 against 1, 1 against 0
    wanted = sum(of_expressions + of_objects) / (2 * 4)
    assert rival_loss(logits, masks, objects).item() == pytest.approx(wanted, rel=1e-5)


def test_an_object_that_nobody_names_is_a_rival_too() -> None:
    loss = rival_loss(halves((2, -1)), halves((1, 0)), LEFT_AND_RIGHT)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-3)) / 2, rel=1e-5)


def test_an_absent_expression_should_not_vote_for_an_object() -> None:
    logits, masks = halves((2, 0), (1, 0)), halves((1, 0), (0, 0))
    wanted = math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1))  # left among objects; left among expressions
    assert rival_loss(logits, masks, LEFT_AND_RIGHT).item() == pytest.approx(wanted / 4, rel=1e-5)


def test_without_a_rival_there_is_no_loss() -> None:
    logits = halves((2, 0), (0, 2))
    assert rival_loss(logits, halves((1, 1), (1, 1)), LEFT_AND_RIGHT) == 0  # "two dogs"
    assert rival_loss(logits, halves((1, 0), (1, 0)), torch.tensor([[[1, 0], [1, 0]]])) == 0  # the only object
    assert rival_loss(logits, halves((1, 0), (0, 1)), torch.zeros(1, 2, 2)) == 0  # nothing is annotated
    assert rival_loss(logits, halves((1, 0), (0, 1)), LEFT_AND_RIGHT.repeat_interleave(4, 1)) > 0


def test_the_same_object_said_twice_counts_as_right_twice() -> None:
    masks, logits = halves((1, 0), (1, 0), (0, 1)), halves((3, 0), (3, 0), (0, 3))
    of_expressions = 3 * math.log(1 + math.exp(-3))
    of_objects = math.log(1 + math.exp(-3) / 2) + math.log(1 + 2 * math.exp(-3))
    loss = rival_loss(logits, masks, LEFT_AND_RIGHT)
    assert loss.item() == pytest.approx((of_expressions + of_objects) / 6, rel=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_rivals_gradient_is_finite(seed: int) -> None:
    torch.manual_seed(seed)
    logits = (torch.randn(6, 1, 3, 3) * 50).requires_grad_()
    masks = (torch.rand(6, 1, 3, 3) > 0.7).float()
    loss = rival_loss(logits, masks, torch.randint(0, 5, (2, 7, 7)))
    loss.backward()
    assert loss >= 0 and logits.grad is not None and logits.grad.isfinite().all()


def test_rivals_are_off_unless_asked_for() -> None:
    zeros = [torch.zeros(2, 1, s, s) for s in (8, 4, 2, 1)]
    masks = torch.zeros(2, 8, 8)
    masks[0, :, :4], masks[1, :, 4:] = 1, 1
    there, objects = torch.tensor([True, True]), LEFT_AND_RIGHT
    assert "rivals" not in Objective(LossWeights(), CONFIG, 0)(output(zeros), Target(masks, there, objects=objects))
    losses = [Objective(LossWeights(rivals=w), CONFIG, 0) for w in (0.0, 0.5)]
    off, on = (loss(output(zeros), Target(masks, there, objects=objects)) for loss in losses)
    wanted = 3 * math.log(2)  # levels 1 to 3; the fourth has one place and so one object
    assert on["rivals"].item() == pytest.approx(wanted)
    assert on["total"].item() == pytest.approx(off["total"].item() + 0.5 * wanted)


def test_alignment_by_hand() -> None:
    """Its layers answer 0 everywhere: log 2 a place, log 2 for each choice between the two objects."""
    loss = Objective(LossWeights(alignment=0.25), CONFIG, 0)
    for matcher in loss.matchers:
        torch.nn.init.zeros_(matcher.weight)
        torch.nn.init.zeros_(matcher.bias)
    zeros, masks = [torch.zeros(2, 1, s, s) for s in (8, 4, 2, 1)], torch.zeros(2, 8, 8)
    masks[0, :, :4], masks[1, :, 4:] = 1, 1
    multimodal = tuple(torch.randn(2, 8, s, s) for s in (4, 2, 2))
    there = torch.tensor([True, True])
    target = Target(masks, there, objects=LEFT_AND_RIGHT)
    terms = loss(output(zeros, multimodal=multimodal), target)
    assert terms["alignment"].item() == pytest.approx(2 * math.log(2))
    assert terms["total"].item() == pytest.approx(terms["mask"].item() + 0.25 * 2 * math.log(2))


def test_m_is_handed_out_for_training_alone(tiny_config: ModelConfig) -> None:
    model, ids = CEFNet(tiny_config), torch.tensor([[3, 4]] * 2)
    for training in (True, False):
        out = model.train(training)(model.encode_photo(torch.rand(2, 3, 64, 64)), ids, ids > 0)
        assert [m.shape for m in out.multimodal] == [(2, 16, s, s) for s in (8, 4, 4)] * training
