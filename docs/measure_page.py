"""Measures the page with the shipped weights: how soon it answers, and how much it jumps. Needs Chromium.

python docs/measure_page.py
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any

from opened_page import PATIENCE, opened_page
from playwright.sync_api import Browser

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

SIZES = {"desktop": (1440, 900), "telephone": (390, 844)}
VISITS = 5
PHOTO = HERE.parent / "app" / "examples" / "coco_127.webp"


def main() -> None:
    titles = "first answer in sight, s", "own photo shown, s", "answer to Enter, s", "layout shift"
    print(f"| | {' | '.join(titles)} |\n|---{'|---' * len(titles)}|")
    with opened_page() as (browser, url):
        for name, size in SIZES.items():
            rows = zip(*(visit(browser, url, size) for _ in range(VISITS)), strict=True)
            medians = " | ".join(f"{statistics.median(row):.2f}" for row in rows)
            print(f"| {name}, {size[0]} x {size[1]} | {medians} |", flush=True)


def visit(browser: Browser, url: str, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """One visitor's way from opening the page to an answer about a photo of their own.

    Returns:
        Seconds to the first example's answer, from the file to its picture, from Enter to its answer; and the
        cumulative layout shift of it all.
    """
    from app_fixture import WATCH_SHIFTS, shifted

    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.set_default_timeout(PATIENCE)
    page.add_init_script(WATCH_SHIFTS)
    opened = seconds(page, lambda: page.goto(url), "#canvas .panes path.line")
    page.wait_for_timeout(1000)
    shown = seconds(page, lambda: page.set_input_files("#ask input[type=file]", PHOTO), "#asked:not(:has(li))")
    page.wait_for_timeout(3000)
    box = page.locator("#expression textarea, #expression input")
    box.fill("cup of coffee")
    page.wait_for_timeout(1500)  # the typing is followed; what is timed is Enter
    box.fill("piece of cake")
    answered = seconds(page, lambda: box.press("Enter"), "#asked li.now [data-do=next]")
    page.wait_for_timeout(500)
    jumps = shifted(page)
    page.close()
    return opened, shown, answered, jumps


def seconds(page: Any, act: Any, until: str) -> float:
    """From an action until something is on the page."""
    start = time.perf_counter()
    act()
    page.wait_for_selector(until, state="attached")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
