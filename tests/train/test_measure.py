"""train/evaluation/command.py: an evaluation shared by two processes gives what one gives."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.photoref_fixture import make_photoref
from train.__main__ import main
from train.evaluation.command import place, read_results

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_two_processes_measure_what_one_measures(tmp_path: Path) -> None:
    data = make_photoref(tmp_path / "data", photos=18)
    command = ["evaluate", "baseline:center", "--data", str(data), "--split", "train"]
    files = [["--json", f"{tmp_path}/{n}.json", "--results", f"{tmp_path}/{n}.jsonl"] for n in ("one", "two")]
    assert main([*command, *files[0]]) == 0

    # What torchrun --nproc-per-node 2 sets (itself it would only cost the time to start it).
    team = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "train", *command, *files[1]],
            cwd=ROOT,
            env={**os.environ, **team, "RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    ]
    printed = [process.communicate(timeout=300)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert "overall IoU" in printed[0] and printed[1] == ""
    assert read_results(tmp_path / "one.jsonl") == read_results(tmp_path / "two.jsonl")
    assert (tmp_path / "one.json").read_text() == (tmp_path / "two.json").read_text()


def test_without_torchrun_there_is_one_process() -> None:
    assert place() == (0, 1)
