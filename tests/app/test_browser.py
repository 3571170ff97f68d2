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
from app_fixture import WAIT, ask, listed, names, noise, presence, screenshot, shifted, upload
from bad_texts import READ
from PIL import Image

from app import events, strings
from app.gallery import examples

Visit = Callable[..., Any]
FIRST = examples()[0]["expressions"][0]


def area(page: Any) -> str:
    """What the list says of the size of the item in focus."""
    return page.inner_text("#asked li.now small")


def outlines(page: Any) -> list[str]:
    """The outlines that are drawn."""
    return page.locator("#canvas path.line").evaluate_all("all => all.map(one => one.getAttribute('d'))")


def open_why(page: Any, name: str = "wordwise") -> None:
    """A tab of the drawer, which is opened if it is not."""
    if not page.locator("#tabs").is_visible():
        page.locator("#why button").first.click()
    page.get_by_role("tab", name=strings.TABS[name], exact=True).click()


def open_part(page: Any, part: str) -> None:
    """A part of the page that is folded up at first."""
    page.locator(f"#{part} button").first.click()


def take(page: Any, what: str) -> Any:
    """A file to take away."""
    with page.expect_download(timeout=WAIT) as started:
        page.locator(f"#take-{what}").click()
    return started.value


def test_the_first_screen_has_an_answer(visit: Visit) -> None:
    page = visit()
    assert names(page) == [FIRST] and FIRST in page.inner_text("#canvas .said")
    assert outlines(page) and page.locator("#more button").count() > 1
    assert not page.locator("#history").is_visible()
    assert "cefnet-acm" in page.inner_text("#footer")
    screenshot(page, "first")


@pytest.mark.parametrize(("width", "height", "least"), [(1440, 900, 700), (1024, 768, 560), (390, 844, 340)])
def test_photo_words_and_answer_are_in_sight_together(visit: Visit, width: int, height: int, least: int) -> None:
    page = visit(width)
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_timeout(300)
    picture, button = (page.locator(one).bounding_box() for one in ("#canvas figure", "#find"))
    assert picture["width"] >= least and page.locator("#canvas .stage").bounding_box()["y"] < 130
    assert button["y"] + button["height"] <= height  # without scrolling
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    screenshot(page, f"sight-{width}")


@pytest.mark.parametrize("width", [1280, 360])
def test_upload_ask_look_take_away(app: SimpleNamespace, visit: Visit, tmp_path: Path, width: int) -> None:
    page = visit(width)
    upload(page, noise(75, 110), tmp_path)
    assert names(page) == [] and page.input_value("#expression textarea") == ""  # the example's are not this photo's
    ask(page, "red dog; cat")
    assert names(page) == ["red dog", "cat"]
    page.locator("#asked .name", has_text="red dog").click()
    listed(page, "red dog")
    for tab in strings.TABS:
        open_why(page, tab)
        page.locator("#results img:visible").first.wait_for()
        page.wait_for_timeout(300)
        screenshot(page, f"{tab}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{tab} is wider than the screen"
    open_part(page, "take")
    mask = take(page, "mask")
    assert mask.suggested_filename == "mask-red-dog-cefnet-acm.png"
    file = Image.open(mask.path())
    assert (file.format, file.mode, file.size) == ("PNG", "L", (110, 75))
    told = json.loads(Path(take(page, "coco").path()).read_text())
    assert (told["images"][0]["width"], told["images"][0]["height"]) == (110, 75)
    cut = Image.open(io.BytesIO(Path(take(page, "cutout").path()).read_bytes()))
    assert cut.mode == "RGBA"


def test_a_cut_out_is_saved_from_the_list(visit: Visit, tmp_path: Path) -> None:
    """Also while the menu that holds the button for it is folded up, and so not on the page yet."""
    page = visit()
    upload(page, noise(75, 110), tmp_path)
    ask(page, "red dog")
    assert page.locator("#take-cutout").count() == 0
    with page.expect_download(timeout=WAIT) as started:
        page.locator("#asked li.now [data-do=save]").click()
    assert Image.open(started.value.path()).mode == "RGBA"


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_nothing_jumps_on_the_way_to_a_cut_out(visit: Visit, tmp_path: Path, width: int, height: int) -> None:
    page = visit(width)
    page.set_viewport_size({"width": width, "height": height})
    opened = shifted(page)
    upload(page, noise(75, 110), tmp_path)
    page.wait_for_timeout(1000)  # what is offered to ask comes a little later
    ask(page, "red dog")
    page.mouse.click(width / 4, height / 3)
    page.wait_for_timeout(1000)
    open_part(page, "take")
    page.wait_for_timeout(500)
    assert opened < 0.1 and shifted(page) < 0.1, (opened, shifted(page))


def test_a_click_corrects_the_answer_and_is_undone(app: SimpleNamespace, visit: Visit, two_regions: None) -> None:
    page = visit()
    ask(page, "red dog")
    page.locator("#adjust button").first.click()
    page.locator("#regions input[value=one]").check()
    page.wait_for_function("document.querySelectorAll('#asked li.now small')[0].innerText !== '100.0% of the photo'")
    page.wait_for_timeout(500)
    asked, before = len(app.runs), outlines(page)
    picture = page.locator("#canvas figure").bounding_box()
    page.mouse.click(picture["x"] + 0.95 * picture["width"], picture["y"] + 0.95 * picture["height"])
    page.locator("#asked li.now", has_text=strings.CERTAINTY["chosen"]).wait_for()
    assert outlines(page) != before and page.locator("#canvas .click.here").count() == 1
    screenshot(page, "clicked")
    page.get_by_role("button", name=strings.CANVAS["undo"], exact=True).click()
    page.locator("#canvas .click").wait_for(state="detached")
    assert outlines(page) == before
    page.locator("#asked [data-do=next]").click()
    page.locator("#asked li.now", has_text=strings.CERTAINTY["chosen"]).wait_for()
    assert outlines(page) != before
    assert len(app.runs) == asked  # these networks read no clicks: none was asked again


def test_the_list_hides_shows_and_removes(visit: Visit) -> None:
    page = visit()
    ask(page, "cat")
    assert len(outlines(page)) == 2
    page.get_by_role("button", name=f"{strings.CANVAS['eye']} {FIRST}").click()
    assert len(outlines(page)) == 1
    page.get_by_role("button", name=f"{strings.CANVAS['eye']} {FIRST}").click()
    assert len(outlines(page)) == 2
    page.get_by_role("button", name=f"{strings.CANVAS['remove']} cat").click()
    page.wait_for_function("document.querySelectorAll('#asked li').length === 1")
    assert names(page) == [FIRST]


def test_both_networks_are_compared_on_the_canvas(visit: Visit) -> None:
    page = visit()
    for view, figures, layers in (("both", 2, 1), ("swipe", 1, 2), ("cefnet-vcm", 1, 1)):
        page.locator(f"#canvas .views button[value={view}]").click()
        assert page.locator("#canvas figure").count() == figures
        assert page.locator("#canvas figure").first.locator("svg:not(.aim)").count() == layers
        assert page.locator("#canvas .differ").is_visible() == (view != "cefnet-vcm")
        screenshot(page, f"view-{view}")
    assert "ACM" in page.inner_text("#canvas .bar") and "%" not in page.inner_text("#canvas .said")


def test_what_is_not_found_shows_its_best_guess_on_a_click(app: SimpleNamespace, visit: Visit) -> None:
    page = visit()
    with presence(app.service, 1.0):
        ask(page, "purple elephant")
        assert page.inner_text("#canvas .said") == "Nothing found for “purple elephant”."
        shown = len(outlines(page))
        page.locator("#asked li.now [data-do=guess]").click()
        assert len(outlines(page)) == shown + 1
        assert page.locator("#canvas path.line[stroke-dasharray]").count() == 1
        screenshot(page, "guess")


def test_the_threshold_redraws_without_asking(app: SimpleNamespace, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    upload(page, noise(60, 80), tmp_path)
    ask(page, "red dog")
    asked = len(app.runs)
    open_part(page, "adjust")
    for value, said in ((0.05, "100.0% of the photo"), (0.95, ""), (0.05, "100.0% of the photo")):
        field = page.locator("#threshold input[type=number]")
        field.fill(str(value))
        field.press("Enter")
        page.wait_for_function("said => document.querySelector('#asked li.now small').innerText === said", arg=said)
    assert len(app.runs) == asked


def test_what_cannot_be_asked_is_refused_plainly(app: SimpleNamespace, visit: Visit) -> None:
    page = visit()
    asked = len(app.runs)
    page.fill("#expression textarea", "  ")
    page.press("#expression textarea", "Enter")
    page.get_by_text(strings.NO_EXPRESSION).wait_for()
    assert names(page) == [FIRST] and len(app.runs) == asked  # an error takes nothing away


def test_the_masks_follow_the_typing(app: SimpleNamespace, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    page = visit()
    asked = len(app.runs)
    page.fill("#expression textarea", "")
    page.type("#expression textarea", "blue cat", delay=20)
    page.locator("#asked li.now .name", has_text="blue cat").wait_for()
    assert len(app.runs) - asked < len("blue cat")  # what is outdated is not asked
    page.wait_for_timeout(700)
    assert app.runs[-1] == ("blue cat",)
    assert names(page) == [FIRST, "blue cat"]  # one line, whatever it was on the way
    monkeypatch.setattr("app.ask.SLOW", 0.0)
    page.type("#expression textarea", " left", delay=20)
    page.locator("#follow-note", has_text="off").wait_for()
    open_part(page, "adjust")
    assert not page.locator("#follow input").is_checked()


def test_the_history_brings_a_photo_back(app: SimpleNamespace, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    upload(page, noise(60, 80), tmp_path)
    ask(page, "cat")
    page.locator("#history button").nth(1).wait_for()
    asked = len(app.runs)
    page.locator("#history button").nth(1).click()
    listed(page, FIRST)
    assert page.input_value("#expression textarea") == FIRST
    assert len(app.runs) == asked


def test_a_reload_loses_nothing(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    ask(page, "cat")
    page.reload()
    listed(page, "cat")
    assert names(page) == [FIRST, "cat"]
    upload(page, noise(60, 80), tmp_path)
    ask(page, "red dog")
    picture = page.locator("#canvas figure").bounding_box()
    page.mouse.click(picture["x"] + 0.5 * picture["width"], picture["y"] + 0.5 * picture["height"])
    page.locator("#canvas .click").wait_for()
    page.reload()
    page.locator("#canvas .click").wait_for()
    assert names(page) == ["red dog"]


def test_a_photo_is_pasted_and_dropped_anywhere(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    Image.fromarray(noise(60, 80)).save(tmp_path / "photo.png")
    content = list((tmp_path / "photo.png").read_bytes())
    for kind in ("paste", "drop"):
        page.evaluate(
            """([kind, content]) => {
                const bag = new DataTransfer();
                bag.items.add(new File([new Uint8Array(content)], "photo.png", {type: "image/png"}));
                const event = kind === "paste" ? new ClipboardEvent("paste", {clipboardData: bag, bubbles: true})
                    : new DragEvent("drop", {dataTransfer: bag, bubbles: true, cancelable: true});
                document.querySelector("#footer").dispatchEvent(event);
            }""",
            [kind, content],
        )
        page.locator("#canvas .said", has_text=strings.ASK_NOW).wait_for()
        ask(page, kind)
        assert names(page) == [kind]
        page.locator("#examples button").first.click()
        listed(page, FIRST)


@pytest.mark.parametrize("gallery", ["history", "examples"])
def test_a_click_outdates_what_is_being_typed(
    visit: Visit, monkeypatch: pytest.MonkeyPatch, gallery: str, tmp_path: Path
) -> None:
    page = visit()
    upload(page, noise(60, 80), tmp_path)
    ask(page, "cat")
    page.locator("#history button").nth(1).wait_for()
    page.wait_for_timeout(1000)  # the typing and Enter of `ask` are over
    clicked = examples()[gallery == "examples"]["expressions"][0]
    shown = events.shown

    def slowly(*told: Any) -> dict:
        time.sleep(0.6)
        return shown(*told)

    monkeypatch.setattr(events, "shown", slowly)
    page.type("#expression textarea", "s")
    page.locator(f"#{gallery} button").nth(1).click()
    listed(page, clicked)
    page.wait_for_timeout(1500)  # time enough for what was typed to be asked and to be put on the list
    assert names(page) == [clicked]


def test_of_quick_clicks_on_examples_the_last_one_wins(visit: Visit) -> None:
    page = visit()
    for n in (1, 2, 3):
        page.locator("#examples button").nth(n).click(delay=0)
    listed(page, examples()[3]["expressions"][0])
    page.wait_for_timeout(1500)
    assert names(page) == [examples()[3]["expressions"][0]]


def test_a_misspelt_word_is_mended_with_a_click(visit: Visit) -> None:
    page = visit()
    ask(page, "dog on the roght")
    page.locator("#doubt", has_text="roght").wait_for()
    page.locator("#suggestions button", has_text="right").click()
    listed(page, "dog on the right")
    assert page.input_value("#expression textarea") == "dog on the right"
    page.locator("#doubt").wait_for(state="hidden")


def test_an_answer_with_fewer_words_can_be_taken(visit: Visit) -> None:
    page = visit()
    ask(page, "big red dog")
    open_why(page)
    page.locator("#wordwise .use").first.click()
    listed(page, "red dog")
    page.locator("#wordwise .open").first.click()
    page.locator("#canvas .lightbox[open] img").wait_for()
    assert page.locator("#canvas .lightbox img").bounding_box()["width"] > 400
    page.keyboard.press("Escape")


def test_a_click_shows_what_a_place_attends_to(visit: Visit) -> None:
    page = visit()
    open_why(page, "attention")
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
        for tab in strings.TABS:
            open_why(page, tab)
            page.wait_for_timeout(100)
    assert page.locator("img[src='x'], svg[onload], #results .katex").count() == 0 and dialogs == []


def test_visitors_do_not_share_what_they_see(visit: Visit, tmp_path: Path) -> None:
    one, other = visit(), visit()
    upload(one, noise(40, 60), tmp_path, "one.png")
    upload(other, noise(64, 48, 1), tmp_path, "other.png")
    ask(one, "dog")
    ask(other, "cat")
    assert names(one) == ["dog"] and names(other) == ["cat"]
    for page, size in ((one, (60, 40)), (other, (48, 64))):
        open_part(page, "take")
        assert Image.open(take(page, "mask").path()).size == size
    assert one.locator("#history .caption-label").all_inner_texts() == ["dog", FIRST]


def test_the_keyboard_alone_is_enough(app: SimpleNamespace, visit: Visit) -> None:
    page = visit()
    page.locator("#expression textarea").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("green car")
    page.keyboard.press("Enter")
    listed(page, "green car")
    page.locator("#canvas .stage").focus()
    for key in ("ArrowRight", "Shift+ArrowDown", "Enter"):
        page.keyboard.press(key)
    page.locator("#canvas .click.here").wait_for()
    told = page.locator("#canvas .click").get_attribute("transform")
    assert told.startswith("translate(")
    page.locator("#canvas .views button").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#canvas .views button").nth(1).get_attribute("aria-checked") == "true"
    page.locator("#why button").first.focus()
    page.keyboard.press("Enter")
    page.locator("#results img:visible").first.wait_for()


def test_a_file_holds_the_regions_that_are_shown(
    app: SimpleNamespace, visit: Visit, tmp_path: Path, two_regions: None
) -> None:
    page = visit()
    upload(page, noise(60, 80), tmp_path)
    ask(page, "red dog")
    asked = len(app.runs)
    open_part(page, "adjust")
    open_part(page, "take")
    assert page.locator("#regions input[value=all]").is_checked()  # as the first model has it

    def corners() -> tuple[bool, bool]:
        mask = np.array(Image.open(take(page, "mask").path()))
        return bool(mask[0, 0]), bool(mask[-1, -1])

    whole = area(page)
    assert corners() == (True, True)
    page.locator("#regions input[value=one]").check()
    page.locator("#take-code-client", has_text="regions='one'").wait_for()
    assert corners() == (True, False) and area(page) != whole
    screenshot(page, "regions")
    assert len(app.runs) == asked
