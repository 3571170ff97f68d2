"""Errors as people see them: plain words, and nothing about the machine that the app runs on."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr

log = logging.getLogger(__name__)


def plain(message: str) -> gr.Error:
    """An error that is shown as it is (Gradio renders HTML, and `message` may quote what somebody typed)."""
    return gr.Error(escape(message, quote=False), print_exception=False)


def plainly(action: Callable) -> Callable:
    """`action` with its errors made plain; what is not meant for people goes to the log alone."""

    @functools.wraps(action)
    def wrapper(*args: Any) -> Any:
        try:
            return action(*args)
        except gr.Error:
            raise
        except ValueError as error:  # cefnet raises these with a text for people
            raise plain(str(error)) from None
        except Exception:
            log.exception("%s failed", action.__name__)
            raise plain("Something went wrong on the server; the details are in its log.") from None

    return wrapper
