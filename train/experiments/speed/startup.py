"""How long it takes until something can be asked: imports, loading a model, the app."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
IMPORTS = {
    "import torch": "import torch",
    "import cefnet.Predictor": "from cefnet import Predictor",  # `import cefnet` alone leaves torch where it is
    "import it, load cefnet-acm": "from cefnet import Predictor; Predictor.from_pretrained('cefnet-acm', 'cpu')",
}
LONGEST = 120.0  # seconds that the app may take to answer


def startup(runs: int) -> list[dict[str, Any]]:
    """Seconds of fresh processes, medians: imports, a loaded model, the app with both models ready to answer."""
    seconds: dict[str, list[float]] = {name: [] for name in [*IMPORTS, "app ready"]}
    for _ in range(runs):
        for name, code in IMPORTS.items():
            seconds[name].append(_run(code))
        seconds["app ready"].append(_app())
    return [{"what": name, "seconds": statistics.median(values)} for name, values in seconds.items()]


def _run(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    return time.perf_counter() - start


def _app() -> float:
    start = time.perf_counter()
    with started():
        return time.perf_counter() - start


@contextmanager
def started() -> Iterator[tuple[str, int]]:
    """`python -m app` as people run it, from its first page on: models are loaded before it serves.

    Yields:
        Its address and the number of its process.

    Raises:
        ValueError: It ends, or doesn't answer within `LONGEST` seconds.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
    process = subprocess.Popen([sys.executable, "-m", "app"], cwd=ROOT, env=environment,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    address, end = f"http://127.0.0.1:{port}/", time.monotonic() + LONGEST
    try:
        while not _answers(address):
            if process.poll() is not None or time.monotonic() > end:
                raise ValueError(f"the app has ended, or did not answer within {LONGEST:.0f} seconds")
            time.sleep(0.05)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False
