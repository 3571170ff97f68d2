"""The tab "Take it away": files, made when they are asked for, and the same question as code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache

from app import exports, snippets, strings
from app.errors import plainly
from app.page import HIDDEN, Shared, View, focus
from app.parts import about, hint
from app.service import Focus, Service

# A download button has its file before it is clicked. This one gets it after, so the browser has to be told; and it
# gives the file back, or the next click would save an old one.
SAVE = """(file) => {
  if (file) {
    const link = Object.assign(document.createElement("a"), {href: file.url, download: file.orig_name});
    document.body.append(link);
    link.click();
    link.remove();
  }
  return null;
}"""


@dataclass(frozen=True)
class Download:
    """A file to take away.

    Attributes:
        make: The file, or steps of making it: how far it is, 0..1, and at last the file.
        name: Begins its name, before the expression.
        ending: Ends it.
        always: Whether there is one where nothing was found.
    """

    make: Callable[[Focus], bytes | Iterator[float | bytes]]
    name: str
    ending: str
    always: bool = True


def downloads(service: Service) -> dict[str, Download]:
    """The files by the keys of `strings.DOWNLOADS`."""
    known = "\n".join(
        strings.MODEL_LINE.format(name=name, sha256=predictor.sha256 or strings.UNKNOWN)
        for name, predictor in service.predictors.items()
    )
    return {
        "mask": Download(exports.mask_png, "mask", ".png", always=False),
        "cutout": Download(exports.cutout_png, "cutout", ".png", always=False),
        "whole": Download(exports.whole_cutout_png, "cutout-whole", ".png", always=False),
        "png": Download(lambda now: exports.figure_file(now, "png"), "figure", ".png"),
        "pdf": Download(lambda now: exports.figure_file(now, "pdf"), "figure", ".pdf"),
        "coco": Download(lambda now: exports.coco_json(now.answer, now.model), "coco", ".json"),
        "labelme": Download(exports.labelme_json, "labelme", ".json"),
        "yolo": Download(exports.yolo_zip, "yolo", ".zip"),
        "zip": Download(lambda now: exports.everything(now, known), "cefnet", ".zip"),
    }


def tab(service: Service, shared: Shared) -> View:
    """Lays the tab out."""
    hint(strings.TAKE_HINT)
    title = gr.HTML(elem_id="take-about")
    files = downloads(service)
    buttons: dict[str, gr.DownloadButton] = {}
    with gr.Row(elem_id="take-files"):
        for key in files:
            buttons[key] = gr.DownloadButton(strings.DOWNLOADS[key], size="md", min_width=130, elem_id=f"take-{key}")
        cancel = gr.Button(strings.CANCEL, size="md", visible=False, min_width=130, elem_id="take-cancel")
    for key, download in files.items():
        connect(buttons[key], cancel, download, shared)
    hint(strings.SNIPPETS_HINT)
    codes: dict[str, gr.Code] = {}
    with gr.Tabs(elem_id="take-code"):
        for key, (language, _) in snippets.SNIPPETS.items():
            with gr.Tab(strings.SNIPPETS[key]):
                codes[key] = gr.Code(
                    language=language, label=strings.SNIPPETS[key], interactive=False, wrap_lines=True,
                    show_line_numbers=False, elem_id=f"take-code-{key}",
                )  # fmt: skip

    def draw(now: Focus) -> dict[Any, Any]:
        predictor, decision = service.predictors[now.model], now.result.decision
        query = snippets.Query(
            url=snippets.address(), photo=exports.photo_name(now.answer), expression=now.result.expression,
            model=now.model, weights=weights(now.model, predictor.source), threshold=decision.mask_threshold,
            regions=None if decision.regions == predictor.decision.regions else decision.regions,
        )  # fmt: skip
        drawn: dict[Any, Any] = {title: about(now)}
        drawn |= {codes[key]: write(query) for key, (_, write) in snippets.SNIPPETS.items()}
        some = now.result.present
        return drawn | {buttons[key]: gr.update(interactive=some or one.always) for key, one in files.items()}

    return View([title, *buttons.values(), *codes.values()], draw)


def weights(model: str, source: str) -> str:
    """What somebody else loads a model by: its Hub id, else its name, for folders here are nobody's business."""
    return model if not source or Path(source).exists() else source.partition("@")[0]


def connect(button: gr.DownloadButton, cancel: gr.Button, download: Download, shared: Shared) -> None:
    """A click makes the file, saying how far it is, and saves it; `cancel` ends what takes longer."""
    title = button.label

    def make(*inputs: Any) -> Iterator[dict[Any, Any]]:
        now = focus(*inputs)
        made = download.make(now)
        for step in [made] if isinstance(made, bytes) else made:
            if isinstance(step, bytes):
                file = save_bytes_to_cache(
                    step, exports.file_name(download.name, now, download.ending), button.GRADIO_CACHE
                )
                button.temp_files.add(file)  # so that it goes when it is stale, as Gradio's own files do
                yield {button: gr.update(value=file, label=title), cancel: gr.update(visible=False)}
            else:
                progress = strings.PROGRESS.format(title=title, done=100 * step)
                yield {button: gr.update(label=progress), cancel: gr.update(visible=True)}

    made = button.click(
        plainly(make), shared.inputs, [button, cancel], show_progress="minimal", show_progress_on=[button],
        concurrency_id="files", concurrency_limit=1, api_visibility="private",
    )  # fmt: skip
    made.success(None, button, button, js=SAVE, **HIDDEN)
    cancel.click(
        lambda: {button: gr.update(label=title), cancel: gr.update(visible=False)}, None, [button, cancel],
        cancels=[made], **HIDDEN,
    )  # fmt: skip
