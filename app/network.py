"""The proxies of a company's network or a VPN, which the environment names: for the Hub, not for the app itself."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

NAMES = ("NO_PROXY", "no_proxy")  # httpx reads either, urllib the second where both are there


@contextmanager
def without_proxies() -> Iterator[None]:
    """No proxy is used by what starts inside; afterwards the environment is as before.

    Gradio asks its own server something as it starts, and httpx would send that to the proxy. Of a SOCKS proxy httpx
    wants a package, `socksio`, as soon as a client is made, which importing Gradio does. Models from the Hub are loaded
    outside, through the proxy. Photos by URL never go through one: they are fetched from the very address that was
    found to be public (`app.fetch`).
    """
    before = {name: os.environ.get(name) for name in NAMES}
    os.environ.update(dict.fromkeys(NAMES, "*"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def serve() -> None:
    """Serves the page, as `app.serve.serve`, whatever proxies the environment names."""
    with without_proxies():
        from app.serve import serve  # here: it imports Gradio
    serve()
