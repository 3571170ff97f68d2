"""Photos by URL: from public addresses alone, within a size and a time. Gradio has neither of the two limits."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import tempfile
from pathlib import Path

import gradio as gr
import httpx
from safehttpx import AsyncSecureTransport

from app import strings
from app.errors import plain
from app.limits import FILE

log = logging.getLogger(__name__)

SECONDS = 10.0  # whoever asks for it holds up the models' queue meanwhile
REDIRECTS = 5


def bounded(component: gr.Image) -> gr.Image:
    """`component`, which fetches photos by URL with `fetch`."""
    move = component.async_move_resource_to_block_cache

    async def wrapper(source: str | Path | None) -> str | None:
        if not str(source).startswith(("http://", "https://")):
            return await move(source)
        path = await fetch(str(source), Path(component.GRADIO_CACHE))
        component.temp_files.add(path)  # removed as uploads are
        return path

    component.async_move_resource_to_block_cache = wrapper  # type: ignore[method-assign, assignment]
    return component


async def fetch(url: str, folder: Path, seconds: float = SECONDS, most: int = FILE) -> str:
    """Downloads `url` to a file within `folder`, and gives its path.

    Args:
        url: Http or https, of a public address, as are those it leads on to.
        folder: Made if need be.
        seconds: For all of it.
        most: Bytes.

    Raises:
        gr.Error: It can't be had.
    """
    try:
        async with asyncio.timeout(seconds):
            content = await download(url, most)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, ValueError) as error:
        log.info("a photo's URL gives nothing: %r", error)
        raise plain(strings.API_URL.format(size=FILE // 10**6, seconds=SECONDS)) from None
    return stored(content, folder)


def stored(content: bytes, folder: Path) -> str:
    """The path of a new file with `content`, within `folder`, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(dir=folder), "photo")
    path.write_bytes(content)
    return str(path)


async def download(url: str, most: int) -> bytes:
    """The content behind `url`; a ValueError where it is not public, too large, or redirects too often."""
    for _ in range(REDIRECTS + 1):
        target = httpx.URL(url)
        if target.scheme not in ("http", "https"):
            raise ValueError(f"{target.scheme} is no scheme of a photo")
        transport = AsyncSecureTransport(await public_address(target.host))
        async with httpx.AsyncClient(transport=transport, headers={"Accept-Encoding": "identity"}) as client:
            async with client.stream("GET", url) as response:
                if response.has_redirect_location:
                    url = str(target.join(response.headers["Location"]))
                    continue
                response.raise_for_status()
                content = bytearray()
                async for part in response.aiter_raw():
                    content += part
                    if len(content) > most:
                        raise ValueError("too large")
                return bytes(content)
    raise ValueError("too many redirects")


async def public_address(host: str) -> str:
    """An address of `host` that is on the public internet, to which the connection is then bound."""
    for *_, (address, *_) in await asyncio.get_running_loop().getaddrinfo(host, None):
        found = ipaddress.ip_address(str(address).partition("%")[0])
        if found.is_global and not (found.is_multicast or found.is_reserved):
            return str(found)
    raise ValueError("no public address")
