"""Errors as people see them: plain words, and nothing about the machine that the app runs on."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    def call(*args: Any) -> Any:
        with in_plain_words(action.__name__):
            return action(*args)

    @functools.wraps(action)
    def steps(*args: Any) -> Any:
        with in_plain_words(action.__name__):
            yield from action(*args)

    return steps if inspect.isgeneratorfunction(action) else call


@contextmanager
def in_plain_words(name: str) -> Iterator[None]:
    """Errors of what `name` does, made plain."""
    try:
        yield
    except gr.Error:
        raise
    except ValueError as error:  # cefnet raises these with a text for people
        raise plain(str(error)) from None
    except Exception:
        log.exception("%s failed", name)
        raise plain("Something went wrong on the server; the details are in its log.") from None
