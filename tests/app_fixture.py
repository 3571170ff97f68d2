"""The app, served by this process with tiny models, and a browser to look at it (Chromium, headless, no network)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from PIL import Image

from app import api, strings
from app.gradio_guard import Blocks
from app.serve import launch
from app.service import Service
from cefnet.config import Decision
from cefnet.model import CEFNet
from cefnet.weights import save
from train.tokenizer import count_words

NAMES = ("cefnet-vcm", "cefnet-acm")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
WAIT = 60_000  # milliseconds: a busy machine is no failure


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def on_its_side(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    """Writes a photo that lies on its side in the file; `pixels` are upright."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.fromarray(np.rot90(pixels)).save(path, exif=exif, **options)
    return path


@pytest.fixture(scope="session")
def wide_photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """90 x 1100 upright (height, width): larger than what is shown, and lying on its side in the file."""
    return on_its_side(tmp_path_factory.mktemp("photo") / "photo.jpg", noise(90, 1100), quality=60)


@pytest.fixture(scope="session")
def tall_photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1200 x 140 upright (height, width): larger than what is shown, lying on its side in the file; an odd name."""
    path = tmp_path_factory.mktemp("photo") / """my "photo", it's; 1.png"""
    return on_its_side(path, noise(1200, 140), compress_level=1)


def set_presence(service: Service, threshold: float) -> None:
    """From which score on the models find something present."""
    for predictor in service.predictors.values():
        predictor.decision = predictor.decision.changed(presence_threshold=threshold)


@contextmanager
def presence(service: Service, threshold: float) -> Iterator[None]:
    set_presence(service, threshold)
    yield
    set_presence(service, 0.0)


@pytest.fixture(scope="session")
def app_service(tiny_config: Any, tiny_tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Service:
    """A VCM and an ACM model with random weights, which find everything present, everywhere in the photo."""
    folders = {}
    for name in NAMES:
        torch.manual_seed(len(folders))
        model = CEFNet(replace(tiny_config, attention=name.removeprefix("cefnet-"))).eval()
        folders[name] = str(tmp_path_factory.mktemp("weights") / name)
        words = count_words(["the red dog", "man on the left", "right"] * 50)
        save(Path(folders[name]), model, Decision(mask_threshold=0.3), tiny_tokenizer, words, f"# {name}\n")
    service = Service.load(folders, device="cpu")
    set_presence(service, 0.0)
    return service


@pytest.fixture(scope="session")
def app(app_service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The served app: its address, the service, the folder of its files, `runs`: what the models were asked."""
    from app.ui import build  # only the tests of the page need it whole

    runs: list[tuple[str, ...]] = []
    ask, folder = app_service.ask, tmp_path_factory.mktemp("gradio")

    def counted(session: Any, picture: Any, expressions: Any) -> Any:
        runs.append(tuple(expressions))
        return ask(session, picture, expressions)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        patch.setattr(app_service, "ask", counted)
        blocks = build(app_service)
        launch(blocks, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
        yield SimpleNamespace(url=blocks.local_url, service=app_service, runs=runs, folder=folder, blocks=blocks)
        blocks.close(verbose=False)


@contextmanager
def served(service: Service, folder: Path, **options: Any) -> Iterator[gr.Blocks]:
    """The endpoints alone, served by this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        with Blocks(analytics_enabled=False, delete_cache=(3600, 3600)) as blocks:
            api.endpoints(service)
        launch(blocks, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **options)
        yield blocks
        blocks.close(verbose=False)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sync_playwright = None
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if sync_playwright is None or chromium is None:
        reason = "the browser tests need playwright (pip) and chromium (apt)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(app: SimpleNamespace, browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens the page as a new visitor, `visit(width=1280, **context options)`, with the first example answered.

    At the end no page may have asked anything of another host or written an error to its console.
    """
    foreign: list[str] = []
    errors: list[str] = []
    with ExitStack() as stack:

        def visit(width: int = 1280, **options: Any) -> Any:
            context = browser.new_context(viewport={"width": width, "height": 900}, **options)
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(WAIT)
            page.add_init_script(WATCH_SHIFTS)
            local = (app.url, "data:", "blob:")
            page.on("request", lambda request: request.url.startswith(local) or foreign.append(request.url))
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(app.url)
            page.locator("#asked li").first.wait_for()
            return page

        yield visit
    assert foreign == [] and errors == []


WATCH_SHIFTS = """window.shifted = 0;
new PerformanceObserver(list => list.getEntries().forEach(one => one.hadRecentInput || (window.shifted += one.value)))
  .observe({type: "layout-shift", buffered: true});"""


def shifted(page: Any) -> float:
    """Cumulative layout shift since the page opened (web.dev's CLS without windows, so at least as large)."""
    return float(page.evaluate("window.shifted"))


def screenshot(page: Any, name: str) -> None:
    """Keeps a picture of the page for whoever looks at a test run's results."""
    folder = Path(os.environ.get("CEFNET_ARTEFACTS", "build/screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", full_page=True)


def upload(page: Any, image: np.ndarray, folder: Path, name: str = "photo.png") -> None:
    """Gives the page a photo, which it then shows without anything asked."""
    Image.fromarray(image).save(folder / name)
    give(page, folder / name)
    page.locator("#canvas .said", has_text=strings.ASK_NOW).wait_for()


def give(page: Any, file: Path) -> None:
    """Gives the page a file by its button."""
    page.locator("#ask input[type=file]").set_input_files(file)


def ask(page: Any, expression: str) -> None:
    """Types and presses Enter; the answer is there when this returns."""
    page.fill("#expression textarea", expression)
    page.press("#expression textarea", "Enter")
    listed(page, expression.split(";")[-1].strip())


def listed(page: Any, expression: str) -> Any:
    """Waits until an expression is on the list, in focus and no longer being typed; gives its place there."""
    item = page.locator("#asked li.now", has=page.locator(".name", has_text=expression))
    item.locator("[data-do=next]").wait_for()
    return item


def names(page: Any) -> list[str]:
    """What is on the list."""
    return [text.strip() for text in page.locator("#asked .name").all_inner_texts()]
