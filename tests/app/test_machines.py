"""Machines as they are: proxies, a path before the app's own, no home, one core, terminals without the letters."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from PIL import Image
from test_serve import page, wait

from app.environment import without_proxies
from app.publish import ROOT

NOWHERE = "127.0.0.1:9"  # nobody listens there
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
EXPRESSIONS = ("cheval", "右边的马", "horse 🐎 on the right")


def environment(**changed: str | None) -> dict[str, str]:
    """This process's, without proxies; None takes a variable out."""
    kept = {name: value for name, value in os.environ.items() if name.lower() not in PROXIES}
    kept = {name: value for name, value in kept.items() if name not in changed}
    return kept | {name: value for name, value in changed.items() if value is not None}


@contextmanager
def app(checkpoint: Path, **changed: str | None) -> Iterator[str]:
    """`python app.py` with one tiny model in a process of its own; its address, once it answers."""
    variables = environment(CEFNET_MODELS=f"tiny={checkpoint}", PYTHONUNBUFFERED="1", **changed)
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said: list[str] = []

    def address() -> str:
        said.append(process.stdout.readline() if process.stdout else "")
        assert said[-1] or process.poll() is None, "".join(said)
        return said[-1].partition("local URL:")[2].strip()

    try:
        url = wait(address).replace("0.0.0.0", "127.0.0.1")
        wait(lambda: httpx.get(url, trust_env=False).status_code == 200)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@pytest.mark.parametrize(
    "changed",
    [
        {"http_proxy": f"http://{NOWHERE}", "HTTPS_PROXY": f"http://{NOWHERE}"},
        {"ALL_PROXY": f"socks5://{NOWHERE}", "HOME": "/dev/null"},  # and a home that can't be written to
    ],
    ids=["http", "socks"],
)
def test_the_app_starts_behind_a_proxy(changed: dict[str, str], tiny_checkpoint: Path) -> None:
    with app(tiny_checkpoint, **changed):
        pass


@pytest.mark.parametrize("before", [None, "internal.example"])
def test_the_environment_is_as_before_afterwards(before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://{NOWHERE}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        if before:
            monkeypatch.setenv(name, before)
    with pytest.raises(ValueError, match="inside"), without_proxies():
        assert not httpx.Client()._mounts
        raise ValueError("inside")
    assert os.environ.get("NO_PROXY") == os.environ.get("no_proxy") == before


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    with page(tmp_path_factory.mktemp("gradio"), root_path="/below") as served:
        yield served


@pytest.mark.parametrize("kept", ["", "/below"], ids=["path taken off", "path left on"])
def test_the_page_works_below_a_path_of_a_reverse_proxy(below: SimpleNamespace, kept: str) -> None:
    """Proxies differ in whether they take the path off that they pass on."""
    found = httpx.get(f"{below.url}{kept}/config")
    assert found.status_code == 200 and found.json()["root"].endswith("/below")
    event = httpx.post(f"{below.url}{kept}/gradio_api/call/run", json={"data": ["a"]}).json()["event_id"]
    below.go.set()
    assert '"A"' in httpx.get(f"{below.url}{kept}/gradio_api/call/run/{event}", timeout=60).text


@pytest.mark.parametrize("kept", ["", "/below"])
def test_what_is_closed_and_bounded_is_so_below_a_path(below: SimpleNamespace, kept: str) -> None:
    api = f"{below.url}{kept}/gradio_api"
    for path in ("/deep_link?session_hash=a", "/file=http://example.com", "/proxy=http://example.com"):
        assert httpx.get(api + path).status_code == 404, path
    assert httpx.post(f"{api}/upload", files={"files": b" " * 2 * 10**6}).status_code == 200  # an upload's own bound
    assert httpx.post(f"{api}/cancel", content=b" " * 2 * 10**6).status_code == 413


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.new("RGB", (60, 40), (200, 30, 30)).save(path)
    return path


@pytest.mark.parametrize(
    "changed",
    [
        {"PYTHONIOENCODING": "cp1252", "HOME": None},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "HOME": "/dev/null"},
    ],
    ids=["cp1252, no home", "ascii, a home that is none"],
)
def test_no_encoding_ends_a_run(changed: dict[str, str | None], photo: Path, tiny_checkpoint: Path) -> None:
    out = photo.parent / "out"
    words = ["segment", str(photo), *EXPRESSIONS, "--model", str(tiny_checkpoint), "--out", str(out)]
    command = [sys.executable, "-m", "cefnet", *words]
    run = subprocess.run(command, cwd=ROOT, env=environment(**changed), capture_output=True, timeout=300)
    assert run.returncode == 0, run.stderr.decode()
    told = [json.loads(file.read_text(encoding="utf-8"))["expression"] for file in sorted(out.glob("*/result.json"))]
    assert told == list(EXPRESSIONS)
    assert b"cheval" in run.stdout and b"\\u53f3" in run.stdout and len(run.stdout.splitlines()) == 3


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system can't bind a process to a core")
def test_one_core_is_enough(photo: Path, tiny_checkpoint: Path) -> None:
    core = min(os.sched_getaffinity(0))
    code = f"import os, sys; os.sched_setaffinity(0, {{{core}}}); from cefnet.__main__ import main; sys.exit(main())"
    words = ["segment", str(photo), "dog", "--model", str(tiny_checkpoint), "--out", str(photo.parent / "out")]
    run = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, timeout=300)
    assert run.returncode == 0 and (photo.parent / "out" / "mask.png").is_file(), run.stderr.decode()
