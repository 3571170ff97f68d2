"""Weights folders that somebody made to do harm: refused in plain words, without the memory that they ask for."""

import json
import resource
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from cefnet import weights as contents
from cefnet.config import ABLATION, ModelConfig, parse_config
from cefnet.model import CEFNet
from cefnet.text import Tokenizer
from cefnet.weights import load, locate

ROOT = Path(__file__).parents[2]
FLOAT = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.fixture
def folder(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "theirs"))


def packed(header: object, body: bytes = b"1234", length: int | None = None) -> bytes:
    """A safetensors file as it is laid out: length of the header, header, numbers."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


@pytest.mark.parametrize(
    "content",
    [
        packed({}, length=2**63), packed({}, length=2**64 - 1), packed(b"[" * 100_000), packed(b'{"a":' * 100_000),
        packed([]), packed(b"\xff\xfe"), b"1234567", bytes(8),
        packed({"a": {**FLOAT, "shape": [2**32, 2**32, 2**32]}}), packed({"a": {**FLOAT, "shape": [2**40]}}),
        packed({"a": {**FLOAT, "shape": [-1]}}), packed({"a": {**FLOAT, "data_offsets": [4, 0]}}),
        packed({"a": {**FLOAT, "data_offsets": [2**63, 2**63 + 4]}}),
        packed({"a": FLOAT, "b": FLOAT}), packed({"a": FLOAT}, b"12345678"), packed({"a": FLOAT}, b""),
        packed({"a": {**FLOAT, "dtype": "PICKLE"}}), packed({"__metadata__": {"a": 1}, "a": FLOAT}),
        packed({"a": {"dtype": "F4", "shape": [8], "data_offsets": [0, 4]}}),
        packed({"a": {"dtype": "F6_E2M3", "shape": [4], "data_offsets": [0, 3]}}, b"123"),
        packed({"a": {"dtype": "F8_E8M0", "shape": [4], "data_offsets": [0, 4]}}),
    ],
)  # fmt: skip
def test_a_header_that_lies_is_refused(folder: Path, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="damaged or cut off"):
        load(folder)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_bytes_changed_anywhere_in_the_header_are_loaded_or_refused(tiny_checkpoint: Path, data: st.DataObject) -> None:
    content = bytearray((tiny_checkpoint / "model.safetensors").read_bytes())
    end = 8 + struct.unpack("<Q", content[:8])[0]
    for place in data.draw(st.lists(st.integers(0, end), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    try:
        contents.parse_tensors(bytes(content), parse_config((tiny_checkpoint / "config.json").read_text())[0])
    except ValueError as error:
        assert "model.safetensors" in str(error)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t * float("nan"), "not finite"), (lambda t: t + float("inf"), "not finite"),
        (torch.Tensor.long, "as torch.int64"), (torch.Tensor.bool, "as torch.bool"),
        (lambda t: t.float().to(torch.complex64), "as torch.complex64"),
    ],
)  # fmt: skip
def test_numbers_of_no_use_are_refused(folder: Path, change: object, said: str) -> None:
    tensors = load_file(folder / "model.safetensors")
    name = "text.gru.bias_hh_l0"
    tensors[name] = change(tensors[name])  # type: ignore[operator]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ValueError, match=f"'{name}'.*{said}"):
        load(folder)


def test_a_config_of_giants_is_refused_without_building_it(folder: Path) -> None:
    """That model would take 21 GB."""
    config = json.loads((folder / "config.json").read_text())
    config |= {"width": 4096, "word_width": 4096, "text_width": 4096, "decoder_widths": [4096] * 5}
    (folder / "config.json").write_text(json.dumps(config))
    code = (
        "import resource, sys; from cefnet.weights import load\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30,) * 2)\n"
        "try: load(sys.argv[1], 'cpu')\n"
        "except ValueError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], cwd=ROOT, capture_output=True, text=True)
    assert "describes at least 1," in done.stdout, done.stderr


@pytest.mark.parametrize("name", ABLATION)
def test_no_sound_model_has_fewer_numbers_than_is_asked_for(name: str, tiny_config: ModelConfig) -> None:
    changes = ABLATION[name]
    wide = {"width": 64, "word_width": 48, "text_width": 64, "decoder_widths": [64, 64, 48, 32, 32]}
    for config in (tiny_config.with_values(changes), tiny_config.with_values({**changes, **wide})):
        model = CEFNet(config)
        assert contents.least_parameters(config) < sum(one.numel() for one in model.parameters())


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("words.json", b"[" * 100_000, "words.json is not JSON"), ("words.json", b'{"a": true}', "word: count"),
        ("words.json", b'{"a": 1e400}', "word: count"), ("words.json", b"1" * 10_000, "words.json"),
        ("config.json", b'{"image_size": 1e400}', "image_size is inf"),
        ("config.json", b'{"mask_threshold": NaN}', "between 0 and 1"),
        ("config.json", b'{"decoder_widths": [[[1]], 2, 3, 4, 5]}', "decoder_widths"),
        ("config.json", b'{"encoder": ["resnet18"]}', "encoder is"),
        ("config.json", b'{"__class__": "os.system"}', "unknown model config fields: __class__"),
        ("config.json", b'{"width": ' + b"9" * 5000 + b"}", "config"),
    ],
)  # fmt: skip
def test_tables_that_are_none_are_refused(folder: Path, file: str, content: bytes, said: str) -> None:
    (folder / file).write_bytes(content)
    with pytest.raises(ValueError, match=said):
        load(folder)


def test_files_beyond_any_models_size_are_not_read(folder: Path) -> None:
    with (folder / "config.json").open("r+b") as file:
        file.truncate(10 * 2**30)  # a hole, which takes no room on the disk
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="larger than 65,536 bytes"):
        load(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_tokenizer_of_garbage_is_opened_or_refused(tiny_tokenizer: Path, data: st.DataObject) -> None:
    content = bytearray(tiny_tokenizer.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=20)):
        content[place] = data.draw(st.integers(0, 255))
    start, length = data.draw(st.integers(0, len(content))), data.draw(st.sampled_from([0, 0, 1, 100]))
    del content[start : start + length]
    try:
        Tokenizer.from_bytes(bytes(content)).encode("the red dog, zyzzy 🐕", truncate=True)
    except ValueError:
        pass


@pytest.mark.parametrize(
    "name",
    ["owner/..", "../..", "..", "./x", "owner/../../etc", "/etc/passwd", "~/model", "owner\\..\\x", "owner/a..b",
     "owner/name/../../x", "https://example.org/x", "file:///etc/passwd", "owner/na\0me", "owner/name?x",
     "owner/%2e%2e", "-/.", "owner/name\n"],
)  # fmt: skip
def test_no_hub_id_leads_out_of_the_cache(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("the Hub was asked"))
    with pytest.raises(ValueError, match="There is no model|has no config.json"):
        locate(name)


@pytest.mark.parametrize("revision", ["../../x", "/etc/passwd", "a/../../b", "", "a b", "a\0", "a/../..", "a//b", "~"])
def test_no_revision_leads_out_of_the_cache(revision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("the Hub was asked"))
    with pytest.raises(ValueError, match="is no revision"):
        locate("owner/name", revision)


def test_revisions_as_the_hub_has_them(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tiny_checkpoint))
    for revision in (None, "main", "v1.0", "refs/pr/3", "feature/x_y", "0123456789" * 4):
        assert locate("owner/name", revision)[0] == tiny_checkpoint
