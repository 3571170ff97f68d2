"""Files that are no photos, dropped on the page: a plain refusal, and everything still works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from app_fixture import ask, give, noise, screenshot, upload
from bad_photos import cases

# One of each kind: empty, no picture, another kind of picture, cut off, unpacks to gigabytes, odd numbers.
REFUSED = ("empty.jpg", "text.jpg", "drawing.svg", "broken.heic", "half.jpg", "bomb-20000.png", "scans.jpg", "nan.tif")


@pytest.mark.filterwarnings("ignore")  # Pillow's, of what is refused
def test_what_is_no_photo_is_refused_plainly_and_the_page_goes_on(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit()
    found = {case.name: case for case in cases() if case.name in REFUSED}
    for name in REFUSED:
        (tmp_path / name).write_bytes(found[name].make())
        give(page, tmp_path / name)
        toast = page.locator(".toast-body").last
        toast.wait_for()
        said = toast.inner_text()
        assert found[name].says in said and "/" not in said and "Traceback" not in said
        screenshot(page, f"refused-{name}")
        for close in page.locator(".toast-close").all():
            close.click()
        page.locator(".toast-body").first.wait_for(state="hidden")
    upload(page, noise(60, 80), tmp_path)
    ask(page, "red dog")
    assert page.locator(".toast-body").count() == 0
