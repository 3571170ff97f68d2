"""The page for everybody: axe-core finds no fault in any tab, wide and narrow, light and dark; nothing sticks out."""

from collections.abc import Callable
from typing import Any

import pytest
from app_fixture import screenshot

from app import strings

axe = pytest.importorskip("axe_playwright_python.sync_playwright")

# Gradio's own: a gallery says its captions twice; the comments in its code viewer are grey.
OPTIONS = {"resultTypes": ["violations"], "rules": {"image-redundant-alt": {"enabled": False}}}
CONTEXT = {"exclude": [".cm-editor"]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_every_tab_is_for_everybody(visit: Callable[..., Any], width: int, scheme: str) -> None:
    page = visit(width, color_scheme=scheme)
    assert page.evaluate("document.body.classList.contains('dark')") is (scheme == "dark")
    faults, wide = [], []
    page.locator("#why button").first.click()
    for tab, title in strings.TABS.items():
        page.get_by_role("tab", name=title, exact=True).click()
        settle(page)
        for violation in axe.Axe().run(page, CONTEXT, OPTIONS).response["violations"]:
            nodes = [(node["html"][:200], node["failureSummary"]) for node in violation["nodes"][:3]]
            faults.append((tab, violation["id"], violation["impact"], nodes))
        if page.evaluate("document.scrollingElement.scrollWidth") > width:
            wide.append(tab)
    screenshot(page, f"accessibility-{width}-{scheme}")
    assert faults == [] and wide == []


def settle(page: Any) -> None:
    """Waits until every picture is there, and nothing is being fetched or faded in any more."""
    page.wait_for_timeout(500)
    page.wait_for_function(
        "![...document.querySelectorAll('.pending, .generating, [aria-label=\"Empty value\"]')]"
        ".some(one => one.checkVisibility())"
        " && document.getAnimations().every(one => one.playState !== 'running')"
    )
