"""From a run folder to a shipped model with its card."""

import json
from pathlib import Path

from photoref_fixture import make_photoref

from cefnet.config import Decision
from cefnet.weights import load, locate
from train.__main__ import main


def test_a_run_becomes_a_shipped_model_with_a_card(tmp_path: Path) -> None:
    data, run, shipped = make_photoref(tmp_path / "data"), tmp_path / "run", tmp_path / "weights"
    common = ["--data", str(data), "--device", "cpu"]
    short = ["--steps", "1", "--workers", "0", "--set", "model.vocabulary=400", "--set", "model.right=True"]
    short += ["--set", "model.matching=True", "--set", "model.clicks=True"]
    assert main(["run", "smoke", "--out", str(run), *short, *common]) == 0
    choices = [
        "--mask-threshold",
        "0.4",
        "--presence-threshold",
        "0.3",
        "--regions",
        "one",
        "--image-size",
        "96",
        "--score",
        "0",
        "2.5",
    ]
    assert main(["ship", str(run), "tiny", "--weights", str(shipped), *choices, *common]) == 0

    checkpoint = load(shipped / "tiny", "cpu")
    assert checkpoint.decision == Decision(0.4, 0.3, "one") and checkpoint.config.image_size == 96
    assert locate("tiny", root=shipped)[2]  # SHA-256 sums are in the manifest
    assert checkpoint.model.right is not None and checkpoint.model.right.out.bias.item() == 2.5
    numbers = json.loads((shipped / "tiny" / "numbers.json").read_text())
    assert set(numbers) == {"model", "shuffled", "clicks:1", "clicks:3", "baseline:center", "baseline:largest"}
    card = (shipped / "tiny" / "README.md").read_text()
    assert "{" not in card.replace("ModelConfig", "")
    assert f"| baseline:largest | {numbers['baseline:largest']['overall_iou']:.3f} |" in card
    assert f"| this model, 3 clicks each | {numbers['clicks:3']['overall_iou']:.3f} |" in card
    assert f"things): {numbers['model']['calibration_error']:.3f}. All of these" in card
    stage = "- `masks`: 1 steps, 4 expressions, at the model's own input size; adamw, learning rate 0.0015; averaged"
    assert f"started from random weights:\n\n{stage} weights (decay 0.995)\n\nDepartures" in card
    assert (
        (run / "README.md")
        .read_text()
        .endswith(f"step 1 of 1.\n\n{card[card.index('Recipe `') : card.index('Departures')]}"[:-1])
    )
    assert "random weights" in card and "presence 0.3" in card
    assert "mask 0.4" in card and "`regions` is `one`" in card
