"""SIGTERM, as job systems and `kill` send it, ends a run between two steps."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STATUS = 128 + signal.SIGTERM  # exit status of a run that was told to stop: 143


@contextmanager
def on_sigterm() -> Iterator[Callable[[], bool]]:
    """Inside, SIGTERM only makes the given function return True; other threads hear of none."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def ended_by_sigterm(advice: str) -> Iterator[None]:
    """Inside, SIGTERM ends the process at once; for what has nothing to save.

    Args:
        advice: What is printed.

    Raises:
        SystemExit: With status 143.
    """

    def end(*_: object) -> None:
        print(advice, file=sys.stderr)
        sys.exit(STATUS)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def ignore_sigterm(_worker: int) -> None:
    """For the processes that read data: job systems signal all processes, and the step needs its batch."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
