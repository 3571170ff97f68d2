"""train/optim.py: which parameter moves how fast, schedules by hand, whose statistics stay."""

from functools import partial

import pytest
import torch
from torch import nn

from cefnet.config import ModelConfig
from cefnet.model import CEFNet
from train.optim import Schedule, build_optimiser, freeze, rate_factor, train_mode

FACTORS = {
    "encoder.stem.weight": 0.4, "text.embedding.weight": 0.4, "text.gru.weight_ih_l0": 0.2,
    "matching.w_place.weight": 0.2, "fusions.3.w_visual.weight": 1.0, "objective.classifier.weight": 1.0,
}  # fmt: skip


@pytest.mark.parametrize("name", FACTORS)
def test_what_others_taught_moves_slower(name: str) -> None:
    assert rate_factor(name, pretrained=0.4, text=0.2) == FACTORS[name]


def test_every_trained_parameter_is_in_one_group(tiny_config: ModelConfig) -> None:
    model = CEFNet(tiny_config.with_values({"matching": True}))
    freeze(model, 2)
    named = [*model.named_parameters(), *nn.Linear(2, 2).named_parameters()]
    factor = partial(rate_factor, pretrained=0.4, text=0.2)
    groups = build_optimiser(named, "adamw", 1e-3, 0.01, factor).param_groups
    trained = [p for _, p in named if p.requires_grad]
    assert sorted(id(p) for g in groups for p in g["params"]) == sorted(id(p) for p in trained)
    assert {(g["scale"], g["weight_decay"]) for g in groups} == {(s, d) for s in (0.4, 0.2, 1.0) for d in (0.0, 0.01)}
    assert all((p.ndim > 1) == (g["weight_decay"] > 0) for g in groups for p in g["params"])
    sgd = build_optimiser(named, "sgd", 1e-3, 0.01, factor)
    assert isinstance(sgd, torch.optim.SGD) and all(g["weight_decay"] == 0.01 for g in sgd.param_groups)


def test_schedules_by_hand() -> None:
    poly = Schedule("poly", warmup=10)
    assert [poly.factor(s, 100) for s in (0, 9, 10, 55)] == pytest.approx([0.1, 1, 1, 0.5**0.9])
    steps = Schedule("step", milestones=(0.5, 0.8))
    assert [steps.factor(s, 100) for s in (0, 49, 50, 80)] == pytest.approx([1, 1, 0.1, 0.01])
    constant = Schedule("constant", warmup=4, decay=0.2)
    assert [constant.factor(s, 100) for s in (0, 3, 4, 79, 80, 90, 99)] == pytest.approx([0.25, 1, 1, 1, 1, 0.5, 0.05])


def test_a_constant_rate_does_not_depend_on_the_length_until_it_falls() -> None:
    schedule = Schedule("constant", warmup=4, decay=0.3)
    assert schedule.settled(100) == 70 and schedule.settled(200) == 140
    assert [schedule.factor(s, 100) for s in range(71)] == [schedule.factor(s, 200) for s in range(71)]
    assert schedule.factor(71, 100) != schedule.factor(71, 200)
    assert Schedule("poly").settled(100) == Schedule("step", milestones=(0.5,)).settled(100) == 0


def test_kept_statistics_do_not_move(tiny_config: ModelConfig) -> None:
    model = CEFNet(tiny_config)
    norms = {name: m for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}
    train_mode(model, frozen_norms=5)
    assert {m.training for name, m in norms.items() if name.startswith("encoder.")} == {False}
    assert {m.training for name, m in norms.items() if not name.startswith("encoder.")} == {True}
    train_mode(model, frozen_norms=0, frozen_statistics=True)
    assert not any(m.training for m in norms.values()) and model.training
