"""The API as an MCP client meets it, and that the MCP server is off unless asked for."""

import asyncio
import base64
import importlib.util
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from app_fixture import NAMES, served

from app import api, strings
from app.service import Service


def test_the_mcp_server_is_off_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CEFNET_MCP", raising=False)
    assert api.mcp_server() is False
    monkeypatch.setenv("CEFNET_MCP", "yes")
    with pytest.raises(ValueError, match="'yes'; set it to 1"):
        api.mcp_server()


@pytest.mark.parametrize("installed", [True, False])
def test_a_missing_package_of_the_mcp_server_is_said(monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    monkeypatch.setenv("CEFNET_MCP", "1")
    monkeypatch.setattr(api.importlib.util, "find_spec", lambda name: object() if installed else None)
    if installed:
        assert api.mcp_server() is True
        return
    with pytest.raises(ValueError, match=r"pip install '\.\[mcp\]'"):
        api.mcp_server()


def test_the_tools_are_the_three_endpoints(
    app_service: Service, wide_photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec("mcp") is None:
        reason = "needs the extra mcp of pyproject.toml"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    monkeypatch.setattr("gradio.mcp.DEFAULT_TEMP_DIR", str(tmp_path))
    file = f"data:image/jpeg;base64,{base64.b64encode(wide_photo.read_bytes()).decode()}"

    async def progress(*_: Any) -> None:
        pass

    async def talk(url: str) -> tuple[Any, Any, Any]:
        async with streamable_http_client(f"{url}gradio_api/mcp/") as (read, write, _):
            async with ClientSession(read, write) as session:
                await session.initialize()
                question = {"photo": file, "expression": "red dog", "mask_threshold": 0.5}
                # without a wish for progress, Gradio 6.31 gives all outputs as one text
                answer = await session.call_tool("segment", question, progress_callback=progress)
                refused = await session.call_tool("segment", {**question, "expression": ""})
                return await session.list_tools(), answer, refused

    with served(app_service, tmp_path, mcp_server=True) as blocks:
        with ThreadPoolExecutor(1) as thread:  # the browser's tests have an event loop in this one
            tools, answer, refused = thread.submit(asyncio.run, talk(blocks.local_url)).result()
    tools = {tool.name: tool for tool in tools.tools}
    assert sorted(tools) == ["compare", "explain", "segment"]
    properties = tools["segment"].inputSchema["properties"]
    assert "upright" in properties["photo"]["description"] and properties["model"]["enum"] == list(NAMES)
    assert tools["segment"].inputSchema["required"] == ["photo", "expression"]
    assert not answer.isError and sum(part.type == "image" for part in answer.content) == 2
    assert any("red dog" in part.text and "score" in part.text for part in answer.content if part.type == "text")
    assert refused.isError and strings.API_NO_EXPRESSION in refused.content[0].text
