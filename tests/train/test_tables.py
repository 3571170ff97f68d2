"""train/experiments/tables.py: short runs of the six ablation rows beside the paper's numbers."""

import json
from pathlib import Path

import cv2
import pytest

from cefnet.config import ABLATION
from tests.photoref_fixture import make_photoref
from train.__main__ import main
from train.experiments.table import Row, Table, draw, markdown
from train.experiments.tables import Measured, read_runs, table1, table2, table3
from train.paper import paper_tables

SMALL = [
    "model.encoder=efficientnet_lite0", "model.width=8", "model.word_width=8", "model.text_width=8",
    "model.decoder_widths=(8,8,8,8,8)", "model.image_size=64", "model.vocabulary=400", "sizes=((0.0,64),)",
    "data.photos=2", "data.expressions=1", "pretrained=False",
]  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One step of each row on drawn photos, and what it reaches."""
    data, folder = make_photoref(tmp_path_factory.mktemp("fixture")), tmp_path_factory.mktemp("runs")
    changes = [word for change in SMALL for word in ("--set", change)]
    for row in ABLATION:
        out = folder / f"ablation-{row}"
        common = ["--data", str(data), "--device", "cpu"]
        run = ["run", out.name, *common, "--out", str(out), "--workers", "0", "--steps", "2", "--stop", "1", *changes]
        assert main(run) == 0
        assert main(["evaluate", str(out), *common, "--limit", "3", "--json", str(out / "dev.json")]) == 0
    return folder


def test_six_rows_stand_beside_the_papers(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", "--runs", str(runs), "--out", str(tmp_path)]) == 0
    assert "6 evaluations of 6 runs" in capsys.readouterr().out
    text = (tmp_path / "tables.md").read_text()
    table = text.split("## Table 3")[1].splitlines()
    for row in ABLATION:
        [line] = [line for line in table if line.endswith(f": ablation-{row} |")]
        numbers = json.loads((runs / f"ablation-{row}/dev.json").read_text())
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[0] == row.upper().replace("-", " + ") and cells[1].endswith(" dev")
        assert cells[-2] == f"{100 * numbers['overall_iou']:.2f}"
        assert cells[-1].startswith("run here, 1 of 2 steps, 3 expressions")
        before = table[table.index(line) - 1]
        assert before.startswith(f"| {cells[0]} | UNC testB |") and before.endswith("| the paper |")
    for name in ("table1", "table2-1", "table2-4", "table3"):
        assert cv2.imread(str(tmp_path / f"{name}.png")) is not None


def measured(run: str, data: str, split: str, iou: float, attention: str = "acm", **more: object) -> Measured:
    model = {"fusion": "encoder", "attention": attention, "boundary": True}
    numbers = {
        "data": data, "split": split, "overall_iou": iou, "protocol": "ours", "n": 1234,
        "precision": {str(x): iou for x in (0.5, 0.6, 0.7, 0.8, 0.9)},
        "by_length": {b: {"overall_iou": iou, "n": 5} for b in ("1-2", "3", "4-5", "6-20")},
    }  # fmt: skip
    return Measured(run, model, "200,000 steps", numbers | more)


def cells(table: Table, name: str) -> dict[str, str]:
    [row] = [row for row in table.rows if row.cells[0] == name]
    return dict(zip(table.columns, row.cells, strict=True))


def test_table_1_puts_our_runs_in_the_papers_columns() -> None:
    runs = [
        measured("mine", "unc", "val", 0.62345),
        measured("mine", "g-ref", "val", 0.5),
        measured("mine", "photos", "dev", 0.4),
        measured("mine", "unc", "val", 0.7, protocol="authors"),
        measured("part", "unc", "val", 0.1, attention="none"),  # an ablation: not in this table
    ]
    table = table1(runs)
    assert table.columns[1:9] == tuple(paper_tables()["table1"]["columns"])
    assert cells(table, "CEFNet-ACM (2021)")["UNC testB"] == "59.67"
    assert cells(table, "CEFNet-ACM (2021)")["photos dev"] == cells(table, "MAttNet (2018)")["G-Ref val"] == "-"
    ours = [row for row in table.rows if row.ours]
    assert [row.cells[0] for row in ours] == ["mine", "mine"]
    assert ours[0].cells[-1] == "run here, 200,000 steps"
    assert ours[1].cells[-1] == "run here, 200,000 steps, authors' protocol"
    values = dict(zip(table.columns, ours[0].cells, strict=True))
    assert (values["UNC val"], values["G-Ref val"], values["photos dev"]) == ("62.34", "50.00", "40.00")
    assert values["UNC testA"] == "-"


def test_table_2_has_the_groups_of_each_data_set() -> None:
    tables = table2([measured("mine", "unc+", "testA", 0.5), measured("mine", "photos", "dev", 0.25)])
    names = [table.title.split(", ")[1].split(":")[0] for table in tables]
    assert names == ["G-Ref", "UNC", "UNC+", "ReferIt", "photos"]
    assert cells(tables[2], "mine")["4-5"] == "50.00" and "testA" in cells(tables[2], "mine")["from"]
    assert cells(tables[0], "CEFNet-ACM")["11-20"] == "46.21"
    assert all(row.ours for row in tables[4].rows) and not any(row.ours for row in tables[1].rows)


def test_without_runs_the_tables_are_the_papers() -> None:
    assert not any(row.ours for table in (table1([]), *table2([]), table3([])) for row in table.rows)
    assert len(table3([]).rows) == 18


def test_only_evaluations_are_read_and_errors_are_named(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text("{}")
    numbers = {"overall_iou": 0.5, "data": "unc", "split": "val", "shuffled": False}
    (run / "val.json").write_text(json.dumps(numbers))
    (run / "shuffled.json").write_text(json.dumps(numbers | {"shuffled": True}))
    [found] = read_runs(tmp_path)
    assert (found.run, found.steps, found.dataset) == ("run", "steps unknown", "UNC")
    (run / "words.json").write_text("{")
    with pytest.raises(ValueError, match=r"words\.json is not JSON"):
        read_runs(tmp_path)
    with pytest.raises(ValueError, match="there is no folder"):
        read_runs(tmp_path / "none")


def test_markdown_and_picture_by_hand(tmp_path: Path) -> None:
    rows = (Row(("a|b", "1.00", "p"), False), Row(("c", "-", "q"), True))
    table = Table("t", "A title", ("model", "x", "from"), rows)
    assert markdown(table) == (
        "## A title\n\n| model | x | from |\n|:--|--:|:--|\n| a\\|b | 1.00 | p |\n| c | - | q |\n"
    )
    draw(table, tmp_path / "t.png")
    picture = cv2.imread(str(tmp_path / "t.png"))
    green = (picture == (0xE6, 0xF2, 0xE3)).all(axis=2)  # BGR
    rows = green.any(axis=1).nonzero()[0]
    assert rows.min() > picture.shape[0] / 2  # the last line alone
