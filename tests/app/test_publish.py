"""The Space: what it is made of, against a local fake of the Hub's client; and its header in README.md."""

import functools
import re
import subprocess
from pathlib import Path

import huggingface_hub
import pytest
import yaml
from fake_hub import FakeHub, no_network

from app import __main__ as command
from app.publish import ROOT, space_upload
from cefnet import hub

README = "---\ntitle: CEFNet\nsdk: gradio\nsdk_version: 6.31.0\napp_file: app.py\n---\n# CEFNet\n"
NEEDED = {
    "app.py": "print('app')\n",
    "app/ui.py": "",
    "app/examples/a photo.webp": "RIFF",
    "cefnet/__init__.py": "",
    "weights/manifest.json": "{}",
    "weights/cefnet-acm/model.safetensors": "0" * 1000,
    "requirements.txt": "torch\n",
    "README.md": README,
    "LICENSE": "MIT\n",
}
OTHER = {"tests/test_ui.py": "", "train/loop.py": "", "docs/page.md": "", "Makefile": ""}


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def git(root: Path, *arguments: str) -> None:
    person = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", root, *person, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository like this one, with leftovers that git ignores."""
    root = tmp_path / "checkout"
    write(root, NEEDED | OTHER | {".gitignore": "__pycache__/\n/runs/\n.gradio/\n"})
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "all")
    write(root, {"app/__pycache__/ui.pyc": "", "runs/a/log": "", "app/.gradio/cached": ""})
    return root


def test_a_space_gets_what_it_needs_and_nothing_else(checkout: Path, tmp_path: Path) -> None:
    folder = tmp_path / "space"
    upload = space_upload("me/cefnet", folder, checkout)
    assert upload.files == {name: len(text) for name, text in NEEDED.items()}
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == set(NEEDED)
    assert upload.kind == "space" and re.fullmatch(r"CEFNet [0-9a-f]{7,}", upload.message)
    fake = FakeHub()
    fake.repositories["me/cefnet"] = {"app/gone.py": b"of an earlier version"}
    hub.send(upload, fake, replace=True)
    assert fake.repositories["me/cefnet"] == {name: text.encode() for name, text in NEEDED.items()}
    assert fake.calls[0]["repo_type"] == "space" and fake.calls[0]["space_sdk"] == "gradio"


@pytest.mark.parametrize("name", ["app/ui.py", "app/new.py", "README.md"])
def test_what_is_not_committed_does_not_go_up(checkout: Path, tmp_path: Path, name: str) -> None:
    write(checkout, {name: "changed"})
    with pytest.raises(ValueError, match=f"1 files differ .*{name}.*commit"):
        space_upload("me/cefnet", tmp_path / "space", checkout)


def test_changes_beside_it_do_not_matter(checkout: Path, tmp_path: Path) -> None:
    write(checkout, {"tests/test_ui.py": "changed"})
    space_upload("me/cefnet", tmp_path / "space", checkout)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("rm", "-q", "-r", "weights"), "has no weights"),
        (("rm", "-q", "requirements.txt"), "has no requirements.txt"),
        (("mv", "-f", "LICENSE", "README.md"), "has no LICENSE"),
    ],
)
def test_a_checkout_that_lacks_a_part_is_refused(
    checkout: Path, tmp_path: Path, change: tuple[str, ...], text: str
) -> None:
    git(checkout, *change)
    git(checkout, "commit", "-q", "-m", "less")
    with pytest.raises(ValueError, match=text):
        space_upload("me/cefnet", tmp_path / "space", checkout)


@pytest.mark.parametrize("readme", ["# CEFNet\n", "---\nsdk: docker\n---\n", README.replace("app.py", "main.py")])
def test_a_readme_that_makes_no_space_is_refused(checkout: Path, tmp_path: Path, readme: str) -> None:
    write(checkout, {"README.md": readme})
    git(checkout, "commit", "-q", "-a", "-m", "header")
    with pytest.raises(ValueError, match="header of .*README.md lacks"):
        space_upload("me/cefnet", tmp_path / "space", checkout)


def test_neither_a_full_folder_nor_a_plain_one_will_do(checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not empty"):
        space_upload("me/cefnet", checkout / "app", checkout)
    (tmp_path / "plain").mkdir()
    with pytest.raises(ValueError, match="git can't say"):
        space_upload("me/cefnet", tmp_path / "space", tmp_path / "plain")


def test_the_command(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeHub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: fake)
    monkeypatch.setattr(command, "space_upload", functools.partial(space_upload, root=checkout))
    assert command.main(["publish", "me/cefnet", "--private"]) == 0
    assert set(fake.repositories["me/cefnet"]) == set(NEEDED) and fake.calls[0]["private"] is True
    assert capsys.readouterr().out.endswith("https://huggingface.co/me/cefnet\n")
    no_network(monkeypatch)
    assert command.main(["publish", "me/cefnet", "--dry-run"]) == 0
    assert "nothing was sent" in capsys.readouterr().out
    folder = tmp_path / "kept"
    assert command.main(["publish", "me/cefnet", "--into", str(folder)]) == 0
    assert (folder / "app.py").is_file() and "app/ui.py" in capsys.readouterr().out
    assert command.main(["publish", "cefnet", "--dry-run"]) == 2
    assert "write owner/name" in capsys.readouterr().err


def test_the_header_of_this_repository() -> None:
    header = yaml.safe_load((ROOT / "README.md").read_text().split("---\n")[1])
    pins = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    assert header["sdk_version"] == pins["gradio"]  # a Space installs both in one go
    assert header["app_file"] == "app.py" and header["sdk"] == "gradio"
    assert header["python_version"] == "3.12"  # ZeroGPU has 3.10.13, which is too old for this, and 3.12.12
    assert len(header["short_description"]) <= 60  # the Hub refuses more
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {header["colorFrom"], header["colorTo"]} <= colours
    assert "models" not in header  # none is on the Hub yet
    known = {"title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file", "pinned"}
    assert set(header) <= known | {"license", "short_description", "startup_duration_timeout", "tags"}
