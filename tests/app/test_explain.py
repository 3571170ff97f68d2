"""The tabs that show why, with tiny models: what they draw, what they say, and what a click in them does."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import cv2
import gradio as gr
import numpy as np
import pytest
from app_fixture import NAMES, noise
from tab_fixture import ACM, VCM, Page, absent, images, inputs, with_results

from app import attend, explain, parts
from app.picture import picture_from
from app.service import Focus, Service, Session
from cefnet import render

# Parts


def test_a_strip_shows_its_pictures_and_escapes_what_was_typed() -> None:
    pixels = np.full((20, 30, 3), (200, 100, 0), np.uint8)
    html = parts.strip([parts.Small(pixels, "<b>", "1 < 2", 'a "dog"')], "Words & more")
    assert "<b>&lt;b&gt;</b>" in html and "1 &lt; 2" in html
    assert 'alt="a &quot;dog&quot;"' in html and 'aria-label="Words &amp; more"' in html
    [shown] = images(html)
    assert shown.shape == (20, 30, 3) and np.abs(shown.astype(int) - pixels).max() < 12  # lossy


def test_a_scale_has_the_heatmaps_colours_and_is_read_out() -> None:
    html = parts.scale("share", "0.83")
    stops = re.findall(r"rgb\((\d+) (\d+) (\d+)\)", html)
    bar = render.heatmap(np.linspace(0, 1, 17, dtype=np.float32)[None])[0]
    np.testing.assert_array_equal(np.array(stops, int), bar)
    assert 'role="img"' in html and 'aria-label="share: 0 is black, 0.83 is bright yellow."' in html


def test_overlap_by_hand() -> None:
    one, other = np.array([1, 1, 1, 0], bool), np.array([0, 1, 1, 1], bool)
    assert parts.overlap(one, other) == 0.5 and parts.overlap(one, ~one) == 0
    assert parts.overlap(one & False, one & False) == 1


def test_what_follows_controls_is_drawn_when_asked_for_and_not_before(app_service: Service, now: Focus) -> None:
    page = Page(explain.words_tab, app_service)
    [asked] = page.view.outputs
    assert page.fire(asked, "change", [None, *inputs(now), 5]) == gr.skip()
    first, second = (page.view.draw(now)[asked] for _ in range(2))
    assert first != second  # else the browser sees no change
    assert "figure" in page.drawn(now, 5)
    with pytest.raises(gr.Error, match="forgotten"):
        page.fire(page.part("words-stage"), "input", [1.0, None, ACM, 0, 0.5, "all", 5])


# Boundary


def test_boundary_lies_on_the_greyed_photo_with_the_scale_it_says(app_service: Service, now: Focus) -> None:
    page = Page(explain.boundary_tab, app_service)
    drawn = {part.elem_id: value for part, value in page.view.draw(now).items()}
    values = now.result.boundary
    top = max(values.max(), 0.25)
    expected = render.heatmap(values, now.answer.picture.pixels, top)
    np.testing.assert_array_equal(drawn["boundary"]["value"], expected)
    assert "big <red> dog" in drawn["boundary"]["alt_text"] and "ACM" in drawn["boundary"]["alt_text"]
    assert f"{top:.2f} is bright" in drawn["boundary-scale"]
    assert "“big &lt;red&gt; dog”, by ACM" in drawn["boundary-about"] and "<red>" not in drawn["boundary-about"]


def test_a_faint_boundary_stays_faint(now: Focus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(now.result), "boundary", np.full((60, 90), 0.01, np.float32))
    pixels, top = explain.boundary(now)
    assert top == 0.25 and pixels.mean() < 0.5 * now.answer.picture.pixels.mean()


# Refinement


def test_refinement_goes_from_coarse_to_fine_in_each_levels_own_places(now: Focus) -> None:
    levels = tuple(np.zeros((side, side), np.float32) for side in (16, 16, 8, 2))
    for level in levels:
        level[:, : level.shape[1] // 2] = 0.9  # the left half, at every level
    result = replace(now.answer.results[ACM][0], levels=levels)
    pictures = explain.refinement(with_result(now, result, 0.5))
    assert [one.title for one in pictures] == [
        f"Step {n} of 4, {side} x {side} places" for n, side in enumerate((2, 8, 16, 16), 1)
    ]
    assert pictures[2].note == "overlap with the last: 1.00" and pictures[3].note == "the answer"
    photo = now.answer.picture.pixels
    for one in pictures:  # no blur between places: the heat ends at the middle
        assert one.pixels.shape == photo.shape
        np.testing.assert_array_equal(one.pixels[5:50, 60:], render.heatmap(np.zeros((60, 90)), photo, 1.0)[5:50, 60:])
        near = one.pixels[30, 36:40].astype(int)
        np.testing.assert_array_equal(near, render.heatmap(np.full((60, 90), 0.9), photo, 1.0)[30, 36:40])


def test_refinement_draws_no_mask_where_nothing_is_present(app_service: Service, now: Focus) -> None:
    gone = absent(now)
    level, photo = now.result.levels[0], now.answer.picture.pixels
    plain = render.heatmap(cv2.resize(level, (90, 60), interpolation=cv2.INTER_NEAREST), photo, 1.0)
    np.testing.assert_array_equal(explain.refinement(gone)[-1].pixels, plain)
    np.testing.assert_array_equal(explain.refinement(now)[-1].pixels, render.outline(plain, now.result.mask))
    assert now.result.mask.any() and all(one.note == "" for one in explain.refinement(gone))
    page = Page(explain.refinement_tab, app_service)
    head, shown = page.view.draw(gone).values()
    assert "Nothing here matches" in head and len(images(shown)) == 4
    assert "Nothing here matches" not in page.view.draw(now)[page.part("refinement-about")]


def with_result(now: Focus, result: Any, threshold: float) -> Focus:
    results = {**now.answer.results, now.model: (result, *now.answer.results[now.model][1:])}
    return replace(now, answer=with_results(now.answer, results).decided(threshold))


# Words


@pytest.mark.parametrize("stage", [3, 4, 5])
def test_words_are_on_one_scale_and_share_everything(now: Focus, stage: int) -> None:
    pictures, top = explain.words(now, stage)
    maps = now.result.word_attention(stage)
    assert [one.title for one in pictures] == ["big", "<red>", "dog"]
    assert top == max(heat.max() for _, heat in maps)
    for one, (_, heat) in zip(pictures, maps, strict=True):
        np.testing.assert_array_equal(one.pixels, render.heatmap(heat, now.answer.picture.pixels, top))
    shares = np.array([[int(n) for n in re.findall(r"(\d+)%", one.note)] for one in pictures])
    assert shares.shape == (3, 2) and (np.abs(shares.sum(0) - 100) <= 2).all()  # within the mask, over the photo
    assert all("mask" not in one.note for one in explain.words(absent(now), stage)[0])


def test_the_words_stage_is_followed(app_service: Service, now: Focus) -> None:
    page = Page(explain.words_tab, app_service)
    html = {stage: page.fire(page.part("words-stage"), "input", [1.0, *inputs(now), stage]) for stage in (3, 5)}
    assert html[3] != html[5]
    assert html[5] == page.drawn(now, 5) and len(images(html[5])) == 3


# Co-attention


def shown_by(page: Page, now: Focus, stage: int, place: attend.Place | None) -> dict[str, Any]:
    return {part.elem_id: value for part, value in page.drawn(now, stage, place).items()}


@pytest.mark.parametrize("stage", [3, 5])
def test_co_attention_of_both_models_on_one_scale(app_service: Service, now: Focus, stage: int) -> None:
    page = Page(attend.tab, app_service)
    drawn = shown_by(page, now, stage, (now.answer.picture.digest, 0.5, 0.25))
    maps = {name: now.of(name).co_attention(30, 22, stage) for name in NAMES}
    maps = {name: heat / heat.mean() for name, heat in maps.items()}
    top = max(heat.max() for heat in maps.values())
    assert f"{top:.1f} is bright" in drawn["attention-scale"]
    photo = now.answer.picture.pixels
    for name, heat in maps.items():
        expected = render.mark(render.heatmap(heat, photo, top), 30, 22)
        np.testing.assert_array_equal(drawn[f"attention-{name}"]["value"], expected)
        alt = drawn[f"attention-{name}"]["alt_text"]
        assert f"stage {stage}, by {name[-3:].upper()}" in alt and "24% across, 50% down" in alt
        assert "Half of the attention lies on" in drawn[f"attention-note-{name}"]
    assert "attention-across" not in drawn  # nothing moves under somebody's hand


def test_before_a_click_the_place_is_inside_the_mask(app_service: Service, now: Focus) -> None:
    page = Page(attend.tab, app_service)
    found = now.result.found
    y, x = attend.centre(found)
    assert found[y, x]
    drawn = shown_by(page, now, 5, None)
    assert (drawn["attention-across"], drawn["attention-down"]) == (round(100 * x / 90), round(100 * y / 60))
    other = shown_by(page, now, 5, ("another photo", 0.9, 0.9))
    assert other["attention-across"] == drawn["attention-across"]
    nothing = shown_by(page, absent(now), 5, None)
    assert (nothing["attention-across"], nothing["attention-down"]) == (50, 50)
    assert "found" not in nothing[f"attention-note-{ACM}"]


def test_centre_by_hand() -> None:
    ring = np.ones((9, 9), bool)
    ring[2:7, 2:7] = False
    assert ring[attend.centre(ring)]  # where the mean of its places is not
    bar = np.zeros((5, 9), bool)
    bar[1:4, 2:5] = True
    assert attend.centre(bar) == (2, 3) and attend.centre(bar & False) == (2, 4)
    assert attend.centre(np.ones((5, 9), bool))[0] == 2  # the photo's edge is an edge


def test_half_of_the_attention_by_hand() -> None:
    assert attend.half(np.ones((4, 5), np.float32)) == 0.5
    peak = np.zeros((4, 5), np.float32)
    peak[1, 2] = 1
    assert attend.half(peak) == 1 / 20
    assert attend.half(np.array([[4, 3, 2, 1]], np.float32)) == 0.5  # 4 of 10 is not half, 7 is
    heat, found = np.array([[4, 3, 2, 1]], np.float32), np.array([[0, 1, 0, 1]], bool)
    assert "50% of the photo" in attend.note(heat, found)
    assert "40% falls on what was found, which covers 50%" in attend.note(heat, found)


def test_a_click_and_the_sliders_choose_the_place(app_service: Service, now: Focus) -> None:
    page = Page(attend.tab, app_service)
    digest = now.answer.picture.digest
    for elem_id in ("attention-photo", *(f"attention-{name}" for name in NAMES)):
        click = gr.SelectData(None, {"index": [45, 15], "value": None})
        place, across, down = page.fire(page.part(elem_id), "select", [click, *inputs(now)])
        assert place == (digest, 0.25, 0.5) and (across, down) == (50, 25)
    moved = page.fire(page.part("attention-down"), "input", [100, 0, *inputs(now)])
    assert moved == (digest, 0.0, 1.0)
    assert attend.pixel(moved[1:], now.answer.picture.pixels) == (0, 89)  # the last pixel, not one past it


def test_large_photos_are_clicked_in_the_pixels_shown(app_service: Service) -> None:
    answer = app_service.ask(Session(), picture_from(noise(500, 2000)), ["dog"])
    page = Page(attend.tab, app_service)
    click = gr.SelectData(None, {"index": [320, 40], "value": None})
    told = page.fire(page.part("attention-photo"), "select", [click, answer, ACM, 0, 0.5, "all"])
    assert told[0][1:] == (0.25, 0.5)  # 640 x 160 are shown
    drawn = shown_by(page, Focus(answer, ACM, 0), 5, told[0])
    assert drawn["attention-photo"]["value"].shape == (160, 640, 3)


def test_a_model_without_attention_says_so(now: Focus) -> None:
    bare = SimpleNamespace(config=SimpleNamespace(attention="none", boundary=False))
    service = Service({VCM: bare, ACM: bare})  # type: ignore[dict-item]
    assert "no word attention" in Page(explain.words_tab, service).drawn(now, 5)
    drawn = shown_by(Page(attend.tab, service), now, 5, None)
    assert "no co-attention" in drawn[f"attention-note-{ACM}"]
    page = Page(explain.boundary_tab, service)
    assert "no boundary module" in page.view.draw(now)[page.part("boundary-about")]
