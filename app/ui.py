"""Layout and events of the demo (Gradio 6 Blocks)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache

from app import views
from app.errors import plain, plainly, readable
from app.service import Kept, Service, models_from_environment
from cefnet.photos import read_photo

HERE = Path(__file__).parent
SYSTEM_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
STALE = 3600  # seconds after which a visitor's pictures and maps are forgotten
HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}  # helpers, not the API


@dataclass(frozen=True)
class Panel:
    """The parts of the page that show one model."""

    card: gr.HTML
    image: gr.Image
    download: gr.DownloadButton
    boundary: gr.Image
    words: gr.Gallery


@dataclass(frozen=True)
class Page:
    """The parts of the page that events read or write."""

    photo: gr.Image
    expression: gr.Textbox
    button: gr.Button
    more: gr.Dataset  # other expressions for an example photo
    verdict: gr.HTML
    results: gr.Column
    panels: list[Panel]
    threshold: gr.Slider
    gallery: gr.Gallery
    kept: gr.State  # of `Kept`: one a browser tab


def serve() -> None:
    """Load the models and serve the page; address and port by GRADIO_SERVER_NAME and GRADIO_SERVER_PORT."""
    try:
        service = Service.load(models_from_environment())
    except (RuntimeError, ValueError) as error:
        raise SystemExit(str(error)) from None
    launch(build(service))


def launch(blocks: gr.Blocks, **options: Any) -> Any:
    """Start the server: nothing shared, nothing recorded, nothing fetched from elsewhere."""
    theme = gr.themes.Default(
        primary_hue="indigo",
        neutral_hue="slate",
        radius_size="lg",
        font=SYSTEM_FONTS,
        font_mono=["monospace"],
    ).set(body_text_color_subdued="*neutral_500", body_text_color_subdued_dark="*neutral_400")
    return blocks.launch(
        theme=theme,
        css_paths=HERE / "style.css",
        allowed_paths=[str(HERE / "examples")],
        share=False,
        show_error=False,
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        footer_links=["api"],
        max_file_size="30mb",
        state_session_capacity=200,
        **options,
    )


def build(service: Service) -> gr.Blocks:
    """The page, wired to `service`."""
    title = "CEFNet: masks from words"
    with gr.Blocks(title=title, analytics_enabled=False, delete_cache=(STALE, STALE)) as blocks:
        gr.HTML(views.HEADER, elem_id="header")
        if service.missing:
            names = escape(", ".join(service.missing))
            gr.HTML(f"Not installed here: {names}. The rest works.", elem_id="missing")
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=280):
                question = asking()
            with gr.Column(scale=8, min_width=280):
                verdict = gr.HTML(views.WELCOME, elem_id="verdict")
                with gr.Column(visible=False, elem_id="results") as results:
                    panels, threshold = answering(service)
                gallery = examples_to_click()
        kept = gr.State(None, time_to_live=STALE)
        connect(Page(*question, verdict, results, panels, threshold, gallery, kept), service)
    return blocks


def asking() -> tuple[gr.Image, gr.Textbox, gr.Button, gr.Dataset]:
    """Photo, expression, button, and more expressions for an example photo."""
    photo = gr.Image(
        label="Photo",
        type="filepath",
        image_mode=None,  # the file as it is: `read_photo` knows more kinds and turns them upright
        sources=["upload", "clipboard", "webcam"],
        height=320,
        buttons=["fullscreen"],
        elem_id="photo",
    )
    photo.preprocess = readable(photo.preprocess)  # type: ignore[method-assign]  # a subclass makes Gradio write stubs
    with gr.Row(elem_id="ask"):
        expression = gr.Textbox(
            label="What should be masked?",
            placeholder="dog on the left",
            max_lines=1,
            scale=4,
            min_width=180,
            elem_id="expression",
        )
        button = gr.Button("Find it", variant="primary", scale=1, min_width=96, elem_id="find")
    text = gr.Textbox(visible=False)
    more = gr.Dataset(components=[text], samples=[[""]], label="Also in this photo", visible=False, elem_id="more")
    return photo, expression, button, more


def answering(service: Service) -> tuple[list[Panel], gr.Slider]:
    """Three tabs, each with a column for each model, and the threshold below the masks."""
    names = list(service.predictors)
    parts: dict[str, list[Any]] = {name: [] for name in names}
    with gr.Tabs():
        with gr.Tab("Mask"):
            with gr.Row():
                for name in names:
                    with gr.Column(min_width=240):
                        card, image = gr.HTML(elem_id=f"card-{name}"), picture(f"mask-{name}")
                        download = gr.DownloadButton("Download mask (PNG)", size="sm", elem_id=f"download-{name}")
                        parts[name] += [card, image, download]
            threshold = threshold_slider(service)
        explained = (
            ("Boundary", "Where each network sees the outline of what you mean.", picture),
            ("Words", "Which places listen to which word: the brighter, the more.", pictures),
        )
        for tab, hint, show in explained:
            with gr.Tab(tab):
                gr.HTML(hint, elem_classes="hint")
                with gr.Row():
                    for name in names:
                        with gr.Column(min_width=240):
                            gr.HTML(views.heading(name))
                            parts[name].append(show(f"{tab.lower()}-{name}"))
    return [Panel(*of_one) for of_one in parts.values()], threshold


def threshold_slider(service: Service) -> gr.Slider:
    """The mask threshold, at first the models' own."""
    return gr.Slider(
        0.05,
        0.95,
        value=next(iter(service.predictors.values())).config.mask_threshold,
        step=0.01,
        label="Mask threshold",
        info="How certain a pixel must be to belong to the mask. Redrawn without asking the networks again.",
        buttons=["reset"],
        elem_id="threshold",
    )


def picture(elem_id: str) -> gr.Image:
    """An output picture."""
    return gr.Image(show_label=False, interactive=False, buttons=["fullscreen"], container=False, elem_id=elem_id)


def pictures(elem_id: str, columns: int = 2, **options: Any) -> gr.Gallery:
    """Several output pictures with captions."""
    return gr.Gallery(
        show_label=False,
        columns=columns,
        height="auto",
        fit_columns=False,  # one word alone is no larger than one of many
        interactive=False,
        buttons=[],
        elem_id=elem_id,
        **options,
    )


def examples_to_click() -> gr.Gallery:
    """The example photos, each with its first expression, and their licences."""
    shown = examples()
    captioned = [(HERE / "examples" / one["file"], one["expressions"][0]) for one in shown]
    gallery = pictures("examples", 3, value=captioned, allow_preview=False, object_fit="cover")
    gr.HTML(views.credits(shown), elem_id="credits")
    return gallery


def examples() -> list[dict[str, Any]]:
    """The example photos: file, expressions, licence, source."""
    return json.loads((HERE / "examples" / "examples.json").read_text())


def connect(page: Page, service: Service) -> None:
    """What happens when."""
    ask = asks(page, service)
    gr.on([page.button.click, page.expression.submit], api_name="segment", **ask)

    def redraw(kept: Kept | None, threshold: float) -> dict:
        if kept is None:
            raise plain("This answer has been forgotten by now: please ask again.")
        return masks(page, kept, threshold)

    drawn = [part for panel in page.panels for part in (panel.card, panel.image, panel.download)]
    inputs: list[Any] = [page.kept, page.threshold]
    page.threshold.change(plainly(redraw), inputs, drawn, trigger_mode="always_last", concurrency_limit=4, **HIDDEN)

    def forget() -> dict:  # the old answer does not belong to another photo
        hide = gr.update(visible=False)
        return {page.kept: None, page.verdict: views.WELCOME, page.results: hide, page.more: hide}

    page.photo.input(forget, None, [page.kept, page.verdict, page.results, page.more], **HIDDEN)

    shown = examples()

    def choose(event: gr.SelectData) -> tuple[str, str, Any]:
        one = shown[event.index]
        more = gr.update(samples=[[text] for text in one["expressions"]], visible=True)
        return str(HERE / "examples" / one["file"]), one["expressions"][0], more

    chosen = page.gallery.select(choose, None, [page.photo, page.expression, page.more], **HIDDEN)
    chosen.success(api_visibility="private", **ask)
    picked = page.more.click(lambda row: row[0], page.more, page.expression, **HIDDEN)
    picked.success(api_visibility="private", **ask)


def asks(page: Page, service: Service) -> dict[str, Any]:
    """The event that runs the models."""

    def segment(photo: str | None, expression: str, threshold: float = 0.5) -> dict:
        """Mask what an expression means in a photo, by every network."""
        if photo is None:
            raise plain("Add a photo first, or take one of the examples.")
        if not expression.strip():
            raise plain("Say what to look for, for example: dog on the left.")
        kept, details = service.segment(read_photo(Path(photo).read_bytes()), expression)
        drawn = {page.kept: kept, page.verdict: views.verdict(kept), page.results: gr.update(visible=True)}
        for panel, detail in zip(page.panels, details, strict=True):
            drawn[panel.boundary] = views.boundary(kept, detail)
            drawn[panel.words] = views.word_maps(kept, detail)
        return drawn | masks(page, kept, threshold)

    return {
        "fn": plainly(segment),
        "inputs": [page.photo, page.expression, page.threshold],
        "outputs": [page.verdict, page.results, page.kept]
        + [part for panel in page.panels for part in vars(panel).values()],
        "show_progress": "minimal",
        "show_progress_on": [page.verdict, *(panel.image for panel in page.panels)],
        "scroll_to_output": True,
        "concurrency_id": "models",
        "concurrency_limit": 2,
    }


def masks(page: Page, kept: Kept, threshold: float) -> dict:
    """Cards, overlays and downloads of `kept` at `threshold`."""
    drawn: dict = {}
    for panel, mask in zip(page.panels, kept.masks, strict=True):
        drawn[panel.card] = views.card(kept, mask, threshold)
        drawn[panel.image] = views.overlay(kept, mask, threshold)
        png = views.mask_png(kept, mask, threshold)
        file = save_bytes_to_cache(png, f"mask-{mask.model}.png", panel.download.GRADIO_CACHE)
        panel.download.temp_files.add(file)  # so that it goes when it is `STALE`, as Gradio's own copy does
        drawn[panel.download] = gr.update(value=file, interactive=mask.present)
    return drawn
