"""Writes docs/app.webp: type, see, correct by a click, take the cut-out; with the shipped weights. Needs Chromium.

python docs/make_app_picture.py
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opened_page import PATIENCE, opened_page
from PIL import Image, ImageDraw, ImageFont, ImageOps

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

VIEW = {"width": 1280, "height": 800}
EXAMPLE, WORDS, PLACE = 2, "rider", (0.38, 0.615)  # which photo, what is asked, where is clicked (y, x as shares)
STEPS = "1  Type what you mean", "2  Wrong one? Click the right one", "3  Compare both networks", "4  Take the cut-out"
WIDTH, TITLE = 960, 44  # pixels of one picture of the strip, and of the line above it


def main() -> None:
    with opened_page() as (browser, url):
        page = browser.new_page(viewport=VIEW)
        page.set_default_timeout(PATIENCE)
        page.goto(url)
        pictures = [Image.open(io.BytesIO(one)) for one in visit(page)]
    strip(pictures).save(HERE / "app.webp", quality=80, method=6)


def visit(page: Any) -> Iterator[bytes]:
    """Walks through the page; a screenshot after each of `STEPS`."""
    page.locator("#asked li").first.wait_for()
    page.locator("#examples button").nth(EXAMPLE).click()
    page.wait_for_timeout(4000)
    page.locator("#asked [data-do=drop]").first.click()
    page.fill("#expression textarea", WORDS)
    page.press("#expression textarea", "Enter")
    page.locator("#asked li.now [data-do=next]").wait_for()
    page.wait_for_timeout(2000)
    yield page.screenshot()
    box = page.locator("#canvas figure").bounding_box()
    page.mouse.click(box["x"] + PLACE[1] * box["width"], box["y"] + PLACE[0] * box["height"])
    page.locator("#canvas .click").wait_for()
    page.wait_for_timeout(2000)
    yield page.screenshot()
    page.locator("#canvas .views button[value=both]").click()
    page.wait_for_timeout(1000)
    yield page.screenshot()
    page.locator("#canvas .views button").first.click()
    page.locator("#canvas .styles button[value=cutout]").click()
    page.wait_for_timeout(1000)
    yield page.screenshot()


def strip(pictures: list[Image.Image]) -> Image.Image:
    """The pictures in two rows, each under its step."""
    small = [ImageOps.contain(one.convert("RGB"), (WIDTH, WIDTH)) for one in pictures]
    height = small[0].height + TITLE
    whole = Image.new("RGB", (2 * WIDTH + 16, 2 * height), "white")
    pen, font = ImageDraw.Draw(whole), ImageFont.load_default(26)
    for n, (one, step) in enumerate(zip(small, STEPS, strict=True)):
        x, y = (n % 2) * (WIDTH + 16), (n // 2) * height
        pen.text((x + 8, y + 8), step, fill="black", font=font)
        whole.paste(one, (x, y + TITLE))
    return whole


if __name__ == "__main__":
    main()
