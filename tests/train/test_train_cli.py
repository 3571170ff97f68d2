"""`python -m train`: the commands are there, start fast, and fail in plain words."""

import subprocess
import sys
from pathlib import Path

import pytest

from cefnet.__main__ import main as cefnet
from train.__main__ import COMMANDS, main

ROOT = Path(__file__).parents[2]


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"python -m train {command}" in capsys.readouterr().out


@pytest.mark.parametrize(("typed", "command"), [("train", "run"), ("evaluate", "evaluate")])
def test_a_command_is_called_what_was_typed(typed, command, capsys):
    """`cefnet train --help` spoke of `python -m train run`, and so did its errors."""
    with pytest.raises(SystemExit):
        cefnet([typed, "--help"])
    printed = capsys.readouterr().out
    assert f"usage: python -m cefnet {typed} " in printed and f"python -m train {command}" not in printed
    words = {"train": ["none"], "evaluate": ["baseline:none"]}[typed]
    assert cefnet([typed, *words, "--data", "nowhere"]) == 2
    assert capsys.readouterr().err.startswith(f"python -m cefnet {typed}: ")


@pytest.mark.parametrize(
    "words", [[], ["evalate"], ["evaluate"], ["evaluate", "baseline:center", "--protocol", "mine"]]
)
def test_wrong_usage_exits_with_2(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert "usage: python -m train" in capsys.readouterr().err


def test_missing_data_folder_is_said_in_plain_words(tmp_path, capsys):
    folder = tmp_path / "nowhere"
    assert main(["evaluate", "baseline:center", "--data", str(folder)]) == 2
    said = capsys.readouterr().err
    assert str(folder / "instances.json") in said and "missing" in said
    assert "Traceback" not in said and said.count("\n") == 1


def test_as_a_process_without_loading_torch():
    """`--help` must not wait for torch; the exit status must reach the shell."""
    code = "import sys; from train.__main__ import build_parser as b; b(None); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
    words = [sys.executable, "-m", "train", "evaluate", "baseline:center", "--data", "no/such/folder"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("python -m train evaluate: ")
