"""`python -m train prepare` refuses what is damaged, would overwrite or says too little, and says so in one line."""

import json
import pickle
from pathlib import Path

import pytest
from refer_fixture import prepare, python2_pickle

from train.preparation.plain_pickle import load_plain


def test_other_data_is_not_overwritten(refer: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "refs.json").write_text("[]")
    assert prepare(refer, "unc", tmp_path) == 2
    assert "holds other data" in capsys.readouterr().err
    assert (tmp_path / "refs.json").read_text() == "[]"


def _change(folder: Path, change) -> None:
    path = folder / "refcoco" / "refs(unc).p"
    records = load_plain(path)
    change(records)
    path.write_bytes(python2_pickle(records, 2))


def _annotate(folder: Path, **changes: object) -> None:
    path = folder / "refcoco" / "instances.json"
    table = json.loads(path.read_text())
    table["annotations"][0].update(changes)
    path.write_text(json.dumps(table))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda r: (r / "refcoco" / "instances.json").unlink(), r"instances\.json is missing"),
        (lambda r: (r / "refcoco" / "refs(unc).p").unlink(), r"has no refs\(unc\)\.p; it has refs\(google\)\.p"),
        (lambda r: (r / "refcoco" / "instances.json").write_text('{"images": ['), r"instances\.json is not JSON"),
        (lambda r: (r / "refcoco" / "instances.json").write_text("[]"), r"no COCO instance file"),
        (
            lambda r: (r / "refcoco" / "refs(unc).p").write_bytes(pickle.dumps(Path("a"))),
            r"instruction (STACK_)?GLOBAL",
        ),
        (lambda r: (r / "refcoco" / "refs(unc).p").write_bytes(b"(l."), r"holds no list of refs"),
        (lambda r: (r / "refcoco" / "refs(unc).p").write_bytes(b""), r"no pickle or a damaged one"),
        (lambda r: _change(r, lambda refs: refs[3].pop("split")), r"refs\(unc\)\.p, ref 3: .*'split' is missing"),
        (lambda r: _change(r, lambda refs: refs[2].update(ann_id=7)), r"ref 2: .*annotation 7 is not in instances"),
        (lambda r: _change(r, lambda refs: refs[0].update(ann_id=[{}])), r"ref 0: .*neither number nor string"),
        (lambda r: _change(r, lambda refs: refs[1].update(image_id=99)), r"about photo 99, which is not in"),
        (
            lambda r: _change(r, lambda refs: refs[1]["sentences"][0].update(sent=[])),
            r"ref 1: .*text expected, not list",
        ),
        (lambda r: _change(r, lambda refs: refs.insert(0, "ref")), r"ref 0: not as it should be"),
        (lambda r: _change(r, lambda refs: refs[0].update(ref_id=float("inf"))), r"ref 0: not as it should be"),
        (lambda r: _annotate(r, segmentation=[{"size": [9, 9], "counts": "o"}]), r"annotation .* damaged"),
        (lambda r: _annotate(r, bbox=None), r"annotation .*: not as it should be"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture, damage, said: str
) -> None:
    damage(copy)
    assert prepare(copy, "unc", tmp_path / "out") == 2
    err = [line for line in capsys.readouterr().err.splitlines() if line.startswith("python -m train prepare: ")]
    assert len(err) == 1
    with pytest.raises(ValueError, match=said):
        raise ValueError(err[0])
    assert not (tmp_path / "out").exists()


def test_without_out_or_check_there_is_nothing_to_do(refer: Path, capsys: pytest.CaptureFixture) -> None:
    assert prepare(refer, "unc", None) == 2
    assert "--out DIR, --check, or both" in capsys.readouterr().err
