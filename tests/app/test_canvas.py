"""What the canvas is told to draw, and what follows from pointing, removing and typing: without a browser."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import gradio as gr
import numpy as np
import pytest
from app_fixture import NAMES, noise
from tab_fixture import with_presence, with_results

from app import canvas, events, strings
from app.events import Now
from app.picture import picture_from
from app.service import Answer, Item, Service, Session, corrected, next_best
from cefnet.result import Click, Result

VCM, ACM = NAMES


@pytest.fixture(scope="module")
def answer(app_service: Service) -> Answer:
    """Two expressions; the first is found by both models, the second by none."""
    told = app_service.ask(Session(), picture_from(noise(30, 40)), ["<b>dog</b>", "cat"])
    return with_presence(told.decided(0.0), 0.0, 1.0)


@pytest.fixture
def before(answer: Answer) -> Now:
    return Now(Session(), answer, 0, 0, 0.0, "all")


def drawn_area(path: str, height: int, width: int) -> float:
    """The share of the photo that an outline holds."""
    picture = np.zeros((height, width), np.uint8)
    for part in path.split("Z")[:-1]:
        points = np.array([[float(v) for v in one.split()] for one in part[1:].split("L")])
        once = np.zeros_like(picture)
        cv2.fillPoly(once, [np.floor(points).astype(np.int32)], 1)
        picture ^= once
    return float(picture.mean())


def test_outlines_hold_the_mask_with_its_holes() -> None:
    y, x = np.mgrid[:200, :300]
    ring = ((x - 150) ** 2 + (y - 100) ** 2 < 80**2) & ((x - 150) ** 2 + (y - 100) ** 2 > 40**2)
    ring[:20, :30] = True  # a second part, at the edge of the photo
    path = canvas.outline(ring)
    assert path.count("M") == 3  # two parts and a hole
    assert drawn_area(path, 200, 300) == pytest.approx(ring.mean(), rel=0.03)
    assert canvas.outline(np.zeros((10, 10), bool)) == ""


def test_the_words_for_how_sure_a_model_is_follow_their_limits(answer: Answer) -> None:
    result = answer.items[0].results[ACM]
    for score, words in ((1.0, "sure"), (0.8, "sure"), (0.79, "probably"), (0.5, "probably"), (0.49, "not sure")):
        assert strings.CERTAINTY[canvas.certainty(replace(result, score=score))] == words
    absent = replace(result, score=1.0).decided(presence_threshold=1.0)
    assert strings.CERTAINTY[canvas.certainty(replace(absent, presence=0.9))] == "nothing found"
    assert strings.CERTAINTY[canvas.certainty(absent, mended=True)] == "your choice"


def test_nothing_is_drawn_of_what_is_not_found_but_there_is_a_best_guess(app_service: Service, answer: Answer) -> None:
    told = canvas.scene(app_service, answer, 1, draft=False)
    assert [item["text"] for item in told["items"]] == ["<b>dog</b>", "cat"]
    found, missed = (item["answers"][ACM] for item in told["items"])
    assert found["path"] and not found["guess"] and found["area"] == "100.0% of the photo"
    assert not missed["path"] and missed["guess"] and missed["words"] == "nothing found" and missed["area"] == ""
    assert told["said"] == "Nothing found for “cat”." and told["focus"] == answer.items[1].key
    assert told["items"][0]["colour"] != told["items"][1]["colour"]


def test_the_best_guess_is_there_even_where_no_pixel_is_certain(answer: Answer) -> None:
    result = replace(answer.items[0].results[ACM], levels=(np.full((8, 8), 0.1, np.float32),) * 4)
    assert not result.decided(mask_threshold=0.9).mask.any()
    assert canvas.guess(result.decided(mask_threshold=0.9)).all()


def test_one_model_alone_finding_something_is_said(app_service: Service, answer: Answer) -> None:
    results = answer.results
    gone = tuple(one.decided(presence_threshold=1.0) for one in results[VCM])
    told = canvas.scene(app_service, with_results(answer, {VCM: gone, ACM: results[ACM]}), 0, draft=False)
    assert told["said"] == "Found “<b>dog</b>” by ACM only."


def test_agreement_is_in_the_words_of_the_two_masks(app_service: Service, answer: Answer) -> None:
    assert canvas.scene(app_service, answer, 0, draft=False)["agreement"].startswith("ACM and VCM share 100%")
    assert canvas.scene(app_service, answer, 1, draft=False)["agreement"] == strings.AGREE_NEITHER
    assert canvas.scene(app_service, None, 0, draft=False) == {}


# What follows from what somebody does


def in_two_places(result: Result) -> Result:
    """A sure region at the top left, a paler one at the bottom right."""
    level = np.full((10, 10), 0.01, np.float32)
    level[1:4, 1:4], level[6:9, 6:9] = 0.9, 0.3
    return replace(result, levels=(level,) * 4).decided(mask_threshold=0.5, regions="one")


def pointed(before: Now) -> Now:
    """The same list, its first item with regions in two places."""
    assert before.answer is not None
    item = before.answer.items[0]
    results = {name: in_two_places(one) for name, one in item.results.items()}
    return replace(before, answer=before.answer.with_item(replace(item, results=results)), threshold=0.5, regions="one")


def middle(now: Now, n: int = 0) -> tuple[float, float]:
    """The middle of an item's mask by ACM, as shares of the sides."""
    assert now.answer is not None
    mask = now.answer.items[n].results[ACM].mask
    ys, xs = np.nonzero(mask)
    return float(ys.mean()) / mask.shape[0], float(xs.mean()) / mask.shape[1]


def test_a_click_takes_the_region_there_and_undo_takes_it_back(app_service: Service, before: Now) -> None:
    start = pointed(before)
    assert max(middle(start)) < 0.4
    key = start.answer.items[0].key  # type: ignore[union-attr]
    clicked = events.changed(app_service, start, {"do": "point", "key": key, "y": 0.75, "x": 0.75, "here": True})
    assert min(middle(clicked)) > 0.6 and clicked.answer.items[0].mended  # type: ignore[union-attr]
    told = canvas.scene(app_service, clicked.decided, 0, draft=False)
    assert (
        told["items"][0]["clicks"] == [[0.75, 0.75, True]]
        and told["items"][0]["answers"][ACM]["words"] == "your choice"
    )
    undone = events.changed(app_service, clicked, {"do": "undo", "key": key})
    assert max(middle(undone)) < 0.4 and not undone.answer.items[0].mended  # type: ignore[union-attr]


def test_not_this_and_next_best_lead_to_the_other_region(app_service: Service, before: Now) -> None:
    start = pointed(before)
    key = start.answer.items[0].key  # type: ignore[union-attr]
    other = events.changed(app_service, start, {"do": "point", "key": key, "y": 0.25, "x": 0.25, "here": False})
    assert min(middle(other)) > 0.6
    following = events.changed(app_service, start, {"do": "next", "key": key})
    assert min(middle(following)) > 0.6
    again = events.changed(app_service, following, {"do": "next", "key": key})
    assert max(middle(again)) < 0.4 and not again.answer.items[0].mended  # type: ignore[union-attr]


def test_a_click_beside_the_answer_saying_not_this_changes_nothing(before: Now) -> None:
    item = pointed(before).answer.items[0]  # type: ignore[union-attr]
    result = item.results[ACM]
    assert corrected(result, [Click(29, 39, here=False)]) is result
    assert next_best(replace(item, choice=1, asked=item.results)).choice == 0


def test_what_is_removed_leaves_the_others_as_they_are(app_service: Service, before: Now) -> None:
    first, second = before.answer.items  # type: ignore[union-attr]
    left = events.changed(app_service, before, {"do": "drop", "key": first.key})
    assert left.answer.items == (before.decided.items[1],) and left.index == 0  # type: ignore[union-attr]
    assert left.answer.items[0].colour == second.colour  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="no longer on the list"):
        events.changed(app_service, left, {"do": "point", "key": first.key, "y": 0.5, "x": 0.5})
    with pytest.raises(gr.Error, match="can't be done"):
        events.changed(app_service, before, {"do": "fly", "key": first.key})


def test_a_click_without_words_needs_a_model_that_reads_clicks(app_service: Service, before: Now) -> None:
    empty = replace(before, answer=replace(before.answer, items=()))  # type: ignore[type-var]
    with pytest.raises(gr.Error, match="Say first what to look for"):
        events.changed(app_service, empty, {"do": "point", "key": None, "y": 0.5, "x": 0.5, "here": True})


def test_what_is_typed_takes_the_place_of_what_was_typed_before(app_service: Service, before: Now) -> None:
    typed = events.follow(app_service, before, "green")
    typed = events.follow(app_service, typed, "green car")
    assert typed.answer.expressions == ("<b>dog</b>", "cat", "green car") and (typed.index, typed.draft) == (2, 1)  # type: ignore[union-attr]
    assert events.follow(app_service, typed, " ").answer.expressions == ("<b>dog</b>", "cat")  # type: ignore[union-attr]
    entered = events.asked(app_service, typed, "green car")
    assert entered.draft == 0 and entered.answer.items == typed.answer.items  # type: ignore[union-attr]
    back = events.follow(app_service, entered, "cat")
    assert (back.index, back.draft) == (1, 0)  # it is on the list already


def test_a_kept_list_comes_back_with_its_clicks(app_service: Service, before: Now) -> None:
    empty = replace(before, answer=replace(before.answer, items=()))  # type: ignore[type-var]
    kept: list[dict[str, Any]] = [{"text": "dog", "clicks": []}, {"text": "cat", "clicks": [[0.2, 0.3, True]]}]
    back = events.restored(app_service, empty, kept)
    assert back.answer.expressions == ("dog", "cat")  # type: ignore[union-attr]
    assert back.answer.items[1].clicks == (Click(0.2 * 30, 0.3 * 40, True),)  # type: ignore[union-attr]
    assert events.restored(app_service, empty, "nonsense") == empty


def test_keys_of_items_are_never_the_same(app_service: Service) -> None:
    picture = picture_from(noise(20, 20))
    items: list[Item] = [*app_service.ask(Session(), picture, ["a", "b"]).items, app_service.blank()]
    assert len({item.key for item in items}) == 3
