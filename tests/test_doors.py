"""`train.prepare` and its neighbours: what the commands do, from Python, with plain arguments."""

import json
import shutil
from pathlib import Path

import pytest
from photoref_fixture import make_photoref
from refer_fixture import make_refer

import train
from cefnet.weights import load
from train.__main__ import main
from train.preparation.writer import WriterSpec


def test_prepare_writes_what_the_command_writes(tmp_path: Path) -> None:
    own = make_photoref(tmp_path / "own", layout="folder")
    labels, photos = own / "instances.json", own / "photos"
    where = ["--instances", str(labels), "--images", str(photos), "--out", str(tmp_path / "a")]
    assert main(["prepare", "coco", *where, "--expressions", "1"]) == 0
    shutil.copy(labels, photos)  # beside its photos, whose folder then need not be named
    beside = str(photos / labels.name)
    folder = train.prepare("coco", beside, out=str(tmp_path / "b"), spec=WriterSpec(expressions=1))
    assert folder == tmp_path / "b"
    for name in ("instances.json", "refs.json", "report.json", "skipped.csv"):
        assert (folder / name).read_text() == (tmp_path / "a" / name).read_text()


def test_prepare_reads_the_official_files(tmp_path: Path) -> None:
    refer = make_refer(tmp_path / "refer")
    folder = train.prepare("unc", refer, refer / "images", tmp_path / "unc")
    refs = json.loads((folder / "refs.json").read_text())
    assert {ref["split"] for ref in refs} == {"train", "val", "testA", "testB"}


def test_evaluate_gives_the_numbers_of_the_command(tmp_path: Path, tiny_checkpoint: Path) -> None:
    data, file = make_photoref(tmp_path / "data"), tmp_path / "numbers.json"
    common = ["--limit", "5", "--device", "cpu", "--regions", "all", "--json", str(file)]
    assert main(["evaluate", str(tiny_checkpoint), "--data", str(data), "--split", "dev", *common]) == 0
    decision = load(tiny_checkpoint, "cpu").decision.changed(regions="all")
    numbers = train.evaluate(tiny_checkpoint, data, "dev", limit=5, decision=decision, device="cpu")
    assert json.loads(file.read_text()) == json.loads(json.dumps(numbers))
    assert train.evaluate("baseline:largest", str(data), limit=5)["n"] == 5
    with pytest.raises(ValueError, match="leave thresholds and regions out"):
        train.evaluate("baseline:largest", data, decision=decision)


def test_what_is_not_known_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no data set 'coc'; choose one of coco, yolo, labelme"):
        train.prepare("coc", tmp_path)
    assert not hasattr(train, "fitt")
