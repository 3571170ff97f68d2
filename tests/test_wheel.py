"""A wheel of this tree, in an environment of its own: the library, the models and the commands, from any folder."""

import json
import shutil
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from photoref_fixture import make_photoref

from cefnet import Predictor
from cefnet.weights import SHIPPED
from tools.pins import requirements

ROOT = Path(__file__).parents[1]
PHOTO, EXPRESSION = ROOT / "app" / "examples" / "coco_308.webp", "man in the straw hat"
NOT_SHIPPED = {"train/RUNS.md"}  # history, which is read on the project's page


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left in the tree, and nothing is in the wheel that is not in the tree."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in tracked():
        if name.startswith(("cefnet/", "train/", "app/", "weights/")) or "/" not in name:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", out, source], check=True)
    return next(out.glob("cefnet-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment with the wheel; what it depends on is lent by this one."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True)
    own = next((home / "lib").glob("python*/site-packages"))
    (own / "lent.pth").write_text("\n".join(site.getsitepackages()) + "\n")  # looked into after the wheel's own
    return home / "bin"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder like a student's, with a train.py and an app.py of her own."""
    for name in ("train.py", "app.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong one')\n")
    shutil.copy(PHOTO, tmp_path / "photo.webp")
    return tmp_path


def run(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], cwd=folder, capture_output=True, text=True)


def test_nothing_that_the_code_reads_is_left_out(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {name for name in tracked() if name.startswith(("cefnet/", "train/", "app/"))} - NOT_SHIPPED
    wanted |= {name.replace("weights/", "cefnet/shipped/", 1) for name in tracked() if name.startswith("weights/")}
    assert wanted - names == set()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"cefnet", "train", "app"}


def test_the_command_segments_a_photo_from_another_folder(installed: Path, elsewhere: Path) -> None:
    done = run(elsewhere, installed / "cefnet", "segment", "photo.webp", EXPRESSION, "--out", "out", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    predictor = Predictor.from_pretrained("cefnet-acm", "cpu")
    expected = predictor.segment(predictor.encode(PHOTO), EXPRESSION).found
    mask = cv2.imread(str(elsewhere / "out" / "mask.png"), cv2.IMREAD_GRAYSCALE)
    assert expected.any() and np.mean((mask > 0) == expected) > 0.999  # other threads, other roundings


def test_the_library_finds_its_models_from_another_folder(installed: Path, elsewhere: Path) -> None:
    code = "from cefnet import Predictor; print(Predictor.from_pretrained('cefnet-vcm', 'cpu').source)"
    done = run(elsewhere, installed / "python", "-c", code)
    assert done.returncode == 0, done.stderr
    source = Path(done.stdout.strip())
    assert source.name == "cefnet-vcm" and source.is_relative_to(installed.parent) and SHIPPED not in source.parents


def test_the_commands_of_training_and_app_work_from_another_folder(installed: Path, elsewhere: Path) -> None:
    make_photoref(elsewhere / "data")
    numbers = ["evaluate", "baseline:largest", "--data", "data", "--json", "numbers.json"]
    done = run(elsewhere, installed / "cefnet", *numbers)
    assert done.returncode == 0 and json.loads((elsewhere / "numbers.json").read_text())["n"] > 0, done.stderr
    for command in (["train", "--help"], ["prepare", "coco", "--help"], ["app", "publish", "--help"]):
        done = run(elsewhere, installed / "cefnet", *command)
        assert done.returncode == 0 and "usage: " in done.stdout, done.stderr


def test_a_file_that_hides_a_package_is_named(installed: Path, elsewhere: Path) -> None:
    """`python -m` looks into the folder first: its train.py is not run in place of ours."""
    done = run(elsewhere, installed / "python", "-m", "cefnet", "train", "--help")
    assert done.returncode == 2 and "train.py" in done.stderr and "`cefnet train`" in done.stderr


def test_the_space_installs_the_versions_of_the_package() -> None:
    assert (ROOT / "requirements.txt").read_text(encoding="utf-8") == requirements()
