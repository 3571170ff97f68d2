"""Clicks through the predictor and the command line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cefnet import Click, Decision
from cefnet.__main__ import main
from cefnet.model import CEFNet
from cefnet.predictor import Photo, Predictor
from cefnet.result import Result, strongest
from cefnet.text import NOTHING_SAID, Tokenizer
from cefnet.weights import save

IMAGE = np.random.default_rng(0).integers(0, 256, (45, 70, 3), np.uint8)


@pytest.fixture(scope="module")
def folder(tiny_config, tiny_tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder of a tiny model that takes clicks, and whose disc of "here" decides alone."""
    torch.manual_seed(0)
    model = CEFNet(replace(tiny_config, matching=True, clicks=True, right=True, several=True)).eval()
    assert model.matching is not None
    for layer in model.matching.lean_on:
        layer.weight.data[0, 2] = 30.0
    path = tmp_path_factory.mktemp("weights") / "clicked"
    save(path, model, Decision(0.5, 1.0, "one"), tiny_tokenizer, {}, "# Clicked\n")
    return path


@pytest.fixture(scope="module")
def predictor(folder: Path) -> Predictor:
    return Predictor.from_pretrained(folder, "cpu")


@pytest.fixture(scope="module")
def photo(predictor: Predictor) -> Photo:
    return predictor.encode(IMAGE)


def test_a_click_lands_where_it_was_made(predictor: Predictor, photo: Photo) -> None:
    without = predictor.segment(photo, "red dog").probability
    for y, x in ((5, 60), (40, 8), (22, 35)):
        gained = predictor.segment(photo, "red dog", [Click(y, x)]).probability - without
        top, left = np.unravel_index(int(gained.argmax()), gained.shape)
        assert abs(top - y) <= 45 / 16 and abs(left - x) <= 70 / 16


def test_a_click_alone_is_answered(predictor: Predictor, photo: Photo) -> None:
    result = predictor.segment(photo, "", [Click(10, 20), Click(40, 60, here=False)])
    assert result.mask[10, 20] and result.present and result.found.any()
    assert result.expression == "" and result.word_attention() == []
    assert result.to_dict()["clicks"] == [[10, 20, True], [40, 60, False]]


def test_here_is_never_answered_with_nothing(predictor: Predictor, photo: Photo) -> None:
    """The presence threshold of this model is 1, which nothing reaches."""
    assert not predictor.segment(photo, "dog").present
    assert not predictor.segment(photo, "dog", [Click(1, 1, here=False)]).present
    clicked = predictor.segment(photo, "dog", [Click(1, 1)])
    assert clicked.present and clicked.found.any()
    strict = clicked.decided(mask_threshold=1.0)  # nor does any place reach this
    assert strict.found.any() and strict.found[1, 1]
    small = replace(strict, height=9, width=14)
    assert small.found.shape == (9, 14) and small.found[0, 0]


def test_of_several_regions_those_clicked_are_kept() -> None:
    mask = np.zeros((60, 60), bool)
    mask[2:30, 2:30] = mask[40:50, 40:50] = mask[50:58, 5:12] = True
    probability = np.where(mask, 0.9, 0.1).astype(np.float32)
    assert strongest(mask, probability, [(45, 45)]).sum() == 100
    assert strongest(mask, probability, [(45, 45), (52, 6)]).sum() == 156
    assert strongest(mask, probability, [(35, 35)]).sum() == 28 * 28  # in none: the strongest


def test_lists_of_clicks_go_with_their_expressions(predictor: Predictor, photo: Photo) -> None:
    clicks = [[Click(5, 60)], [], [Click(40, 8), Click(5, 60, here=False)]]
    together = predictor.segment_many(photo, ["red dog", "cat", ""], clicks=clicks)
    for expression, some, result in zip(["red dog", "cat", ""], clicks, together, strict=True):
        alone = predictor.segment(photo, expression, some)
        np.testing.assert_allclose(alone.probability, result.probability, atol=1e-4)
        assert result.clicks == tuple(some)


def test_score_is_that_the_mask_is_right_and_presence_that_it_is_there(predictor: Predictor, photo: Photo) -> None:
    result = predictor.segment(photo, "red dog")
    assert 0 < result.score < 1 and 0 < result.presence < 1 and result.score != result.presence
    assert result.several is not None and result.decided(regions="auto").mask.shape == (45, 70)


@pytest.mark.parametrize(
    ("expression", "clicks", "message"),
    [
        ("dog", [Click(45, 0)], "outside the photo"),
        ("dog", [Click(0, -1)], "outside the photo"),
        ("dog", [Click(float("nan"), 0)], "outside the photo"),
        ("dog", [(1, 2, True)], r"Click\(y, x, here\)"),
        ("", [], "nothing to read"),
        ("", [Click(1, 1, here=False)], "nothing to read"),
        ("dog", [Click(1, 1)] * 101, "limit is 100"),
    ],
)
def test_clicks_that_cannot_be_used_are_refused(
    predictor: Predictor, photo: Photo, expression: str, clicks: list, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        predictor.segment(photo, expression, clicks)


def test_one_list_of_clicks_an_expression(predictor: Predictor, photo: Photo) -> None:
    with pytest.raises(ValueError, match="2 expressions and 1 lists"):
        predictor.segment_many(photo, ["dog", "cat"], clicks=[[Click(1, 1)]])


def test_a_model_without_clicks_says_so(tiny_checkpoint: Path) -> None:
    plain = Predictor.from_pretrained(tiny_checkpoint, "cpu")
    photo = plain.encode(IMAGE)
    with pytest.raises(ValueError, match="takes no clicks"):
        plain.segment(photo, "dog", [Click(1, 1)])
    result: Result = plain.segment(photo, "dog", [])
    assert result.score == result.presence


def test_the_piece_of_nothing_said_is_in_no_text(tiny_tokenizer: Path) -> None:
    tokenizer = Tokenizer.from_file(tiny_tokenizer)
    for text in ("dog", "男人", "🙂", "ž ß", "<unk>"):
        assert not set(NOTHING_SAID.ids) & set(tokenizer.encode(text).ids)


def test_clicks_on_the_command_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import cv2

    picture, out = tmp_path / "photo.png", tmp_path / "out"
    cv2.imwrite(str(picture), IMAGE)
    call = ["segment", str(picture), "--model", str(folder), "--out", str(out), "--device", "cpu"]
    assert main([*call, "", "--click", "10,20", "--click", "40,60,not"]) == 0
    about = json.loads((out / "result.json").read_text())
    assert about["clicks"] == [[10, 20, True], [40, 60, False]] and about["present"]
    assert main([*call, "red dog", "cat", "--click", "1,1"]) == 2
    assert "one expression" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*call, "dog", "--click", "left"])
    assert "Y,X" in capsys.readouterr().err
    assert main([*call, "", "--click", "10,20,not"]) == 2  # it says what is not meant alone
