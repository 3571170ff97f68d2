"""The demo: the service on its own, and the page in a real browser (Chromium, headless, no network)."""

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from app import views
from app.errors import plainly, readable
from app.service import REMEMBERED_PHOTOS, SHOWN_SIDE, Service, models_from_environment
from app.ui import HERE, build, examples, launch

NAMES = ("cefnet-vcm", "cefnet-acm")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def service(tiny_checkpoint: Path) -> Service:
    """Two models with random weights, which find everything present."""
    service = Service.load(dict.fromkeys(NAMES, str(tiny_checkpoint)), device="cpu")
    set_presence(service, 0.0)
    return service


def set_presence(service: Service, threshold: float) -> None:
    for predictor in service.predictors.values():
        predictor.config = replace(predictor.config, presence_threshold=threshold)


def read_png(data: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.mode) == ("PNG", "L")
    return np.array(image)


def test_models_from_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CEFNET_MODELS", raising=False)
    assert tuple(models_from_environment()) == NAMES
    monkeypatch.setenv("CEFNET_MODELS", " a=x/y , b=z,")
    assert models_from_environment() == {"a": "x/y", "b": "z"}
    monkeypatch.setenv("CEFNET_MODELS", "only-a-name")
    with pytest.raises(ValueError, match="name=folder"):
        models_from_environment()


def test_a_missing_model_is_left_out_and_named(tiny_checkpoint: Path, tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    service = Service.load({"cefnet-vcm": gone, "cefnet-acm": str(tiny_checkpoint)}, device="cpu")
    assert (list(service.predictors), service.missing) == (["cefnet-acm"], ("cefnet-vcm",))
    said = [block.value for block in build(service).blocks.values() if block.elem_id == "missing"]
    assert len(said) == 1 and "cefnet-vcm" in said[0] and str(tmp_path) not in said[0]
    with pytest.raises(RuntimeError, match="No model"):
        Service.load({"cefnet-acm": gone})


@pytest.mark.parametrize("size", [(61, 90), (1300, 700)])
def test_download_is_the_predictors_own_mask(service: Service, size: tuple[int, int]) -> None:
    image = noise(*size)
    kept, details = service.segment(image, "red dog")
    assert max(kept.photo.shape) <= SHOWN_SIDE and kept.size == size
    assert [word for word, _ in details[0].words] == ["red", "dog"]
    predictor = service.predictors["cefnet-acm"]
    probability = predictor.segment(predictor.encode(image), "red dog").probability
    threshold = float(np.median(probability))  # about half of the pixels, whatever the weights
    expected = probability >= threshold
    assert 0.2 < expected.mean() < 0.8
    mask = read_png(views.mask_png(kept, kept.masks[1], threshold))
    assert np.array_equal(mask, expected * np.uint8(255))


def test_kept_state_is_small_whatever_the_photo(service: Service) -> None:
    kept, _ = service.segment(noise(2000, 3000), "dog")
    assert kept.photo.nbytes + sum(mask.grid.nbytes for mask in kept.masks) < 3e6


def test_a_second_expression_does_not_encode_the_photo_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor, seen = service.predictors["cefnet-vcm"], []
    encode = predictor.encode
    monkeypatch.setattr(predictor, "encode", lambda image: seen.append(1) or encode(image))
    for seed, expression in [(7, "dog"), (7, "cat"), (8, "dog"), (7, "car")]:
        service.segment(noise(40, 50, seed), expression)
    assert len(seen) == 2
    for seed in range(20, 24):
        service.segment(noise(20, 20, seed), "dog")
    assert len(service._photos) == REMEMBERED_PHOTOS * len(NAMES)


def test_absence_is_said_and_nothing_is_drawn(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for predictor in service.predictors.values():
        monkeypatch.setattr(predictor, "config", replace(predictor.config, presence_threshold=1.0))
    kept, _ = service.segment(noise(30, 40), "<b>elephant</b>")
    assert "Nothing here matches “&lt;b&gt;elephant" in views.verdict(kept)
    for mask in kept.masks:
        assert "Nothing here matches" in views.card(kept, mask, 0.05)
        assert np.array_equal(views.overlay(kept, mask, 0.05), kept.photo)
        assert not read_png(views.mask_png(kept, mask, 0.05)).any()


def test_one_model_alone_finding_something_is_said(service: Service) -> None:
    kept, _ = service.segment(noise(30, 40), "dog")
    masks = (replace(kept.masks[0], presence_threshold=2.0), kept.masks[1])
    assert "by ACM only" in views.verdict(replace(kept, masks=masks))
    assert "lower the threshold" in views.card(kept, replace(kept.masks[0], grid=kept.masks[0].grid * 0), 0.5)


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ValueError("too <long>"), "too &lt;long&gt;"),
        (RuntimeError("/secret/path broke"), "Something went wrong"),
        (OSError("/secret/path"), "Something went wrong"),
    ],
)
def test_errors_are_plain_and_keep_paths_to_themselves(error: Exception, shown: str) -> None:
    def fail(_: Any) -> None:
        raise error

    with pytest.raises(gr.Error) as caught:
        plainly(fail)(1)
    assert shown in caught.value.message and "secret" not in caught.value.message
    with pytest.raises(gr.Error, match="not a photo"):
        readable(fail)(1)


def test_examples_carry_their_licences() -> None:
    shown = examples()
    credits = (HERE / "examples" / "CREDITS.md").read_text()
    assert len(shown) == 6
    for one in shown:
        assert Image.open(HERE / "examples" / one["file"]).format == "WEBP"
        assert one["expressions"] and one["licence"].startswith("CC BY")
        assert one["source"] in credits and one["source"] in views.credits(shown)


# In the browser


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def app(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The page, served by this process; `runs` counts what the models were asked."""
    runs: list[str] = []
    segment = service.segment
    counted = SimpleNamespace(
        predictors=service.predictors,
        missing=(),
        segment=lambda image, expression: runs.append(expression) or segment(image, expression),
    )
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("gradio")
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        blocks = build(counted)  # type: ignore[arg-type]
        launch(blocks, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
        yield SimpleNamespace(
            url=blocks.local_url,
            runs=runs,
            api=blocks.get_api_info(),
            folder=folder,
            temporary=blocks.temp_file_sets,
        )
        blocks.close(verbose=False)


@pytest.fixture
def visit(app: SimpleNamespace, browser: Any) -> Iterator[Callable[[], Any]]:
    """Opens the page as a new visitor; at the end, nothing may have been asked of any other host."""
    contexts, foreign = [], []

    def visit() -> Any:
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 900}))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        local = (app.url, "data:", "blob:")
        page.on("request", lambda request: request.url.startswith(local) or foreign.append(request.url))
        page.goto(app.url)
        page.locator("#expression input").wait_for()
        return page

    yield visit
    for context in contexts:
        context.close()
    assert foreign == []


def ask(page: Any, image: np.ndarray, expression: str, folder: Path) -> None:
    file = folder / "photo.png"
    Image.fromarray(image).save(file)
    page.locator("#photo input[type=file]").set_input_files(file)
    page.locator("#photo img").wait_for()
    page.fill("#expression input", expression)
    page.click("#find")
    for name in NAMES:
        page.locator(f"#mask-{name} img").wait_for()


def shown(page: Any) -> list[str]:
    return [page.locator(f"#mask-{name} img").get_attribute("src") for name in NAMES]


def set_threshold(page: Any, value: float, wait: str) -> None:
    field = page.locator("#threshold input[type=number]")
    field.fill(str(value))
    field.press("Enter")
    page.locator(f"#card-{NAMES[1]}", has_text=wait).wait_for()


def download(page: Any, name: str) -> np.ndarray:
    with page.expect_download() as started:
        page.click(f"#download-{name}")
    assert started.value.suggested_filename == f"mask-{name}.png"
    return read_png(Path(started.value.path()).read_bytes())


def test_upload_ask_threshold_download(app: SimpleNamespace, visit: Callable[[], Any], tmp_path: Path) -> None:
    page = visit()
    ask(page, noise(75, 110), "red dog", tmp_path)
    assert "Found" in page.inner_text("#verdict") and "red dog" in page.inner_text("#verdict")
    for name in NAMES:
        assert "score" in page.inner_text(f"#card-{name}")
    asked = len(app.runs)
    set_threshold(page, 0.95, "lower the threshold")
    before = shown(page)
    assert not download(page, NAMES[0]).any()
    set_threshold(page, 0.05, "100.0%")
    assert all(new != old for new, old in zip(shown(page), before, strict=True))
    mask = download(page, NAMES[1])
    assert mask.shape == (75, 110) and (mask == 255).all()
    assert len(app.runs) == asked  # redrawn, not asked again
    on_disk = {str(path) for path in app.folder.rglob("mask-*.png")}
    assert on_disk and on_disk <= set().union(*app.temporary)  # what Gradio's `delete_cache` forgets in time
    for tab, what in (("Boundary", "boundary"), ("Words", "words")):
        page.get_by_role("tab", name=tab).click()
        for name in NAMES:
            page.locator(f"#{what}-{name} img").first.wait_for()
    assert page.locator(f"#words-{NAMES[0]} img").count() == 2  # one for each word


def test_enter_asks_and_an_empty_expression_is_refused_plainly(
    app: SimpleNamespace, visit: Callable[[], Any], service: Service
) -> None:
    page = visit()
    page.click("#find")
    page.get_by_text("Add a photo first").wait_for()
    page.locator("#examples button").first.click()
    page.locator("#verdict", has_text=examples()[0]["expressions"][0]).wait_for()
    set_presence(service, 1.0)
    try:
        page.fill("#expression input", "purple elephant")
        page.press("#expression input", "Enter")
        page.locator("#verdict", has_text="Nothing here matches “purple elephant”").wait_for()
    finally:
        set_presence(service, 0.0)
    asked = len(app.runs)
    page.fill("#expression input", "  ")
    page.press("#expression input", "Enter")
    page.get_by_text("Say what to look for").wait_for()
    assert len(app.runs) == asked


def test_visitors_do_not_share_what_they_see(visit: Callable[[], Any], tmp_path: Path) -> None:
    one, other = visit(), visit()
    ask(one, noise(40, 60), "dog", tmp_path)
    ask(other, noise(64, 48), "cat", tmp_path)
    set_threshold(one, 0.05, "100.0%")
    assert download(one, NAMES[0]).shape == (40, 60)
    assert "dog" in one.inner_text("#verdict")


def test_the_api_has_one_endpoint(app: SimpleNamespace) -> None:
    endpoints = app.api["named_endpoints"]
    assert list(endpoints) == ["/segment"] and not app.api["unnamed_endpoints"]
    names = [parameter["parameter_name"] for parameter in endpoints["/segment"]["parameters"]]
    assert names == ["photo", "expression", "threshold"]
    assert "/tmp" not in json.dumps(app.api)
