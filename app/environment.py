"""What the environment says: which models answer, and the proxies of a company's network or a VPN."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

DEFAULT_MODELS = {"cefnet-vcm": "cefnet-vcm", "cefnet-acm": "cefnet-acm"}
NO_PROXY = ("NO_PROXY", "no_proxy")  # httpx reads either, urllib the second where both are there


def models_from_environment() -> dict[str, str]:
    """Names and sources of the models, from CEFNET_MODELS="name=folder,name=folder" or the shipped two.

    Raises:
        ValueError: It is written otherwise.
    """
    text = os.environ.get("CEFNET_MODELS", "").strip()
    if not text:
        return dict(DEFAULT_MODELS)
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if any(not (name.strip() and source.strip()) for name, _, source in pairs):
        raise ValueError(f"CEFNET_MODELS is {text!r}: write it as name=folder,name=folder")
    return {name.strip(): source.strip() for name, _, source in pairs}


@contextmanager
def without_proxies() -> Iterator[None]:
    """No proxy is used by what starts inside; afterwards the environment is as before.

    Gradio asks its own server something as it starts, and httpx would send that to the proxy. Of a SOCKS proxy httpx
    wants a package, `socksio`, as soon as a client is made, which importing Gradio does. Models from the Hub are loaded
    outside, through the proxy. Photos by URL never go through one: they are fetched from the very address that was
    found to be public (`app.fetch`).
    """
    before = {name: os.environ.get(name) for name in NO_PROXY}
    os.environ.update(dict.fromkeys(NO_PROXY, "*"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
