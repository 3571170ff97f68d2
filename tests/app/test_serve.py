"""How the page is served: bounded, closed to what would keep visitors' work, and quiet towards other hosts."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.utils import QueueError
from PIL import Image

from app.gradio_guard import forget
from app.publish import ROOT
from app.serve import launch


def wait(until: Callable[[], Any], seconds: float = 300) -> Any:
    """What `until` gives once it is true; a busy machine is no failure."""
    end = time.monotonic() + seconds
    while not (value := until()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return value


@contextmanager
def page(folder: Path, **options: Any) -> Iterator[SimpleNamespace]:
    """A small page served as the app is: `started` counts runs, which end when `go` is set."""
    go, started = threading.Event(), []

    def run(text: str) -> str:
        started.append(text)
        assert go.wait(300)
        return text.upper()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        with gr.Blocks(analytics_enabled=False, delete_cache=(1, 1)) as blocks:
            said, answer, photo = gr.Textbox(label="Said", elem_id="said"), gr.Textbox(), gr.Image()
            said.submit(run, said, answer, api_name="run", concurrency_limit=1)
            photo.change(lambda picture: None, photo, None, api_name="look")
        launch(blocks, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **options)
        url = blocks.local_url.rstrip("/")
        try:
            yield SimpleNamespace(url=url, blocks=blocks, go=go, started=started, folder=folder)
        finally:
            go.set()
            blocks.close(verbose=False)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[SimpleNamespace]:
    with page(tmp_path / "gradio", waiting=1) as served:
        yield served


def test_what_would_keep_or_show_visitors_work_is_closed(served: SimpleNamespace) -> None:
    api = f"{served.url}/gradio_api"
    for path in ("/runs", "/run-history/buckets", "/deep_link?session_hash=a", "/profiling/traces"):
        assert httpx.get(api + path).status_code == 404, path
    assert httpx.post(f"{api}/process_recording", files={"f": b"1"}).status_code == 404
    assert httpx.post(f"{api}/run-history/connect", json={}).status_code in (404, 405)
    for path in ("/monitoring", "/monitoring/summary", f"/monitoring/{served.blocks.app.analytics_key}"):
        assert httpx.get(served.url + path).status_code == 403, path
    assert httpx.get(f"{api}/vibe-code").status_code == 403
    assert httpx.get(served.url).status_code == 200  # the rest is open
    assert not list(served.folder.rglob("*.json"))


def test_only_the_examples_can_be_read(served: SimpleNamespace, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    for file in (secret, ROOT / "app" / "serve.py", ROOT / "weights" / "manifest.json"):
        assert httpx.get(f"{served.url}/gradio_api/file={file}").status_code == 403, file
    example = next((ROOT / "app" / "examples").glob("*.webp"))
    assert httpx.get(f"{served.url}/gradio_api/file={example}").content == example.read_bytes()


def test_who_comes_when_the_queue_is_full_is_told_so(served: SimpleNamespace) -> None:
    client = Client(served.url, verbose=False)
    first = client.submit("a", api_name="/run")
    wait(lambda: served.started == ["a"])
    second = client.submit("b", api_name="/run")
    wait(lambda: len(served.blocks._queue) == 1)
    with pytest.raises(QueueError, match="Queue is full"):
        client.predict("c", api_name="/run")
    called = httpx.post(f"{served.url}/gradio_api/call/run", json={"data": ["d"]})
    assert called.status_code == 503
    direct = httpx.post(f"{served.url}/gradio_api/run/run", json={"data": ["e"]})
    assert direct.status_code == 404  # no way past the queue
    served.go.set()
    assert (first.result(300), second.result(300)) == ("A", "B") and served.started == ["a", "b"]


def test_the_page_says_that_it_is_busy(served: SimpleNamespace, browser: Any) -> None:
    client = Client(served.url, verbose=False)
    jobs = [client.submit("a", api_name="/run")]
    wait(lambda: served.started == ["a"])
    jobs.append(client.submit("b", api_name="/run"))
    wait(lambda: len(served.blocks._queue) == 1)
    tab = browser.new_page()
    tab.goto(served.url)
    field = tab.get_by_label("Said")
    field.fill("c")
    field.press("Enter")
    tab.get_by_text("currently busy. Please try again").wait_for(timeout=60_000)
    tab.close()


def test_what_an_idle_visitor_typed_is_forgotten(tmp_path: Path) -> None:
    with page(tmp_path / "gradio", kept=1) as served:
        served.go.set()
        client = Client(served.url, verbose=False)
        assert client.predict("a secret", api_name="/run") == "A SECRET"
        holder = served.blocks.app.state_holder
        wait(lambda: not holder.session_data and not holder.time_last_used)
        assert client.predict("b", api_name="/run") == "B"  # who comes back is served


def test_who_is_not_idle_is_not_forgotten(served: SimpleNamespace) -> None:
    served.go.set()
    Client(served.url, verbose=False).predict("a", api_name="/run")
    holder = served.blocks.app.state_holder
    forget(holder, kept=60)
    assert len(holder.session_data) == 1
    forget(holder, kept=0)
    assert not holder.session_data


def test_no_list_of_who_ran_what_is_kept(served: SimpleNamespace) -> None:
    client = Client(served.url, verbose=False)
    served.go.set()
    for text in "abc":
        client.predict(text, api_name="/run")
    assert len(served.blocks._queue.event_analytics) <= 1


def test_an_upload_is_gone_after_its_time(served: SimpleNamespace, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "photo.png")
    files = {"files": (tmp_path / "photo.png").read_bytes()}
    (path,) = httpx.post(f"{served.url}/gradio_api/upload", files=files).json()
    assert served.folder in Path(path).parents
    Client(served.url, verbose=False).predict(handle_file(str(tmp_path / "photo.png")), api_name="/look")
    wait(lambda: not [file for file in served.folder.rglob("*") if file.is_file()])


def test_no_other_host_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def spy(host: Any, *rest: Any, **options: Any) -> Any:
        asked.append(host)
        return look_up(host, *rest, **options)

    def spy_connect(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            asked.append(address[0])
        return connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", spy)
    monkeypatch.setattr(socket.socket, "connect", spy_connect)
    with page(tmp_path / "gradio") as served:
        served.go.set()
        call = f"{served.url}/gradio_api/call/run"  # the Python client would report to its makers
        event = httpx.post(call, json={"data": ["a"]}).json()["event_id"]
        assert 'data: ["A"]' in httpx.get(f"{call}/{event}", timeout=90).text
    assert asked and {str(host) for host in asked} <= {"127.0.0.1", "localhost", "::1"}


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_app_writes_nothing_but_its_temporary_files(
    tiny_checkpoint: Path, tmp_path: Path, stop: signal.Signals
) -> None:
    home, temporary, photo = tmp_path / "home", tmp_path / "temporary", tmp_path / "photo.png"
    home.mkdir()
    temporary.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)).save(photo)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1",
        "HOME": str(home), "TMPDIR": str(temporary), "CEFNET_MODELS": f"tiny={tiny_checkpoint}",
        "GRADIO_SERVER_PORT": str(port), "GRADIO_RUN_HISTORY": "True", "GRADIO_ANALYTICS_ENABLED": "True",
    }  # fmt: skip
    log = (tmp_path / "log").open("w+")
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # which background jobs of a shell ignore
    command = [sys.executable, "-m", "app"]
    process = subprocess.Popen(command, cwd=home, env=environment, stdout=log, stderr=log, preexec_fn=heed)
    try:
        url = f"http://127.0.0.1:{port}"
        wait(lambda: process.poll() is not None or answers(url))
        client = Client(url, verbose=False)
        result = client.predict(handle_file(str(photo)), "red dog", api_name="/segment")
        assert result[0]["expression"] == "red dog"
        assert [file for file in temporary.rglob("*.png")]
    finally:
        process.send_signal(stop)
        process.wait(120)
    log.seek(0)
    assert "Traceback" not in log.read()
    assert {file.name[:8] for file in home.rglob("*") if file.is_file()} <= {"fontlist"}  # matplotlib's own
    assert not [file for file in temporary.rglob("*") if file.is_file()]  # with a client still connected


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False
