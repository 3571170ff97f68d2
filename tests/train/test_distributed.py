"""Several processes, several parts: the same gradients as one process in one go; a killed process ends the run."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from gloo import gradients, work
from photoref_fixture import make_photoref
from torch.multiprocessing import spawn
from torch.utils.data import DataLoader, Dataset

from cefnet.config import ModelConfig
from cefnet.text import Tokenizer
from cefnet.weights import TOKENIZER
from train.checkpoint import load_checkpoint
from train.distributed import Team, plain_words, synchronised
from train.recipes import Masks, New, change, find
from train.start import prepare_text

ROOT = Path(__file__).parents[2]
ALONE = Team(torch.device("cpu"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photoref(tmp_path_factory.mktemp("data"), photos=18)


@pytest.fixture(scope="module")
def folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    prepare_text(data, folder, change(find("smoke"), ["model.vocabulary=400"]).start)
    return folder


@pytest.fixture(scope="module")
def config(folder: Path) -> ModelConfig:
    start = find("smoke").start
    assert isinstance(start, New)
    return replace(start.model, vocabulary=Tokenizer.from_file(folder / TOKENIZER).size)


@pytest.fixture(scope="module")
def stage() -> Masks:
    """Five photos a step, so that parts differ in length; half of the samples absent, so that Dice's counts differ."""
    [smoke] = find("smoke").stages
    assert isinstance(smoke, Masks)
    return replace(smoke, sizes=((0.0, 64),), data=replace(smoke.data, photos=5, expressions=2, absent=0.5))


def variants(stage: Masks) -> list[Masks]:
    return [stage, replace(stage, name="parts", accumulate=4)]


def assert_close(got: dict, wanted: dict) -> None:
    assert got["terms"] == pytest.approx(wanted["terms"], rel=1e-5, abs=1e-6)
    assert got["gradients"].keys() == wanted["gradients"].keys()
    for name, gradient in wanted["gradients"].items():
        torch.testing.assert_close(got["gradients"][name], gradient, rtol=1e-5, atol=1e-5, msg=name)


def test_two_processes_have_the_gradients_of_one(stage: Masks, config: ModelConfig, data: Path, folder: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn(work, (port, variants(stage), config, data, folder), nprocs=2)
    for variant in variants(stage):
        wanted = gradients(replace(variant, accumulate=1), config, data, folder, ALONE)
        first, second = (torch.load(folder / f"{variant.name}-{i}.pt", weights_only=True) for i in range(2))
        assert first["samples"] + second["samples"] == wanted["samples"]
        assert len(first["samples"]) == 4 and len(second["samples"]) == 6
        assert_close(first, wanted)
        assert_close(second, wanted)


@pytest.mark.parametrize("parts", [2, 5])
def test_parts_have_the_gradients_of_the_whole(
    parts: int, stage: Masks, config: ModelConfig, data: Path, folder: Path
) -> None:
    wanted = gradients(stage, config, data, folder, ALONE)
    assert_close(gradients(replace(stage, accumulate=parts), config, data, folder, ALONE), wanted)


def test_who_does_what() -> None:
    team = [Team(torch.device("cpu"), rank, 4) for rank in range(4)]
    assert [list(t.share(6)) for t in team] == [[0], [1, 2], [3], [4, 5]]
    assert [team[0].parts(12, accumulate) for accumulate in (1, 4, 6, 12)] == [1, 1, 2, 3]
    assert team[0].parts(7, 7) == 1  # every process has as many parts: the smallest share is one photo
    with pytest.raises(ValueError, match="3 photos, too few for 4 processes"):
        team[0].share(3)


def test_synchronised_norms_keep_their_names_and_need_gpus() -> None:
    def model() -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4))

    assert synchronised(model(), ALONE)[1].__class__ is torch.nn.BatchNorm2d
    gpus = synchronised(model(), Team(torch.device("cuda"), 0, 2))
    assert isinstance(gpus[1], torch.nn.SyncBatchNorm) and gpus.state_dict().keys() == model().state_dict().keys()
    with pytest.raises(ValueError, match="sync_norm needs GPUs"):
        synchronised(model(), replace(ALONE, size=2))


def test_deaths_in_plain_words() -> None:
    for error, words in {
        "DataLoader worker (pid 7) is killed by signal: Killed. ": "reads data was killed.*do this",
        "[gloo/transport/tcp/pair.cc:5] Connection closed by peer": "another process of this run.*do this",
    }.items():
        with pytest.raises(ValueError, match=words), plain_words("do this"):
            raise RuntimeError(error)
    with pytest.raises(RuntimeError, match="shapes"), plain_words("do this"):
        raise RuntimeError("shapes differ")


class Failing(Dataset):
    """Data that is not there any more."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, i: int) -> None:
        raise FileNotFoundError(2, "No such file or directory", "photos-00.tar")


def test_what_fails_in_a_reader_of_data_is_told_in_its_own_words() -> None:
    with pytest.raises(ValueError) as told, plain_words("do this"):
        next(iter(DataLoader(Failing(), batch_size=None, num_workers=1)))
    assert str(told.value) == "FileNotFoundError: [Errno 2] No such file or directory: 'photos-00.tar'; do this"


def test_a_killed_process_ends_the_job_and_another_number_of_them_resumes(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = ["-m", "train", "run", "smoke", "--data", str(data), "--out", str(out), "--workers", "0", "--device", "cpu",
           "--steps", "100000", "--set", "model.vocabulary=400", "--set", "checkpoint_every=2"]  # fmt: skip
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *run]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(torchrun, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as job:
        wait_for(out / "checkpoint.pt", job)
        children = subprocess.run(["ps", "--ppid", str(job.pid), "-o", "pid="], capture_output=True, text=True)
        last = max(int(pid) for pid in children.stdout.split())
        os.kill(last, signal.SIGKILL)
        _, said = job.communicate(timeout=300)
    assert job.returncode != 0
    assert "another process of this run was killed" in said and "--resume goes on from the last checkpoint" in said
    step = load_checkpoint(out)["step"]
    assert step >= 2 and step % 2 == 0
    more = [sys.executable, *run, "--resume", "--stop", str(step + 1)]
    assert subprocess.run(more, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL).returncode == 0
    assert load_checkpoint(out)["step"] == step + 1


def wait_for(path: Path, job: subprocess.Popen) -> None:
    for _ in range(3000):
        if path.is_file():
            return
        assert job.poll() is None, "the run ended by itself"
        time.sleep(0.1)
    raise AssertionError(f"no {path} in five minutes")
