"""Runs that go wrong: damaged photos, SIGTERM, a full disk, losses that are not finite, two runs in one folder."""

import json
import os
import resource
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from photoref_fixture import make_photoref

from cefnet.config import ModelConfig
from cefnet.text import Tokenizer
from train import log as damage
from train.__main__ import main
from train.checkpoint import load_checkpoint, new_or_same, only_one, save_checkpoint
from train.data.batches import Batches
from train.data.reader import Damaged, ReferData
from train.data.samples import BatchSpec
from train.learner import Learner
from train.log import Damage, RunLog, draw_curves, read_log
from train.recipes import Masks, New, Recipe, change

SPEC = BatchSpec(photos=3, expressions=2, absent=0.0, generated=0.0)
PHOTO, ANNOTATED = 11, 13  # images of `broken`: not a picture, and one whose masks are empty


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photoref(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_photoref(tmp_path_factory.mktemp("broken"), layout="folder")
    (folder / "photos" / f"photo_{PHOTO - 10:03d}.webp").write_bytes(b"not a picture")
    tables = json.loads((folder / "instances.json").read_text())
    for annotation in tables["annotations"]:
        if annotation["image_id"] == ANNOTATED:
            annotation["segmentation"] = []
    (folder / "instances.json").write_text(json.dumps(tables))
    return folder


def train(data: Path, out: Path, *more: str) -> int:
    command = ["run", "smoke", "--data", str(data), "--out", str(out), "--workers", "0", "--device", "cpu"]
    return main([*command, "--set", "model.vocabulary=400", "--steps", "4", *more])


def test_damaged_photos_are_named_and_replaced_alike_everywhere(broken: Path, tiny_tokenizer: Path) -> None:
    data, tokenizer = ReferData.open(broken), Tokenizer.from_file(tiny_tokenizer)
    whole = Batches(data, tokenizer, SPEC, 32, seed=0)
    shares = [Batches(data, tokenizer, SPEC, 32, seed=0, places=places) for places in (range(1), range(1, 3))]
    named = set()
    for step in range(12):
        batch, parts = whole[step], [share[step] for share in shares]
        used = {image_id for image_id, _ in batch.sample_ids}
        assert used.isdisjoint({PHOTO, ANNOTATED}) and len(batch.images) == 3
        assert parts[0].sample_ids + parts[1].sample_ids == batch.sample_ids
        assert torch.equal(torch.cat([part.images for part in parts]), batch.images)
        named.update(batch.skipped)
    assert any("photo_001.webp is not a picture that can be read" in text for text in named)
    assert any("of photo photo_003.webp: its mask is empty" in text for text in named)
    assert all("photo_001" in text or "photo_003" in text for text in named)


def test_data_without_any_sound_photo_is_refused(tmp_path: Path, tiny_tokenizer: Path) -> None:
    folder = make_photoref(tmp_path, layout="folder")
    for file in (folder / "photos").iterdir():
        file.unlink()
    batches = Batches(ReferData.open(folder), Tokenizer.from_file(tiny_tokenizer), SPEC, 32, seed=0)
    with pytest.raises(ValueError, match=r"10 photos one after the other can't be used; photo photo_\d+.webp is neit"):
        batches[0]
    with pytest.raises(Damaged):
        batches.data.photo(10)


def test_more_than_one_percent_is_too_much(tmp_path: Path) -> None:
    (tmp_path / "damaged.txt").write_text("photo a\n")
    found = Damage(tmp_path, 200)
    found.add(["photo a"])
    found.add(["photo b"])
    with pytest.raises(ValueError, match="3 photos or masks can't be used, more than 1% of 200 photos.*last: photo c"):
        found.add(["photo b", "photo c"])
    assert (tmp_path / "damaged.txt").read_text().split("\n") == ["photo a", "photo b", "photo c", ""]


def test_a_run_counts_damage_over_its_parts(
    broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(broken, tmp_path / "strict") == 2
    assert "can't be used, more than 1% of 8 photos" in capsys.readouterr().err
    monkeypatch.setattr(damage, "LIMIT", 1.0)
    assert train(broken, tmp_path / "lax") == 0
    found = (tmp_path / "lax" / "damaged.txt").read_text().splitlines()
    assert found and Damage(tmp_path / "lax", 8).found == set(found)


def test_sigterm_finishes_the_step_and_saves(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = Learner.step

    def interrupted(self: Learner, batch: object) -> dict[str, float]:
        if self.steps == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, batch)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", interrupted)
        with pytest.raises(SystemExit) as stop:
            train(data, tmp_path / "run")
    assert stop.value.code == 143
    assert "ended by SIGTERM after step 2, which is saved: --resume goes on" in capsys.readouterr().err
    assert load_checkpoint(tmp_path / "run")["step"] == 2
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert train(data, tmp_path / "run", "--resume") == 0
    assert train(data, tmp_path / "whole") == 0
    one, other = (load_checkpoint(tmp_path / name)["model"] for name in ("run", "whole"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, {"step": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))  # no file can grow beyond it
    try:
        with pytest.raises(OSError, match=r"checkpoint.pt of step 2 can't be written.*the one before it"):
            save_checkpoint(tmp_path, {"step": 2, "weights": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert load_checkpoint(tmp_path) == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_line_cut_off_in_the_log_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,total,learning_rate\n20,1.5,0.1\n40,1.2")
    assert read_log(tmp_path / "log.csv") == [{"step": 20, "total": 1.5, "learning_rate": 0.1}]


LOCKED = f"""
import os, sys, time
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from train.checkpoint import only_one
with only_one(Path(sys.argv[1])):
    if os.fork() == 0:  # as a process that reads data, which lives on for seconds
        time.sleep(60)
        os._exit(0)
    print("inside", flush=True)
    time.sleep(60)
"""


def test_one_run_at_a_time_in_a_folder_but_the_dead_lock_nobody_out(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LOCKED, str(tmp_path)], stdout=subprocess.PIPE, start_new_session=True
    ) as other:
        try:
            assert other.stdout is not None and other.stdout.readline() == b"inside\n"
            assert train(data, tmp_path) == 2
            assert "another run is going on" in capsys.readouterr().err
            other.kill()
            other.wait()
            with only_one(tmp_path):
                pass
        finally:
            os.killpg(other.pid, signal.SIGKILL)


@pytest.mark.parametrize("packed", [False, True])
def test_a_checkpoint_that_changed_on_the_disk_is_refused(packed: bool, tmp_path: Path) -> None:
    """torch itself would load both: it neither compares check sums nor minds what unpacks to gigabytes."""
    save_checkpoint(tmp_path, {"step": 1, "weights": torch.zeros(1000)})
    path = tmp_path / "checkpoint.pt"
    content = bytearray(path.read_bytes())
    if packed:
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "new.pt", "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                new.writestr(name, old.read(name))
        (tmp_path / "new.pt").replace(path)
    else:
        content[content.find(bytes(3000)) + 1500] = 1
        path.write_bytes(content)
    assert torch.load(path, weights_only=True)["step"] == 1
    with pytest.raises(ValueError, match=r"checkpoint.pt is damaged: .* is not what was written"):
        load_checkpoint(tmp_path)


def test_another_models_checkpoint_is_named(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(data, tmp_path, "--stop", "1") == 0
    save_checkpoint(tmp_path, {"step": 1})
    assert train(data, tmp_path, "--resume") == 2
    assert "is of another model or version" in capsys.readouterr().err


@pytest.mark.parametrize(
    "tail", ["60", "60,1,2,3,4\n", "60,\n", "60,x,1\n", "\0\0\0\0\0", "\0\0\n", "60,1.5,0.", "\n\n", "\ufffd\n"]
)
def test_a_damaged_log_keeps_nobody_from_going_on(tail: str, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("step,total,learning_rate\r\n20,1.5,0.1\r\n40,1.2,0.1\r\n" + tail, encoding="utf-8", newline="")
    assert [row["step"] for row in read_log(path)] == [20, 40]
    log = RunLog(tmp_path, 40)
    for step in range(40, 60):
        log.add(step, {"total": 1.0, "learning_rate": 0.5})
    assert [row["step"] for row in read_log(path)] == [20, 40, 60]
    assert read_log(path)[-1] == {"step": 60, "total": 1.0, "learning_rate": 0.5}
    RunLog(tmp_path, 0)
    assert read_log(path) == []
    draw_curves(tmp_path)
    assert not (tmp_path / "curves.png").exists()


def test_recipes_of_earlier_versions_are_the_same_recipe(tmp_path: Path) -> None:
    recipe = Recipe("old", New(ModelConfig()), (Masks("masks"),))
    old = recipe.to_dict() | {"from": ""}
    del old["stages"][0]["mix"], old["stages"][0]["data"]["by_expression"], old["start"]["model"]["gated"]
    (tmp_path / "recipe.json").write_text(json.dumps(old))

    def resumed(other: Recipe) -> Recipe:
        return new_or_same(tmp_path, other, "", None, lambda: (0, 0))

    assert resumed(recipe) == recipe
    parts = change(recipe, ["accumulate=3", "checkpoint_every=7"])  # they say how, not what
    assert resumed(parts) == parts
    with pytest.raises(ValueError, match="recipe: masks.data.by_expression, seed differ; use another --out"):
        resumed(change(recipe, ["seed=1", "data.by_expression=True"]))


def test_a_step_that_is_not_finite_ends_the_run_with_its_samples(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = Learner.step

    def poisoned(self: Learner, batch: object) -> dict[str, float]:
        if self.steps == 2:
            torch.nn.init.constant_(self.model.decoder.top[0].weight, float("nan"))  # type: ignore[arg-type]
        return step(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(Learner, "step", poisoned)
    assert train(data, tmp_path, "--set", "accumulate=2", "--set", "checkpoint_every=2") == 2
    assert "the loss is nan at step 2; samples (photo, annotation): [(" in capsys.readouterr().err
    state = load_checkpoint(tmp_path)
    assert state["step"] == 2 and all(value.isfinite().all() for value in state["model"].values())


def test_a_gradient_that_is_not_finite_ends_the_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *_: torch.tensor(np.inf))
    assert train(data, tmp_path) == 2
    assert "the gradient's norm is inf at step 0" in capsys.readouterr().err
    assert not (tmp_path / "checkpoint.pt").exists()
