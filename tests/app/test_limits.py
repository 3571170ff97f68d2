"""What a caller may take of the server: bodies, room on the disk, photos by URL, other people's pages and files."""

import asyncio
import os
import socket
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import httpx
import numpy as np
import pytest
from PIL import Image

from app import api, fetch, strings
from app.gradio_guard import forget_events
from app.limits import BODY, FILE, INLINE, make_room
from app.publish import ROOT
from app.serve import launch
from app.service import Service

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
META = {"_type": "gradio.FileData"}


@pytest.fixture(scope="module")
def served(app_service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    folder = tmp_path_factory.mktemp("gradio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        with gr.Blocks(analytics_enabled=False, delete_cache=(3600, 3600)) as blocks:
            api.endpoints(app_service)
        launch(blocks, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", room=10**6)
        url = blocks.local_url.rstrip("/")
        yield SimpleNamespace(url=url, api=f"{url}/gradio_api", folder=folder, blocks=blocks)
        blocks.close(verbose=False)


def ask(served: SimpleNamespace, photo: Any, expression: Any = "red dog", endpoint: str = "segment") -> str:
    """What the API says to a question, whatever its answer."""
    call = f"{served.api}/call/{endpoint}"
    response = httpx.post(
        call, json={"data": [photo, expression, "cefnet-vcm", None, None, None, None, None, None]}, timeout=60
    )
    if response.status_code != 200:
        return response.text
    return httpx.get(f"{call}/{response.json()['event_id']}", timeout=60).text


def upload(served: SimpleNamespace, tmp_path: Path, name: str = "photo.png") -> str:
    Image.fromarray(PICTURE).save(tmp_path / "photo.png")
    files = {"files": (name, (tmp_path / "photo.png").read_bytes())}
    response = httpx.post(f"{served.api}/upload", files=files, timeout=60)
    assert response.status_code == 200, response.text
    return response.json()[0]


def test_bodies_are_bounded(served: SimpleNamespace) -> None:
    limits = dict.fromkeys(("/queue/join", "/call/segment", "/call/v2/segment"), INLINE)  # a photo in base64
    for path, most in (limits | dict.fromkeys(("/component_server", "/cancel", "/nothing"), BODY)).items():
        response = httpx.post(f"{served.api}{path}", content=b" " * (most + 1), timeout=60)
        assert response.status_code == 413 and f"at most {most:,} bytes" in response.text, path
    response = httpx.post(f"{served.api}/upload", files={"files": b" " * (FILE + BODY)}, timeout=60)
    assert response.status_code == 413
    response = httpx.post(f"{served.api}/upload", files=[("files", b" " * (FILE - 10))], timeout=60)
    assert response.status_code == 200
    for file in served.folder.rglob("*"):
        file.is_file() and file.unlink()


def test_a_body_without_a_length_is_counted(served: SimpleNamespace) -> None:
    parts = (b"a" * 10_000 for _ in range(10 * BODY // 10_000))
    response = httpx.post(f"{served.api}/call/segment", content=parts, timeout=60)
    assert response.status_code in (400, 413)


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 400, "0x10"])
def test_a_length_that_is_none_is_refused(served: SimpleNamespace, length: str) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as raw:
        head = f"POST /gradio_api/call/segment HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
        raw.sendall(head.encode() + b"{}")
        assert raw.recv(100).split()[1] in (b"400", b"413")
    assert httpx.get(f"{served.url}/config").status_code == 200


def test_a_full_disk_is_said_and_cleared(served: SimpleNamespace, tmp_path: Path) -> None:
    (served.folder / "old").write_bytes(bytes(10**6 + 1))
    os.utime(served.folder / "old", (0, 0))
    response = httpx.post(f"{served.api}/upload", files={"files": b"1"}, timeout=60)
    assert response.status_code == 507 and "try again in a minute" in response.text
    make_room(served.folder, 10**6)  # what happens every minute
    assert not (served.folder / "old").exists()
    assert '"score"' in ask(served, {"path": upload(served, tmp_path), "meta": META})


def test_the_oldest_files_go_first(tmp_path: Path) -> None:
    for age, name in enumerate(("newest", "middle", "a/oldest")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    make_room(tmp_path, 300)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 3
    make_room(tmp_path, 150)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["newest"]
    make_room(tmp_path / "nothing")


def test_callers_who_have_their_answers_are_forgotten(served: SimpleNamespace, tmp_path: Path) -> None:
    photo = {"path": upload(served, tmp_path), "meta": META}
    queue = served.blocks._queue
    ask(served, photo)
    call = httpx.post(
        f"{served.api}/call/segment", json={"data": [photo, "dog", None, None, None, None, None, None, None]}
    ).json()
    forget_events(queue)
    assert set(queue.pending_event_ids_session) == {call["event_id"]}  # still to be fetched
    assert '"score"' in httpx.get(f"{served.api}/call/segment/{call['event_id']}", timeout=60).text
    forget_events(queue)
    assert not queue.pending_event_ids_session and not queue.pending_messages_per_session


# Patterns of Gradio's published advisories: reading the server's files, fetching for others, script in uploads


@pytest.mark.parametrize("way", [
    "/file={0}", "/file=./{0}", "/file=//{0}", "/file={1}/../{0}", "/file={1}/..%2f..%2f..{0}", "/file=file://{0}",
    "/file=%2e%2e/%2e%2e{0}", "/file={0}%00.png", "/file/{0}", "/file=\\\\localhost\\c$", "/proxy=file://{0}",
    "/custom_component/x/client/component/..%2f..%2f{0}", "/stream/x/0/0/{0}", "/file=.env", "/file=app.py",
])  # fmt: skip
def test_no_path_reads_a_file_of_the_server(served: SimpleNamespace, way: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    for target in (str(secret), "/etc/passwd", str(ROOT / "README.md")):
        for base in (served.api, served.url):
            response = httpx.get(base + way.format(target, served.folder), follow_redirects=False)
            text = response.text
            assert "the secret" not in text and "root:" not in text and "sdk: gradio" not in text
            assert response.status_code in (200, 400, 403, 404, 405, 422, 500) and "location" not in response.headers
    for way in ("/static/../../../../..{0}", "/static/%2e%2e/%2e%2e{0}", "/assets/..%2f..%2f..{0}", "/svelte/..%2f{0}"):
        response = httpx.get(served.url + way.format("/etc/passwd"))
        assert "root:" not in response.text


@pytest.mark.parametrize("photo", [
    {"path": "/etc/passwd", "meta": META}, {"path": "/etc/passwd"}, "/etc/passwd", ["/etc/passwd"],
    {"path": "/etc/passwd", "url": "http://127.0.0.1/x", "meta": META}, {"path": "file:///etc/passwd", "meta": META},
    {"path": "/gradio_api/file=/etc/passwd", "meta": META}, {"path": "../../etc/passwd", "meta": META},
    {"path": "/proc/self/environ", "meta": META}, {"path": "/etc/passwd\0.png", "meta": META},
    {"path": "/etc/passwd", "is_stream": True, "meta": META}, {"path": "a" * 10_000, "meta": META},
    {"path": None, "url": "/etc/passwd", "meta": META}, {"path": {"path": "/etc/passwd", "meta": META}, "meta": META},
    {"path": str(ROOT / "app" / "serve.py"), "meta": META}, 5, True, [], {}, {"path": "", "meta": META},
])  # fmt: skip
def test_no_question_reads_a_file_of_the_server(served: SimpleNamespace, photo: Any) -> None:
    for endpoint in ("segment", "compare", "explain"):
        told = ask(served, photo, endpoint=endpoint)
        assert "event: complete" not in told and "root:" not in told and str(ROOT) not in told


def test_a_question_is_no_way_to_have_a_file_copied(served: SimpleNamespace) -> None:
    """CVE-2024-1728, -4941: a path in another field than the photo's, which would be put where it can be fetched."""
    ask(served, None, {"path": "/etc/passwd", "meta": META})
    assert not [path for path in served.folder.rglob("*") if path.is_file() and b"root:" in path.read_bytes()]
    body = {"component_id": 1, "fn_name": "move_resource_to_block_cache", "session_hash": "a", "data": "/etc/passwd"}
    for number in range(30):  # CVE-2024-1561
        response = httpx.post(f"{served.api}/component_server", json={**body, "component_id": number})
        assert response.status_code in (404, 500) and "root:" not in response.text


@pytest.mark.parametrize("name", ["../../escaped.png", "/tmp/escaped.png", "a/../../escaped.png", "..\\escaped.png",
                                  "escaped\0.png", "a" * 300, "", ".", "~", "CON:escaped.png"])  # fmt: skip
def test_an_upload_stays_in_its_folder(served: SimpleNamespace, tmp_path: Path, name: str) -> None:
    path = Path(upload(served, tmp_path, name or " "))
    assert served.folder.resolve() in path.resolve().parents and path.is_file()
    assert not list(served.folder.parent.glob("escaped*")) and not list(Path("/tmp").glob("escaped*"))


@pytest.mark.parametrize("name", ["a.html", "a.svg", "a.js"])
def test_an_upload_is_no_page(served: SimpleNamespace, name: str) -> None:
    """CVE-2024-47872: script in an upload must not run as the app's."""
    kind = "text/html"
    (path,) = httpx.post(f"{served.api}/upload", files={"files": (name, b"<script>alert(1)</script>", kind)}).json()
    headers = httpx.get(f"{served.api}/file={path}").headers
    assert headers["content-disposition"].startswith("attachment")
    assert headers["content-type"].split(";")[0] not in ("text/html", "image/svg+xml", "text/javascript")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost.evil.example"])
def test_other_pages_cannot_call_from_a_visitors_browser(served: SimpleNamespace, origin: str) -> None:
    """CVE-2024-47084, -47165, -2025-5320."""
    response = httpx.get(f"{served.url}/config", headers={"Origin": origin, "Cookie": "a=b"})
    assert response.headers.get("access-control-allow-origin") not in (origin, "*")


# Photos by URL


@pytest.mark.parametrize("url", [
    "http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://[::1]:{port}/", "http://0.0.0.0:{port}/",
    "http://2130706433:{port}/", "http://0x7f000001:{port}/", "http://127.1:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/", "http://user@127.0.0.1:{port}/", "http://169.254.169.254/latest",
    "http://100.100.100.200/", "http://10.0.0.1/",
    "http://[fe80::1]/", "http://224.0.0.1/", "http://", "http:///x", "http://[", "https://a:99999999/",
])  # fmt: skip
def test_no_photo_is_fetched_from_within(served: SimpleNamespace, url: str) -> None:
    port = served.url.rpartition(":")[2]
    told = ask(served, {"path": url.format(port=port), "meta": META})
    assert strings.API_URL[:40] in told
    for path in (f"file={url}", f"proxy={url}"):
        assert httpx.get(f"{served.api}/{path.format(port=port)}").status_code in (403, 404)


class Host(BaseHTTPRequestHandler):
    """A host of photos, some of them without end."""

    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"a" if self.path == "/slow" else b"a" * 100_000)
                if self.path == "/photo" or (self.path == "/slow" and self.server.over.wait(0.2)):  # type: ignore[attr-defined]
                    return
        except OSError:  # the app has had enough
            pass

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Its address; this computer's own counts as public where it is named "127.0.0.1"."""
    real = fetch.public_address

    async def address(name: str) -> str:
        return name if name == "127.0.0.1" else await real(name)

    monkeypatch.setattr(fetch, "public_address", address)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    server.over = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.over.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def fetched(work: Coroutine[Any, Any, str]) -> str:
    """In a thread of its own: a browser of another test may keep an event loop running in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def test_photos_by_url_are_bounded(host: str, tmp_path: Path) -> None:
    path = fetched(fetch.fetch(f"{host}/photo", tmp_path))
    assert Path(path).read_bytes() == b"a" * 100_000
    path = fetched(fetch.fetch(f"{host}/to//photo", tmp_path))
    assert Path(path).read_bytes() == b"a" * 100_000
    assert len(list(tmp_path.iterdir())) == 2
    port = host.rpartition(":")[2]
    within, often = f"/to/http://localhost:{port}/photo", "/to/" * 7 + "photo"
    for url in ("/endless", "/slow", within, "/to/file:///etc/passwd", often):
        with pytest.raises(gr.Error, match="cannot be fetched"):
            fetched(fetch.fetch(host + url, tmp_path, seconds=2, most=10**6))
    assert len(list(tmp_path.iterdir())) == 2
