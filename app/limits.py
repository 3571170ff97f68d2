"""What a request may take: the size of its body and room on the disk; and what is closed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from gradio.utils import get_upload_folder
from starlette._utils import get_route_path
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FILE = 30 * 10**6  # bytes of a photo
BODY = 10**6  # bytes of anything else: Gradio reads all of a request into memory before it looks at it
INLINE = 8 * 10**6  # bytes of a call with a photo in base64, which waits in memory for its turn; others are uploaded
BODIES = {
    "/gradio_api/upload": FILE + BODY,
    "/gradio_api/mcp": FILE * 4 // 3 + BODY,  # files in base64
    "/gradio_api/call": INLINE,
    "/gradio_api/queue/join": INLINE,
}
ROOM = 4 * 10**9  # bytes of visitors' files and answers on the disk
CLOSED = (
    # would write visitors' answers and recordings to disk, where `delete_cache` doesn't look
    "/gradio_api/deep_link", "/gradio_api/process_recording",
    # would fetch pages of other hosts for whoever asks
    "/gradio_api/file=http", "/gradio_api/file/http", "/gradio_api/proxy=",
)  # fmt: skip


class TooLarge(Exception):
    """A request's body is larger than its path allows."""


class Limited:
    """Refuses, in plain words, what is closed, what is too large, and uploads while `room` is used up."""

    def __init__(self, app: ASGIApp, room: int = ROOM) -> None:
        self.app, self.room = app, room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, started = get_route_path(scope), False
        most = next((size for prefix, size in BODIES.items() if path.startswith(prefix)), BODY)

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        refusal = await self.refusal(scope, most)
        if refusal is None:
            try:
                await self.app(scope, counted(receive, most), noted)
            except TooLarge:
                refusal = too_large(most)
        if refusal is not None and not started:
            await refusal(scope, receive, send)

    async def refusal(self, scope: Scope, most: int) -> PlainTextResponse | None:
        """The answer to what can be refused before its body is read."""
        path = get_route_path(scope)  # without GRADIO_ROOT_PATH, which a proxy may leave before it
        if path.startswith(CLOSED):
            return PlainTextResponse("Not found", status_code=404)
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length[:20]) > most:
            return too_large(most)
        if scope["method"] == "POST" and path.startswith("/gradio_api/upload"):
            files = await asyncio.to_thread(kept, Path(get_upload_folder()))
            if sum(size for _, size, _ in files) > self.room:
                return PlainTextResponse("The server's disk is full. Please try again in a minute.", status_code=507)
        return None


def counted(receive: Receive, most: int) -> Receive:
    """`receive`, which raises `TooLarge` beyond `most` bytes: of a chunked body no header says how long it is."""
    seen = 0

    async def wrapper() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise TooLarge
        return message

    return wrapper


def too_large(most: int) -> PlainTextResponse:
    """The answer to a body of more than `most` bytes."""
    text = f"The request is too large: at most {most:,} bytes here, {FILE:,} a photo."
    return PlainTextResponse(text, status_code=413, headers={"Connection": "close"})


def make_room(folder: Path, most: int = ROOM) -> None:
    """Removes the oldest files in `folder` until all take at most `most` bytes."""
    files = sorted(kept(folder))
    over = sum(size for _, size, _ in files) - most
    for _, size, path in files:
        if over <= 0:
            return
        path.unlink(missing_ok=True)
        over -= size


def kept(folder: Path) -> list[tuple[float, int, Path]]:
    """Time of the last change, size in bytes and path of every file in `folder`, which others may be emptying."""
    found = []
    for at, _, names in os.walk(folder):
        for name in names:
            path = Path(at, name)
            try:
                status = path.lstat()
            except OSError:  # gone by now
                continue
            found.append((status.st_mtime, status.st_size, path))
    return found
