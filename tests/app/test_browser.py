"""A visitor's journeys, in a real browser, on a desktop and on a phone."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from app_fixture import NAMES, WAIT, ask, noise, presence, screenshot, upload
from bad_texts import READ
from PIL import Image

from app import events, strings
from app.gallery import examples

TABS = [name for name in strings.TABS if name != "mask"]
Visit = Callable[..., Any]


def shown(page: Any) -> list[str]:
    """The addresses of the masks' pictures: others, if what is drawn is another."""
    return [page.locator(f"#mask-{name} img").get_attribute("src") for name in NAMES]


def changed(page: Any, before: list[str]) -> list[str]:
    """Waits until all of the masks' pictures are others."""
    page.wait_for_function(
        """([names, old]) => names.every((name, n) =>
            ![null, undefined, old[n]].includes(document.querySelector(`#mask-${name} img`)?.getAttribute("src")))""",
        arg=[list(NAMES), before],
    )
    return shown(page)


def open_tab(page: Any, name: str) -> None:
    page.get_by_role("tab", name=strings.TABS[name], exact=True).click()


def set_threshold(page: Any, value: float) -> None:
    field = page.locator("#threshold input[type=number]")
    field.fill(str(value))
    field.press("Enter")


def take(page: Any, what: str) -> Any:
    """A file of the tab "Take it away"."""
    with page.expect_download(timeout=WAIT) as started:
        page.locator(f"#take-{what}").click()
    return started.value


def test_the_first_screen_has_an_answer(visit: Visit) -> None:
    page = visit()
    first = examples()[0]["expressions"][0]
    assert page.input_value("#expression textarea") == first and first in page.inner_text("#verdict")
    assert page.locator("#photo img").is_visible() and page.locator("#more button").count() > 1
    assert page.locator("#history").count() == 0 or not page.locator("#history").is_visible()
    assert "cefnet-acm" in page.inner_text("#footer")
    screenshot(page, "first")


@pytest.mark.parametrize("width", [1280, 360])
def test_upload_ask_look_take_away(app: SimpleNamespace, visit: Visit, tmp_path: Path, width: int) -> None:
    page = visit(width)
    upload(page, noise(75, 110), tmp_path)
    page.locator("#verdict", has_text=strings.ASK_NOW).wait_for()  # the example's answer is not this photo's
    ask(page, "red dog; cat")
    assert page.locator("#card-cefnet-acm li").count() == 2
    for tab in TABS:
        open_tab(page, tab)
        page.locator("#take-mask" if tab == "take" else "#results img:visible").first.wait_for()
        page.wait_for_timeout(300)
        screenshot(page, f"{tab}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{tab} is wider than the screen"
    mask = take(page, "mask")
    assert mask.suggested_filename == "mask-red-dog-cefnet-acm.png"
    file = Image.open(mask.path())
    assert (file.format, file.mode, file.size) == ("PNG", "L", (110, 75))
    told = json.loads(Path(take(page, "coco").path()).read_text())
    assert {one["file_name"] for one in told["images"]} == {"photo.png"} or told["images"][0]["width"] == 110
    cut = Image.open(io.BytesIO(Path(take(page, "cutout").path()).read_bytes()))
    assert cut.mode == "RGBA" and np.array_equal(np.array(cut)[..., 3], np.array(file))


def test_threshold_style_and_legend_redraw_without_asking(app: SimpleNamespace, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    upload(page, noise(60, 80), tmp_path)
    ask(page, "red dog; cat")
    asked = len(app.runs)
    set_threshold(page, 0.05)
    page.locator(f"#card-{NAMES[1]}", has_text="100.0%").wait_for()
    page.wait_for_timeout(1000)  # pictures are drawn a moment after the text that comes with them
    now = shown(page)
    set_threshold(page, 0.95)
    page.locator(f"#card-{NAMES[1]}", has_text=strings.NO_PIXEL).wait_for()
    now = changed(page, now)
    set_threshold(page, 0.05)
    page.locator(f"#card-{NAMES[1]}", has_text="100.0%").wait_for()
    now = changed(page, now)
    for style in ("Outline", "Spotlight"):
        page.get_by_label(strings.STYLES[style.lower()], exact=True).check()
        now = changed(page, now)
    page.locator("#legend").get_by_label("cat").uncheck()
    page.wait_for_function("document.querySelectorAll('#card-cefnet-acm li').length === 1")
    assert len(app.runs) == asked


def test_enter_asks_and_what_cannot_be_asked_is_refused_plainly(app: SimpleNamespace, visit: Visit) -> None:
    page = visit()
    with presence(app.service, 1.0):
        ask(page, "purple elephant")
        assert "Nothing here matches “purple elephant”" in page.inner_text("#verdict")
        screenshot(page, "nothing")
    asked = len(app.runs)
    page.fill("#expression textarea", "  ")
    page.press("#expression textarea", "Enter")
    page.get_by_text(strings.NO_EXPRESSION).wait_for()
    assert "purple elephant" in page.inner_text("#verdict")  # an error takes nothing away
    page.locator("#photo button[aria-label='Remove Image']").click()
    page.click("#find")
    page.get_by_text(strings.NO_PHOTO).wait_for()
    assert len(app.runs) == asked


def test_the_masks_follow_the_typing(app: SimpleNamespace, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    page = visit()
    asked = len(app.runs)
    page.fill("#expression textarea", "")
    page.type("#expression textarea", "blue cat", delay=20)
    page.locator("#verdict", has_text="“blue cat”").wait_for()
    assert len(app.runs) - asked < len("blue cat")  # what is outdated is not asked
    page.wait_for_timeout(700)
    assert app.runs[-1] == ("blue cat",)
    assert not page.locator("#history").is_visible()  # only what was meant is remembered
    monkeypatch.setattr("app.ask.SLOW", 0.0)
    page.type("#expression textarea", " left", delay=20)
    page.locator("#follow-note", has_text="off").wait_for()
    assert not page.locator("#follow input").is_checked()


def test_the_history_brings_an_answer_back(app: SimpleNamespace, visit: Visit) -> None:
    page = visit()
    ask(page, "cat")
    page.locator("#history button").nth(1).wait_for()
    asked = len(app.runs)
    page.locator("#history button").nth(1).click()
    page.locator("#verdict", has_text=examples()[0]["expressions"][0]).wait_for()
    assert page.input_value("#expression textarea") == examples()[0]["expressions"][0]
    assert len(app.runs) == asked


@pytest.mark.parametrize("gallery", ["history", "examples"])
def test_a_click_outdates_what_is_being_typed(visit: Visit, monkeypatch: pytest.MonkeyPatch, gallery: str) -> None:
    page = visit()
    ask(page, "cat")
    page.locator("#history button").nth(1).wait_for()
    page.wait_for_timeout(1000)  # the typing and Enter of `ask` are over
    clicked = examples()[gallery == "examples"]["expressions"][0]
    answered = events.answered

    def slowly(*told: Any) -> dict:
        time.sleep(0.6)
        return answered(*told)

    monkeypatch.setattr(events, "answered", slowly)
    page.type("#expression textarea", "s")
    page.locator(f"#{gallery} button").nth(1).click()
    page.locator("#verdict", has_text=clicked).wait_for()
    page.wait_for_timeout(1500)  # time enough for what was typed to be asked and to replace the answer
    assert clicked in page.inner_text("#verdict")


def test_a_misspelt_word_is_mended_with_a_click(visit: Visit) -> None:
    page = visit()
    ask(page, "dog on the roght")
    page.locator("#doubt", has_text="roght").wait_for()
    page.locator("#suggestions button", has_text="right").click()
    page.locator("#verdict", has_text="dog on the right").wait_for()
    assert page.input_value("#expression textarea") == "dog on the right"
    page.locator("#doubt").wait_for(state="hidden")


def test_a_click_shows_what_a_place_attends_to(visit: Visit) -> None:
    page = visit()
    open_tab(page, "attention")
    pictures = page.locator("#results img:visible")
    pictures.nth(1).wait_for()
    before = pictures.nth(1).get_attribute("src")
    pictures.first.click(position={"x": 5, "y": 5})
    page.wait_for_function(
        """old => [...document.querySelectorAll("#results img")].filter(one => one.offsetParent)[1]
            ?.getAttribute("src") !== old""",
        arg=before,
    )
    sliders = page.locator("#results input[type=number]:visible")
    assert {float(sliders.nth(n).input_value()) for n in range(2)} != {50.0}


def test_what_is_typed_is_never_html(visit: Visit) -> None:
    page, dialogs = visit(), []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for text in ("HTML", "script", "closing", "TeX"):
        ask(page, f"{READ[text]} dog")
        for tab in TABS:
            open_tab(page, tab)
            page.wait_for_timeout(100)
    page.locator("#history").scroll_into_view_if_needed()
    assert page.locator("img[src='x'], svg[onload], #results .katex").count() == 0 and dialogs == []


def test_visitors_do_not_share_what_they_see(visit: Visit, tmp_path: Path) -> None:
    one, other = visit(), visit()
    upload(one, noise(40, 60), tmp_path, "one.png")
    upload(other, noise(64, 48, 1), tmp_path, "other.png")
    ask(one, "dog")
    ask(other, "cat")
    assert "dog" in one.inner_text("#verdict") and "cat" in other.inner_text("#verdict")
    for page, size in ((one, (60, 40)), (other, (48, 64))):
        open_tab(page, "take")
        assert Image.open(take(page, "mask").path()).size == size
    assert one.locator("#history .caption-label").all_inner_texts() == ["dog", examples()[0]["expressions"][0]]


def test_the_keyboard_alone_is_enough(app: SimpleNamespace, visit: Visit) -> None:
    page = visit()
    page.locator("#expression textarea").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("green car")
    page.keyboard.press("Enter")
    page.locator("#verdict", has_text="green car").wait_for()
    page.get_by_role("tab", name=strings.TABS["mask"], exact=True).first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.locator("#results img:visible").first.wait_for()
    page.get_by_label(strings.FOLLOW).focus()
    page.keyboard.press("Space")
    assert not page.locator("#follow input").is_checked()


def test_a_click_chooses_between_the_best_region_and_all(
    app: SimpleNamespace, visit: Visit, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    page = visit()
    request.getfixturevalue("two_regions")
    upload(page, noise(60, 80), tmp_path)
    ask(page, "red dog")
    asked, both = len(app.runs), shown(page)
    best, every = (page.locator(f"#regions input[value={regions}]") for regions in ("one", "all"))
    assert every.is_checked()  # as the first model has it

    def corners() -> tuple[bool, bool]:
        open_tab(page, "take")
        mask = np.array(Image.open(take(page, "mask").path()))
        page.get_by_role("tab", name=strings.TABS["mask"], exact=True).click()
        return bool(mask[0, 0]), bool(mask[-1, -1])

    assert corners() == (True, True)
    best.check()
    one = changed(page, both)
    open_tab(page, "take")
    page.locator("#take-code-client", has_text="regions='one'").wait_for()
    assert corners() == (True, False)
    screenshot(page, "regions")
    every.check()
    changed(page, one)
    assert corners() == (True, True)
    assert len(app.runs) == asked
