"""How answers are decided: one decision in config, checkpoint, predictor and result, and the same answer by another."""

import json
from argparse import ArgumentParser
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cefnet import Predictor, Result
from cefnet.config import Decision, ModelConfig, add_decision, decision_of, parse_config, write_config
from cefnet.model import CEFNet
from cefnet.weights import load, save

share = st.floats(0, 1)
decisions = st.builds(Decision, share, share, st.sampled_from(("one", "all")))
IMAGE = np.random.default_rng(0).integers(0, 256, (45, 70, 3), np.uint8)


@pytest.fixture(scope="module")
def predictor(tiny_checkpoint: Path) -> Predictor:
    return Predictor.from_pretrained(tiny_checkpoint, "cpu")


@pytest.fixture(scope="module")
def result(predictor: Predictor) -> Result:
    return predictor.segment(predictor.encode(IMAGE), "the red dog", explain=False)


@settings(max_examples=25)
@given(decision=decisions)
def test_an_answer_decided_otherwise_is_that_of_a_predictor_that_decides_so(
    decision: Decision, predictor: Predictor, result: Result
) -> None:
    before = result.decision
    other = Predictor(predictor.model, predictor.tokenizer, decision=decision)
    asked = other.segment(other.encode(IMAGE), "the red dog", explain=False)
    decided = result.decided(decision)
    assert asked.decision == decided.decision == decision and result.decision == before
    assert result.decided(**asdict(decision)).decision == decision
    np.testing.assert_array_equal(decided.mask, asked.mask)
    np.testing.assert_array_equal(decided.found, asked.found)
    assert decided.to_dict() | {"timings": {}} == asked.to_dict() | {"timings": {}}


@given(first=decisions, second=decisions)
def test_the_last_decision_counts(first: Decision, second: Decision, result: Result) -> None:
    assert result.decided(first).decided(second).decision == second
    assert first.changed() == first and first.changed(**asdict(second)) == second
    assert first.changed(regions="one") == replace(first, regions="one")
    changed = result.decided(first, presence_threshold=second.presence_threshold).decision
    assert changed == replace(first, presence_threshold=second.presence_threshold)


@given(decision=decisions)
def test_a_decision_survives_json_beside_the_architecture(decision: Decision) -> None:
    text = write_config(ModelConfig(width=64), decision)
    assert parse_config(text) == (ModelConfig(width=64), decision)
    assert list(json.loads(text))[-3:] == ["mask_threshold", "presence_threshold", "regions"]


def test_the_order_is_the_same_everywhere(result: Result) -> None:
    names = [field.name for field in fields(Decision)]
    assert names == ["mask_threshold", "presence_threshold", "regions"]
    assert [name for name in result.to_dict() if name in names] == names


@pytest.mark.parametrize(("older", "regions"), [(True, "one"), (False, "all")])
def test_configs_of_earlier_versions_are_read(older: bool, regions: str) -> None:
    text = json.dumps({"width": 64, "presence_threshold": 0.4, "mask_threshold": 0.35, "one_region": older})
    assert parse_config(text) == (ModelConfig(width=64), Decision(0.35, 0.4, regions))
    assert parse_config("{}") == (ModelConfig(), Decision(0.5, 0.5, "all"))


def test_a_checkpoint_carries_its_decision_to_the_predictor_and_its_results(
    tiny_checkpoint: Path, tiny_tokenizer: Path, tmp_path: Path
) -> None:
    decision = Decision(0.35, 0.2, "one")
    save(tmp_path, load(tiny_checkpoint, "cpu").model, decision, tiny_tokenizer, {}, "")
    assert load(tmp_path).decision == decision
    other = Predictor.from_pretrained(tmp_path, "cpu")
    assert other.decision == decision
    assert other.segment(other.encode(IMAGE), "dog").decision == decision


def by_hand(result: Result, several: float | None, regions: str) -> Result:
    """Two separate regions of the photo; the one in the left upper corner is the stronger."""
    level = np.zeros((10, 10), np.float32)
    level[0, 0], level[9, 9] = 0.9, 0.8
    return replace(result, levels=(level,), several=several, decision=Decision(regions=regions))


@pytest.mark.parametrize(
    ("regions", "several", "corners"),
    [("one", None, (True, False)), ("one", 0.9, (True, False)), ("all", None, (True, True)), ("all", 0.1, (True, True)),
     ("auto", 0.49, (True, False)), ("auto", 0.5, (True, True))],
)  # fmt: skip
def test_which_regions_are_the_mask(
    result: Result, regions: str, several: float | None, corners: tuple[bool, bool]
) -> None:
    mask = by_hand(result, several, regions).mask
    assert (bool(mask[0, 0]), bool(mask[-1, -1])) == corners


def test_a_model_that_says_so_decides_how_many_regions(
    tiny_config: ModelConfig, tiny_tokenizer: Path, tmp_path: Path
) -> None:
    model = CEFNet(replace(tiny_config, several=True)).eval()
    save(tmp_path, model, Decision(0.5, 0.5, "auto"), tiny_tokenizer, {}, "")
    predictor = Predictor.from_pretrained(tmp_path, "cpu")
    result = predictor.segment(predictor.encode(IMAGE), "dog")
    assert result.decision.regions == "auto" and result.several is not None and 0 <= result.several <= 1
    corners = by_hand(result, result.several, "auto")
    wanted = corners.decided(regions="all" if result.several >= 0.5 else "one")
    np.testing.assert_array_equal(corners.mask, wanted.mask)


def test_auto_is_refused_of_a_model_that_does_not_say_whether_several_things_are_meant(
    predictor: Predictor, result: Result, tiny_tokenizer: Path, tmp_path: Path
) -> None:
    auto = Decision(regions="auto")
    for attempt in (
        lambda: result.decided(regions="auto"),
        lambda: Predictor(predictor.model, predictor.tokenizer, decision=auto),
        lambda: save(tmp_path / "new", predictor.model, auto, tiny_tokenizer, {}, ""),
        lambda: parse_config('{"regions": "auto"}'),
    ):
        with pytest.raises(ValueError, match="this model has no output .* use one or all"):
            attempt()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("options", "decision"),
    [([], Decision(0.35, 0.6, "one")), (["--regions", "auto"], Decision(0.35, 0.6, "auto")),
     (["--mask-threshold", "0", "--presence-threshold", "1"], Decision(0, 1, "one")),
     (["--no-one-region"], Decision(0.35, 0.6, "all")), (["--one-region"], Decision(0.35, 0.6, "one"))],
)  # fmt: skip
def test_options_change_the_models_own_decision(options: list[str], decision: Decision) -> None:
    parser = ArgumentParser()
    add_decision(parser)
    assert decision_of(parser.parse_args(options), Decision(0.35, 0.6, "one")) == decision
