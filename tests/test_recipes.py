"""Recipes: the paper's schedule in numbers, docstrings that can be typed, families that differ in what they say."""

import json
import re
import shlex
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path

import pytest

from cefnet.config import ABLATION, PRESETS
from tests.photoref_fixture import make_photoref
from train import loop, paper, recipes
from train.__main__ import main
from train.checkpoint import load_checkpoint
from train.optim import learning_rate
from train.recipes import RECIPES, find

DATASETS = ("unc", "unc+", "gref", "referit", "joint")
TRAINED = [f"{family}-{d}-{a}" for family in ("paper", "authors") for d in DATASETS for a in ("vcm", "acm")]


def test_every_recipe_is_there_under_its_own_name() -> None:
    shipped = [f"cefnet-{a}{kind}" for a in ("acm", "vcm") for kind in ("", "-public")]
    assert set(RECIPES) == {*TRAINED, *shipped, *(f"ablation-{row}" for row in ABLATION), "smoke"}
    assert all(find(name).name == name for name in RECIPES)
    with pytest.raises(ValueError, match="unknown recipe 'paper-unc'.*paper-unc-acm"):
        find("paper-unc")


@pytest.mark.parametrize("name", RECIPES)
def test_docstrings_say_command_duration_and_score(name: str) -> None:
    about = RECIPES[name].__doc__ or ""
    assert re.search(r"Duration: \S", about) and re.search(r"Score: \S", about)
    [command] = re.findall(r"Command: python -m train run (.*)", about)
    parser = ArgumentParser()
    loop.add_arguments(parser)
    assert parser.parse_args(shlex.split(command)).recipe == name


@pytest.mark.parametrize("name", TRAINED)
def test_schedules_of_the_paper_and_of_the_authors_code(name: str) -> None:
    recipe = find(name)
    family, _, attention = name.split("-")
    assert recipe.model == PRESETS[f"{family}-{attention}"]
    assert (recipe.optimiser, recipe.weight_decay, recipe.steps, recipe.sizes) == ("sgd", 5e-4, 200_000, ((0.0, 320),))
    first, samples, divided = (7.5e-4, 12, 100_000) if family == "paper" else (5e-4, 8, 120_000)
    assert recipe.data.photos * recipe.data.expressions == samples
    rates = [learning_rate(recipe, step) for step in (0, divided - 1, divided, 199_999)]
    assert rates == pytest.approx([first, first, first / 10, first / 10])
    spec = recipe.data
    assert not any(
        (spec.generated, spec.absent, spec.captions, spec.flip, spec.crop, spec.colour, spec.typos, spec.retyped)
    )
    assert (recipe.ema, recipe.clip, recipe.frozen_stages, recipe.pretrained_rate) == (0.0, 0.0, 0, 1.0)


def test_scores_are_the_papers_and_called_so() -> None:
    score = (RECIPES["paper-unc-acm"].__doc__ or "").split("Score: ")[1]
    assert "the paper's: UNC val 62.76, UNC testA 65.69, UNC testB 59.67; not measured here" in score
    assert "UNC+ testB 51.97" in (RECIPES["paper-joint-acm"].__doc__ or "")
    assert "--init runs/paper-unc-vcm" in (RECIPES["paper-gref-vcm"].__doc__ or "")
    assert "--init runs/authors-unc-acm" in (RECIPES["authors-gref-acm"].__doc__ or "")
    assert paper.ablated(["DFN"], "testB") == 49.66 and "52.86" in (RECIPES["ablation-dfn"].__doc__ or "")


def test_ablation_rows_differ_from_the_shipped_recipe_in_the_modules_and_the_encoders_rate() -> None:
    shipped = find("cefnet-acm")
    for row, changes in ABLATION.items():
        recipe = find(f"ablation-{row}")
        alike = replace(recipe, name=shipped.name, model=shipped.model, pretrained_rate=shipped.pretrained_rate)
        assert alike == shipped and recipe.pretrained_rate == 0.1
        assert recipe.model == shipped.model.with_values(changes)
    assert find("ablation-efn-acm-bem").model == shipped.model
    assert replace(find("cefnet-vcm-public"), name="cefnet-vcm") == find("cefnet-vcm")


def test_the_command_lists_recipes_and_shows_one(capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser()
    recipes.add_arguments(parser)
    recipes.main(parser.parse_args([]))
    listed = capsys.readouterr().out
    assert [line.split()[0] for line in listed.splitlines()] == list(RECIPES)
    recipes.main(parser.parse_args(["paper-unc+-vcm"]))
    text, _, values = capsys.readouterr().out.partition("\n\n{")
    assert "Command: python -m train run paper-unc+-vcm" in text
    assert json.loads("{" + values)["learning_rate"] == 7.5e-4


@pytest.mark.parametrize("name", ["paper-unc-vcm", "authors-gref-acm"])
def test_the_papers_recipes_run(name: str, tmp_path: Path) -> None:
    """With a small model of the same kind; SGD without clipping and average are used by no other test."""
    changes = [
        "model.encoder=resnet18", "model.width=8", "model.word_width=8", "model.text_width=8",
        "model.decoder_widths=(8,8,8,8,8)", "model.image_size=64", "model.vocabulary=400", "sizes=((0.0,64),)",
        "data.photos=3", "pretrained=False",
    ]  # fmt: skip
    data, out = make_photoref(tmp_path / "data"), tmp_path / "run"
    words = [word for change in changes for word in ("--set", change)]
    common = ["--data", str(data), "--out", str(out), "--device", "cpu", "--workers", "0"]
    assert main(["run", name, *common, "--steps", "3", "--stop", "2", *words]) == 0
    checkpoint = load_checkpoint(out)
    assert checkpoint["step"] == 2 and checkpoint["average"] == {}
    assert {group["momentum"] for group in checkpoint["optimiser"]["param_groups"]} == {0.9}
