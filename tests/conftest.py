"""Shared by all tests: a tiny tokenizer, config and weights folder. Random weights, no data, no network."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from app_fixture import app, app_service, browser, tall_photo, visit, wide_photo  # noqa: F401
from gradio import http_server
from hypothesis import settings
from refer_fixture import copy, refer  # noqa: F401
from tab_fixture import answer, now  # noqa: F401

from cefnet.config import Decision, ModelConfig
from cefnet.model import CEFNet
from cefnet.predictor import Predictor
from cefnet.text import Tokenizer
from cefnet.weights import save
from train.tokenizer import count_words, train_tokenizer

settings.register_profile("patient", deadline=None)  # a busy machine is no fault of an example
settings.load_profile("patient")

COLOURS = ("red", "blue", "green", "black", "white", "brown")
THINGS = ("dog", "cat", "man", "woman", "car", "chair", "horse", "skateboarder")
PLACES = ("left", "right", "middle", "top", "bottom")
SENTENCES = [f"the {colour} {thing} on the {place}" for colour in COLOURS for thing in THINGS for place in PLACES]


def pytest_configure() -> None:
    """Of several processes of tests, each starts its servers at ports of its own, and commands with one thread."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker:
        http_server.INITIAL_PORT_VALUE += 200 * (1 + int(worker.removeprefix("gw")))
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # tiny tensors: more threads only wait for each other


@pytest.fixture(scope="session")
def tiny_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `tokenizer.model` of about 330 pieces, trained on `SENTENCES`."""
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    path.write_bytes(train_tokenizer(SENTENCES, 400))
    return path


@pytest.fixture(scope="session")
def tiny_config(tiny_tokenizer: Path) -> ModelConfig:
    """The shipped models' kind of config, small: width 16, 64 x 64 pixels, ACM, BEM, presence."""
    return ModelConfig(
        encoder="efficientnet_lite0",
        width=16,
        image_size=64,
        vocabulary=Tokenizer.from_file(tiny_tokenizer).size,
        word_width=8,
        text_width=16,
        decoder_widths=(16, 16, 8, 8, 8),
        decoder_stride=4,
        normalisation="batch",
        gated=True,
        residual=True,
        presence=True,
    )


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_tokenizer: Path, tiny_config: ModelConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder of `tiny_config` with random weights. Shared: copy it before changing it."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    save(folder, CEFNet(tiny_config).eval(), Decision(), tiny_tokenizer, count_words(SENTENCES), "# A tiny model\n")
    return folder


@pytest.fixture
def two_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has every model find two regions, whatever is asked: in the left upper corner, and a weaker one opposite."""
    corners, segment_many = np.zeros((10, 10), np.float32), Predictor.segment_many
    corners[0, 0], corners[9, 9] = 0.9, 0.8

    def in_corners(*question, **options):
        return [replace(result, levels=(corners,) * 4) for result in segment_many(*question, **options)]

    monkeypatch.setattr(Predictor, "segment_many", in_corners)
