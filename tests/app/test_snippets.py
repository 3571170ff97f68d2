"""The question as code to copy, which is run: it asks the same of the app, and of the library."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from app_fixture import NAMES
from PIL import Image

from app import snippets, takeaway

HOSTILE = """it's "a" $(id) `id` $HOME \\ FILE <b> {0} %s ü"""


@pytest.fixture
def served(app: SimpleNamespace) -> str:
    return app.url.rstrip("/")


def run(command: list[str], folder: Path, **options: Any) -> str:
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True, timeout=300, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("expression", ["red dog", HOSTILE])
def test_the_python_code_asks_the_app(served: str, tall_photo: Path, expression: str) -> None:
    query = snippets.Query(served, tall_photo.name, expression, NAMES[1], NAMES[1], 0.45)
    said = run([sys.executable, "-c", snippets.client(query)], tall_photo.parent)
    *_, found, file = said.splitlines()
    assert found.startswith("True ")
    assert Image.open(file).size == (140, 1200)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("expression", ["red dog", HOSTILE])
def test_the_shell_code_asks_the_app(served: str, tall_photo: Path, expression: str) -> None:
    query = snippets.Query(served, tall_photo.name, expression, NAMES[1], NAMES[1], 0.45, regions="one")
    said = run(["sh", "-euc", snippets.curl(query)], tall_photo.parent)
    assert said.startswith("event: complete\ndata: ")
    told = json.loads(said.split("data: ", 1)[1])[0]
    assert (told["expression"], told["model"]) == (expression, NAMES[1])
    assert (told["mask_threshold"], told["regions"]) == (0.45, "one")
    assert told["mask"]["size"] == [1200, 140]


@pytest.mark.parametrize("expression", ["red dog", HOSTILE])
def test_the_librarys_code_answers_the_same(tiny_checkpoint: Path, tall_photo: Path, expression: str) -> None:
    query = snippets.Query("", tall_photo.name, expression, "", str(tiny_checkpoint), 0.45)
    root = str(Path(__file__).parents[2])
    python = [sys.executable, "-c", snippets.library(query)]
    said = run(python, tall_photo.parent, env={**os.environ, "PYTHONPATH": root})
    assert said.splitlines()[-1] == "(1200, 140)"


@pytest.mark.parametrize("write", [snippets.client, snippets.curl, snippets.library])
def test_code_says_what_differs_from_the_model(write: Any) -> None:
    query = snippets.Query("http://x", "a.png", "dog", NAMES[0], NAMES[0], 0.45)
    assert "regions" not in write(query)
    for regions in ("one", "all"):
        code = write(replace(query, regions=regions)).replace('"', "").replace("'", "").replace(": ", "=")
        assert f"regions={regions}" in code


def test_weights_are_named_as_others_can_load_them(tmp_path: Path) -> None:
    assert takeaway.weights("cefnet-acm", "") == takeaway.weights("cefnet-acm", str(tmp_path)) == "cefnet-acm"
    assert takeaway.weights("mine", "somebody/weights@main") == "somebody/weights"


def test_the_address_is_that_of_a_laptop_outside_of_the_page() -> None:
    assert snippets.address() == "http://127.0.0.1:7860"
