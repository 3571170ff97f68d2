"""Choosing bfloat16: where the CPU has it, where it is right, where it is faster."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cefnet import Predictor
from cefnet import inference as precision
from cefnet.model import CEFNet

CPU = torch.device("cpu")


@pytest.fixture
def model(tiny_config) -> CEFNet:
    torch.manual_seed(0)
    return CEFNet(tiny_config).eval()


def tried(monkeypatch: pytest.MonkeyPatch, faster: float, moved: float) -> None:
    """The CPU has bfloat16, which is so much faster and moves a probability so far."""
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    exact, near = torch.tensor([0.2, 0.9]), torch.tensor([0.2, 0.9 + moved])
    answers = {torch.float32: (faster, exact), torch.bfloat16: (1.0, near)}
    monkeypatch.setattr(precision, "_tried", lambda model, dtype: answers[dtype])


@pytest.mark.parametrize(
    ("faster", "moved", "chosen"),
    [
        (2.0, 0.01, torch.bfloat16),
        (2.0, 0.03, torch.float32),
        (1.05, 0.0, torch.float32),
        (2.0, float("nan"), torch.float32),
    ],
)
def test_auto_wants_it_faster_and_right(
    model: CEFNet, monkeypatch: pytest.MonkeyPatch, faster: float, moved: float, chosen: torch.dtype
) -> None:
    tried(monkeypatch, faster, moved)
    assert precision.pick_precision(model, "auto", CPU) == chosen


def test_nothing_is_tried_where_the_cpu_lacks_it(model: CEFNet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    monkeypatch.setattr(precision, "_tried", lambda *_: pytest.fail("tried"))
    assert precision.pick_precision(model, "auto", CPU) == torch.float32
    assert precision.pick_precision(model, "bfloat16", CPU) == torch.bfloat16  # whoever asks gets it
    with pytest.raises(ValueError, match="'half'.*float32, bfloat16, auto"):
        precision.pick_precision(model, "half", CPU)


def test_a_try_is_an_answer(model: CEFNet) -> None:
    (seconds, exact), (_, near) = (precision._tried(model, dtype) for dtype in (torch.float32, torch.bfloat16))
    assert seconds > 0 and exact.shape == (1, 1, 16, 16)
    assert 0 < (exact - near).abs().max() < 0.1  # it did compute in bfloat16


def test_a_predictor_in_bfloat16_gives_everything_in_float32(tiny_checkpoint: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    exact, near = (
        one.segment(one.encode(pixels), "red dog")
        for one in (Predictor.from_pretrained(tiny_checkpoint, "cpu", precision=p) for p in ("float32", "bfloat16"))
    )
    assert near.probability.dtype == np.float32
    np.testing.assert_allclose(near.probability, exact.probability, atol=0.1)
    assert replace(near, levels=exact.levels).mask.shape == exact.mask.shape
    for stage in (3, 4, 5):
        np.testing.assert_allclose(near.co_attention(9, 9, stage), exact.co_attention(9, 9, stage), atol=0.05)
        assert [word for word, _ in near.word_attention(stage)] == ["red", "dog"]
