"""Recipes: the paper's schedule in numbers, docstrings that can be typed, families that differ in what they say."""

import json
import re
import shlex
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cefnet.config import ABLATION, PRESETS, ModelConfig
from cefnet.model import CEFNet
from tests.photoref_fixture import make_photoref
from train import paper, recipes, run
from train.__main__ import main
from train.checkpoint import load_checkpoint
from train.recipes import RECIPES, Align, Masks, New, Recipe, change, find
from train.start import adopt, check_dropped

DATASETS = ("unc", "unc+", "gref", "referit", "joint")
TRAINED = [f"{family}-{d}-{a}" for family in ("paper", "authors") for d in DATASETS for a in ("vcm", "acm")]


def test_every_recipe_is_there_under_its_own_name() -> None:
    own = ("cefnet-acm", "cefnet-vcm", "fine-tune", "smoke")
    assert set(RECIPES) == {*TRAINED, *own, *(f"ablation-{row}" for row in ABLATION)}
    assert all(find(name).name == name for name in RECIPES)
    with pytest.raises(ValueError, match="unknown recipe 'paper-unc'.*paper-unc-acm"):
        find("paper-unc")


@pytest.mark.parametrize("name", RECIPES)
def test_docstrings_say_command_duration_and_score(name: str) -> None:
    about = RECIPES[name].__doc__ or ""
    assert re.search(r"Duration: \S", about) and re.search(r"Score: \S", about)
    [command] = re.findall(r"Command: python -m train run (.*)", about)
    parser = ArgumentParser()
    run.add_arguments(parser)
    assert parser.parse_args(shlex.split(command)).recipe == name


@pytest.mark.parametrize("name", TRAINED)
def test_schedules_of_the_paper_and_of_the_authors_code(name: str) -> None:
    recipe = find(name)
    family, _, attention = name.split("-")
    assert isinstance(recipe.start, New) and recipe.start.model == PRESETS[f"{family}-{attention}"]
    [stage] = recipe.stages
    assert isinstance(stage, Masks)
    assert (stage.optimiser, stage.weight_decay, stage.steps, stage.sizes) == ("sgd", 5e-4, 200_000, ((0.0, 320),))
    first, samples, divided = (7.5e-4, 12, 100_000) if family == "paper" else (5e-4, 8, 120_000)
    assert stage.data.photos * stage.data.expressions == samples
    rates = [
        stage.learning_rate * stage.schedule.factor(step, stage.steps) for step in (0, divided - 1, divided, 199_999)
    ]
    assert rates == pytest.approx([first, first, first / 10, first / 10])
    spec = stage.data
    assert not any(
        (spec.generated, spec.absent, spec.captions, spec.flip, spec.crop, spec.colour, spec.typos, spec.retyped)
    )
    assert (stage.ema, stage.clip, stage.frozen_stages, stage.pretrained_rate) == (0.0, 0.0, 0, 1.0)
    assert "not run here" in (RECIPES[name].__doc__ or "")


def test_scores_are_the_papers_and_called_so() -> None:
    score = (RECIPES["paper-unc-acm"].__doc__ or "").split("Score: ")[1]
    assert "the paper's: UNC val 62.76, UNC testA 65.69, UNC testB 59.67; not measured here" in score
    assert "UNC+ testB 51.97" in (RECIPES["paper-joint-acm"].__doc__ or "")
    assert "--init runs/paper-unc-vcm" in (RECIPES["paper-gref-vcm"].__doc__ or "")
    assert "--init runs/authors-unc-acm" in (RECIPES["authors-gref-acm"].__doc__ or "")
    assert paper.ablated(["DFN"], "testB") == 49.66 and "52.86" in (RECIPES["ablation-dfn"].__doc__ or "")


def test_ablation_rows_differ_in_their_modules_alone() -> None:
    whole = find("ablation-efn-acm-bem")
    assert isinstance(whole.start, New)
    for row, changes in ABLATION.items():
        start = New(whole.start.model.with_values(changes))
        assert find(f"ablation-{row}") == replace(whole, name=f"ablation-{row}", start=start)


def test_vcm_loses_the_co_attention_of_acm_alone(tiny_config: ModelConfig) -> None:
    """The shipped models' tensors, by name and shape, at any width."""
    stage = find("cefnet-vcm").stages[0]
    acm, vcm = (CEFNet(tiny_config.with_values({"attention": a})) for a in ("acm", "vcm"))
    adopted = adopt(vcm, acm.state_dict())
    check_dropped(adopted.dropped, stage.may_drop, "acm")
    assert adopted.dropped and all(".attention." in name for name in adopted.new)
    assert stage.model["attention"] == "vcm"


def long(*steps: int) -> Recipe:
    return Recipe("long", "m", tuple(Masks(f"stage{i}", steps=n) for i, n in enumerate(steps)))


@pytest.mark.parametrize(
    ("steps", "length", "wanted"),
    [((1000, 3000), 400, [100, 300]), ((1, 1, 98), 3, [1, 1, 1]), ((10, 10, 1), 5, [2, 2, 1]), ((7,), 2, [2])],
)
def test_a_length_is_shared_out_in_proportion(steps: tuple[int, ...], length: int, wanted: list[int]) -> None:
    recipe = long(*steps).with_steps(length)
    assert [stage.steps for stage in recipe.stages] == wanted and recipe.steps == length


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6), st.integers(0, 500))
def test_every_stage_keeps_a_step_of_any_length(steps: list[int], more: int) -> None:
    recipe = long(*steps).with_steps(len(steps) + more)
    assert recipe.steps == len(steps) + more and all(stage.steps >= 1 for stage in recipe.stages)


def test_settings_find_their_part() -> None:
    recipe = find("cefnet-acm")
    changed = change(recipe, ["masks.steps=7", "photos=3", "data.absent=0", "model.width=64", "seed=3",
                              "encoder.model.gated=False", "large.schedule.decay=1", "pretrained=False"])  # fmt: skip
    words, ground, masks, encoder, large = changed.stages
    assert isinstance(words, Align) and isinstance(masks, Masks) and isinstance(large, Masks)
    assert (ground.steps, masks.steps, encoder.steps) == (recipe.stages[1].steps, 7, recipe.stages[3].steps)
    assert words.photos == 3 and masks.data.photos == 4  # a key alone is of every part that has it
    assert masks.data.absent == large.data.absent == 0.0 and isinstance(masks.data.absent, float)
    assert isinstance(changed.start, New) and changed.start.model.width == 64 and not changed.start.pretrained
    assert (changed.seed, encoder.model, masks.model) == (3, {"gated": False}, {})
    assert large.schedule.decay == 1.0
    started = change(replace(recipe, start="runs/x"), ["model.width=64"])
    assert [stage.model.get("width") for stage in started.stages] == [64, None, None, None, None]


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("colour", "is not key=value"),
        ("colour=3", "no such key; known here: .*learning_rate"),
        ("masks.colour=3", "no such key; known here: .*learning_rate"),
        ("model.depth=3", "no such key; known here: .*width"),
        ("data.photos=many", "'many': a int such as 12 is needed"),
        ("masks=3", "no such key"),
        ("accumulate=5", "accumulate is 5; it must be 1 to 4"),
        ("fusion_strength=-1.0", "fusion_strength is -1.0; it must be 0 or more"),
        ("schedule.kind=cosine", "must be one of: poly, step, constant"),
        ("mix=2", "mix is 2.0; it must be between 0 and 1"),
        ("imagenet=1.5", "imagenet is 1.5"),
        ("masks.steps=0", "masks: steps is 0"),
    ],
)
def test_settings_that_cannot_be(setting: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        change(find("cefnet-acm"), [setting])


def test_the_command_lists_recipes_and_shows_one(capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser()
    recipes.add_arguments(parser)
    recipes.main(parser.parse_args([]))
    listed = capsys.readouterr().out
    assert [line.split()[0] for line in listed.splitlines()] == list(RECIPES)
    recipes.main(parser.parse_args(["paper-unc+-vcm"]))
    text, _, values = capsys.readouterr().out.partition("\n\n{")
    assert "Command: python -m train run paper-unc+-vcm" in text
    assert json.loads("{" + values)["stages"][0]["learning_rate"] == 7.5e-4


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
