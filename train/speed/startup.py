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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
IMPORTS = {
    "import torch": "import torch",
    "import cefnet": "import cefnet",
    "import cefnet, load cefnet-acm": "from cefnet import Predictor; Predictor.from_pretrained('cefnet-acm', 'cpu')",
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
    """From the start of `python app.py` to its first page; models are loaded before it serves."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = time.perf_counter()
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        while time.perf_counter() - start < LONGEST:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5):
                    return time.perf_counter() - start
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise ValueError(f"the app did not answer within {LONGEST:.0f} seconds")
    finally:
        process.terminate()
        process.wait()
