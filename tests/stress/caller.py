"""A client of the app's API that keeps to HTTP, and what it asks."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
from PIL import Image

WAIT = 600  # seconds for one answer; a busy machine is no failure


@dataclass(frozen=True)
class Question:
    """A photo that was uploaded, and an expression."""

    path: str
    expression: str

    def body(self) -> dict[str, Any]:
        """What the endpoint takes."""
        photo = {"path": self.path, "meta": {"_type": "gradio.FileData"}}
        return {"data": [photo, self.expression, None, None, None, None, None, None, None]}


class Caller:
    """One client of the API at `url`."""

    def __init__(self, url: str) -> None:
        self.api = f"{url.rstrip('/')}/gradio_api"
        self.http = httpx.Client(timeout=WAIT)

    def upload(self, png: bytes) -> str:
        """The path of a photo on the server."""
        return self.http.post(f"{self.api}/upload", files={"files": ("photo.png", png)}).raise_for_status().json()[0]

    def submit(self, question: Question) -> str | None:
        """The event of a question; None where the server says that it is busy."""
        response = self.http.post(f"{self.api}/call/segment", json=question.body())
        return None if response.status_code == 503 else response.raise_for_status().json()["event_id"]

    def fetch(self, event: str) -> str:
        """What the server says to an event: the answer's fingerprint, or the text of the error."""
        with self.http.stream("GET", f"{self.api}/call/segment/{event}") as stream:
            text = "".join(stream.iter_text())
        kind, data = text.rsplit("event: ", 1)[1].split("\n", 1)
        told = json.loads(data.removeprefix("data: "))
        return fingerprint(told[0]) if kind == "complete" else f"error: {told}"

    def quit(self, event: str) -> None:
        """Hangs up before the answer."""
        with self.http.stream("GET", f"{self.api}/call/segment/{event}"):
            pass

    def ask(self, question: Question, busy: Callable[[], None] = lambda: None) -> str:
        """The answer, once the server has time for it."""
        while (event := self.submit(question)) is None:
            busy()
            time.sleep(0.2)
        return self.fetch(event)


def fingerprint(answer: dict[str, Any]) -> str:
    """Two answers have the same one if expression and mask are the same, pixel by pixel."""
    kept = [answer["expression"], answer["present"], round(answer["score"], 4), answer["mask"]]
    return hashlib.sha256(json.dumps(kept).encode()).hexdigest()


def photo(seed: int) -> bytes:
    """A PNG of coloured blocks, unlike that of any other seed."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(200, 500, 2)
    blocks = Image.fromarray(rng.integers(0, 256, (5, 7, 3), np.uint8))
    file = io.BytesIO()
    blocks.resize((int(width), int(height)), Image.Resampling.BICUBIC).save(file, "PNG")
    return file.getvalue()
