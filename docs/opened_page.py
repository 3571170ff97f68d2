"""The page with the shipped weights, served and in a browser, for the scripts of this folder. Needs Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

PATIENCE = 120_000  # milliseconds that a page may take for anything


@contextmanager
def opened_page() -> Iterator[tuple[Browser, str]]:
    """A browser, and the address of the page, of whichever checkout comes first on `sys.path`."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    from app.environment import DEFAULT_MODELS
    from app.serve import launch
    from app.service import Service
    from app.ui import build

    blocks = build(Service.load(DEFAULT_MODELS))
    launch(blocks, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser, blocks.local_url
        browser.close()
    blocks.close(verbose=False)
