"""train/optim.py: which parameter moves how fast."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from cefnet.model import CEFNet
from train.optim import build_optimiser, freeze, rate_factor
from train.recipe import Recipe
from train.recipes import find


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    smoke = find("smoke")
    return replace(smoke, model=replace(smoke.model, matching=True), pretrained=True, frozen_stages=2, text_rate=0.2)


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("encoder.stem.weight", 0.4), ("text.embedding.weight", 0.4), ("text.gru.weight_ih_l0", 0.2),
        ("matching.w_place.weight", 0.2), ("fusions.3.w_visual.weight", 1.0), ("objective.classifier.weight", 1.0),
    ],
)  # fmt: skip
def test_what_others_taught_moves_slower(recipe: Recipe, name: str, factor: float) -> None:
    assert rate_factor(name, recipe) == factor
    new = replace(recipe, pretrained=False, text_rate=1.0)
    assert rate_factor(name, new) == 1.0


def test_every_trained_parameter_is_in_one_group(recipe: Recipe) -> None:
    model = CEFNet(recipe.model)
    freeze(model, recipe)
    objective = nn.Linear(2, 2)
    groups = build_optimiser(model, objective, recipe).param_groups
    trained = [p for p in (*model.parameters(), *objective.parameters()) if p.requires_grad]
    assert sorted(id(p) for g in groups for p in g["params"]) == sorted(id(p) for p in trained)
    assert {(g["scale"], g["weight_decay"]) for g in groups} == {(s, d) for s in (0.4, 0.2, 1.0) for d in (0.0, 0.01)}
    assert all((p.ndim > 1) == (g["weight_decay"] > 0) for g in groups for p in g["params"])
    sgd = build_optimiser(model, objective, replace(recipe, optimiser="sgd"))
    assert isinstance(sgd, torch.optim.SGD) and all(g["weight_decay"] == 0.01 for g in sgd.param_groups)
