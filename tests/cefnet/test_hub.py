"""Uploads, against a local fake of the Hub's client."""

import shutil
from pathlib import Path

import huggingface_hub
import pytest
from fake_hub import FakeHub, no_network
from huggingface_hub import errors

from cefnet import hub
from cefnet.__main__ import main
from cefnet.weights import FILES, load


def test_a_checkpoint_goes_up_with_its_card_and_comes_back(tiny_checkpoint: Path, tmp_path: Path) -> None:
    source = tmp_path / "mine"
    shutil.copytree(tiny_checkpoint, source)
    (source / "numbers.json").write_text("{}")
    (source / "last.pt").write_text("training state: not for the Hub")
    fake = FakeHub()
    address = hub.send(hub.weights_upload(source, "me/mine"), fake, private=True)
    assert address == "https://huggingface.co/me/mine"
    held = fake.repositories["me/mine"]
    assert set(held) == {*FILES, "README.md", "numbers.json"}
    for name, content in held.items():
        assert content == (source / name).read_bytes()
    create, upload = fake.calls
    assert create == {"repo_type": "model", "space_sdk": None, "private": True, "exist_ok": True}
    assert (upload["repo_type"], upload["delete_patterns"]) == ("model", None)  # others' files there stay
    there = tmp_path / "there"
    there.mkdir()
    for name, content in held.items():
        (there / name).write_bytes(content)
    assert load(there, "cpu").sha256 == load(source, "cpu").sha256


@pytest.mark.parametrize("missing", ["model.safetensors", "words.json", "README.md"])
def test_what_is_no_whole_weights_folder_is_refused(tiny_checkpoint: Path, tmp_path: Path, missing: str) -> None:
    source = tmp_path / "mine"
    shutil.copytree(tiny_checkpoint, source)
    (source / missing).unlink()
    with pytest.raises(ValueError, match=f"has no {missing}"):
        hub.weights_upload(source, "me/mine")


def test_damaged_weights_are_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    source = tmp_path / "mine"
    shutil.copytree(tiny_checkpoint, source)
    weights = source / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match="damaged or cut off"):
        hub.weights_upload(source, "me/mine")


@pytest.mark.parametrize("repo_id", ["mine", "me/mine/more", "/mine", "me/../x", "me/a b", "https://huggingface.co/me"])
def test_only_owner_and_name_are_an_id(tiny_checkpoint: Path, repo_id: str) -> None:
    with pytest.raises(ValueError, match="write owner/name"):
        hub.weights_upload(tiny_checkpoint, repo_id)


def test_a_hub_id_is_not_fetched_to_be_sent_on(monkeypatch: pytest.MonkeyPatch) -> None:
    no_network(monkeypatch)
    with pytest.raises(ValueError, match="not a folder on this computer"):
        hub.weights_upload("someone/theirs", "me/mine")


def test_sizes_are_named_and_large_files_marked(tmp_path: Path) -> None:
    files = {"model.safetensors": 17_760_250, "card.md": 999, "words.json": 10_000_000}
    text = hub.Upload("me/mine", "model", tmp_path, files, "Upload").describe()
    lines = {line.split()[0]: line for line in text.splitlines()}
    assert lines["model.safetensors"].endswith("17.8 MB  by LFS or Xet")
    assert lines["words.json"].endswith("10.0 MB") and lines["card.md"].endswith("999 B")
    assert text.endswith("3 files, 27.8 MB")


@pytest.mark.parametrize(
    "error",
    [
        OSError("401 Client Error\nsecond line"),
        errors.HTTPError("no route"),
        errors.LocalTokenNotFoundError("no token"),
    ],
)
def test_a_refusal_names_the_way_out(tiny_checkpoint: Path, error: Exception) -> None:
    with pytest.raises(ValueError, match=r"doesn't take me/mine: .*hf auth login") as caught:
        hub.send(hub.weights_upload(tiny_checkpoint, "me/mine"), FakeHub(error))
    assert "\n" not in str(caught.value)


def test_the_command(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeHub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: fake)
    assert main(["push", "me/mine", "--model", str(tiny_checkpoint)]) == 0
    assert "model.safetensors" in fake.repositories["me/mine"] and fake.calls[0]["private"] is False
    assert capsys.readouterr().out.endswith("https://huggingface.co/me/mine\n")
    no_network(monkeypatch)
    assert main(["push", "me/mine", "--model", str(tiny_checkpoint), "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "tokenizer.model" in out and "nothing was sent" in out
    assert main(["push", "mine", "--model", str(tiny_checkpoint), "--dry-run"]) == 2
    assert "write owner/name" in capsys.readouterr().err
