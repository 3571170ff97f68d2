"""The shipped weights: untouched, small, and answering as they did when they were shipped."""

import hashlib
import json

import numpy as np
import pytest
from golden import GOLDEN, MODELS, answers

from cefnet.predictor import Predictor
from cefnet.weights import FILES, MANIFEST, SHIPPED


@pytest.mark.parametrize("name", MODELS)
def test_files_are_those_of_the_manifest_and_small(name: str) -> None:
    sums = json.loads((SHIPPED / MANIFEST).read_text())[name]
    assert sums == {file: hashlib.sha256((SHIPPED / name / file).read_bytes()).hexdigest() for file in FILES}
    assert (SHIPPED / name / "model.safetensors").stat().st_size < 25_000_000


@pytest.mark.parametrize("name", MODELS)
def test_answers_are_the_golden_ones(name: str) -> None:
    for now, then in zip(answers(name), json.loads(GOLDEN.read_text())[name], strict=True):
        assert (now["photo"], now["expression"]) == (then["photo"], then["expression"])
        assert now["score"] == pytest.approx(then["score"], abs=0.02)
        np.testing.assert_allclose(now["grid"], then["grid"], atol=0.02)


@pytest.mark.parametrize("name", MODELS)
def test_the_card_states_the_numbers_that_were_measured(name: str) -> None:
    numbers = json.loads((SHIPPED / name / "numbers.json").read_text())
    card = (SHIPPED / name / "README.md").read_text()
    assert f"| this model | {numbers['model']['overall_iou']:.3f} |" in card


@pytest.mark.parametrize("name", MODELS)
def test_a_tokenizer_names_no_folder(name: str) -> None:
    """SentencePiece writes its trainer's options into the model, paths among them."""
    model = (SHIPPED / name / "tokenizer.model").read_bytes()
    assert b"/tmp" not in model and b"/root" not in model and b"/home" not in model


@pytest.mark.parametrize("name", MODELS)
def test_words_make_a_difference(name: str) -> None:
    """The two riders' horses are told apart, if only by a shift of the answer in the right direction."""
    predictor = Predictor.from_pretrained(name, "cpu")
    photo = predictor.encode(SHIPPED.parent / "app" / "examples" / "coco_214753.webp")
    left, right = predictor.segment_many(photo, ["rider on the left", "rider on the right"])
    columns = np.linspace(0, 1, photo.width)
    centres = [(r.probability.sum(0) * columns).sum() / r.probability.sum() for r in (left, right)]
    assert centres[0] < centres[1]
