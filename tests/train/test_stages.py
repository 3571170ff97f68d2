"""A run of several stages: ended anywhere and resumed it is the undisturbed one, and it can be made longer."""

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from photoref_fixture import make_photoref
from test_loop import assert_same

from cefnet.weights import MODEL, load
from train import fit
from train.checkpoint import load_checkpoint
from train.learner import Learner
from train.optim import Schedule
from train.recipes import Align, Masks, Recipe, change, find

FOLDERS = ("", "1-words", "2-masks")


def stages() -> Recipe:
    """Words, masks, and masks of a network with one output more; 11 steps."""
    smoke = change(find("smoke"), ["model.vocabulary=400"])
    [masks] = smoke.stages
    assert isinstance(masks, Masks)
    larger = replace(
        masks, name="larger", steps=3, sizes=((0.0, 96),), model={"several": True},
        losses=replace(masks.losses, several=0.1),
    )  # fmt: skip
    words = Align("words", steps=4, photos=4, size=64)
    return replace(smoke, name="three", stages=(words, replace(masks, steps=4), larger), checkpoint_every=3)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photoref(tmp_path_factory.mktemp("data"), photos=18)


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(data, tmp_path_factory.mktemp("run") / "whole")


def run(data: Path, out: Path, recipe: Recipe | None = None, **options: Any) -> Path:
    return fit(recipe or stages(), data, out, device="cpu", workers=0, **options)


def assert_equal_runs(one: Path, other: Path, folders: tuple[str, ...] = FOLDERS) -> None:
    assert_same(load_checkpoint(one), load_checkpoint(other))
    for folder in folders:
        assert (one / folder / MODEL).read_bytes() == (other / folder / MODEL).read_bytes(), folder


def test_every_stage_leaves_a_model(whole: Path) -> None:
    configs = [load(whole / folder, "cpu").config for folder in ("1-words", "2-masks", "")]
    assert [c.matching for c in configs] == [True] * 3 and [c.several for c in configs] == [False, False, True]
    card = (whole / "README.md").read_text()
    assert "step 11 of 11" in card and "`words`: 4 steps" in card and "12 expressions, at 96 px" in card
    assert "step 4 of 11" in (whole / "1-words" / "README.md").read_text()
    models = [(whole / folder / MODEL).read_bytes() for folder in FOLDERS]
    assert len(set(models)) == 3


@pytest.mark.parametrize("stop", [2, 6, 8])
def test_a_run_that_was_stopped_goes_on_as_if_nothing_had_happened(
    stop: int, data: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(data, tmp_path, stop=stop)
    done = stop if stop >= 4 else 0  # words are done in one go
    said = capsys.readouterr().out
    assert f"step {done} of 11" in said
    assert ("'words' is done in one go, up to step 4" in said) == (stop == 2)
    run(data, tmp_path, resume=True)
    assert_equal_runs(whole, tmp_path)


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_sigterm_inside_the_last_stage_is_followed_by_the_same_run(
    data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_step, made = Learner.step, [4]

    def terminated(self: Learner, batch: Any) -> dict[str, float]:
        made[0] += 1
        if made[0] == 9:
            terminate()
        return make_step(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", terminated)
        with pytest.raises(SystemExit) as stop:
            run(data, tmp_path)
    assert stop.value.code == 143 and "after step 9" in capsys.readouterr().err
    run(data, tmp_path, resume=True)
    assert_equal_runs(whole, tmp_path)


def test_sigterm_among_words_begins_them_anew(
    data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("train.align.loss", lambda *_: terminate())
        with pytest.raises(SystemExit) as stop:
            run(data, tmp_path)
    assert stop.value.code == 143 and "inside 'words', which --resume begins anew" in capsys.readouterr().err
    run(data, tmp_path, resume=True)
    assert_equal_runs(whole, tmp_path)


def test_a_run_may_begin_with_a_stage_from_the_weights_before_it(data: Path, whole: Path, tmp_path: Path) -> None:
    run(data, tmp_path, init=str(whole / "2-masks"), begin="larger")
    assert_equal_runs(whole, tmp_path, ("",))
    with pytest.raises(ValueError, match="name the model that it starts from: --init MODEL"):
        run(data, tmp_path / "none", begin="larger")


@pytest.mark.parametrize("folder", FOLDERS[1:])
def test_a_stage_whose_weights_are_gone_is_named(folder: str, data: Path, whole: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(whole, tmp_path / "copy")
    (copy / folder / MODEL).unlink()
    with pytest.raises(ValueError, match=f"is past its stage {folder}, but that stage's weights are gone"):
        run(data, copy, resume=True)


def one_stage(*settings: str) -> Recipe:
    recipe = change(find("smoke"), ["model.vocabulary=400", *settings])
    [masks] = recipe.stages
    assert isinstance(masks, Masks)
    return replace(recipe, stages=(replace(masks, schedule=Schedule("constant", warmup=2, decay=0.25)),))


def test_a_constant_rate_can_be_made_longer_until_it_falls(data: Path, tmp_path: Path) -> None:
    """Planned with 4 steps, ended where its rate would fall, and made longer: as if planned with 8."""
    recipe = one_stage()
    run(data, tmp_path / "planned", recipe, steps=8)
    run(data, tmp_path / "longer", recipe, steps=4, stop=3)
    run(data, tmp_path / "longer", recipe, steps=8, resume=True)
    assert_equal_runs(tmp_path / "planned", tmp_path / "longer", ("",))
    with pytest.raises(ValueError, match="can't change after 8 of 8 steps: its rate or its input size has already"):
        run(data, tmp_path / "longer", recipe, steps=12, resume=True)
    with pytest.raises(ValueError, match=r"masks.steps differ \(it is planned with 8 steps: --steps 8\)"):
        run(data, tmp_path / "longer", recipe, resume=True)


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("schedule.kind=poly", "its rate depends on it"),
        ("sizes=((0.0,64),(0.25,96))", "input size has already changed"),
    ],
)
def test_what_depends_on_the_length_says_what_to_do_instead(
    setting: str, why: str, data: Path, tmp_path: Path
) -> None:  # fmt: skip
    recipe = change(one_stage(), [setting])
    run(data, tmp_path, recipe, steps=4, stop=3)
    with pytest.raises(ValueError, match=f"{why}.*go on from its weights in another run .--init."):
        run(data, tmp_path, recipe, steps=8, resume=True)


def test_a_stage_that_has_not_begun_can_be_of_any_length(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path, stop=4)
    assert not (tmp_path / "checkpoint.pt").exists()
    with pytest.raises(ValueError, match="holds a run already"):  # though it only learned words
        run(data, tmp_path)
    with pytest.raises(ValueError, match="--steps is 8; the stages before the last one of .* have 8"):
        run(data, tmp_path, steps=8, resume=True)
    run(data, tmp_path, steps=9, stop=5, resume=True)
    card = (tmp_path / "README.md").read_text()
    assert "step 5 of 9" in card and "`larger`: 1 steps" in card
