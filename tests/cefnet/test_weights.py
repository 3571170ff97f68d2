import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from cefnet import weights
from cefnet.config import Decision, ModelConfig, write_config
from cefnet.model import CEFNet
from cefnet.weights import FILES, load, locate, pick_device, save, ship


@pytest.fixture
def folder(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "tiny"))


@pytest.fixture
def shipped(tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `weights/` of its own with "tiny" in its manifest."""
    monkeypatch.setattr(weights, "SHIPPED", tmp_path / "shipped")
    ship(tiny_checkpoint, "tiny", tmp_path / "shipped")
    return tmp_path / "shipped"


def test_what_is_saved_is_loaded(tiny_config, tiny_tokenizer, tmp_path):
    torch.manual_seed(1)
    model = CEFNet(tiny_config)
    save(tmp_path / "a" / "b", model, Decision(), tiny_tokenizer, {"größe": 3}, "# Card\n")
    checkpoint = load(tmp_path / "a" / "b", "cpu")
    assert checkpoint.config == tiny_config and checkpoint.words == {"größe": 3} and checkpoint.name == "b"
    assert checkpoint.tokenizer.encode("red dog").words == ("red", "dog")
    assert (tmp_path / "a" / "b" / "README.md").read_text() == "# Card\n"
    assert sorted(p.name for p in (tmp_path / "a" / "b").iterdir()) == sorted([*FILES, "README.md"])  # no leftovers
    assert not checkpoint.model.training
    assert all(parameter.requires_grad for parameter in checkpoint.model.parameters())  # ready for fine-tuning
    loaded = checkpoint.model.state_dict()
    for name, tensor in model.state_dict().items():
        assert loaded[name].dtype == tensor.dtype and loaded[name].device.type == "cpu"
        expected = tensor.half().float() if tensor.is_floating_point() else tensor
        assert torch.equal(loaded[name], expected), name


def test_floats_are_fp16_on_disk_unless_they_do_not_fit(tiny_config, tiny_tokenizer, tmp_path):
    model = CEFNet(tiny_config)
    model.presence.out.bias.data.fill_(1e6)
    save(tmp_path, model, Decision(), tiny_tokenizer, {}, "")
    tensors = load_file(tmp_path / "model.safetensors")
    wide = [name for name, tensor in tensors.items() if tensor.dtype == torch.float32]
    assert wide == ["presence.out.bias"] and load(tmp_path).model.presence.out.bias.item() == 1e6


def test_saving_again_replaces_the_files_and_keeps_others(folder, tiny_config, tiny_tokenizer):
    (folder / "log.csv").write_text("kept")
    before = (folder / "model.safetensors").read_bytes()
    save(folder, CEFNet(tiny_config), Decision(), tiny_tokenizer, {}, "new")
    assert (folder / "log.csv").read_text() == "kept" and (folder / "README.md").read_text() == "new"
    assert (folder / "model.safetensors").read_bytes() != before


def test_useless_weights_are_not_saved(tiny_config, tiny_tokenizer, tmp_path):
    model = CEFNet(tiny_config)
    model.presence.out.bias.data.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"presence\.out\.bias .* not finite"):
        save(tmp_path / "new", model, Decision(), tiny_tokenizer, {}, "")
    other = CEFNet(tiny_config.with_values({"vocabulary": 7}))
    with pytest.raises(ValueError, match="pieces, the model 7"):
        save(tmp_path / "new", other, Decision(), tiny_tokenizer, {}, "")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_is_named(folder, file):
    (folder / file).unlink()
    with pytest.raises(ValueError, match=f"has no {file}"):
        load(folder)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [("config.json", b"{", "not JSON"),
     ("config.json", b'{"depth": 3}', "unknown model config fields: depth"),
     ("config.json", b'{"width": -1}', "width is -1"), ("config.json", b"\xff\xfe", "tiny"),
     ("words.json", b"[1]", "word: count"), ("words.json", b'{"dog": "1"}', "word: count"),
     ("words.json", b"{", "words.json is not JSON"),
     ("tokenizer.model", b"hello", "not a SentencePiece model"),
     ("model.safetensors", b"", "damaged or cut off"),
     ("model.safetensors", b"PK\x03\x04" * 99, "damaged or cut off")],
)  # fmt: skip
def test_a_damaged_file_is_refused(folder, file, content, message):
    (folder / file).write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        load(folder)
    assert str(folder) in str(error.value)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_truncated_weights_are_refused(folder, share):
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match="damaged or cut off"):
        load(folder)


def test_foreign_weights_are_refused(folder):
    save_file({"fc.weight": torch.zeros(200, 200)}, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"of another model than config.json: \d+ tensors differ, first '"):
        load(folder)


def test_weights_of_another_shape_are_refused(folder, tiny_config):
    config = tiny_config.with_values({"width": 24})
    (folder / "config.json").write_text(write_config(config, Decision()))
    with pytest.raises(ValueError, match=r"expected \(.*\), found \("):
        load(folder)


def test_another_models_tokenizer_is_refused(folder, tiny_config):
    (folder / "config.json").write_text(write_config(tiny_config.with_values({"vocabulary": 999}), Decision()))
    with pytest.raises(ValueError, match=r"pieces, config.json says 999"):
        load(folder)


@pytest.mark.parametrize(
    "changes",
    [{"attention": "vcm"}, {"attention": "none", "boundary": False, "fusion": "decoder"}, {"presence": False},
     {"pixels": "batchnorm", "normalisation": "l2"}, {"encoder": "resnet18"}],
)  # fmt: skip
def test_every_kind_of_model_survives(changes, tiny_config: ModelConfig, tiny_tokenizer, tmp_path):
    model = CEFNet(tiny_config.with_values(changes)).eval()
    save(tmp_path, model, Decision(), tiny_tokenizer, {}, "")
    for tensor in [*model.parameters(), *model.buffers()]:
        tensor.data = tensor.data.half().float() if tensor.is_floating_point() else tensor.data
    loaded = load(tmp_path).model
    ids, image = torch.tensor([[5, 6]]), torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        one, two = (m(m.encode_photo(image), ids, ids > 0).mask_logits[0] for m in (model, loaded))
    assert torch.equal(one, two)


def test_a_shipped_name_is_checked_against_the_manifest(shipped):
    checkpoint = load("tiny")
    assert checkpoint.name == "tiny" and checkpoint.source == str(shipped / "tiny")
    assert json.loads((shipped / "manifest.json").read_text())["tiny"]["model.safetensors"] == checkpoint.sha256
    for file in FILES:
        good = (shipped / "tiny" / file).read_bytes()
        (shipped / "tiny" / file).write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        with pytest.raises(ValueError, match=rf"{file} is not the file that was shipped \(SHA-256"):
            load("tiny")
        (shipped / "tiny" / file).write_bytes(good)
    (shipped / "tiny" / "README.md").write_text("a better card")  # cards may be edited
    load("tiny")


def test_shipping_in_place_and_another_keeps_the_first(shipped, tiny_checkpoint):
    ship(tiny_checkpoint, "other", shipped)
    ship(shipped / "tiny", "tiny", shipped)
    assert sorted(json.loads((shipped / "manifest.json").read_text())) == ["other", "tiny"]
    assert load("other").sha256 == load("tiny").sha256


def test_a_run_folder_holds_its_weights_in_a_folder(folder, tmp_path):
    (tmp_path / "run").mkdir()
    shutil.move(folder, tmp_path / "run" / "weights")
    assert load(tmp_path / "run").name == "run"


@pytest.mark.parametrize("name", ["cefnet-xyz", "", "a/b/c", "../x", "weights/nothing.pt", "nul\0"])
def test_an_unknown_model_lists_what_there_is(shipped, name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=r"Give a shipped name \(tiny\)|on this computer"):
        load(name)


def test_a_folder_without_a_model_is_no_hub_id(tmp_path, monkeypatch):
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"has no config\.json"):
        locate("owner/name")


def test_a_hub_id_is_fetched_with_its_revision(tiny_checkpoint, monkeypatch):
    calls = []

    def fetch(repository: str, **options: object) -> str:
        calls.append((repository, options["revision"], options.get("local_files_only", False)))
        return str(tiny_checkpoint)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    checkpoint = load("owner/name", revision="v1")
    assert checkpoint.source == "owner/name@v1" and checkpoint.name == "name"
    assert checkpoint.folder == tiny_checkpoint
    assert load("owner/name").source == "owner/name@main"
    assert calls == [("owner/name", "v1", False), ("owner/name", None, False)]
    load("owner/name", revision="a" * 40)  # a commit: the cache first
    assert calls[2:] == [("owner/name", "a" * 40, True)]


def test_without_a_network_a_hub_id_comes_from_the_cache(tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    commit = "0123456789" * 4
    with pytest.raises(ValueError, match="not on this computer"):
        load("owner/name")
    cached = tmp_path / "models--owner--name"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text(commit)
    shutil.copytree(tiny_checkpoint, cached / "snapshots" / commit)
    assert load("owner/name").sha256 == load("owner/name", revision=commit).sha256 == load(tiny_checkpoint).sha256


def test_devices():
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert pick_device(torch.device("cpu")).type == "cpu"
    for device in ("tpu", "", "cuda:99"):
        with pytest.raises(ValueError, match=f"The device '{device}' can't be used here"):
            pick_device(device)
