"""Counts and times what visitors do, on this page and on the one before the canvas. Needs Chromium.

    python docs/measure_tasks.py                  # this page
    git worktree add ../before cd371d8 && python docs/measure_tasks.py ../before

A step is what a hand does: a click, a key, a text typed, a file chosen, and a scroll wherever the next thing to click,
or what was wanted, is out of sight. Seconds are those of the machine: nobody's hand or eye is in them.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opened_page import PATIENCE, opened_page
from playwright.sync_api import Locator

CHECKOUT = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve()
sys.path.insert(0, str(CHECKOUT))
NEW = (CHECKOUT / "app" / "canvas.py").is_file()
DESKTOP, TELEPHONE = (1440, 900), (390, 844)
TIMES = 3
PHOTO = CHECKOUT / "app" / "examples" / "coco_308.webp"
THREE = "man in the straw hat; blonde lady in sunglasses; guy in the black hat"
SIX = f"{THREE}; wine barrel table; glass of wine; man on the left"


class Visitor:
    """Somebody at the page, whose steps are counted."""

    def __init__(self, page: Any) -> None:
        self.page, self.steps = page, 0

    def see(self, what: Locator) -> None:
        """Waits for something, and scrolls to it if it is not wholly in sight."""
        what.wait_for()
        self.page.wait_for_timeout(300)  # what moves has come to rest
        box, height = what.bounding_box(), self.page.viewport_size["height"]
        if box["y"] < -1 or box["y"] + min(box["height"], height) > height + 1:
            what.scroll_into_view_if_needed()
            self.page.mouse.wheel(0, 0)
            self.steps += 1

    def click(self, what: Locator, **options: Any) -> None:
        self.see(what)
        what.click(**options)
        self.steps += 1

    def choose(self) -> None:
        """A photo of one's own. The page before wanted the example's removed first."""
        if not NEW:
            self.click(self.page.locator("#photo button[aria-label='Remove Image']"))
        self.see(self.page.locator("#photo"))
        self.page.locator("#ask input[type=file], #photo input[type=file]").first.set_input_files(PHOTO)
        self.page.locator("#canvas .said, #verdict", has_text="Now say").first.wait_for()
        self.steps += 1

    def ask(self, text: str) -> None:
        """Words, and Enter; then the answer is to be seen."""
        box = self.page.locator("#expression textarea, #expression input").first
        self.see(box)
        box.fill(text)
        box.press("Enter")
        self.steps += 2
        self.answer(text).wait_for()
        self.see(self.page.locator("#canvas figure").first if NEW else self.page.locator("#mask-cefnet-acm img"))

    def answer(self, text: str) -> Locator:
        """What is there once all of a text is answered."""
        if NEW:
            return self.page.locator("#asked li.now [data-do=next]")
        if several := text.count(";"):
            return self.page.locator("#card-cefnet-acm li").nth(several)
        return self.page.locator("#verdict", has_text=text)

    def download(self, what: Locator) -> None:
        self.see(what)
        with self.page.expect_download():
            what.click()
        self.steps += 1


def cut_out(visitor: Visitor) -> None:
    visitor.choose()
    visitor.ask("man in the straw hat")
    if NEW:
        visitor.download(visitor.page.locator("#asked li.now [data-do=save]"))
    else:
        visitor.click(visitor.page.get_by_role("tab", name="Take it away", exact=True))
        visitor.download(visitor.page.locator("#take-cutout"))


def compare(visitor: Visitor) -> None:
    visitor.ask(THREE)
    if NEW:
        visitor.click(visitor.page.locator("#canvas .views button[value=both]"))
    visitor.see(visitor.page.locator("#canvas figure" if NEW else "#mask-cefnet-vcm img").last)


def correct(visitor: Visitor) -> None:
    """From a wrong answer in sight to another place's; before, other words were the only way."""
    visitor.ask("guy in the black hat")
    visitor.steps = 0
    if NEW:
        picture = visitor.page.locator("#canvas figure").first
        box = picture.bounding_box()
        visitor.click(picture, position={"x": 0.15 * box["width"], "y": 0.3 * box["height"]})
        visitor.page.locator("#canvas .click").wait_for()
    else:
        visitor.ask("second man from the left")


def export_six(visitor: Visitor) -> None:
    visitor.ask(SIX)
    opener = visitor.page.locator("#take button").first if NEW else None
    visitor.click(opener or visitor.page.get_by_role("tab", name="Take it away", exact=True))
    visitor.download(visitor.page.locator("#take-coco"))


def on_a_phone(visitor: Visitor) -> None:
    visitor.choose()
    visitor.ask("man in the straw hat")


TASKS: dict[str, tuple[Callable[[Visitor], None], tuple[int, int]]] = {
    "cut out one person among several": (cut_out, DESKTOP),
    "compare both networks on three expressions": (compare, DESKTOP),
    "correct a wrong answer": (correct, DESKTOP),
    "export six objects as COCO": (export_six, DESKTOP),
    "ask about a photo on a telephone": (on_a_phone, TELEPHONE),
}


def main() -> None:
    print("| | steps | seconds |\n|---|---|---|")
    with opened_page() as (browser, url):
        for name, (task, size) in TASKS.items():
            steps, took = zip(*(timed(browser, url, task, size) for _ in range(TIMES)), strict=True)
            print(f"| {name} | {max(steps)} | {statistics.median(took):.1f} |", flush=True)


def timed(browser: Any, url: str, task: Callable[[Visitor], None], size: tuple[int, int]) -> tuple[int, float]:
    """Steps and seconds of a task, from the opened page on, with the first example answered."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, accept_downloads=True)
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    page.locator("#asked li" if NEW else "#mask-cefnet-acm img").first.wait_for()
    page.wait_for_timeout(2000)
    visitor, start = Visitor(page), time.perf_counter()
    task(visitor)
    took = time.perf_counter() - start
    page.close()
    return visitor.steps, took


if __name__ == "__main__":
    main()
