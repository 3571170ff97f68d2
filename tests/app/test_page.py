"""What the page shows, without a browser: verdicts, cards, masks in their styles, thumbnails, examples, errors."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from app_fixture import NAMES, noise
from PIL import Image

from app import gallery, masks, views
from app.errors import plainly
from app.page import focus
from app.picture import picture_from
from app.service import Answer, Service, Session
from cefnet.config import Decision, ModelConfig
from cefnet.render import PALETTE


@pytest.fixture(scope="module")
def answer(app_service: Service) -> Answer:
    """Two expressions; the first is found by both models, the second by none."""
    told = app_service.ask(Session(), picture_from(noise(30, 40)), ["<b>dog</b>", "cat"])
    results = {name: (a.decided(presence_threshold=0.0), b.decided(presence_threshold=1.0))
               for name, (a, b) in told.results.items()}  # fmt: skip
    return replace(told, results=results)


@pytest.fixture
def in_corners(app_service: Service, two_regions: None) -> Answer:
    return app_service.ask(Session(), picture_from(noise(30, 40)), ["dog"])


def only(answer: Answer, *numbers: int) -> Answer:
    results = {name: tuple(found[n] for n in numbers) for name, found in answer.results.items()}
    return replace(answer, expressions=tuple(answer.expressions[n] for n in numbers), results=results)


def test_the_verdict_says_what_was_found_and_what_was_not(answer: Answer) -> None:
    assert "Found “&lt;b&gt;dog&lt;/b&gt;”" in views.verdict(only(answer, 0))
    assert "Nothing here matches “cat”" in views.verdict(only(answer, 1)) and "absent" in views.verdict(only(answer, 1))
    some = views.verdict(answer)
    assert "Found 1 of 2" in some and "Nothing here matches “cat”" in some and "<b>" not in some


def test_one_model_alone_finding_something_is_said(answer: Answer) -> None:
    one = only(answer, 0)
    vcm = tuple(result.decided(presence_threshold=1.0) for result in one.results[NAMES[0]])
    assert "by ACM only" in views.verdict(replace(one, results={**one.results, NAMES[0]: vcm}))


def test_cards_give_score_and_area_or_say_that_nothing_is_there(answer: Answer) -> None:
    card = views.card(answer.decided(0.0), NAMES[1], [0, 1])
    score = answer.results[NAMES[1]][0].score
    assert f"<b>{score:.2f}</b>, 100.0% of the photo" in card and "nothing here matches" in card and "&lt;b&gt;" in card
    assert views.css(PALETTE[0]) in card and views.css(PALETTE[1]) in card
    assert "cat" not in views.card(answer.decided(0.0), NAMES[1], [0])  # only what the legend shows
    assert "lower the threshold" in views.card(answer.decided(1.0), NAMES[1], [0])


def test_nothing_is_drawn_where_nothing_is_present(answer: Answer) -> None:
    photo, tab = answer.picture.pixels, masks_of(answer)
    drawn = tab.draw(answer, "all", 0.0, "fill", [1])
    for name in NAMES:
        assert np.array_equal(drawn[tab.images[name]], photo)
    drawn = tab.draw(answer, "all", 0.0, "fill", [0, 1])
    assert not np.array_equal(drawn[tab.images[NAMES[0]]], photo)


def masks_of(answer: Answer) -> masks.Masks:
    service = Service({name: _Model() for name in answer.results})  # type: ignore[misc]
    with gr.Blocks():
        return masks.layout(service)


class _Model:
    """All that the layout asks of a model."""

    decision, config = Decision(regions="one"), ModelConfig()


def test_one_region_or_all_on_cards_and_pictures(in_corners: Answer) -> None:
    tab = masks_of(in_corners)
    assert tab.regions.value == "one"  # as the first model has it
    for regions in ("one", "all"):
        drawn = tab.draw(in_corners, regions, 0.5, "cutout", [0])
        for name in NAMES:
            shown = drawn[tab.images[name]][..., 3] > 0
            assert shown[0, 0] and shown[-1, -1] == (regions == "all")
            assert f"{100 * shown.mean():.1f}% of the photo" in drawn[tab.cards[name]]


@pytest.mark.parametrize(
    ("able", "own", "offered", "chosen"),
    [((True, True), "auto", ["one", "all", "auto"], "auto"), ((True, False), "auto", ["one", "all"], "one"),
     ((False, False), "all", ["one", "all"], "all")],
)  # fmt: skip
def test_the_model_decides_how_many_regions_where_every_model_can(
    able: tuple[bool, bool], own: str, offered: list[str], chosen: str
) -> None:
    models = [SimpleNamespace(decision=Decision(regions=own), config=ModelConfig(several=several)) for several in able]
    with gr.Blocks():
        tab = masks.layout(Service(dict(zip(NAMES, models, strict=True))))  # type: ignore[arg-type]
    assert [key for _, key in tab.regions.choices] == offered and tab.regions.value == chosen


@pytest.mark.parametrize("style", ["fill", "outline", "spotlight", "cutout"])
def test_styles(style: str) -> None:
    photo = np.full((40, 40, 3), 100, np.uint8)
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True
    shown = masks.picture(photo, [mask], [(0, 200, 0)], style)
    inside, outside = shown[20, 20].tolist(), shown[2, 2].tolist()
    expected = {
        "fill": ([55, 145, 55], [60, 60, 60]),
        "outline": ([100, 100, 100], [100, 100, 100]),
        "spotlight": ([100, 100, 100], [25, 25, 25]),
        "cutout": ([100, 100, 100, 255], [0, 0, 0, 0]),
    }
    assert (inside, outside) == expected[style]
    if style in ("fill", "outline"):
        red, green, blue = shown[10, 20].tolist()
        assert red == blue == 0 and green > 100  # an antialiased line is a little darker than its colour


def test_the_legend_is_out_of_sight_for_one_expression(answer: Answer) -> None:
    tab = masks_of(answer)
    two, one = tab.choices(answer), tab.choices(only(answer, 1))
    assert two["choices"] == [("<b>dog</b>", 0), ("cat", 1)] and two["value"] == [0, 1] and two["visible"]
    assert not one["visible"] and one["value"] == [0]


def test_the_history_has_the_newest_first(answer: Answer) -> None:
    session = Session()
    session.add(only(answer, 0))
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
    assert (now.model, now.index) == (NAMES[0], 1)
    assert (now.result.decision.mask_threshold, now.result.decision.regions) == (0.25, "one")
    assert now.of(NAMES[1]).expression == "cat"
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
    for file in ("ui", "ask", "masks", "gallery", "page"):
        text = (Path(gallery.__file__).parent / f"{file}.py").read_text()
        assert 'label="' not in text and 'placeholder="' not in text and 'info="' not in text, file
