"""The training loop on a drawn data set: resumes bit for bit, logs, refuses, stops on bad losses."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from photoref_fixture import make_photoref

from cefnet.config import Decision, write_config
from cefnet.weights import load
from train import loop, recipes
from train.__main__ import main
from train.checkpoint import load_checkpoint, save_checkpoint
from train.data.reader import ReferData
from train.distributed import Team
from train.optim import learning_rate
from train.runlog import RunLog, read_log
from train.start import prepare_text

SHORT = ["--set", "checkpoint_every=3", "--set", "model.vocabulary=400", "--set", "sizes=((0.0,64),(0.5,96))"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photoref(tmp_path_factory.mktemp("data"))


def train(data: Path, out: Path, *more: str) -> int:
    command = ["run", "smoke", "--data", str(data), "--out", str(out), "--workers", "0", "--device", "cpu"]
    return main([*command, *SHORT, "--steps", "6", *more])


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "whole"
    assert train(data, out) == 0
    return out


def assert_same(a: object, b: object, where: str = "") -> None:
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where  # type: ignore[arg-type]
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where  # type: ignore[attr-defined]
        for key in a:
            assert_same(a[key], b[key], f"{where}.{key}")  # type: ignore[index]
    elif isinstance(a, list):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):  # type: ignore[call-overload]
            assert_same(x, y, f"{where}[{i}]")
    else:
        assert a == b, where


def test_six_steps_are_three_and_three(data: Path, finished: Path, tmp_path: Path) -> None:
    assert train(data, tmp_path / "parts", "--stop", "3") == 0
    assert load_checkpoint(tmp_path / "parts")["step"] == 3
    assert train(data, tmp_path / "parts", "--resume") == 0
    assert_same(load_checkpoint(finished), load_checkpoint(tmp_path / "parts"))
    one, other = (folder / "model.safetensors" for folder in (finished, tmp_path / "parts"))
    assert one.read_bytes() == other.read_bytes()


def test_the_run_folder_is_a_model(finished: Path) -> None:
    checkpoint = load(finished, "cpu")
    assert checkpoint.config.width == 16
    assert checkpoint.words["dog"] > 0
    assert (finished / "recipe.json").is_file()


def test_training_moves_the_weights(data: Path, finished: Path) -> None:
    state = load_checkpoint(finished)
    torch.manual_seed(0)
    moved = [k for k, v in state["model"].items() if not torch.equal(v.float(), state["average"][k].float())]
    assert "fusions.5.out.weight" in moved and "text.embedding.weight" in moved


def test_refusals(data: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, arguments in [
        ("--resume goes on", [str(finished)]),
        ("steps differ", [str(finished), "--resume", "--set", "steps=9", "--steps", "9"]),
        ("nothing to resume", [str(tmp_path / "none"), "--resume"]),
        ("no such key", [str(tmp_path / "other"), "--set", "colour=3"]),
        ("not key=value", [str(tmp_path / "other"), "--set", "colour"]),
        ("int such as", [str(tmp_path / "other"), "--set", "data.photos=many"]),
    ]:
        assert train(data, *arguments) == 2, words  # type: ignore[arg-type]
        assert words in capsys.readouterr().err


def test_a_damaged_checkpoint_is_named(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes((finished / "checkpoint.pt").read_bytes()[:5000])
    with pytest.raises(ValueError, match="damaged"):
        load_checkpoint(tmp_path)


def test_a_crash_while_writing_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, {"step": 1})

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError):
        save_checkpoint(tmp_path, {"step": 2})
    assert load_checkpoint(tmp_path) == {"step": 1}


def test_another_attention_starts_from_shared_weights(data: Path, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "vcm"
    changes = ["--set", "model.attention=vcm", "--set", "learning_rate=0.0"]
    assert train(data, out, "--init", str(finished), *changes) == 0
    mine, other = (load_checkpoint(f)["model"] for f in (out, finished))
    source = load(finished, "cpu").model.state_dict()
    assert torch.equal(mine["decoder.top.0.weight"], source["decoder.top.0.weight"])
    assert "fusions.5.attention.w_m.weight" in mine and "fusions.5.attention.w_m.weight" not in other
    assert (out / "tokenizer.model").read_bytes() == (finished / "tokenizer.model").read_bytes()


def test_a_run_decides_as_the_model_that_it_starts_from(data: Path, finished: Path, tmp_path: Path) -> None:
    source, out, decision = tmp_path / "source", tmp_path / "run", Decision(0.35, 0.4, "one")
    shutil.copytree(finished, source)
    (source / "config.json").write_text(write_config(load(finished, "cpu").config, decision))
    assert load(finished, "cpu").decision == Decision()
    assert train(data, out, "--init", str(source), "--stop", "1") == 0
    assert load(out, "cpu").decision == decision
    assert train(data, out, "--resume", "--stop", "2") == 0
    assert load(out, "cpu").decision == decision


def smoke(data: Path, folder: Path, *changes: str) -> loop.Run:
    """A run of the recipe `smoke` before its start, with a tokenizer of its own."""
    recipe = recipes.change(recipes.find("smoke"), ["model.vocabulary=400", *changes])
    tokenizer, _ = prepare_text(data, folder, 400, None)
    recipe = replace(recipe, model=replace(recipe.model, vocabulary=tokenizer.size))
    return loop.Run(recipe, ReferData.open(data), tokenizer, folder, Team(torch.device("cpu")))


def test_fusion_starts_at_the_recipes_share_of_the_encoders_strength(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "load_imagenet", lambda model, backbone: None)
    gains = {}
    for share in (1.0, 0.25):
        run = smoke(data, tmp_path, "pretrained=True", f"fusion_strength={share}")
        run.start(None, None)
        gains[share] = torch.stack([fusion.norm_f.weight.mean() for fusion in run.model.fusions.values()])
    assert (gains[1.0] > 0).all()
    torch.testing.assert_close(gains[0.25], 0.25 * gains[1.0])


def test_a_loss_that_is_not_finite_stops_with_the_samples(data: Path, finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    run = smoke(data, tmp_path / "run")
    run.start(None, None)
    batch = next(run.batches(1, 0))
    torch.nn.init.constant_(run.model.decoder.top[0].weight, float("nan"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"nan at step 0; samples \(photo, annotation\): \[\("):
        run.learner.step(batch)


def test_learning_rate_by_hand() -> None:
    recipe = replace(recipes.find("smoke"), steps=100, warmup=0.1, learning_rate=1.0)
    assert learning_rate(recipe, 0) == pytest.approx(0.1)
    assert learning_rate(recipe, 9) == pytest.approx(1.0)
    assert learning_rate(recipe, 55) == pytest.approx(0.5**0.9)
    steps = replace(recipe, schedule="step", milestones=(0.5, 0.8))
    assert [learning_rate(steps, s) for s in (0, 49, 50, 80)] == pytest.approx([1, 1, 0.1, 0.01])


def test_log_is_cut_where_a_run_resumes(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0, every=2)
    for step in range(6):
        log.add(step, {"total": float(step)})
    assert [r["total"] for r in read_log(tmp_path / "log.csv")] == [0.5, 2.5, 4.5]
    log = RunLog(tmp_path, 4, every=2)
    for step in (4, 5):
        log.add(step, {"total": 9.0})
    assert [r["total"] for r in read_log(tmp_path / "log.csv")] == [0.5, 2.5, 9.0]
