"""What the page shows, without a browser: regions on offer, history, examples, what is in focus, errors."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from app_fixture import NAMES, noise
from PIL import Image

from app import gallery, views
from app.errors import plainly
from app.page import focus
from app.picture import picture_from
from app.service import Answer, Service, Session
from app.ui import layout_adjust
from cefnet.config import Decision, ModelConfig


@pytest.fixture(scope="module")
def answer(app_service: Service) -> Answer:
    return app_service.ask(Session(), picture_from(noise(30, 40)), ["<b>dog</b>", "cat"])


@pytest.fixture
def in_corners(app_service: Service, two_regions: None) -> Answer:
    return app_service.ask(Session(), picture_from(noise(30, 40)), ["dog"])


@pytest.mark.parametrize(
    ("able", "own", "offered", "chosen"),
    [((True, True), "auto", ["one", "all", "auto"], "auto"), ((False, True), "auto", ["one", "all", "auto"], "auto"),
     ((True, False), "one", ["one", "all", "auto"], "one"), ((False, False), "all", ["one", "all"], "all")],
)  # fmt: skip
def test_the_model_decides_how_many_regions_where_one_can(
    able: tuple[bool, bool], own: str, offered: list[str], chosen: str
) -> None:
    models = [SimpleNamespace(decision=Decision(regions=own), config=ModelConfig(several=several)) for several in able]
    with gr.Blocks():
        _, _, regions = layout_adjust(Service(dict(zip(NAMES, models, strict=True))))  # type: ignore[arg-type]
    assert [key for _, key in regions.choices] == offered and regions.value == chosen


def test_a_model_that_cannot_tell_takes_the_strongest_region(answer: Answer) -> None:
    item = answer.items[0]
    told = {name: replace(one, several=0.9 if name == NAMES[1] else None) for name, one in item.results.items()}
    decided = replace(answer, items=(replace(item, results=told),)).decided(regions="auto")
    assert [decided.results[name][0].decision.regions for name in NAMES] == ["one", "auto"]


def test_the_history_has_the_newest_first(answer: Answer) -> None:
    session = Session()
    session.add(replace(answer, picture=picture_from(noise(30, 40, 1)), items=answer.items[:1]))
    assert not gallery.history(session, "one")["visible"]
    session.add(answer)
    told = gallery.history(session, "one")
    assert told["visible"] and [caption for _, caption in told["value"]] == ["<b>dog</b>; cat", "<b>dog</b>"]
    assert told["value"][0][0].shape == (30, 40, 3)


def test_the_historys_masks_are_one_region_or_all(in_corners: Answer) -> None:
    session = Session()
    session.add(in_corners)
    best, every = (gallery.history(session, regions)["value"][0][0] for regions in ("one", "all"))
    assert np.array_equal(best[0, 0], every[0, 0]) and not np.array_equal(best[-1, -1], every[-1, -1])
    assert in_corners.results[NAMES[0]][0].decision.regions == "all"  # what is kept is as the models gave it


def test_examples_are_answered_once_for_everybody(app_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, ask = [], app_service.ask
    monkeypatch.setattr(app_service, "ask", lambda *question: asked.append(question) or ask(*question))
    answered = gallery.Answered(app_service)
    assert asked == []  # none before somebody wants one
    first = answered.answer(1)
    assert answered.answer(1) is first and len(asked) == 1
    assert first.expressions == (gallery.examples()[1]["expressions"][0],)


def test_examples_carry_their_licences() -> None:
    shown = gallery.examples()
    credits = (gallery.EXAMPLES / "CREDITS.md").read_text()
    assert len(shown) == 6
    for one in shown:
        assert Image.open(gallery.EXAMPLES / one["file"]).format == "WEBP"
        assert one["expressions"] and one["licence"].startswith("CC BY")
        assert one["source"] in credits and one["source"] in views.credits(shown)


def test_a_focus_is_never_out_of_range(answer: Answer) -> None:
    now = focus(answer, "gone", 7, 0.25, "one")
    assert (now.model, now.index) == (NAMES[1], 1)  # the model that the page explains first
    assert (now.result.decision.mask_threshold, now.result.decision.regions) == (0.25, "one")
    assert now.of(NAMES[0]).expression == "cat"
    with pytest.raises(gr.Error, match="forgotten"):
        focus(None, NAMES[0], 0, 0.5, "one")


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ValueError("too <long>"), "too &lt;long&gt;"),
        (RuntimeError("/secret/path broke"), "Something went wrong"),
        (OSError("/secret/path"), "Something went wrong"),
    ],
)
def test_errors_are_plain_and_keep_paths_to_themselves(error: Exception, shown: str) -> None:
    def fail(_: Any) -> None:
        raise error

    with pytest.raises(gr.Error) as caught:
        plainly(fail)(1)
    assert shown in caught.value.message and "secret" not in caught.value.message


def test_the_pages_english_is_in_one_place() -> None:
    """What a person reads in the layout comes from app/strings.py."""
    for file in ("ui", "ask", "canvas", "gallery", "page"):
        text = (Path(gallery.__file__).parent / f"{file}.py").read_text()
        assert 'label="' not in text and 'placeholder="' not in text and 'info="' not in text, file
