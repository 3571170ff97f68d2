"""torture.py, a short version: killed runs go on as if nothing had happened; what it calls lost is lost."""

import itertools
import random
from pathlib import Path

import pytest
import torch

from tests.stress import torture
from tests.stress.trial import Bench, Lost, difference


def test_two_kills_change_nothing(tmp_path: Path) -> None:
    """One at any moment, one while a checkpoint is written."""
    bench = Bench(tmp_path, 6, random.Random(0), photos=12)
    assert torture.kills(bench, 2, itertools.cycle([None, torture.PART])).startswith("2 kills")


def test_sigterm_to_all_processes_ends_with_a_checkpoint(tmp_path: Path) -> None:
    """The processes that read data get it too; the run must not take their end for a fault."""
    bench = Bench(tmp_path, 12, random.Random(0), photos=12)
    assert torture.sigterm(bench).endswith("with a checkpoint and exit status 143")


def test_a_run_that_differs_is_noticed() -> None:
    state = {"step": 3, "model": {"w": torch.ones(2)}, "optimiser": [{"lr": 0.1}, (1, 2)]}
    assert difference(state, {**state, "model": {"w": torch.ones(2)}}) == ""
    assert difference(state, {**state, "model": {"w": torch.tensor([1.0, 1.0000001])}}) == "checkpoint.model.w"
    assert difference(state, {**state, "optimiser": [{"lr": 0.1}, (1, 3)]}) == "checkpoint.optimiser.1.1"
    assert difference(state, {"step": 3, "model": {"w": torch.ones(2)}}) == "checkpoint.optimiser"
    assert difference(1, 1.0) == "checkpoint"


def test_what_is_lost_is_said_and_ends_with_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    def fail(_bench: Bench) -> str:
        raise Lost("the weights\ndiffer")

    monkeypatch.setitem(torture.FAULTS, "clock", fail)
    monkeypatch.setitem(torture.FAULTS, "shard", lambda _bench: "fine")
    assert torture.main(["--only", "clock", "shard"]) == 1
    said = capsys.readouterr().out
    assert "| clock | LOST: the weights differ |" in said and "| shard | survived: fine |" in said
    assert torture.main(["--only", "shard"]) == 0


def test_faults_that_are_refused_at_once(tmp_path: Path) -> None:
    """A folder that can't be written to, then a shard that is cut off."""
    bench = Bench(tmp_path, 3, random.Random(0), photos=12)
    out = bench.undisturbed()
    assert "refused" in torture.refused_folder(bench, out) and "refused" in torture.refused_shard(bench, out)
