"""tests/stress/fuzz.py, for some seconds; and that it would notice."""

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import strategies as st

from tests.stress import fuzz, targets
from tests.stress.fuzz import Told, batch, main
from tests.stress.targets import Target


def test_every_reader_stands_a_few_seconds_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seconds", "6", "--out", str(tmp_path / "out")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == list(targets.TARGETS)
    assert all(one["inputs"] and not one["failures"] for one in told.values()), told


def test_what_fails_is_found_and_made_small(tmp_path: Path) -> None:
    def check(content: bytes, _: Path) -> None:
        if b"\x07" in content:
            raise KeyError("7")

    told = Told()
    with pytest.raises(KeyError):
        for number in range(20):
            batch(Target(st.binary(max_size=50), check), told, number, tmp_path, time.monotonic() + 60)
    assert (tmp_path / "input").read_bytes() == b"\x07" and told.inputs


def test_what_takes_long_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "SECONDS", 0.0)
    with pytest.raises(AssertionError, match="it took"):
        fuzz.once(Target(st.just(b""), lambda *_: sum(range(1000)) and None), b"", tmp_path)


def test_what_takes_much_memory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times as much as it may, because threads of other tests may give some back meanwhile."""
    monkeypatch.setattr(fuzz, "MEGABYTES", 50)
    with pytest.raises(AssertionError, match="MB"):
        fuzz.once(Target(st.just(b""), lambda *_: b"x" * (5 * 10**8) and None, memory=True), b"", tmp_path)


@pytest.mark.parametrize(("fate", "said"), [("die", "ended with -11"), ("hang", "hangs")])
def test_crashes_and_loops_are_found(fate: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "work", dying)
    monkeypatch.setattr(fuzz, "PATIENCE", 15.0)
    told = fuzz.run(fate, 0.1, 0, tmp_path / "out")
    [failure] = told.failures
    assert said in failure and (tmp_path / "out" / f"{fate}-0").read_bytes() == b"the input"


def dying(fate: str, _: float, __: int, folder: Path, ___: Path) -> None:
    """Stands for `work`, in a process of its own."""
    (folder / "input").write_bytes(b"the input")
    os.kill(os.getpid(), 11) if fate == "die" else time.sleep(300)
