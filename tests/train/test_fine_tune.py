"""What a student gets: a start that is the model she named, and a result that is better on her own photos."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden import GOLDEN, MODELS, answers
from photoref_fixture import make_photoref

from cefnet.config import PRESETS, Decision
from cefnet.model import CEFNet
from cefnet.predictor import Predictor
from cefnet.text import Tokenizer
from cefnet.weights import load, save
from train import fit
from train.data.reader import ReferData
from train.evaluation.command import measure
from train.evaluation.metrics import summarise
from train.evaluation.questions import ask, queries

HERE: dict[str, Any] = {"device": "cpu", "workers": 0}
NOTHING = ["learning_rate=0.0", "sizes=((0.0,64),)", "data.photos=2", "data.expressions=2"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photoref(tmp_path_factory.mktemp("data"), photos=36)


@pytest.mark.parametrize("name", MODELS)
def test_without_a_rate_a_shipped_model_answers_as_before(name: str, data: Path, tmp_path: Path) -> None:
    out = fit("fine-tune", data, tmp_path, init=name, settings=NOTHING, steps=2, **HERE)
    for now, then in zip(answers(str(out)), json.loads(GOLDEN.read_text())[name], strict=True):
        assert now["score"] == pytest.approx(then["score"], abs=0.02)
        np.testing.assert_allclose(now["grid"], then["grid"], atol=0.02)
    assert (load(out, "cpu").config, load(out, "cpu").decision) == (
        load(name, "cpu").config,
        load(name, "cpu").decision,
    )


def test_without_a_rate_a_model_of_another_preset_is_the_same(
    data: Path, tiny_tokenizer: Path, tmp_path: Path
) -> None:  # fmt: skip
    config = replace(
        PRESETS["paper-vcm"], encoder="resnet18", width=16, word_width=8, text_width=16, image_size=64,
        decoder_widths=(16, 16, 8, 8, 8), vocabulary=Tokenizer.from_file(tiny_tokenizer).size,
    )  # fmt: skip
    torch.manual_seed(0)
    decision = Decision(mask_threshold=0.4, presence_threshold=0.2, regions="one")
    save(tmp_path / "start", CEFNet(config), decision, tiny_tokenizer, {"dog": 3}, "a model")
    out = fit("fine-tune", data, tmp_path / "out", init=str(tmp_path / "start"), settings=NOTHING, steps=2, **HERE)
    before, after = load(tmp_path / "start", "cpu"), load(out, "cpu")
    assert (after.config, after.decision, after.words) == (config, decision, {"dog": 3})
    assert after.tokenizer.encode("red dog") == before.tokenizer.encode("red dog")
    for name, value in before.model.state_dict().items():
        assert torch.equal(after.model.state_dict()[name], value), name


def mean_iou(model: str | Path, data: Path, size: int) -> float:
    """Of the expressions of held-out photos, nothing refused."""
    checkpoint = load(model, "cpu")
    checkpoint.model.config = replace(checkpoint.config, image_size=size)
    checkpoint = replace(checkpoint, decision=checkpoint.decision.changed(presence_threshold=0.0))
    tables = ReferData.open(data)
    records = measure(ask(Predictor.from_checkpoint(checkpoint), tables), tables, queries(tables, "dev", None, 0))
    return summarise([record for record in records if record.ann_ids])["mean_iou"]


def test_it_beats_its_start_on_held_out_photos(data: Path, tmp_path: Path) -> None:
    """24 drawn photos to learn from, at about their own size, and few steps; the start answers at its own size."""
    out = fit("fine-tune", data, tmp_path, settings=["model.image_size=96", "data.photos=3"], steps=24, **HERE)
    assert mean_iou(out, data, 96) > mean_iou("cefnet-acm", data, 256) + 0.03


def test_the_result_is_a_mean_with_the_start(data: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    def result(mix: float) -> dict[str, torch.Tensor]:
        settings = [*NOTHING[1:], "learning_rate=0.01", "schedule.warmup=0", f"mix={mix}"]
        out = fit("fine-tune", data, tmp_path / str(mix), init=str(tiny_checkpoint), settings=settings, steps=1, **HERE)
        return load(out, "cpu").model.state_dict()

    start = load(tiny_checkpoint, "cpu").model.state_dict()
    alone, half, all_of_it = (result(mix) for mix in (0.0, 0.5, 1.0))
    name = "fusions.5.out.weight"
    assert not torch.equal(alone[name], start[name]) and torch.equal(all_of_it[name], start[name])
    torch.testing.assert_close(half[name], (alone[name] + start[name]) / 2, atol=1e-4, rtol=1e-2)
