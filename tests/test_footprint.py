"""The app as it is started: its memory after many questions, and that it doesn't grow."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gradio_client import Client, handle_file

ROOT = Path(__file__).resolve().parent.parent
PHOTOS = sorted((ROOT / "app" / "examples").glob("*.webp"))
QUESTIONS = ["man on the left", "a dog", "the red car", "woman in white", "the largest thing"]
FIRST, LAST = 10, 50  # questions after which the memory is compared

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs /proc")


@contextmanager
def started() -> Iterator[tuple[str, int]]:
    """`python app.py` as people run it: its address and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, "the app has ended"
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/", process.pid
    finally:
        process.terminate()
        process.wait()


def resident(pid: int) -> float:
    """Megabytes."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def test_the_app_stays_small() -> None:
    with started() as (address, pid):
        client = Client(address, verbose=False)
        sizes = {}
        for number in range(1, LAST + 1):
            photo, question = PHOTOS[number % len(PHOTOS)], QUESTIONS[number % len(QUESTIONS)]
            client.predict(handle_file(photo), question, api_name="/segment")
            if number in (FIRST, LAST):
                sizes[number] = resident(pid)
    assert sizes[LAST] < 1536
    assert sizes[LAST] - sizes[FIRST] < 100
