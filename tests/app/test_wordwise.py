"""The tab of what each word does, with tiny models: what it asks, keeps, draws and says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from app_fixture import noise
from tab_fixture import ACM, VCM, Page, images

from app import explain, parts, wordwise
from app.picture import picture_from
from app.service import Focus, Service, Session
from cefnet import render


def test_variants_by_hand() -> None:
    groups = wordwise.grouped(["big", "red", "dog"], 16)
    assert groups == ["big", "red", "dog"]
    assert wordwise.without(groups) == ["red dog", "big dog", "big red"]
    assert wordwise.growing(groups) == ["big", "big red", "big red dog"]
    assert wordwise.grouped(list("abcde"), 2) == ["a b c", "d e"]


@pytest.fixture
def asked(app_service: Service, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The batches that a model was asked for."""
    batches: list[list[str]] = []
    segment = app_service.segment

    def counted(session: Any, picture: Any, model: str, expressions: Any, **options: Any) -> Any:
        batches.append(list(expressions))
        return segment(session, picture, model, expressions, **options)

    monkeypatch.setattr(app_service, "segment", counted)
    return batches


def test_one_batch_and_the_models_own_masks(app_service: Service, now: Focus, asked: list[list[str]]) -> None:
    page = Page(wordwise.tab, app_service)
    html, kept = page.drawn(now, Session(), None)
    assert asked == [["<red> dog", "big dog", "big <red>", "big"]]  # the whole has its answer already
    photo, whole = parts.fitted(now)
    expected = {
        text: replace(now.alike(result), height=60, width=90).found for text, result in kept.results.items()
    } | {"big <red> dog": whole.found}
    order = ["<red> dog", "big dog", "big <red>", "big", "big <red>", "big <red> dog"]
    shown = images(html)
    for text, picture in zip(order, shown, strict=True):
        off = np.abs(picture.astype(int) - render.overlay(photo, expected[text])).mean()
        assert off < np.abs(picture.astype(int) - render.overlay(photo, ~expected[text])).mean() / 2, text
    assert "without “&lt;red&gt;”" in html and "<red>" not in html
    change = kept.results["big <red>"].score - kept.results["big"].score
    assert f"score {kept.results['big <red>'].score:.2f} ({wordwise.signed(change)})" in html


def test_what_was_worked_out_is_kept_until_the_question_changes(
    app_service: Service, now: Focus, asked: list[list[str]]
) -> None:
    page, session = Page(wordwise.tab, app_service), Session()
    _, kept = page.drawn(now, session, None)
    html, again = page.drawn(replace(now, answer=now.answer.decided(0.0)), session, kept)
    assert again is kept and len(asked) == 1
    assert html.count("overlap 1.00") == 6  # at threshold 0 every mask is the whole photo
    _, again = page.drawn(replace(now, answer=now.answer.decided(regions="one")), session, kept)
    assert again is kept and len(asked) == 1
    _, other = page.drawn(replace(now, model=VCM), session, kept)
    assert other.of.levels is now.answer.results[VCM][0].levels and len(asked) == 2


@pytest.mark.usefixtures("two_regions")
def test_one_region_or_all_at_every_level_and_of_every_variant(app_service: Service) -> None:
    every = Focus(app_service.ask(Session(), picture_from(noise(60, 90)), ["red dog"]), ACM, 0)
    best = replace(every, answer=every.answer.decided(regions="one"))

    def shown(now: Focus) -> list[np.ndarray]:
        html, _ = Page(wordwise.tab, app_service).drawn(now, Session(), None)
        return [*images(html), *(level.pixels for level in explain.refinement(now))]

    for one, other in zip(shown(every), shown(best), strict=True):
        differs = np.abs(one.astype(int) - other).max(-1) > 60  # pictures in a page are lossy
        assert differs[50:, 75:].any() and not differs[:40, :60].any()


def test_one_word_has_nothing_to_leave_out(app_service: Service, now: Focus, asked: list[list[str]]) -> None:
    html, _ = Page(wordwise.tab, app_service).drawn(replace(now, index=1), None, None)
    assert "“cat” is a single word" in html and asked == [] and images(html) == []


def test_long_expressions_are_taken_in_groups_and_batches(app_service: Service, asked: list[list[str]]) -> None:
    words = "big red dog on left the blue cat on right the black man on top the white car on bottom"
    answer = app_service.ask(Session(), picture_from(noise(20, 20)), [words])
    asked.clear()
    html, kept = Page(wordwise.tab, app_service).drawn(Focus(answer.decided(0.0), ACM, 0), Session(), None)
    assert len(kept.groups) == 16 and " ".join(kept.groups) == words and "in groups" in html
    assert [len(batch) for batch in asked] == [16, 14] and len(images(html)) == 32  # one is in both strips


def test_the_word_that_matters_is_named(now: Focus) -> None:
    def result(columns: int) -> Any:
        level = np.zeros((10, 10), np.float32)
        level[:, :columns] = 1
        shown = replace(now.answer.results[ACM][0], levels=(level,), height=10, width=10)
        return shown.decided(mask_threshold=0.5)

    whole = result(8)
    assert "Without “b” the answer would be another one" in wordwise.summary("ab", [result(6), result(2)], whole)
    assert "it shares 25%" in wordwise.summary("ab", [result(6), result(2)], whole)  # 2 of 8 columns
    assert "at least 88% of the mask stays" in wordwise.summary("ab", [result(8), result(7)], whole)
    assert wordwise.summary("ab", [result(0), result(7)], whole) == "Without “a” no mask is left."
    assert "no mask here" in wordwise.summary("ab", [result(6), result(2)], whole.decided(presence_threshold=1.0))


def test_a_variant_that_finds_nothing_is_no_blob(now: Focus) -> None:
    photo, whole = parts.fitted(now)
    gone = wordwise.small(photo, whole.decided(presence_threshold=1.0), whole, "the", whole)
    np.testing.assert_array_equal(gone.pixels, photo)
    assert gone.note.endswith("(±0.00), nothing here matches") and "nothing matches" in gone.alt
    high = wordwise.small(photo, whole.decided(mask_threshold=1.0), whole, "the", None)
    assert "no pixel is certain enough" in high.note
    assert wordwise.signed(-0.314) == "−0.31" and wordwise.signed(0.2) == "+0.20" and wordwise.signed(-0.001) == "±0.00"
