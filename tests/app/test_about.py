"""The foot of the page, and models from the Hub by CEFNET_MODELS."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from app.about import footer
from app.environment import models_from_environment
from app.service import Service
from cefnet import weights
from cefnet.predictor import Predictor


@pytest.fixture
def service(tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """One model from a (fake) Hub, one from a run folder, one that is nowhere: all by CEFNET_MODELS."""

    def snapshot_download(repository: str, revision: str | None, allow_patterns: list[str], **_: Any) -> str:
        if repository != "someone/tiny":
            raise LocalEntryNotFoundError("not there")
        there = tmp_path / "cache" / "snapshots" / "0123"
        there.mkdir(parents=True, exist_ok=True)
        for file in allow_patterns:
            shutil.copyfile(tiny_checkpoint / file, there / file)
        return str(there)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    shutil.copytree(tiny_checkpoint, tmp_path / "secret" / "run7" / "weights")
    monkeypatch.setenv("CEFNET_MODELS", f"hub=someone/tiny, mine={tmp_path}/secret/run7, gone=someone/else")
    return Service.load(models_from_environment(), device="cpu")


def test_models_come_from_the_hub_and_from_folders(service: Service) -> None:
    assert list(service.predictors) == ["hub", "mine"] and service.missing == ("gone",)
    assert service.predictors["hub"].source == "someone/tiny@main"


def test_the_footer_says_what_is_loaded_and_no_path(service: Service) -> None:
    text = footer(service)
    digest = service.predictors["hub"].sha256
    assert len(digest) == 64 and text.count(f">weights {digest[:8]}<") == 2
    assert 'href="https://huggingface.co/someone/tiny"' in text and "someone/tiny@main" in text
    assert "folder run7" in text and "secret" not in text


def test_shipped_weights_are_called_so(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.about.SHIPPED", tmp_path / "secret")
    service.predictors["mine"].source = str(tmp_path / "secret" / "run7")
    assert "<b>mine</b> (shipped with the app" in footer(service)


def test_names_are_escaped_and_what_is_unknown_is_left_out(service: Service) -> None:
    loaded = service.predictors["hub"]
    bare = Predictor(loaded.model, loaded.tokenizer)
    assert "<b>&lt;i&gt;</b>." in footer(Service({"<i>": bare}))


def test_the_source_of_a_shipped_model_is_its_folder(tiny_checkpoint: Path) -> None:
    checkpoint = replace(weights.load(tiny_checkpoint, "cpu"), source="weights/some", sha256="ab" * 32)
    predictor = Predictor.from_checkpoint(checkpoint)
    assert (predictor.source, predictor.sha256) == ("weights/some", "ab" * 32)
