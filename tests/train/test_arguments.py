"""Arguments that are nearly right: read, or named with what is taken instead."""

import base64
import io
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from photoref_fixture import make_photoref

from cefnet.__main__ import main
from cefnet.arguments import from_base64
from cefnet.photos import read_photo
from cefnet.predictor import Predictor
from cefnet.result import Click, Result
from cefnet.weights import load
from train.data.reader import ReferData

ROOT = Path(__file__).resolve().parents[2]
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
PNG = cv2.imencode(".png", PIXELS[..., ::-1])[1].tobytes()
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 17974454\n"


@pytest.fixture(scope="module")
def predictor(tiny_checkpoint: Path) -> Predictor:
    return Predictor.from_pretrained(tiny_checkpoint, "cpu")


@pytest.fixture
def home(tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with a model and a photo."""
    shutil.copytree(tiny_checkpoint, tmp_path / "model")
    (tmp_path / "photo.png").write_bytes(PNG)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, r"^The photo is None; cv2\.imread gives that .* check its path"),
        (torch.zeros(3, 4, 5), r"a torch\.Tensor of shape \(3, 4, 5\); .*permute\(1, 2, 0\)"),
        ([PIXELS, PIXELS], r"a list of 2; give one photo at a time"),
        (7, r"an int \(7\); give a path"),
        ({"path": "x"}, r"a dict; give a path"),
        (io.StringIO("x"), r"opened as text; open it with mode 'rb'"),
        (POINTER, r"Git LFS pointer.*`git lfs pull`"),
        ("data:image/png;base64,?", r"is no base64"),
    ],
)
def test_what_is_no_photo_is_named_with_what_to_do(given: object, said: str, predictor: Predictor) -> None:
    with pytest.raises(ValueError, match=said):
        predictor.encode(given)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, io.BytesIO])
def test_bytes_of_every_kind_are_read(kind: type) -> None:
    np.testing.assert_array_equal(read_photo(kind(PNG)), PIXELS)


def test_a_data_url_is_read() -> None:
    text = "data:image/png;base64," + base64.b64encode(PNG).decode()
    np.testing.assert_array_equal(read_photo(text), PIXELS)


@given(st.binary(min_size=1, max_size=50), st.booleans(), st.booleans(), st.booleans())
def test_base64_in_every_dress_is_read(content: bytes, urlsafe: bool, padded: bool, lines: bool) -> None:
    text = (base64.urlsafe_b64encode if urlsafe else base64.b64encode)(content).decode()
    text = text if padded else text.rstrip("=")
    text = "\n".join(text[at : at + 7] for at in range(0, len(text), 7)) if lines else text
    assert from_base64(text, "x") == from_base64(f"data:image/jpeg;base64,{text}", "x") == content


@pytest.mark.parametrize("text", ["", "data:;base64,", "/etc/passwd!", "dog on the left", "ä"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="^photo is "):
        from_base64(text, "photo")


@pytest.mark.parametrize(
    ("photo", "said"),
    [("photo.jpg", r"photo is a str \('photo.jpg'\); it must come from encode"), (None, "None"), (PIXELS, r"\(40, 60")],
)
def test_segment_says_that_a_photo_is_encoded_first(photo: object, said: str, predictor: Predictor) -> None:
    with pytest.raises(ValueError, match=said):
        predictor.segment(photo, "dog")  # type: ignore[arg-type]


@pytest.mark.parametrize("expression", [None, 3, b"dog", ["dog"]])
def test_an_expression_is_a_text(expression: object, predictor: Predictor) -> None:
    photo = predictor.encode(PIXELS)
    with pytest.raises(ValueError, match=r"^expression is .*; it must be a text"):
        predictor.segment(photo, expression)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^expression 2 is .*; it must be a text"):
        predictor.segment_many(photo, ["dog", expression])  # type: ignore[list-item]


def test_a_list_of_expressions_is_any_series_of_texts(predictor: Predictor) -> None:
    photo = predictor.encode(PIXELS)
    assert len(predictor.segment_many(photo, (text for text in ("dog", "cat")))) == 2  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expressions is None"):
        predictor.segment_many(photo, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda result: result.co_attention("1", 0), r"y is a str \('1'\); it must be a number"),
        (lambda result: result.co_attention(0, None), "x is None; it must be a number"),
        (lambda result: result.word_attention("5"), "stage is '5'; it must be 3, 4 or 5"),
        (lambda result: result.decided(0.5), r"decision is a float \(0.5\); give a cefnet.Decision"),
        (lambda result: result.decided(mask_threshold="x"), "mask_threshold is 'x'; it must be of type float"),
        (lambda _: Click("1", 2), r"y is a str \('1'\); it must be a number"),
        (lambda _: Click(1, 2, "no"), r"here is a str \('no'\); it must be True"),
    ],
)
def test_what_is_asked_of_a_result_is_named(asked: Callable[[Result], object], said: str, predictor: Predictor) -> None:
    result = predictor.segment(predictor.encode(PIXELS), "dog")
    with pytest.raises(ValueError, match=said):
        asked(result)


def test_clicks_are_a_list_and_a_size_is_any_whole_number(predictor: Predictor) -> None:
    photo = predictor.encode(PIXELS, size=np.int64(64))
    with pytest.raises(ValueError, match=r"clicks is a cefnet\.Click; it must be a list"):
        predictor.segment(photo, "dog", Click(1, 2))  # type: ignore[arg-type]
    assert predictor.segment(photo, "dog", None).clicks == ()  # type: ignore[arg-type]


@pytest.mark.parametrize("expression", [None, 3, ["dog"]])
def test_the_tokenizer_takes_texts(expression: object, predictor: Predictor) -> None:
    with pytest.raises(ValueError, match=r"expression is .*; it must be a text"):
        predictor.tokenizer.encode(expression)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="batch takes a list"):
        predictor.tokenizer.batch("dog")


def test_a_revision_is_a_text() -> None:
    with pytest.raises(ValueError, match="3 is no revision"):
        load("owner/name", revision=3)  # type: ignore[arg-type]


def test_a_photo_of_another_model_is_refused(predictor: Predictor) -> None:
    photo = predictor.encode(PIXELS)
    with pytest.raises(ValueError, match="encoded by another model"):
        predictor.segment(replace(photo, sha256="0" * 64), "dog")


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "words.json"])
def test_a_file_stands_for_its_weights_folder(home: Path, file: str) -> None:
    checkpoint = load(home / "model" / file, "cpu")
    assert checkpoint.folder == home / "model" and checkpoint.name == "model"


def test_a_tilde_is_the_home_folder(home: Path, tmp_path: Path) -> None:
    assert load("~/model", "cpu").folder == home / "model"
    np.testing.assert_array_equal(read_photo("~/photo.png"), PIXELS)
    assert main(["segment", "~/photo.png", "dog", "--model=~/model", f"--out={tmp_path / 'out'}"]) == 0


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.model"])
def test_a_git_lfs_pointer_is_called_one(home: Path, file: str) -> None:
    (home / "model" / file).write_bytes(POINTER)
    with pytest.raises(ValueError, match=rf"{file} is a Git LFS pointer.*`git lfs pull`"):
        load(home / "model")


def test_a_table_stands_for_its_data_folder(home: Path) -> None:
    make_photoref(home / "data")
    opened = [ReferData.open(path) for path in (home / "data", home / "data" / "refs.json", "~/data")]
    assert {data.folder for data in opened} == {home / "data"}
    assert main(["evaluate", "baseline:largest", "--data=~/data", "--split", "dev"]) == 0


@pytest.mark.parametrize("file", ["refs.json", "photos-00.tar"])
def test_a_pointer_in_a_data_folder_is_called_one(home: Path, file: str) -> None:
    make_photoref(home / "data")
    (home / "data" / file).write_bytes(POINTER)
    with pytest.raises(ValueError, match=rf"{file} is a Git LFS pointer.*`git lfs pull`"):
        ReferData.open(home / "data")


@pytest.mark.parametrize("model", [None, 3, ["cefnet-acm"]])
def test_what_is_no_model_is_named(model: object) -> None:
    with pytest.raises(ValueError, match="The model is .*; give a shipped name, a folder or a Hub id"):
        load(model)  # type: ignore[arg-type]


FORKED = """
import multiprocessing, sys, torch
from cefnet.predictor import Predictor
torch.set_num_threads(2)
predictor = Predictor.from_pretrained(sys.argv[1], "cpu")

def score(threads):
    if threads:
        torch.set_num_threads(threads)
    try:
        return predictor.segment(predictor.encode(sys.argv[2]), "dog").score
    except ValueError as error:
        return str(error)

print(score(0))
with multiprocessing.get_context("fork").Pool(1) as pool:
    for threads in (0, 1):
        print(pool.apply_async(score, [threads]).get(120))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_a_forked_process_says_what_to_do_instead_of_waiting(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(PNG)
    command = [sys.executable, "-c", FORKED, str(tiny_checkpoint), str(tmp_path / "photo.png")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    parent, refused, alone = run.stdout.splitlines()
    assert "forked" in refused and "spawn" in refused and "set_num_threads(1)" in refused
    assert float(alone) == pytest.approx(float(parent), abs=1e-4)


def test_a_predictor_that_was_sent_to_another_process_works(predictor: Predictor) -> None:
    expected = predictor.segment(predictor.encode(PIXELS), "dog").score
    sent = pickle.loads(pickle.dumps(predictor))
    assert sent.segment(sent.encode(PIXELS), "dog").score == pytest.approx(expected, abs=1e-6)
