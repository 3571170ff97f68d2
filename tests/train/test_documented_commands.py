"""Every training, preparing, evaluating and comparing command of the docs runs, a step or two long, on drawn data."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from documented import PAGES, ROOT, Command, commands, programs
from label_exports import labelme, yolo
from photoref_fixture import HEIGHT, WIDTH, make_photoref
from refer_fixture import make_refer
from safetensors.torch import save_file

import cefnet.__main__
import train.__main__
from cefnet.model.encoders import build_encoder
from cefnet.model.encoders.resnet import RESNET_SPECS, ResNetSpec

MAIN: dict[str, Callable[[list[str]], int]] = {"train": train.__main__.main, "cefnet": cefnet.__main__.main}

# Words of the docs that stand for a reader's own files and names; after an option, that option's alone.
NAMES = {"--data DIR": "own", "--out DIR": "out", "--images DIR": "photos", "COCO": "photos", "DATASET": "unc"}
NAMES |= {"--refer DIR": "refer", "REFER": "refer", "FILE": "own/instances.json", "PNG": "seen.png"}
NAMES |= {"--labels DIR": "labelled"}
NAMES |= {"accumulate=4": "accumulate=3"}  # the drawn official files have three photos to train on
NAMES |= {"--steps 20000": "4"}
NAMES |= {"MODEL": "tiny", "A": "tiny", "B": "tiny"}

# What makes a command short, by its first words. It goes first, so that what the docs say themselves counts.


def set_all(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


SETTINGS = ("sizes=((0.0,64),)", "data.photos=3", "data.expressions=2")
RUN = ["--steps", "1", "--workers", "0", "--device", "cpu", *set_all(*SETTINGS)]
ABLATION = ["--rows", "efn", "--again", "--expressions", "3", "--size", "64", "--limit", "4", "--rounds", "1"]
SHORT = {
    "train run": RUN,
    "train run smoke": ["--workers", "0"],
    "train evaluate": ["--limit", "4", "--device", "cpu"],
    "train run cefnet-acm": ["--steps", "5", *RUN[2:], *set_all("words.photos=4", "words.size=64")],
    "train ablation": [*ABLATION, *set_all(*SETTINGS[1:]), *set_all("model.width=16")],
    "train prepare": [],
    "train compare": [],
    "train tables": [],
    "train recipes": [],
    "cefnet segment": [],
    "cefnet info": [],
}  # fmt: skip
ELSEWHERE = {"train benchmark": "test_benchmark.py", "cefnet push": "test_hub.py", "cefnet app": "test_cli.py"}

SHORT |= {f"train run paper-{name}-acm": [*RUN, "--set", "model.width=16"] for name in ("unc", "gref", "joint")}
BACKBONE = ["--backbone", "timm/resnet101.tv_in1k"]

# Runs that a page measures and another page trains.
BEFORE = {"evaluation.md": ("paper-unc-acm", "paper-gref-acm")}


def starts(command: Command, tables: dict) -> str | None:
    """The longest key that the command begins with."""
    fitting = [key for key in tables if f"{command.program} {' '.join(command.words)} ".startswith(f"{key} ")]
    return max(fitting, key=len, default=None)


def shortened(command: Command) -> list[str]:
    """The command's words, with a reader's names filled in, and short."""
    pairs = zip(("", *command.words), command.words, strict=False)
    words = [NAMES.get(f"{before} {word}", NAMES.get(word, word)) for before, word in pairs]
    words = [word.replace("$split", "val") for word in words]
    key = starts(command, SHORT)
    assert key, f"`{command.text}` is neither in SHORT nor in ELSEWHERE"
    return [words[0], *SHORT[key], *words[1:]]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Path:
    """What a reader has: photos and masks of her own, the official files, word vectors, a model."""
    folder = tmp_path_factory.mktemp("reader")
    own = make_photoref(folder / "own", photos=24, layout="folder", held_out={2: "val", 4: "study", 5: "dev"})
    make_refer(folder / "refer")
    shutil.move(folder / "refer" / "images", folder / "photos")
    shutil.copytree(own / "photos", folder / "photos", dirs_exist_ok=True)
    for tool in (yolo, labelme):
        tool(folder / "labelled")
    shutil.copy(own / "instances.json", folder)
    shutil.copy(own / "photos" / "photo_000.webp", folder / "photo.jpg")
    words = np.array(["red", "green", "dog", "person", "left"])
    vectors = np.random.default_rng(0).normal(size=(5, 100)).astype(np.float32)
    for name in ("glove.npz", "glove-100d.npz"):
        np.savez(folder / name, words=words, vectors=vectors)
    shutil.copytree(tiny_checkpoint, folder / "tiny")
    shutil.copytree(own, folder / "data" / "tiny")
    for dataset, out in (("unc", "data/unc"), ("g-ref", "data/gref")):
        where = ["--refer", folder / "refer", "--images", folder / "photos", "--out", folder / out]
        assert train.__main__.main(["prepare", dataset, *map(str, where)]) == 0
    return folder


@pytest.fixture
def reader(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to work in, and a Hub that has a ResNet-101 of a few layers, which is what "resnet101" builds here."""
    monkeypatch.setitem(RESNET_SPECS, "resnet101", ResNetSpec((1, 1, 1, 1), bottleneck=False))
    backbone = tmp_path / "hub.safetensors"
    save_file(build_encoder("resnet101").state_dict(), backbone)
    monkeypatch.setattr("train.convert.hf_hub_download", lambda *_, **__: str(backbone))
    shutil.copytree(drawn, tmp_path / "reader", symlinks=True)
    monkeypatch.chdir(tmp_path / "reader")
    return tmp_path / "reader"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_reader_can_type_the_commands_of_a_page(page: Path, reader: Path) -> None:
    for recipe in BEFORE.get(page.name, ()):
        assert train.__main__.main(["run", recipe, "--data", "data/unc", *SHORT[f"train run {recipe}"], *BACKBONE]) == 0
    for command in commands(page):
        if starts(command, ELSEWHERE):
            continue
        words = shortened(command)
        if words[0] == "run" and "--out" not in words:  # a page may show several ways to make one model
            shutil.rmtree(f"runs/{command.words[1]}", ignore_errors=True)
        assert MAIN[command.program](words) == 0, command.text


def test_the_library_section_runs(reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its two blocks, as they stand; fine-tuning is two steps long."""
    short = {"steps": 2, "settings": SETTINGS, "device": "cpu", "workers": 0}
    monkeypatch.setattr(train, "fit", partial(train.fit, **short), raising=False)
    ask, tune = programs(ROOT / "README.md")
    exec(ask, told := {"y": 20, "x": 30})
    assert told["result"].mask.shape == (HEIGHT, WIDTH)
    exec(tune, told)
    assert told["predictor"].words and (reader / "runs" / "mine" / "model.safetensors").is_file()


def test_no_page_is_without_a_command_that_it_should_have() -> None:
    """The parser finds what is there: pages that were written for their commands have some."""
    found = {page.name: [starts(c, SHORT | ELSEWHERE) for c in commands(page)] for page in PAGES}
    assert {"train run", "train evaluate", "cefnet segment"} <= set(found["README.md"])
    assert {"train run", "train run smoke", "train prepare"} <= set(found["training.md"])
    assert {"train evaluate", "train compare", "train tables"} <= set(found["evaluation.md"])
    assert "train prepare" in found["datasets.md"] and "train run smoke" in found["scaling.md"]


def test_what_runs_elsewhere_is_tested_there() -> None:
    for key, file in ELSEWHERE.items():
        (path,) = (ROOT / "tests").rglob(file)
        assert f'"{key.split()[1]}"' in path.read_text(encoding="utf-8"), key
