"""Writes docs/app.webp: the app with the shipped weights, as a visitor finds it. Needs Chromium and `.[dev]`.

python docs/make_app_picture.py
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

QUESTION = "lady in blue tank top; guy with beard in black; man on the left"
VIEW = {"width": 1280, "height": 1100}


def main() -> None:
    from app.environment import DEFAULT_MODELS
    from app.serve import launch
    from app.service import Service
    from app.ui import build

    blocks = build(Service.load(DEFAULT_MODELS))
    launch(blocks, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport=VIEW)
        page.set_default_timeout(120_000)
        page.goto(blocks.local_url)
        page.locator("#mask-cefnet-acm img").wait_for()
        page.locator("#examples button").nth(1).click()
        page.locator("#verdict", has_text="lady in blue tank top").wait_for()
        page.fill("#expression textarea", QUESTION)
        page.press("#expression textarea", "Enter")
        page.locator("#card-cefnet-acm li").nth(2).wait_for()
        page.evaluate("window.scrollTo(0, 0)")
        page.wait_for_timeout(2000)
        picture = Image.open(io.BytesIO(page.screenshot()))
        browser.close()
    picture.convert("RGB").save(HERE / "app.webp", quality=82, method=6)
    blocks.close(verbose=False)


if __name__ == "__main__":
    main()
