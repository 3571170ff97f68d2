"""Clicks in the model: their maps against loops, and that without clicks nothing changes."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cefnet.config import ModelConfig
from cefnet.model import CEFNet
from cefnet.model.clicks import RADIUS, Clicks, Hints, discs

HERE, NOT_HERE, NONE = 1.0, -1.0, 0.0
IDS = torch.tensor([[3, 4, 5]])


def clicked(*clicks: tuple[float, float, float]) -> Tensor:
    return torch.tensor([clicks])


@pytest.fixture
def model(tiny_config: ModelConfig) -> CEFNet:
    torch.manual_seed(0)
    return CEFNet(replace(tiny_config, matching=True, clicks=True, right=True, several=True)).eval()


def answer(model: CEFNet, clicks: Tensor | None = None, seed: int = 1) -> Tensor:
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return model(model.encode_photo(images), IDS, IDS > 0, clicks=clicks).mask_logits[0]


def test_a_disc_lies_where_the_click_is_and_is_as_large_as_documented() -> None:
    here, not_here = discs(clicked((0.25, 0.75, HERE)), 200, 200)[0]
    inside = torch.nonzero(here > 0.5)
    assert inside.float().add(0.5).mean(0).tolist() == pytest.approx([50, 150], abs=0.5)
    assert len(inside) == pytest.approx(torch.pi * (RADIUS * 200) ** 2, rel=0.1)
    assert not_here.abs().max() == 0


def test_discs_of_a_kind_are_one_map() -> None:
    maps = discs(clicked((0.1, 0.1, HERE), (0.9, 0.9, HERE), (0.1, 0.9, NOT_HERE), (0.5, 0.5, NONE)), 10, 10)[0]
    assert maps[0, 1, 1] > 0 and maps[0, 9, 9] > 0 and maps[1, 1, 9] > 0
    assert maps[:, 5, 5].abs().max() == 0 and maps[0, 1, 9] == 0


@given(st.floats(0, 1), st.floats(0, 1), st.integers(2, 40))
def test_no_click_falls_between_the_places_of_any_grid(y: float, x: float, side: int) -> None:
    maps = discs(clicked((y, x, HERE)), side, side)[0, 0]
    highest = divmod(int(maps.argmax()), side)
    assert maps.max() > 0.25
    assert abs(highest[0] + 0.5 - y * side) <= 1 and abs(highest[1] + 0.5 - x * side) <= 1


def test_likeness_is_the_cosine_with_the_clicked_place() -> None:
    torch.manual_seed(0)
    clicks = Clicks(5).eval()
    seen = torch.randn(1, 5 + 8, 3, 4)
    places = clicks.places(seen)
    alike = clicks(places, clicked((2.5 / 3, 0.5 / 4, HERE), (0.5 / 3, 3.5 / 4, HERE)))[0]
    vectors = torch.stack([clicks.w_place.weight[:, :, 0, 0] @ seen[0, :, y, x] for y in range(3) for x in range(4)])
    vectors = vectors - vectors.mean(0)
    for place, vector in enumerate(vectors):
        to = [torch.cosine_similarity(vector, vectors[k], dim=0) for k in (2 * 4 + 0, 0 * 4 + 3)]
        torch.testing.assert_close(alike[0].flatten()[place], torch.stack(to).max())
    assert alike[1].abs().max() == 0  # nothing was clicked "not here"


def test_hints_stand_at_the_resolution_that_reads_them() -> None:
    hints = Hints(torch.rand(1, 2, 4, 4), clicked((0.5, 0.5, NOT_HERE)), torch.rand(1, 2, 4, 4))
    maps = hints.at(torch.zeros(1, 7, 16, 12))
    assert maps.shape == (1, 6, 16, 12)
    torch.testing.assert_close(maps[:, 2:4], discs(clicked((0.5, 0.5, NOT_HERE)), 16, 12))


def test_no_click_is_as_good_as_empty_clicks(model: CEFNet) -> None:
    torch.testing.assert_close(answer(model), answer(model, torch.zeros(1, 3, 3)), rtol=0, atol=0)


def test_a_model_that_gets_clicks_answers_as_before_without_them(tiny_config: ModelConfig, model: CEFNet) -> None:
    before = CEFNet(replace(tiny_config, matching=True)).eval()
    state = model.state_dict()
    for name, value in before.state_dict().items():
        pad = state[name]
        pad[tuple(slice(n) for n in value.shape)] = value
        state[name] = pad
    model.load_state_dict(state)
    torch.testing.assert_close(answer(before), answer(model), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", [HERE, NOT_HERE])
def test_eq_1_heeds_a_click(model: CEFNet, kind: float) -> None:
    assert not torch.allclose(answer(model), answer(model, clicked((0.3, 0.3, kind))), atol=1e-4)


def test_masks_lean_on_a_click(model: CEFNet) -> None:
    assert model.matching is not None
    place = clicked((0.25, 0.25, HERE))
    before = answer(model, place)
    model.matching.lean_on[0].weight.data[0, 2] = 100.0  # the disc of "here"
    after = answer(model, place) - before
    assert divmod(int(after[0, 0].argmax()), after.shape[-1]) in [(3, 3), (3, 4), (4, 3), (4, 4)]
    torch.testing.assert_close(after[0, 0], 100 * discs(place, 16, 16)[0, 0], atol=1e-3, rtol=1e-3)


def test_a_model_without_clicks_says_so(tiny_config: ModelConfig) -> None:
    with pytest.raises(ValueError, match="takes no clicks"):
        answer(CEFNet(tiny_config).eval(), clicked((0.5, 0.5, HERE)))
    with pytest.raises(ValueError, match="matching"):
        replace(tiny_config, clicks=True)
