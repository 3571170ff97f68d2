"""cefnet/files.py: files that are there whole or not at all."""

import subprocess
import sys
from pathlib import Path

import pytest

from cefnet.files import replacing, write_whole

ROOT = Path(__file__).parents[2]


def test_what_was_there_stays_until_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    write_whole(path, "caf\u00e9")
    with replacing(path) as file:
        file.write(b"new")
        assert path.read_text(encoding="utf-8") == "caf\u00e9"
    assert path.read_bytes() == b"new" and [p.name for p in tmp_path.iterdir()] == ["words.json"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_fails_leaves_nothing_behind(error: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    write_whole(path, "old")
    with pytest.raises(error), replacing(path) as file:
        file.write(b"half of the n")
        raise error
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["words.json"]


def test_kill_9_inside_leaves_the_old_file_and_the_next_try_tidies_up(tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    write_whole(path, "old")
    die = f"""
import os, pathlib, sys
sys.path.insert(0, {str(ROOT / "cefnet")!r})
from files import replacing
with replacing(pathlib.Path({str(path)!r})) as file:
    file.write(b"half of the n")
    file.flush()
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", die]).returncode == -9
    assert path.read_text() == "old" and (tmp_path / ".words.json.part").read_text() == "half of the n"
    write_whole(path, "new")
    assert path.read_text() == "new" and [p.name for p in tmp_path.iterdir()] == ["words.json"]
