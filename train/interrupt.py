"""SIGTERM, as job systems and `kill` send it, ends a run between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STATUS = 128 + signal.SIGTERM  # exit status of a run that was told to stop: 143


@contextmanager
def on_sigterm() -> Iterator[Callable[[], bool]]:
    """Inside, SIGTERM only makes the given function return True; to be used in the main thread."""
    asked = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGTERM, before)


def ignore_sigterm(_worker: int) -> None:
    """For the processes that read data: job systems signal all processes, and the step needs its batch."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
