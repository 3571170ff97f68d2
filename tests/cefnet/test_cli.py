import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from cefnet.__main__ import main

FILES = ["boundary.png", "mask.png", "overlay.png", "result.json"]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """45 high, 70 wide."""
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (45, 70, 3), np.uint8))
    return path


def read(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_segment_writes_four_files_that_agree(photo, tiny_checkpoint, tmp_path, capsys):
    options = [
        "--model",
        str(tiny_checkpoint),
        "--out",
        str(tmp_path / "a" / "b"),
        "--presence-threshold",
        "0",
    ]
    assert main(["segment", str(photo), "the red dog", *options]) == 0
    out = tmp_path / "a" / "b"
    assert sorted(path.name for path in out.iterdir()) == FILES
    about, mask = json.loads((out / "result.json").read_text()), read(out / "mask.png")
    assert mask.shape == (45, 70) and set(np.unique(mask)) <= {0, 255}
    np.testing.assert_array_equal(coco_mask.decode(about["mask"]) * 255, mask)
    assert about["area"] == pytest.approx((mask > 0).mean())
    assert read(out / "boundary.png").shape == (45, 70) and read(out / "overlay.png").shape == (45, 70, 3)
    assert about["expression"] == "the red dog" and about["model"] == str(tiny_checkpoint)
    assert 0 <= about["score"] <= 1 and set(about["timings"]) == {"encode", "segment"}
    assert "'the red dog'" in capsys.readouterr().out


def test_several_expressions_get_a_folder_each(photo, tiny_checkpoint, tmp_path):
    expressions = ["red dog", "../狗", "x" * 20]
    assert (
        main(
            [
                "segment",
                str(photo),
                *expressions,
                "--model",
                str(tiny_checkpoint),
                "--out",
                str(tmp_path / "out"),
            ]
        )
        == 0
    )
    folders = sorted(path for path in (tmp_path / "out").iterdir())
    assert [folder.name for folder in folders] == ["1-red-dog", "2", "3-" + "x" * 20]
    for folder, expression in zip(folders, expressions, strict=True):
        assert sorted(path.name for path in folder.iterdir()) == FILES
        assert json.loads((folder / "result.json").read_text(encoding="utf-8"))["expression"] == expression


def test_thresholds(photo, tiny_checkpoint, tmp_path, capsys):
    def run(*options: str) -> tuple[np.ndarray, dict]:
        arguments = [
            "segment",
            str(photo),
            "dog",
            "--model",
            str(tiny_checkpoint),
            "--out",
            str(tmp_path / "out"),
        ]
        assert main([*arguments, *options]) == 0
        return read(tmp_path / "out" / "mask.png"), json.loads((tmp_path / "out" / "result.json").read_text())

    mask, about = run("--mask-threshold", "0", "--presence-threshold", "0")
    assert (mask == 255).all() and about["present"] and about["box"] == [0, 0, 70, 45] and about["area"] == 1
    mask, about = run("--mask-threshold", "0", "--presence-threshold", "1")
    assert not mask.any() and not about["present"] and about["box"] is None
    np.testing.assert_array_equal(read(tmp_path / "out" / "overlay.png"), read(photo))  # nothing to show
    assert "nothing matches" in capsys.readouterr().out
    for value in ("1.5", "-1", "nan", "half"):
        with pytest.raises(SystemExit):
            run("--mask-threshold", value)


@pytest.mark.parametrize(
    ("option", "regions"),
    [([], "all"), (["--regions", "one"], "one"), (["--regions", "all"], "all"),
     (["--one-region"], "one"), (["--no-one-region"], "all")],
)  # fmt: skip
def test_all_regions_or_the_strongest(option, regions, photo, tiny_checkpoint, tmp_path, two_regions):
    where = ["--model", str(tiny_checkpoint), "--out", str(tmp_path), "--presence-threshold", "0"]
    assert main(["segment", str(photo), "dog", *where, *option]) == 0
    about, mask = json.loads((tmp_path / "result.json").read_text()), read(tmp_path / "mask.png")
    assert about["regions"] == regions and mask[0, 0] == 255 and (mask[-1, -1] == 0) == (regions == "one")


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"photo": "missing.jpg"}, "no file 'missing.jpg'"), ({"expression": " "}, "nothing to read"),
     ({"expression": "dog " * 99}, "limit is 48"), ({"model": "cefnet-xyz"}, "no model 'cefnet-xyz'"),
     ({"device": "tpu"}, "device 'tpu'"), ({"regions": "auto"}, "use one or all")],
)  # fmt: skip
def test_faults_are_told_in_one_line(changes, message, photo, tiny_checkpoint, tmp_path, capsys):
    given = {
        "photo": str(photo),
        "expression": "dog",
        "model": str(tiny_checkpoint),
        "device": "cpu",
        "regions": "all",
    } | changes
    options = ["--model", given["model"], "--device", given["device"], "--out", str(tmp_path / "out")]
    options += ["--regions", given["regions"]]
    assert main(["segment", given["photo"], given["expression"], *options]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_is_a_file_is_told(photo, tiny_checkpoint, capsys):
    assert main(["segment", str(photo), "dog", "--model", str(tiny_checkpoint), "--out", str(photo)]) == 2
    assert "photo.png" in capsys.readouterr().err


def test_info(tiny_checkpoint, capsys):
    assert main(["info", str(tiny_checkpoint)]) == 0
    text = capsys.readouterr().out
    for part in (str(tiny_checkpoint), "sha256", "parameters", '"encoder": "efficientnet_lite0"'):
        assert part in text
    assert main(["info", str(tiny_checkpoint.parent)]) == 2


def test_as_a_program(tiny_checkpoint):
    command = [sys.executable, "-m", "cefnet", "info", str(tiny_checkpoint)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0 and "parameters" in done.stdout, done.stderr


def test_app_serves_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[bool] = []
    monkeypatch.setattr("app.serve.serve", lambda: served.append(True))
    assert main(["app"]) == 0 and served == [True]
