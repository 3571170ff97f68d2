"""What the app keeps in memory: models, a browser tab's photos and answers."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app import ask
from app import service as module
from app.ask import expressions
from app.environment import models_from_environment
from app.errors import gr
from app.picture import SHOWN_SIDE, picture_from
from app.service import (
    MOST_EXPRESSIONS,
    REMEMBERED_ANSWERS,
    Service,
    Session,
)
from cefnet import Predictor

NAMES = ("cefnet-vcm", "cefnet-acm")


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def service(tiny_checkpoint: Path) -> Service:
    return Service.load(dict.fromkeys(NAMES, str(tiny_checkpoint)), device="cpu")


@pytest.fixture
def encoded(service: Service, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Which model encodes a photo, and the photo's height."""
    seen: list[tuple[str, int]] = []
    for name, predictor in service.predictors.items():
        encode = predictor.encode
        monkeypatch.setattr(
            predictor, "encode", lambda image, size, n=name, f=encode: seen.append((n, len(image))) or f(image, size)
        )
    return seen


def test_models_from_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CEFNET_MODELS", raising=False)
    assert tuple(models_from_environment()) == NAMES
    monkeypatch.setenv("CEFNET_MODELS", " a=x/y , b=z,")
    assert models_from_environment() == {"a": "x/y", "b": "z"}
    monkeypatch.setenv("CEFNET_MODELS", "only-a-name")
    with pytest.raises(ValueError, match="name=folder"):
        models_from_environment()


def test_a_missing_model_is_left_out_and_named(
    tiny_checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = str(tmp_path / "gone")
    with caplog.at_level(logging.WARNING):
        service = Service.load({"cefnet-vcm": gone, "cefnet-acm": str(tiny_checkpoint)}, device="cpu")
    assert (list(service.predictors), service.missing) == (["cefnet-acm"], ("cefnet-vcm",))
    assert "cefnet-vcm is left out" in caplog.text
    with pytest.raises(RuntimeError, match="No model"):
        Service.load({"cefnet-acm": gone})


@pytest.mark.parametrize("size", [(61, 90), (1300, 700)])
def test_an_answer_is_the_predictors_own_at_the_shown_size(service: Service, size: tuple[int, int]) -> None:
    image = noise(*size)
    answer = service.ask(Session(), picture_from(image), ["red dog", "cat"])
    assert answer.picture.size == size and max(answer.picture.pixels.shape) <= SHOWN_SIDE
    assert tuple(answer.results) == NAMES and answer.expressions == ("red dog", "cat")
    predictor = service.predictors["cefnet-acm"]
    for told, own in zip(
        answer.results["cefnet-acm"], predictor.segment_many(predictor.encode(image), ["red dog", "cat"]), strict=True
    ):
        assert (told.height, told.width) == answer.picture.pixels.shape[:2]
        whole = replace(told, height=size[0], width=size[1])  # what is downloaded
        np.testing.assert_allclose(whole.probability, own.probability, atol=1e-4)  # threads add in any order
        assert told.score == pytest.approx(own.score, abs=1e-4)
        assert [w for w, _ in told.word_attention()] == own.expression.split()


def test_a_session_encodes_a_photo_once_for_each_model_and_size(
    service: Service, encoded: list[tuple[str, int]]
) -> None:
    session, one, other = Session(), picture_from(noise(40, 50, 7)), picture_from(noise(41, 50, 8))
    for picture, expression in [(one, "dog"), (one, "cat"), (other, "dog"), (one, "car")]:
        service.ask(session, picture, [expression])
    assert encoded == [(name, height) for height in (40, 41) for name in NAMES]
    service.segment(session, one, "cefnet-acm", ["dog"], size=96)
    service.segment(session, one, "cefnet-acm", ["cat"], size=96)
    assert encoded[4:] == [("cefnet-acm", 40)]
    service.ask(Session(), one, ["dog"])  # another visitor with the same photo gets nothing of the first one's
    assert len(encoded) == 7


def test_features_are_dropped_when_they_take_too_much(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session()
    service.segment(session, picture_from(noise(20, 20)), "cefnet-acm", ["dog"])
    one = next(iter(session.photos.values())).features.nbytes
    monkeypatch.setattr(module, "REMEMBERED_BYTES", 3 * one)
    for seed in range(1, 6):
        service.segment(session, picture_from(noise(20, 20, seed)), "cefnet-acm", ["dog"])
    digests = [digest for digest, _, _ in session.photos]
    assert digests == [picture_from(noise(20, 20, seed)).digest for seed in (3, 4, 5)]


def test_the_last_answers_are_kept(service: Service) -> None:
    session = Session()
    picture = picture_from(noise(20, 20))
    answers = [service.ask(session, picture, [f"dog {n}"]) for n in range(REMEMBERED_ANSWERS + 2)]
    for answer in answers:
        session.add(answer)
    assert session.answers == answers[2:]


def test_more_expressions_than_colours_are_refused(service: Service) -> None:
    many = [f"dog {n}" for n in range(MOST_EXPRESSIONS + 1)]
    with pytest.raises(ValueError, match=f"{len(many)} expressions at once; ask for at most {MOST_EXPRESSIONS}"):
        service.ask(Session(), picture_from(noise(20, 20)), many)


def test_a_picture_is_upright_and_its_own_pixels_outlive_its_file(tmp_path: Path) -> None:
    pixels, file = noise(1100, 40), tmp_path / "photo.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees
    Image.fromarray(pixels).save(file, exif=exif)
    picture = picture_from(file)
    assert picture.size == (40, 1100) and picture.pixels.shape == (37, 1024, 3)
    np.testing.assert_array_equal(picture.full(), np.rot90(pixels, -1))
    file.unlink()
    np.testing.assert_array_equal(picture.full(), picture.pixels)


def test_the_same_pixels_are_the_same_picture(tmp_path: Path) -> None:
    Image.fromarray(noise(8, 9)).save(tmp_path / "a.png")
    assert picture_from(tmp_path / "a.png").digest == picture_from(noise(8, 9)).digest
    assert picture_from(noise(9, 8)).digest != picture_from(noise(8, 9)).digest


def test_several_expressions_come_from_lines_and_semicolons() -> None:
    assert expressions(" dog ; cat\n\nred car;dog;") == ["dog", "cat", "red car"]
    with pytest.raises(gr.Error, match="Say what to look for"):
        expressions(" ;\n ")


def test_the_answer_in_sight_is_not_asked_for_again(service: Service, tmp_path: Path) -> None:
    session, path = Session(), str(tmp_path / "a.png")
    Image.fromarray(noise(20, 20)).save(path)
    first = ask.answer(service, session, None, path, "dog; cat")
    assert ask.answer(service, session, first, path, " dog\ncat ") is first
    assert ask.answer(service, session, first, path, "cat; dog").expressions == ("cat", "dog")
    Image.fromarray(noise(20, 20, 1)).save(tmp_path / "b.png")
    other = ask.answer(service, session, first, str(tmp_path / "b.png"), "dog; cat")
    assert other.picture.digest != first.picture.digest
    session.add(first)
    session.add(first)
    assert session.answers == [first]


def test_loading_takes_any_model_argument(tiny_checkpoint: Path) -> None:
    service = Service.load({"mine": str(tiny_checkpoint)}, device="cpu")
    assert isinstance(service.predictors["mine"], Predictor)
