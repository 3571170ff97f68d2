"""`Matching` against its definition, place by place."""

from dataclasses import replace

import pytest
import torch

from cefnet.config import ModelConfig
from cefnet.model import CEFNet
from cefnet.model.clicks import Hints
from cefnet.model.decoder import resize
from cefnet.model.matching import Matching, relative


def test_a_fit_is_a_product_of_a_place_and_a_sentence() -> None:
    torch.manual_seed(0)
    matching = Matching(2 + 3 + 4, 6).eval()
    matching.norm.running_mean.normal_()
    matching.norm.running_var.uniform_(0.5, 2)
    e3, e4, e5 = torch.randn(2, 2, 6, 8), torch.randn(2, 3, 3, 4), torch.randn(2, 4, 3, 4)
    sentence = torch.randn(2, 6)
    with torch.no_grad():
        fit = matching(matching.places(matching.seen(e3, e4, e5)), sentence)
        mean, deviation = matching.norm.running_mean, (matching.norm.running_var + matching.norm.eps).sqrt()
        wanted = torch.empty(2, 1, 3, 4)
        for n in range(2):
            said = matching.w_sentence(sentence[n])
            for y in range(3):
                for x in range(4):
                    four = e3[n, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
                    e = torch.cat([four.mean((1, 2)), e4[n, :, y, x], e5[n, :, y, x]])
                    left, top = x / 4 * 2 - 1, y / 3 * 2 - 1
                    right, bottom = (x + 1) / 4 * 2 - 1, (y + 1) / 3 * 2 - 1
                    s = [left, top, right, bottom, (left + right) / 2, (top + bottom) / 2, 1 / 3, 1 / 4]
                    seen = torch.cat([(e - mean) / deviation, torch.tensor(s)])
                    place = matching.w_place.weight[:, :, 0, 0] @ seen + matching.w_place.bias
                    wanted[n, 0, y, x] = matching.sharpness.exp() * place @ said / said.norm() + matching.bias
    torch.testing.assert_close(fit, wanted, atol=1e-5, rtol=1e-4)


def test_relative_is_the_fit_and_its_standing_in_the_photo() -> None:
    fit = torch.tensor([[[[4.0, 8.0], [4.0, 8.0]]]])
    absolute, standing = relative(fit)[0]
    assert absolute.tolist() == [[1, 2], [1, 2]]
    deviation = (4 * 4 / 3) ** 0.5
    expected = torch.tensor([[-2.0, 2.0], [-2.0, 2.0]]) / (deviation + 1e-3) / 2
    torch.testing.assert_close(standing, expected)
    assert relative(torch.full((1, 1, 3, 3), 5.0))[0, 1].abs().max() == 0  # nothing stands out


def test_masks_lean_on_the_fit() -> None:
    matching = Matching(9, 6)
    fit, logits = torch.randn(2, 1, 3, 4), [torch.randn(2, 1, s, s) for s in (8, 4, 2, 1)]
    for before, after in zip(logits, matching.lean(logits, Hints(relative(fit))), strict=True):
        assert torch.equal(before, after)  # until it is trained
    matching.lean_on[1].weight.data[:] = torch.tensor([3.0, 0.0]).view(1, 2, 1, 1)
    after = matching.lean(logits, Hints(relative(fit)))
    torch.testing.assert_close(after[1] - logits[1], resize(fit, logits[1]) * 3 / 4)
    assert torch.equal(after[0], logits[0])


def test_a_photos_places_are_computed_once_and_teach_the_encoder_nothing(tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    model = CEFNet(replace(tiny_config, matching=True))
    photo = model.encode_photo(torch.rand(2, 3, 64, 64))
    assert photo.places is not None and photo.places.shape == (2, 80, 4, 4)
    photo.places.sum().backward()
    assert all(p.grad is None for i in (4, 5) for part in model.encoder.parts(i) for p in part.parameters())
    assert model.matching is not None and model.matching.w_place.weight.grad is not None


@pytest.mark.parametrize("attention", ["none", "vcm", "acm"])
def test_eq_1_heeds_the_fit(tiny_config: ModelConfig, attention: str) -> None:
    torch.manual_seed(0)
    model = CEFNet(replace(tiny_config, matching=True, attention=attention)).eval()
    ids = torch.tensor([[3, 4]])
    with torch.no_grad():
        photo = model.encode_photo(torch.rand(1, 3, 64, 64))
        before = model(photo, ids, ids > 0).mask_logits[0]
        assert photo.places is not None
        photo.places[:, :, :, :2] += 1
        assert not torch.allclose(before, model(photo, ids, ids > 0).mask_logits[0])
