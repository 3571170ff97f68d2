"""`python -m train benchmark`: the peer answers as we do, and what is reported follows from what was measured."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cefnet.config import ModelConfig
from cefnet.model import CEFNet
from train.__main__ import main
from train.experiments.speed import timing
from train.experiments.speed.command import goals
from train.experiments.speed.floor import Traffic
from train.experiments.speed.plain import answer, plain
from train.experiments.speed.report import markdown

IDS = torch.tensor([[3, 4, 5, 6]])


@pytest.fixture(scope="module")
def papers(tiny_config: ModelConfig) -> ModelConfig:
    """The paper's VCM, small."""
    return replace(
        tiny_config, attention="vcm", normalisation="l2", gated=False, residual=False, presence=False, dilated=False,
        encoder="resnet18", branch_kernel=3,
    )  # fmt: skip


@pytest.mark.parametrize("attention", ["vcm", "acm"])
def test_the_peer_has_our_answers(papers: ModelConfig, attention: str) -> None:
    torch.manual_seed(0)
    model = CEFNet(replace(papers, attention=attention)).eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        ours, theirs = (one(one.encode_photo(images), IDS, IDS > 0) for one in (model, plain(model)))
    for name in ("mask_logits", "boundary_logits"):
        for a, b in zip(getattr(ours, name), getattr(theirs, name), strict=True):
            torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_the_peer_answers_up_to_the_mask(papers: ModelConfig) -> None:
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (30, 50, 3), dtype=torch.uint8).numpy()
    mask = answer(plain(CEFNet(papers).eval()), pixels, IDS, IDS > 0)
    assert mask.shape == (30, 50) and mask.dtype == bool


def test_models_that_depart_from_eq_1_have_no_plain_form(tiny_config: ModelConfig) -> None:
    with pytest.raises(ValueError, match="paper-"):
        plain(CEFNet(tiny_config).eval())


def test_actions_take_turns_and_the_median_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now, order = [0.0], []
    seconds = {"a": iter([9, 1, 5, 2]), "b": iter([9, 3, 3, 3])}  # the first of each is not measured

    def act(name: str) -> None:
        order.append(name)
        now[0] += next(seconds[name])

    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    ms = timing.medians({name: lambda name=name: act(name) for name in "ab"}, runs=3)
    assert "".join(order) == "abababab" and ms == {"a": 2000, "b": 3000}


def test_traffic_by_hand() -> None:
    a, b = torch.rand(4, 8), torch.rand(8, 2)
    with torch.no_grad(), Traffic() as traffic:
        (a @ b).t().flatten()[:3]  # the product; the transpose is a view; flattening it copies; the slice is a view
    product, copied = 4 * (4 * 8 + 8 * 2 + 4 * 2), 2 * 4 * (4 * 2)
    assert traffic.bytes == product + copied


LATENCY = [
    {"model": model, "precision": precision, "threads": threads, "first_ms": first, "next_ms": following}
    for model, precision, threads, first, following in (
        ("plain authors-vcm", "float32", 2, 1000.0, 1000.0),
        ("cefnet-acm", "float32", 2, 90.0, 80.0),
        ("cefnet-acm", "bfloat16", 2, 50.0, 40.0),
        ("paper-acm", "float32", 1, 900.0, 800.0),
        ("paper-acm", "float32", 2, 500.0, 400.0),
    )
]
MEMORY = [{"size": "512x96x96", "plain VCM": 1280.0, "our VCM": 64.0, "our ACM": 80.0}]
NUMBERS = {"machine": {"cpu": "one"}, "runs": 7, "peer": "plain authors-vcm", "latency": LATENCY, "memory": MEMORY}


def test_goals_are_ratios_of_what_was_measured() -> None:
    found = goals(NUMBERS)
    first = {"ratio": 20.0, "ours": 50.0, "peer": 1000.0, "unit": "ms", "runs": 7, "precision": "bfloat16"}
    assert found["cpu_first_expression"] == first  # as the app would answer
    assert found["cpu_next_expression"]["ratio"] == 25 and found["cpu_paper_acm_next_expression"]["ratio"] == 2.5
    assert found["vcm_memory_96"] == {"ratio": 20.0, "ours": 64.0, "peer": 1280.0, "unit": "MB", "runs": 1}
    assert goals({**NUMBERS, "latency": [], "memory": []}) == {}
    assert set(goals({**NUMBERS, "machine": {"gpu": "one"}})) == {"vcm_memory_96"}  # the others are a CPU's


def test_the_report_shows_every_number_once() -> None:
    text = markdown({**NUMBERS, "goals": goals(NUMBERS)})
    assert "Machine: cpu one. Medians of 7 rounds" in text
    assert "| cefnet-acm | bfloat16 | 2 | 50.0 | 40.0 |" in text  # columns in the order in which they first come
    assert "| 512x96x96 | 1280 | 64.0 | 80.0 |" in text and "## Start-up" not in text


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tmp_path / "numbers.json"
    words = ["--only", "latency", "floor", "--models", "cefnet-acm", "--threads", "2", "--runs", "1", "--device", "cpu"]
    assert main(["benchmark", *words, "--json", str(told), "--markdown", str(tmp_path / "numbers.md")]) == 0
    numbers = json.loads(told.read_text())
    assert set(numbers["goals"]) == {"cpu_first_expression", "cpu_next_expression"}
    peer, *_, ours = numbers["latency"]
    assert ours["next_times"] == pytest.approx(peer["next_ms"] / ours["next_ms"])
    assert numbers["goals"]["cpu_next_expression"]["ratio"] == pytest.approx(ours["next_times"])
    assert 0 < numbers["floor"][0]["share"] < 1
    assert (tmp_path / "numbers.md").read_text() in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "named"), [("--runs 0", "--runs is 0"), ("--threads 0", "--threads [0]"), ("--only training", "--data")]
)
def test_impossible_requests_are_refused(words: str, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", *words.split()]) == 2
    assert named in capsys.readouterr().err


def test_importing_the_library_imports_nothing_slow() -> None:
    """Torch aside: its import is most of the time, whatever we do."""
    code = "import sys, cefnet; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"gradio", "matplotlib", "scipy", "pandas", "huggingface_hub"} & set(loaded)
