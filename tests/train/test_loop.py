"""The training loop on a drawn data set: resumes bit for bit, logs, refuses, stops on bad losses."""

from pathlib import Path

import pytest
import torch
from photoref_fixture import make_photoref

from cefnet.text import Tokenizer
from cefnet.weights import load
from train import fit, start
from train.__main__ import main
from train.build import build, stream
from train.checkpoint import load_checkpoint, save_checkpoint
from train.data.reader import ReferData
from train.distributed import Team
from train.log import RunLog, draw_curves, read_log
from train.recipes import Masks, New, change, find

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
        ("masks.learning_rate differ", [str(finished), "--resume", "--set", "learning_rate=0.1"]),
        ("nothing to resume", [str(tmp_path / "none"), "--resume"]),
        ("no such key", [str(tmp_path / "other"), "--set", "colour=3"]),
        ("has no stage 'words'; its stages are: masks", [str(tmp_path / "other"), "--from", "words"]),
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
    out, changes = tmp_path / "vcm", ("model.attention=vcm", "learning_rate=0.0", "sizes=((0.0,64),)")
    smoke = find("smoke")
    with pytest.raises(ValueError, match=r"tensors of whole find no place in this network: fusions.3.attention"):
        fit(smoke, data, out, init=str(finished), settings=changes, device="cpu", workers=0)
    out = tmp_path / "dropped"
    fit(smoke, data, out, init=str(finished), settings=changes, allow_drop=True, steps=1, device="cpu", workers=0)
    mine, source = load_checkpoint(out)["model"], load(finished, "cpu").model.state_dict()
    assert torch.equal(mine["decoder.top.0.weight"], source["decoder.top.0.weight"])
    assert "fusions.5.attention.w_m.weight" in mine and "fusions.5.attention.w_m.weight" not in source
    assert (out / "tokenizer.model").read_bytes() == (finished / "tokenizer.model").read_bytes()


def smoke_stage(*changes: str) -> tuple[New, Masks]:
    """Start and stage of the recipe `smoke`."""
    recipe = change(find("smoke"), ["model.vocabulary=400", "sizes=((0.0,64),)", *changes])
    assert isinstance(recipe.start, New) and isinstance(recipe.stages[0], Masks)
    return recipe.start, recipe.stages[0]


def test_fusion_starts_at_the_recipes_share_of_the_encoders_strength(
    data: Path, tiny_tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "load_imagenet", lambda model, backbone: None)
    gains, tokenizer = {}, Tokenizer.from_file(tiny_tokenizer)
    for share in (1.0, 0.25):
        new, _ = smoke_stage("pretrained=True", f"fusion_strength={share}")
        torch.manual_seed(0)
        model = start.begin_new(new, {}, tokenizer.size).model
        images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        start.first_weights(model, new, start.Sources(), tokenizer, images)
        gains[share] = torch.stack([fusion.norm_f.weight.mean() for fusion in model.fusions.values()])
    assert (gains[1.0] > 0).all()
    torch.testing.assert_close(gains[0.25], 0.25 * gains[1.0])


def test_a_loss_that_is_not_finite_stops_with_the_samples(data: Path, tiny_tokenizer: Path) -> None:
    (new, stage), tables, tokenizer = smoke_stage(), ReferData.open(data), Tokenizer.from_file(tiny_tokenizer)
    team = Team(torch.device("cpu"))
    learner = build(stage, start.begin_new(new, {}, tokenizer.size).model, len(tables.categories), team)
    batch = next(stream(stage, tables, tokenizer, 0, team, range(1)))
    torch.nn.init.constant_(learner.model.decoder.top[0].weight, float("nan"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"nan at step 0; samples \(photo, annotation\): \[\("):
        learner.step(batch)


def test_log_is_cut_where_a_run_resumes(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0, every=2)
    for step in range(6):
        log.add(step, {"total": float(step)})
    assert [r["total"] for r in read_log(tmp_path / "log.csv")] == [0.5, 2.5, 4.5]
    log = RunLog(tmp_path, 4, every=2)
    for step in (4, 5):
        log.add(step, {"total": 9.0})
    assert [r["total"] for r in read_log(tmp_path / "log.csv")] == [0.5, 2.5, 9.0]


def test_a_log_holds_the_losses_of_stages_that_differ(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0, every=1)
    log.add(0, {"total": 1.0, "matching": 0.5})
    log.add(1, {"total": 2.0, "mask": 0.25})
    rows = [{"step": 1, "total": 1.0, "matching": 0.5}, {"step": 2, "total": 2.0, "mask": 0.25}]
    assert read_log(tmp_path / "log.csv") == rows
    RunLog(tmp_path, 2, every=1).add(2, {"total": 3.0, "mask": 0.125})
    assert read_log(tmp_path / "log.csv") == [*rows, {"step": 3, "total": 3.0, "mask": 0.125}]
    draw_curves(tmp_path)
    assert (tmp_path / "curves.png").is_file()
