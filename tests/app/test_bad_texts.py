"""Every expression of `bad_texts` and any other, wherever it is typed: refused plainly or answered, never as code."""

import io
import json
import zipfile
from pathlib import Path

import gradio as gr
import pytest
from app_fixture import noise
from bad_texts import FOREIGN, READ, REFUSED
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app import ask, canvas, exports, snippets
from app.errors import plain
from app.parts import about
from app.picture import picture_from
from app.service import Answer, Focus, Service, Session
from cefnet.__main__ import main
from cefnet.text import Tokenizer

ANY = st.text(st.characters(), max_size=80) | st.text("dog <>&\"'$\\;\n\0\u200b\u202e🐕\ud83d", max_size=40)
PICTURE = picture_from(noise(40, 60))


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from PIL import Image

    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(noise(40, 60)).save(path)
    return path


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_refused(text: str, tiny_tokenizer: Path, app_service: Service) -> None:
    with pytest.raises(ValueError, match="nothing to read|the limit is") as refusal:
        Tokenizer.from_file(tiny_tokenizer).encode(text)
    str(refusal.value).encode()  # can be sent
    with pytest.raises(ValueError, match="nothing to read|the limit is"):
        app_service.ask(Session(), PICTURE, [text])


@pytest.mark.parametrize("text", FOREIGN.values(), ids=FOREIGN)
def test_what_holds_no_english_is_refused_by_name(text: str, app_service: Service) -> None:
    with pytest.raises(ValueError, match="know English alone") as refusal:
        app_service.ask(Session(), PICTURE, [text])
    assert text in str(refusal.value)


def test_training_takes_what_is_left_of_a_half_character(tiny_tokenizer: Path) -> None:
    tokenizer = Tokenizer.from_file(tiny_tokenizer)
    assert tokenizer.encode("dog \ud83d", truncate=True).ids == tokenizer.encode("dog").ids


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=ANY)
@example(text="dog \ud83d")
@example(text="</script><script>alert(1)</script>")
def test_any_text_is_refused_or_answered_and_can_be_shown_and_saved(text: str, app_service: Service) -> None:
    try:
        answer = app_service.ask(Session(), PICTURE, ask.expressions(text))
    except ValueError as error:
        assert str(error).encode() and "\n" not in str(error)
        return
    except gr.Error:  # nothing but spaces and ;
        assert not text.replace(";", "").strip()
        return
    check_shown(answer, app_service)
    saved = json.loads(exports.coco_json(answer, "cefnet-acm"))
    assert [one["name"] for one in saved["categories"]] == list(answer.expressions)


def check_shown(answer: Answer, service: Service) -> None:
    """What is shown as HTML has no tag that the visitor typed; what is offered as code holds the text as data."""
    for n, text in enumerate(answer.expressions):
        now = Focus(answer, "cefnet-acm", n)
        for html in (about(now), canvas.agreement(service, now.item)):
            assert text.encode() and not any(tag in html for tag in ("<script", "<img", "<svg", "<b>dog"))
        query = snippets.Query("http://x", "photo.png", text, "cefnet-acm", "cefnet-acm", 0.5)
        for code in (snippets.client(query), snippets.library(query)):
            compile(code, "snippet", "exec")
            assert repr(text) in code
        name = exports.file_name("mask", now, ".png")
        assert name.isascii() and "/" not in name and ".." not in name and len(name) < 100


def test_all_at_once_can_be_taken_away(app_service: Service) -> None:
    texts = list(READ.values())
    for some in (texts[n : n + 8] for n in range(0, len(texts), 8)):
        answer = app_service.ask(Session(), PICTURE, some)
        check_shown(answer, app_service)
    *_, made = exports.everything(Focus(answer, "cefnet-acm", 0), "models")
    archive = zipfile.ZipFile(io.BytesIO(made))
    assert archive.testzip() is None
    assert all(".." not in name and not name.startswith("/") and name.isascii() for name in archive.namelist())


def test_errors_quote_no_html() -> None:
    assert plain("<img src=x onerror=alert(1)> isn't").message == "&lt;img src=x onerror=alert(1)&gt; isn't"


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_the_command_line_refuses_in_one_line(
    text: str, photo: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["segment", str(photo), text, "--model", str(tiny_checkpoint), "--out", str(tmp_path / "out")]
    assert main(command) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "out").exists()


def test_the_command_line_answers_the_others(
    photo: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["segment", str(photo), *READ.values(), "--model", str(tiny_checkpoint), "--out", str(tmp_path)]
    assert main(command) == 0
    assert "\x1b" not in capsys.readouterr().out  # a terminal would obey
    folders = sorted(tmp_path.iterdir(), key=lambda folder: int(folder.name.partition("-")[0]))
    told = [json.loads((folder / "result.json").read_text(encoding="utf-8"))["expression"] for folder in folders]
    assert told == list(READ.values())
