"""What the app keeps in memory: models, a browser tab's photos and answers."""

import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

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
    Answer,
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
    pictures = [picture_from(noise(20, 20, n)) for n in range(REMEMBERED_ANSWERS + 2)]
    answers = [service.ask(session, picture, ["dog"]) for picture in pictures]
    for answer in answers:
        session.add(answer)
    assert session.answers == answers[2:]
    longer = answers[5].with_items(service.ask(session, pictures[5], ["cat"]).items)
    session.add(longer)  # one a picture, the newest last
    assert session.answers[-1] is longer and len(session.answers) == REMEMBERED_ANSWERS
    session.add(replace(longer, items=()))
    assert [one.picture.digest for one in session.answers] == [one.digest for one in (*pictures[2:5], *pictures[6:])]


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


def test_what_is_on_the_list_is_not_asked_for_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, own = [], service.ask
    monkeypatch.setattr(service, "ask", lambda *question: asked.append(question[2]) or own(*question))
    session, empty = Session(), Answer(picture_from(noise(20, 20)))
    two, index, new = ask.listed(service, session, empty, 0, ["dog", "cat"])
    assert (two.expressions, index, new) == (("dog", "cat"), 1, 2)
    same, index, new = ask.listed(service, session, two, 0, ["dog"])
    assert (same.items, index, new) == (two.items, 0, 0) and asked == [["dog", "cat"]]
    # what was being typed goes, what it has become is asked for, and Enter asks for nothing again
    typed, index, new = ask.listed(service, session, two, 1, ["cats"])
    assert (typed.expressions, index, new) == (("dog", "cats"), 1, 1) and asked[1:] == [["cats"]]
    entered, index, _ = ask.listed(service, session, typed, 1, ["cats"])
    assert entered.items == typed.items and len(asked) == 2
    with pytest.raises(gr.Error, match="Add a photo first"):
        ask.listed(service, session, None, 0, ["dog"])


def test_a_full_list_is_refused_before_anything_is_asked(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = picture_from(noise(20, 20))
    full = service.ask(Session(), picture, [f"dog {n}" for n in range(MOST_EXPRESSIONS)])
    assert len({item.colour for item in full.items}) == MOST_EXPRESSIONS
    monkeypatch.setattr(service, "ask", pytest.fail)
    with pytest.raises(ValueError, match="Remove some of them first"):
        ask.listed(service, Session(), full, 0, ["cat"])
    freed = full.without(full.items[3].key)
    assert freed.with_items([full.items[3]]).items[-1].colour == 3  # the colour that is free; the others keep theirs


def test_loading_takes_any_model_argument(tiny_checkpoint: Path) -> None:
    service = Service.load({"mine": str(tiny_checkpoint)}, device="cpu")
    assert isinstance(service.predictors["mine"], Predictor)


def test_things_that_are_probably_there_are_offered(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = {"man": 0.7, "dog": 0.9, "cat": 0.4, "car": 0.95, "cup": 0.6, "boat": 0.55, "horse": 0.99}

    def segment(session: Session, picture: object, model: str, texts: tuple[str, ...], explain: bool) -> object:
        assert model == "cefnet-acm" and not explain
        found = {text: np.full((2, 2), text != "horse") for text in texts}  # a sure one that has no mask
        return [SimpleNamespace(expression=t, score=scores.get(t, 0.0), found=found[t]) for t in texts], 0.1

    monkeypatch.setattr(service, "segment", segment)
    assert ask.things_to_ask(service, Session(), Answer(picture_from(noise(8, 8)))) == ["car", "dog", "man", "cup"]
