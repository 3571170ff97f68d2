"""python -m train ablation: all of it with tiny rows, and its parts by hand."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import pytest

from cefnet.config import ABLATION
from tests.photoref_fixture import make_photoref
from tests.train.test_tables import SMALL
from train.__main__ import main
from train.evaluation.command import percent, read_results
from train.evaluation.metrics import summarise
from train.experiments.ablation.numbers import NEIGHBOURS
from train.experiments.ablation.page import markdown, title, verdict
from train.experiments.ablation.pictures import LOSSES, keep_logs, smooth
from train.experiments.ablation.runs import RESULTS, Run, all_runs
from train.log import LOG, read_log

ROWS = ("dfn", "efn", "efn-vcm")
TINY = [change for change in SMALL if not change.startswith("sizes")]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three rows and a second seed of one, four expressions each, on drawn photos."""
    data, out = make_photoref(tmp_path_factory.mktemp("fixture")), tmp_path_factory.mktemp("ablation")
    changes = [word for change in TINY for word in ("--set", change)]
    return ["ablation", "--data", str(data), "--out", str(out), "--rows", *ROWS, "--again", "efn", "--expressions", "4",
            "--size", "64", "--limit", "6", "--rounds", "1", "--device", "cpu",
            "--markdown", str(out / "ablation.md"), "--picture", str(out / "ablation.png"), *changes]  # fmt: skip


@pytest.fixture(scope="module")
def numbers(command: list[str]) -> list[dict[str, Any]]:
    assert main(command) == 0
    return json.loads((out_of(command) / "ablation.json").read_text())


def out_of(command: list[str]) -> Path:
    return Path(command[command.index("--out") + 1])


def test_rows_say_what_the_records_say(command: list[str], numbers: list[dict[str, Any]]) -> None:
    assert [row["name"] for row in numbers] == list(ROWS)
    for row in numbers:
        assert row["seeds"] == ([0, 1] if row["name"] == "efn" else [0])
        files = [out_of(command) / f"{row['name']}-{seed}" / "results.jsonl" for seed in row["seeds"]]
        each = [[record for record in read_results(file) if record.ann_ids] for file in files]
        assert all(record.present for records in each for record in records)  # refusal plays no part
        whole = summarise([record for records in each for record in records])
        assert row["overall_iou"] == whole["overall_iou"] and row["interval"] == whole["intervals"]["overall_iou"]
        assert row["overall_iou_of_seeds"] == [summarise(records)["overall_iou"] for records in each]
        low, high = row["precision_interval"]["0.5"]
        assert low <= row["precision"]["0.5"] <= high and row["kind_interval"].keys() == row["by_kind"].keys()
        assert (row["expressions"], row["n"], row["config"]) == (4, len(each[0]), ABLATION[row["name"]])
        assert row["parameters"] > 0 and row["ms"] > 0 and row["gflop"] > row["gflop_expression"] > 0
    dfn, efn, vcm = numbers
    assert dfn["paper"] == 52.86 and dfn["attention_mb"]["20"] == 0 < vcm["attention_mb"]["20"]
    assert efn["gflop_expression"] > dfn["gflop_expression"]  # E_4 and E_5 once an expression, not once a photo


def test_neighbours_are_compared_on_the_seeds_that_both_have(numbers: list[dict[str, Any]]) -> None:
    pairs = {(p["from"], p["to"]): p for row in numbers for p in row["differences"]}
    assert list(pairs) == [("dfn", "efn"), ("efn", "efn-vcm")]
    for (first, second), pair in pairs.items():
        of = {row["name"]: row["overall_iou_of_seeds"][0] for row in numbers}
        assert pair["seeds"] == [0] and pair["overall_iou"]["difference"] == pytest.approx(of[second] - of[first])
    assert pairs["dfn", "efn"]["paper"] == pytest.approx(55.87 - 52.86)


def test_rows_differ_in_their_modules_alone(command: list[str], numbers: list[dict[str, Any]]) -> None:
    del numbers
    recipes = [json.loads((out_of(command) / f"{row}-0" / "recipe.json").read_text()) for row in ROWS]
    for row, recipe in zip(ROWS, recipes, strict=True):
        assert {key: recipe["start"]["model"].pop(key) for key in ABLATION[row]} == ABLATION[row]
        del recipe["name"]
    assert recipes[0] == recipes[1] == recipes[2] and recipes[0]["stages"][0]["sizes"] == [[0.0, 64]]


def test_what_is_done_is_not_done_again(command: list[str], numbers: list[dict[str, Any]]) -> None:
    out = out_of(command)
    before = {file: file.stat().st_mtime_ns for file in out.glob("*/*") if file.name != ".lock"}
    (out / "ablation.json").unlink()
    assert main([*command, "--only-measured"]) == 0
    again = json.loads((out / "ablation.json").read_text())
    assert {file: file.stat().st_mtime_ns for file in before} == before
    timeless = [[{k: v for k, v in row.items() if k != "ms"} for row in one] for one in (numbers, again)]
    assert timeless[0] == timeless[1]
    (out / "dfn-0" / RESULTS[""]).unlink()
    (out / "efn-vcm-0" / "checkpoint.pt").write_bytes(b"")  # would be missed, if it were trained again
    assert main(command) == 0
    assert (out / "dfn-0" / RESULTS[""]).is_file()


def test_seeds_are_compared_with_the_first_one(command: list[str], numbers: list[dict[str, Any]]) -> None:
    (pair,) = (p for row in numbers for p in row["noise"])
    first, second = next(row for row in numbers if row["name"] == "efn")["overall_iou_of_seeds"]
    assert (pair["name"], pair["seeds"]) == ("efn", [0, 1])
    assert pair["overall_iou"]["difference"] == pytest.approx(second - first)
    assert "| EFN | 0 | 1 |" in (out_of(command) / "ablation.md").read_text()


def test_logs_are_kept(tmp_path: Path) -> None:
    runs = [Run("efn", 0, tmp_path / "efn-0"), Run("efn", 1, tmp_path / "efn-1"), Run("dfn", 0, tmp_path / "dfn-0")]
    for run in runs:
        run.folder.mkdir()
    for run in runs[:2]:
        lines = "".join(f"{step},0.5,{run.seed}\n" for step in range(20, 260, 20))
        (run.folder / LOG).write_text("step,mask,dice\n" + lines)
    keep_logs(runs, tmp_path / "logs")
    assert sorted(file.name for file in (tmp_path / "logs").iterdir()) == ["efn-0.csv", "efn-1.csv", LOSSES]
    assert (tmp_path / "logs" / "efn-1.csv").read_bytes() == (runs[1].folder / LOG).read_bytes()
    assert cv2.imread(str(tmp_path / "logs" / LOSSES)) is not None


def test_losses_are_means_of_ten_lines() -> None:
    lines = [{"step": 20.0 * n, "mask": float(n)} for n in range(1, 13)]
    assert smooth(lines, "mask") == ([200.0, 220.0, 240.0], [5.5, 6.5, 7.5])
    assert smooth(lines[:9], "mask") == ([], [])


def test_page_and_picture(command: list[str], numbers: list[dict[str, Any]]) -> None:
    text = (out_of(command) / "ablation.md").read_text()
    for row in numbers:
        assert f"| {title(row['name'])} | {row['paper']:.2f} | {percent(row['overall_iou'])} |" in text
    assert "| DFN | EFN | 1 | +3.01 |" in text and text.count("\n## ") == 5
    assert cv2.imread(str(out_of(command) / "ablation.png")) is not None


@pytest.mark.parametrize(
    ("overall", "mean", "said"),
    [((0.01, 0.02), (-0.01, 0.02), "overall"), ((-0.02, -0.01), (0.01, 0.02), "overall and mean"),
     ((-0.1, 0.1), (0.0, 0.1), "neither")],
)  # fmt: skip
def test_verdict(overall: tuple[float, float], mean: tuple[float, float], said: str) -> None:
    assert verdict({"overall_iou": {"interval": overall}, "mean_iou": {"interval": mean}}) == said


def test_neighbours_differ_in_one_module_and_the_last_pair_in_all() -> None:
    changed = [[key for key in ABLATION[a] if ABLATION[a][key] != ABLATION[b][key]] for a, b in NEIGHBOURS]
    assert [len(keys) for keys in changed] == [1] * (len(NEIGHBOURS) - 1) + [3]


def test_seeds_and_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = all_runs(tmp_path, list(ABLATION), 1, ["efn"])
    assert [(r.row, r.seed) for r in runs] == [*((row, 0) for row in ABLATION), ("efn", 1)]
    assert len(all_runs(tmp_path, ["dfn", "efn"], 3, ["efn"])) == 6
    assert runs[0].folder == tmp_path / "dfn-0" and replace(runs[0], seed=1) != runs[0]
    for words, said in ((["--rows", "acm"], "'acm'"), (["--seeds", "0"], "--seeds is 0")):
        assert main(["ablation", "--data", str(tmp_path), "--out", str(tmp_path), *words]) == 2
        assert said in capsys.readouterr().err


def test_the_page_in_docs_shows_the_kept_numbers() -> None:
    docs = Path(__file__).resolve().parents[2] / "docs"
    numbers = json.loads((docs.parent / "train" / "ablation.json").read_text(encoding="utf-8"))
    assert (docs / "ablation.md").read_text(encoding="utf-8").endswith(markdown(numbers))
    for run in (f"{row['name']}-{seed}" for row in numbers for seed in row["seeds"]):
        assert len(read_log(docs / "ablation-logs" / f"{run}.csv")) == 83
