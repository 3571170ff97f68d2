"""The same question as code to copy: this app's API from Python and from a shell, and the library."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import gradio as gr
from gradio.context import LocalContext
from gradio.route_utils import get_root_url

LOCAL = "http://127.0.0.1:7860"


@dataclass(frozen=True)
class Query:
    """What a snippet asks.

    Attributes:
        url: Of the app, without a slash at its end.
        photo: Name of the file.
        expression: As typed.
        model: Name of the model.
        weights: What `Predictor.from_pretrained` takes for it.
        threshold: Of the mask, 0..1.
        regions: Which of several regions are the mask, "one", "all" or "auto"; None: as the model has it.
    """

    url: str
    photo: str
    expression: str
    model: str
    weights: str
    threshold: float
    regions: str | None = None

    @property
    def decided(self) -> dict[str, float | str]:
        """How the mask is decided, by the names that the API and `Result` share."""
        chosen = {} if self.regions is None else {"regions": self.regions}
        return {"mask_threshold": round(self.threshold, 6), **chosen}


def client(query: Query) -> str:
    """Python, asking this app."""
    decided = "".join(f"    {name}={value!r},\n" for name, value in query.decided.items())
    return f"""from gradio_client import Client, handle_file  # pip install gradio_client

client = Client({query.url!r})
answer, mask, overlay = client.predict(
    handle_file({query.photo!r}),
    {query.expression!r},
    model={query.model!r},
{decided}    api_name="/segment",
)
print(answer["present"], answer["score"], answer["box"])
print(mask)  # a PNG of 0 and 255, as large as the photo
"""


def library(query: Query) -> str:
    """Python, without this app."""
    decided = ", ".join(f"{name}={value!r}" for name, value in query.decided.items())
    return f"""from cefnet import Predictor

predictor = Predictor.from_pretrained({query.weights!r})
photo = predictor.encode({query.photo!r})
result = predictor.segment(photo, {query.expression!r})
result = result.decided({decided})
print(result.present, result.score, result.box)
print(result.mask.shape)  # height x width, bool
"""


def curl(query: Query) -> str:
    """A shell: send the photo, ask, wait for the answer."""
    name = query.photo.replace("\\", "\\\\").replace('"', '\\"')
    body = {
        "photo": {"path": "FILE", "meta": {"_type": "gradio.FileData"}},
        "expression": query.expression,
        "model": query.model,
        **query.decided,
    }
    data = shlex.quote(json.dumps(body)).replace("FILE", "'\"$FILE\"'", 1)  # the first is the photo's own
    form = shlex.quote(f'files=@"{name}"')
    return f"""URL={shlex.quote(query.url + "/gradio_api")}
FILE=$(curl -s "$URL/upload" -F {form} | cut -d '"' -f 2)
EVENT=$(curl -s "$URL/call/v2/segment" -H 'Content-Type: application/json' \\
  -d {data} | cut -d '"' -f 4)
curl -sN "$URL/call/segment/$EVENT"
"""


SNIPPETS: dict[str, tuple[Literal["python", "shell"], Callable[[Query], str]]] = {  # name -> language, text
    "client": ("python", client),
    "curl": ("shell", curl),
    "library": ("python", library),
}


def address() -> str:
    """Where the visitor reaches this app, proxies included; `LOCAL` outside of an event."""
    asked: gr.Request | None = LocalContext.request.get(None)
    request = getattr(asked, "request", None)
    if request is None:
        return LOCAL
    return get_root_url(request, request.url.path, request.scope.get("root_path"))
