"""All that leans on how Gradio 6.31 works inside: to be read again when its version changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import BlockFunction
from gradio.queueing import Queue
from gradio.state_holder import StateHolder
from gradio.utils import get_upload_folder

from app.limits import make_room


class Blocks(gr.Blocks):
    """A page whose API goes on answering calls that were written when an endpoint took fewer values."""

    def validate_inputs(self, block_fn: BlockFunction, inputs: list[Any]) -> None:
        """Gives the values that a call lacks at its end, as gradio_client does; Gradio alone refuses without a word."""
        if inputs:
            inputs.extend(getattr(component, "value", None) for component in block_fn.inputs[len(inputs) :])
        super().validate_inputs(block_fn, inputs)


def keep_no_log(blocks: gr.Blocks) -> None:
    """Gradio keeps a log of who ran what when, even without monitoring: of one event, from now on."""
    blocks._queue.ANALYTICS_MAX_EVENTS = 1


def forgetting(kept: float, room: int) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """What runs beside the server, every minute: those idle for `kept` seconds are forgotten, the disk is kept free."""

    async def sweep(app: Any) -> None:
        while True:
            forget(app.state_holder, kept)
            forget_events(app.get_blocks()._queue)
            await asyncio.to_thread(make_room, Path(get_upload_folder()), room)
            await asyncio.sleep(min(60, kept))

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        task = asyncio.create_task(sweep(app))
        yield
        task.cancel()

    return lifespan


def forget(holder: StateHolder, kept: float) -> None:
    """Drops sessions idle for `kept` seconds. Gradio empties their states, and keeps what was typed and shown."""
    now = datetime.now()
    for session, used in list(holder.time_last_used.items()):
        if (now - used).total_seconds() > kept:
            holder.delete_state(session)
            with holder.lock:
                holder.session_data.pop(session, None)
                holder.time_last_used.pop(session, None)


def forget_events(queue: Queue) -> None:
    """Drops what is kept of callers who have their answers, or were pushed out by 2000 others; Gradio keeps it all."""
    for session, events in list(queue.pending_event_ids_session.items()):
        if not events or session not in queue.pending_messages_per_session:
            queue.pending_event_ids_session.pop(session, None)
            queue.pending_messages_per_session.pop(session, None)
