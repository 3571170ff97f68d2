"""Where the next click goes, by hand; and what a batch draws."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from photoref_fixture import make_photoref
from torch import nn

from cefnet.config import ModelConfig
from cefnet.model import CEFNet
from cefnet.result import Click, Result
from cefnet.text import NOTHING_SAID, Tokenizer
from train.clicks import corrections, middle, play
from train.data.batches import Batches
from train.data.reader import ReferData
from train.data.samples import BatchSpec
from train.learner import Forward
from train.losses import LossWeights, Objective

SIZE = 64


def mask(*rectangles: tuple[int, int, int, int], size: tuple[int, int] = (12, 16)) -> np.ndarray:
    """H x W bool, True in rectangles (top, left, bottom, right)."""
    found = np.zeros(size, bool)
    for top, left, bottom, right in rectangles:
        found[top:bottom, left:right] = True
    return found


def test_the_middle_is_farthest_from_the_edge_and_in_the_mask() -> None:
    assert middle(mask((2, 3, 7, 8))) == (4, 5)
    l_shaped = mask((0, 0, 12, 3), (9, 0, 12, 16))  # its centre of mass lies outside
    assert l_shaped[middle(l_shaped)]
    assert middle(mask((0, 0, 5, 16))) == (2, 7)  # the photo's edge is an edge, and a bar's middle is not its end


def test_an_empty_answer_misses_all() -> None:
    assert corrections(mask(), mask((2, 3, 7, 8))) == [Click(4, 5, True)]


def test_the_largest_error_is_clicked() -> None:
    truth = mask((2, 2, 5, 5))
    assert corrections(mask((2, 2, 5, 5), (6, 8, 11, 13)), truth) == [Click(8, 10, False)]  # too much
    assert corrections(mask((2, 2, 3, 5), (9, 9, 10, 10)), mask((2, 2, 8, 7))) == [Click(5, 4, True)]  # missing
    both = corrections(mask((6, 8, 11, 13)), mask((0, 0, 3, 3)), count=3)
    assert both == [Click(8, 10, False), Click(1, 1, True)]


def test_nothing_wrong_no_click() -> None:
    assert corrections(mask((1, 1, 4, 4)), mask((1, 1, 4, 4)), 3) == []


def test_parts_of_an_error_that_touch_by_a_corner_are_one() -> None:
    apart = mask((0, 0, 3, 3), (4, 4, 8, 8))
    touching = mask((0, 0, 4, 4), (4, 4, 8, 8))
    assert len(corrections(mask(), apart, 3)) == 2 and len(corrections(mask(), touching, 3)) == 1


@given(st.integers(0, 1000))
def test_a_correction_is_in_an_error_of_its_kind(seed: int) -> None:
    rng = np.random.default_rng(seed)
    answer, truth = rng.random((2, 9, 11)) < 0.5
    for click in corrections(answer, truth, 4):
        y, x = int(click.y), int(click.x)
        assert truth[y, x] == click.here and answer[y, x] != click.here


def test_a_user_corrects_what_is_shown_until_nothing_is_wrong() -> None:
    """Answers grow by what is clicked: 'here' adds a 3 x 3 square, 'not here' takes one away."""
    truths, seen = [mask((2, 2, 5, 5)), mask((0, 0, 3, 3), (8, 8, 11, 11))], []

    def segment(given: Sequence[Sequence[Click]]) -> list[Result | None]:
        seen.append([list(some) for some in given])
        return [Shown(some) if some else None for some in given]  # type: ignore[misc]

    results = play(segment, truths, clicks=3)
    assert [len(some) for some in seen[-1]] == [1, 2] and len(seen) == 4
    assert seen[-1] == [[Click(3, 3)], [Click(1, 1), Click(9, 9)]]
    assert all(np.array_equal(r.found, truth) for r, truth in zip(results, truths, strict=True) if r is not None)


@dataclass
class Shown:
    clicks: Sequence[Click]

    @property
    def found(self) -> np.ndarray:
        shown = mask()
        for click in self.clicks:
            y, x = int(click.y), int(click.x)
            shown[y - 1 : y + 2, x - 1 : x + 2] = click.here
        return shown


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: Path) -> Batches:
    data = ReferData.open(make_photoref(tmp_path_factory.mktemp("data"), photos=18))
    spec = BatchSpec(photos=6, expressions=4, clicked=1.0, absent=0.2, typos=0)
    return Batches(data, Tokenizer.from_file(tiny_tokenizer), spec, SIZE, seed=1)


def test_first_clicks_are_in_the_middle_of_what_is_meant(batches: Batches) -> None:
    seen = 0
    for step in range(6):
        batch = batches[step]
        for n in range(24):
            given_ones = batch.clicks[n, batch.clicks[n, :, 2] != 0]
            assert len(given_ones) + batch.corrections[n] <= 3
            if not batch.present[n]:
                assert len(given_ones) == batch.corrections[n] == 0
            if len(given_ones):
                (y, x, kind), seen = given_ones[0].tolist(), seen + 1
                assert len(given_ones) == 1 and kind == 1
                assert (int(y * SIZE), int(x * SIZE)) == middle(batch.masks[n].numpy() > 0)
    assert seen > 40


def test_some_words_are_wrong_or_missing_and_the_batch_says_whose_they_are(batches: Batches) -> None:
    kinds = {"own": 0, "none": 0, "other": 0}
    for step in range(6):
        batch = batches[step]
        for n in range(24):
            own, meant = n % 4, int(batch.meant[n])
            kinds["own" if meant == own else "none" if meant < 0 else "other"] += 1
            if meant < 0:
                assert batch.expressions[n] == "" and batch.ids[n, : batch.token_mask[n].sum()].tolist() == [1]
                assert NOTHING_SAID.ids == (1,)
            elif meant != own:
                other = n - own + meant
                assert batch.expressions[n] and batch.kinds[n] == "clicked" and bool(batch.present[n])
                assert not (batch.masks[n] & batch.masks[other]).any()
    assert all(count > 5 for count in kinds.values()) and kinds["own"] > 60


def test_the_share_of_clicks_is_that_of_the_spec(batches: Batches) -> None:
    spec = replace(batches.spec, clicked=0.3, absent=0)
    some = Batches(batches.data, batches.tokenizer, spec, SIZE, seed=2)
    clicked = [
        bool(b.clicks[n, 0, 2]) or b.corrections[n] > 0 for b in map(some.__getitem__, range(12)) for n in range(24)
    ]
    assert 0.14 < np.mean(clicked) < 0.31  # three quarters of 0.3 have at least one


@pytest.fixture
def forward(tiny_config: ModelConfig, batches: Batches) -> Forward:
    torch.manual_seed(0)
    config = replace(tiny_config, matching=True, clicks=True, right=True, several=True)
    weights = LossWeights(presence=0.2, right=0.2, several=0.2, alignment=0.3, rivals=0.3)
    return Forward(CEFNet(config), Objective(weights, config, len(batches.data.categories))).train()


def test_corrections_are_where_the_models_own_answer_is_most_wrong(forward: Forward, batches: Batches) -> None:
    batch = batches[0]
    model = forward.model
    photo = model.encode_photo(batch.images.float() / 255)
    norms = {k: v.clone() for k, v in model.state_dict().items() if "running" in k}
    clicks = forward.clicks(photo, batch)
    assert clicks is not None and model.training
    assert all(torch.equal(norms[k], v) for k, v in model.state_dict().items() if k in norms)
    model.eval()
    with torch.no_grad():
        logits = model(photo, batch.ids, batch.token_mask, batch.photo_index, clicks=batch.clicks).mask_logits[0]
    answers = nn.functional.interpolate(logits, (SIZE, SIZE), mode="bilinear").sigmoid()[:, 0] >= 0.5
    for n, count in enumerate(batch.corrections):
        before, after = batch.clicks[n, :, 2].bool().sum(), clicks[n, :, 2].bool().sum()
        wanted = corrections(answers[n].numpy(), batch.masks[n].numpy() > 0, count)
        assert torch.equal(clicks[n, :before], batch.clicks[n, :before]) and after - before == len(wanted)
        for click, row in zip(wanted, clicks[n, before:], strict=False):
            assert row.tolist() == pytest.approx([(click.y + 0.5) / SIZE, (click.x + 0.5) / SIZE, 2 * click.here - 1])


def test_the_answer_so_far_takes_no_gradient_away(forward: Forward, batches: Batches) -> None:
    """A weight that is cast to bf16 without a gradient must not be what the step's own pass uses."""
    batch = batches[0]
    with torch.autocast("cpu", torch.bfloat16):
        photo = forward.model.encode_photo(batch.images.float() / 255)
        clicks = forward.clicks(photo, batch)
        out = forward.model(photo, batch.ids, batch.token_mask, batch.photo_index, clicks=clicks)
        sum(x.float().square().mean() for x in out.mask_logits).backward()  # type: ignore[union-attr]
    without = [k for k, p in forward.model.fusions.named_parameters() if p.grad is None]
    assert without == []


def test_a_batch_with_clicks_trains_all_of_it(forward: Forward, batches: Batches) -> None:
    terms = forward(batches[0])
    terms["total"].backward()
    assert {"right", "several", "presence", "alignment", "rivals"} <= set(terms)
    for part in (forward.model.clicks, forward.model.right, forward.model.several):
        assert part is not None and all(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())


def test_a_step_with_clicks_can_be_done_again_bit_for_bit(forward: Forward, batches: Batches) -> None:
    """What a resumed run needs: nothing is drawn but by the batch, and the answer so far leaves nothing behind."""
    forward(batches[0])["total"].backward()
    forward.zero_grad()
    again = copy.deepcopy(forward)  # as read from a checkpoint
    for one in (forward, again):
        one(batches[1])["total"].backward()
    for mine, other in zip(forward.parameters(), again.parameters(), strict=True):
        assert (mine.grad is None) == (other.grad is None)
        assert mine.grad is None or torch.equal(mine.grad, other.grad)  # type: ignore[arg-type]
    assert all(torch.equal(a, b) for a, b in zip(forward.buffers(), again.buffers(), strict=True))


def test_a_model_that_reads_no_clicks_is_not_trained_on_them(tiny_config: ModelConfig, batches: Batches) -> None:
    forward = Forward(CEFNet(tiny_config), Objective(LossWeights(), tiny_config, 4))
    with pytest.raises(ValueError, match="model.clicks"):
        forward(batches[0])
