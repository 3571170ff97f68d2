"""How the page is served: bounded, with nothing recorded, shared or fetched from elsewhere.

What Gradio keeps or sends unless told otherwise, and what is done about it, is in docs/hosting.md.
"""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from app.environment import models_from_environment, without_proxies
from app.gradio_guard import forgetting, keep_no_log
from app.limits import FILE, ROOM, Limited
from app.page import STALE
from app.service import Service

HERE = Path(__file__).parent
SYSTEM_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
WAITING = 24  # events that may wait, of all visitors together; who comes next is told that the app is busy
SIDE_BY_SIDE = 4  # of one kind of event, where it names no limit of its own: redrawing is light
VISITORS = 200  # whose answers are kept; those of the longest idle one go first


def serve() -> None:
    """Load the models and serve the page; address and port by GRADIO_SERVER_NAME and GRADIO_SERVER_PORT.

    CEFNET_MCP=1 adds an MCP server (see `app.api`).
    """
    from app.api import mcp_server  # here: the page is not needed to launch another one
    from app.ui import build

    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        tools = mcp_server()
        service = Service.load(models_from_environment())
    except (RuntimeError, ValueError) as error:
        raise SystemExit(str(error)) from None
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stop from outside cleans up like Ctrl-C
    with tempfile.TemporaryDirectory(prefix="cefnet-", ignore_cleanup_errors=True) as folder:
        os.environ.setdefault("GRADIO_TEMP_DIR", folder)  # Gradio leaves files behind where a visitor is connected
        with without_proxies():
            launch(build(service), mcp_server=tools)


def launch(blocks: gr.Blocks, waiting: int = WAITING, kept: float = STALE, room: int = ROOM, **options: Any) -> Any:
    """Start the server.

    Args:
        blocks: The page, made with `analytics_enabled=False` and a `delete_cache`.
        waiting: How many events may wait.
        kept: Seconds after which idle visitors are forgotten.
        room: Bytes of visitors' files, beyond which the oldest go.
        options: More of `gr.Blocks.launch`.

    Returns:
        As `gr.Blocks.launch`.
    """
    blocks.queue(max_size=waiting, api_open=False, default_concurrency_limit=SIDE_BY_SIDE)
    keep_no_log(blocks)
    return blocks.launch(
        theme=theme(),
        css_paths=HERE / "style.css",
        allowed_paths=[str(HERE / "examples")],
        share=False,
        show_error=False,
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        footer_links=["api"],
        max_file_size=FILE,
        state_session_capacity=VISITORS,
        app_kwargs={"middleware": [Middleware(Limited, room=room)], "lifespan": forgetting(kept, room)},
        **options,
    )


def theme() -> gr.themes.Base:
    """One accent (style.css has that of the dark), fonts that every system has; text has a contrast of 4.5 or more."""
    return gr.themes.Default(
        primary_hue="indigo",
        neutral_hue="slate",
        radius_size="lg",
        font=SYSTEM_FONTS,
        font_mono=["monospace"],
    ).set(
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        color_accent="*primary_600",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
    )
