"""train/evaluation/command.py and answers.py on drawn photos, with a predictor that knows colours."""

import json
import shutil
from argparse import ArgumentParser
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from cefnet.config import Decision
from cefnet.model import CEFNet
from cefnet.predictor import Predictor
from cefnet.result import Result
from cefnet.text import Tokenizer, Tokens
from cefnet.weights import save
from tests.photoref_fixture import COLOURS, make_photoref
from train.data.reader import ReferData
from train.evaluation.command import (
    add_arguments,
    evaluate,
    main,
    measure,
    read_results,
    report,
    reported_splits,
    table,
)
from train.evaluation.metrics import summarise
from train.evaluation.questions import Query, ask, queries, shorten, shuffled
from train.evaluation.typed import WAYS, typed_otherwise

DOG = [Query(1, (), "dog", "")]
DEFAULT = Decision()  # scores below 0.5 mean "nothing"
KEYS = {
    "overall_iou", "mean_iou", "precision", "without_refusal", "boundary_f", "by_length", "by_kind",
    "absent_accuracy", "n", "shortened", "model", "data", "split", "protocol",
}  # fmt: skip


def said(level: np.ndarray, photo: np.ndarray, score: float = 0.9, decision: Decision = DEFAULT) -> Result:
    """An answer whose finest level is `level`."""
    height, width = photo.shape[:2]
    return Result(
        expression="dog", score=score, presence=score, decision=decision, timings={}, height=height, width=width,
        levels=(level.astype(np.float32),), _boundary=None, _tokens=Tokens((1,), ("dog",), (0,)), _word_attention={},
        _co_attention={},
    )  # fmt: skip


class OnePiece:
    """A tokenizer that reads anything."""

    def encode(self, expression: str, max_tokens: int = 48, truncate: bool = False) -> Tokens:
        return Tokens((1,), (expression,), (0,))


@dataclass
class ByColour:
    """Masks what has the colour that is named; says "nothing" to purple; else masks every object."""

    config = SimpleNamespace(image_size=64, max_tokens=48)
    decision = DEFAULT
    tokenizer = OnePiece()
    calls: list[str] = field(default_factory=list)

    def encode(self, image: np.ndarray) -> np.ndarray:
        self.calls.append("encode")
        return image

    def segment_many(self, photo: np.ndarray, expressions: list[str], explain: bool) -> list[Result]:
        self.calls.append(f"segment {len(expressions)}")
        return [self._segment(photo, expression.split()[0]) for expression in expressions]

    def _segment(self, photo: np.ndarray, word: str) -> Result:
        if word in COLOURS:
            return said((photo == COLOURS[word]).all(axis=2), photo)
        return said(np.ptp(photo, axis=2) > 0, photo, 0.2 if word == "purple" else 0.6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_photoref(tmp_path_factory.mktemp("photoref"), photos=12)


@pytest.fixture(scope="module")
def data(folder):
    return ReferData.open(folder)


def test_keys_and_what_was_measured(data):
    numbers = evaluate(ByColour(), data, "dev", name="by colour")
    assert KEYS <= numbers.keys()
    assert (numbers["model"], numbers["split"], numbers["protocol"]) == ("by colour", "dev", "ours")
    assert evaluate(ByColour(), data, "dev", limit=7)["n"] == 7
    assert numbers["n"] == sum(len(ref.sentences) for ref in data.refs_of("dev"))
    assert numbers["absent_accuracy"] == 1.0  # all absent things of the drawn data are purple
    assert set(numbers["by_kind"]) == {"location", "look", "free"}
    assert json.loads(json.dumps(numbers)) == numbers


def test_a_photo_is_encoded_once_and_asked_in_one_batch(data):
    predictor = ByColour()
    evaluate(predictor, data, "dev")
    photos = {ref.image_id for ref in data.refs_of("dev")}
    assert predictor.calls[::2] == ["encode"] * len(photos)
    assert all(call.startswith("segment") for call in predictor.calls[1::2])


def looks_alone(photos: list[list[Query]], data: ReferData) -> list[list[Query]]:
    """Only expressions by colour, of objects that are the only one of their colour in the photo."""
    unique = []
    for photo in photos:
        looks = [query for query in photo if query.kind == "look"]
        colours = [query.expression.split()[0] for query in looks]
        unique.append([query for query, colour in zip(looks, colours, strict=True) if colours.count(colour) == 1])
    return [photo for photo in unique if photo]


def test_masks_that_follow_the_words_are_right_and_with_shuffled_words_wrong(data):
    photos = looks_alone(queries(data, "train"), data)
    right = summarise(measure(ask(ByColour(), data), data, photos))
    assert right["overall_iou"] == right["mean_iou"] == right["precision"]["0.9"] == 1.0
    assert right["boundary_f"] == 1.0
    wrong = summarise(measure(ask(ByColour(), data), data, shuffled(photos)))
    assert wrong["overall_iou"] == wrong["mean_iou"] == 0.0
    assert 0 < wrong["n"] < right["n"]  # photos of one object are left out


@dataclass
class Cells:
    """A network whose input is twice as large as its finest level, which is `level`, whatever is asked."""

    level: list[list[float]]
    decision: Decision = DEFAULT
    tokenizer = OnePiece()

    @property
    def config(self) -> SimpleNamespace:
        return SimpleNamespace(image_size=2 * len(self.level), max_tokens=48)

    def encode(self, image: np.ndarray) -> np.ndarray:
        return image

    def segment_many(self, photo: np.ndarray, expressions: list[str], explain: bool) -> list[Result]:
        return [said(np.array(self.level), photo, decision=self.decision) for _ in expressions]


@dataclass
class GreyPhoto:
    height: int
    width: int

    def union(self, image_id: int, ann_ids: tuple[int, ...]) -> np.ndarray:
        return np.zeros((self.height, self.width), bool)

    def photo(self, image_id: int) -> np.ndarray:
        return np.full((self.height, self.width, 3), 128, np.uint8)


def test_authors_protocol_cuts_at_the_input_size_and_counts_every_touched_pixel():
    # At 4 x 4 the probability is 0.9ab, a and b of 1, 0.75, 0.25, 0: at least 0.5 in 2 x 2 left upper pixels
    # (0.9 * 0.75 * 0.75 = 0.506). Enlarged to 8 x 12, the binary map is above 0 up to the centre of the first
    # empty pixel, 2.5 of 4 pixels: 5 of 8 rows and 7 of 12 columns have their centre before it.
    data = GreyPhoto(8, 12)
    one_cell = Cells([[0.9, 0.0], [0.0, 0.0]])
    [authors] = ask(one_cell, data, "authors")(DOG)
    assert authors.mask[:5, :7].all() and authors.mask.sum() == 35
    [ours] = ask(one_cell, data, "ours")(DOG)
    assert authors.mask[ours.mask].all() and 0 < ours.mask.sum() < 35
    [all_empty] = ask(one_cell, data, "authors", Decision(mask_threshold=0.95))(DOG)
    assert not all_empty.mask.any()
    [looser] = ask(one_cell, data, "ours", Decision(mask_threshold=0.2))(DOG)
    assert looser.mask.sum() > ours.mask.sum()


def corners() -> list[list[float]]:
    """Two regions; the left upper one is the stronger."""
    level = np.zeros((10, 10))
    level[0, 0], level[9, 9] = 0.9, 0.8
    return level.tolist()


@pytest.mark.parametrize("protocol", ["ours", "authors"])
@pytest.mark.parametrize("own", ["one", "all"])
def test_another_decision_than_the_models(protocol, own):
    def found(decision):
        [answer] = ask(Cells(corners(), Decision(regions=own)), GreyPhoto(60, 80), protocol, decision)(DOG)
        return bool(answer.mask[0, 0]), bool(answer.mask[-1, -1]), answer.present

    assert found(Decision(regions="one")) == (True, False, True)
    assert found(Decision(regions="all")) == (True, True, True)
    assert found(Decision(presence_threshold=0.95))[2] is False  # its score is 0.9
    assert found(None) == (True, own == "all", True)


def test_errors_name_what_exists(data):
    with pytest.raises(ValueError, match="dev"):
        evaluate(ByColour(), data, "val")
    with pytest.raises(ValueError, match="ours, authors"):
        evaluate(ByColour(), data, "dev", protocol="theirs")
    with pytest.raises(ValueError, match="unc, gref, referit"):
        evaluate(ByColour(), data, "dev", bins="coco")


def run(*words: object) -> None:
    parser = ArgumentParser()
    add_arguments(parser)
    main(parser.parse_args([str(word) for word in words]))


def test_command_line_writes_numbers_and_results(folder, tmp_path, capsys):
    out, lines = tmp_path / "new" / "numbers.json", tmp_path / "results.jsonl"
    run("baseline:largest", "--data", folder, "--split", "dev", "--json", out, "--results", lines)
    numbers = json.loads(out.read_text())
    assert KEYS <= numbers.keys() and numbers["model"] == "baseline:largest" and numbers["absent_accuracy"] == 0.0
    assert report(read_results(lines), "baseline:largest", "dev", data=folder.name) == numbers
    printed = capsys.readouterr().out
    assert f"{100 * numbers['overall_iou']:.1f}" in printed and "location" in printed


def test_command_line_options(folder, tmp_path, capsys):
    out = tmp_path / "numbers.json"
    common = ("baseline:center", "--data", folder, "--json", out)
    run(*common, "--shuffle-expressions", "--bins", "gref")
    numbers = json.loads(out.read_text())
    assert numbers["shuffled"] and numbers["absent_accuracy"] is None and "8-10" in numbers["by_length"]
    run(*common, "--split", "study", "--calibrate")
    assert json.loads(out.read_text())["calibration"]["presence_threshold"] == 1.0
    assert "presence_threshold" in capsys.readouterr().out


def test_command_line_decides_otherwise(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(Predictor, "from_pretrained", lambda *_: Cells(corners(), Decision(regions="one")))

    def record(*options):
        run("corners", "--data", folder, "--limit", 1, "--results", tmp_path / "results", *options)
        return read_results(tmp_path / "results")[0]

    one, every = record().predicted, record("--regions", "all").predicted
    assert 0 < one == record("--regions", "one").predicted < every
    assert (one, every) == (record("--one-region").predicted, record("--no-one-region").predicted)
    assert record("--mask-threshold", "0.1").predicted > one
    assert record().present and not record("--presence-threshold", "0.95").present
    with pytest.raises(ValueError, match="use one or all"):
        record("--regions", "auto")


def test_a_threshold_that_nothing_reaches_refuses_everything(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(Predictor, "from_pretrained", lambda *_: ByColour())
    out = tmp_path / "numbers.json"
    run("by colour", "--data", folder, "--json", out, "--presence-threshold", "1")
    numbers = json.loads(out.read_text())
    assert numbers["overall_iou"] == 0.0 < numbers["without_refusal"]["overall_iou"]
    assert numbers["absent_accuracy"] == numbers["refused"] == 1.0


@pytest.mark.parametrize(
    "words, message",
    [
        (["baseline:smallest"], "center, largest"),
        (["baseline:center", "--split", "val"], "study"),
        (["baseline:center", "--calibrate"], "not on dev"),
        (["baseline:center", "--calibrate", "--split", "testA"], "not on testA"),
        (["baseline:center", "--limit", "-3"], "at least 1"),
        (["baseline:center", "--split", "study", "--calibrate", "--clicks", "1"], "nor with clicks"),
        (["baseline:center", "--clicks", "1"], "reads no clicks"),
        (["baseline:center", "--click-words", "empty"], "need clicks"),
        (["baseline:center", "--presence-threshold", "0.3"], "leave thresholds and regions out"),
    ],
)
def test_command_line_errors(folder, words, message):
    with pytest.raises(ValueError, match=message):
        run(*words, "--data", folder)


@pytest.mark.parametrize("protocol", ["ours", "authors"])
def test_a_real_model_from_a_folder(folder, data, tiny_checkpoint, tmp_path, protocol):
    out = tmp_path / "numbers.json"
    words = ("--data", folder, "--limit", 6, "--protocol", protocol, "--device", "cpu", "--json", out)
    run(tiny_checkpoint, *words)
    predictor = Predictor.from_pretrained(tiny_checkpoint, "cpu")
    numbers = evaluate(predictor, data, "dev", limit=6, protocol=protocol, name=str(tiny_checkpoint))
    assert json.loads(out.read_text()) == numbers and numbers["n"] == 6
    loose = measure(ask(predictor, data, protocol, Decision(mask_threshold=0.0)), data, queries(data, "dev", 6))
    assert all(record.predicted == 96 * 72 for record in loose)  # a threshold of 0 takes the whole photo


@pytest.fixture(scope="module")
def clicked(tiny_config, tiny_tokenizer, tmp_path_factory):
    """A weights folder of a tiny model that answers a click with its disc."""
    torch.manual_seed(0)
    model = CEFNet(replace(tiny_config, matching=True, clicks=True, right=True)).eval()
    for layer in model.matching.lean_on:
        layer.weight.data[0, 2], layer.weight.data[0, 3], layer.bias.data[0] = 60.0, -60.0, -20.0
    folder = tmp_path_factory.mktemp("weights") / "clicked"
    save(folder, model, DEFAULT, tiny_tokenizer, {}, "# Clicked\n")
    return folder


def test_a_user_who_clicks_gets_at_what_is_meant(folder, clicked, tmp_path):
    def numbers(*options):
        out, lines = tmp_path / "numbers.json", tmp_path / "lines"
        run(clicked, "--data", folder, "--device", "cpu", "--json", out, "--results", lines, *options)
        return json.loads(out.read_text()), read_results(lines)

    plain, one, three = numbers()[0], numbers("--clicks", 1), numbers("--clicks", 3)
    assert plain["clicks"] == 0 and one[0]["clicks"] == 1 and one[0]["click_words"] == "right"
    assert plain["mean_iou"] < one[0]["mean_iou"] < three[0]["mean_iou"]
    assert all(record.present and record.intersection for record in one[1])
    assert one[0]["absent_accuracy"] is None and one[0]["n"] == plain["n"]
    assert numbers("--clicks", 1)[1] == one[1]  # no chance in it
    empty, others = (numbers("--clicks", 1, "--click-words", words) for words in ("empty", "other"))
    assert {record.expression for record in empty[1]} == {""} and empty[0]["mean_iou"] > plain["mean_iou"]
    assert [r.expression for r in others[1]] != [r.expression for r in one[1]]


def test_typed_otherwise_the_mask_stays_or_is_counted(folder, data, tiny_checkpoint, tmp_path, monkeypatch):
    out = tmp_path / "numbers.json"
    run(tiny_checkpoint, "--data", folder, "--device", "cpu", "--json", out, "--typed-otherwise")
    shares = json.loads(out.read_text())["typed_otherwise"]
    assert set(shares) == {*WAYS, "all"} and shares["final stop"] == shares["capitals"] == 1.0  # normalised away
    predictor = Predictor.from_pretrained(tiny_checkpoint, "cpu")
    monkeypatch.setattr("train.evaluation.typed.WAYS", {"same": str, "other": lambda text: "purple horse"})
    photos = queries(data, "dev")
    kept = []
    for photo in photos:
        encoded = predictor.encode(data.photo(photo[0].image_id))
        for query in photo:
            a, b = (r.found for r in predictor.segment_many(encoded, [query.expression, "purple horse"]))
            kept.append(not (a | b).any() or (a & b).sum() / (a | b).sum() >= 0.9)
    found = typed_otherwise(predictor, data, photos)
    assert found == {"same": 1.0, "other": np.mean(kept), "all": (1 + np.mean(kept)) / 2}


def test_which_splits_are_reported(tmp_path):
    assert "val" not in reported_splits(tmp_path) and {"dev", "test", "testB"} <= set(reported_splits(tmp_path))
    about = tmp_path / "dataset.json"
    about.write_text(json.dumps({"name": "unc", "photos": "x"}))
    assert "val" in reported_splits(tmp_path)
    about.write_text(json.dumps({"photos": "x"}))
    assert "val" not in reported_splits(tmp_path)  # anyone's own data
    about.write_text(json.dumps({"name": "unc", "reported": ["testA"]}))
    assert reported_splits(tmp_path) == ("testA",)
    about.write_text(json.dumps({"reported": "val"}))
    with pytest.raises(ValueError, match="list of splits"):
        reported_splits(tmp_path)


def test_calibration_takes_a_cost_and_brings_scores_to_probabilities(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(Predictor, "from_pretrained", lambda *_: ByColour())
    monkeypatch.setattr(ByColour, "config", SimpleNamespace(image_size=64, max_tokens=48, right=True))
    data, out = shutil.copytree(folder, tmp_path / "own"), tmp_path / "numbers.json"
    (data / "dataset.json").write_text(json.dumps({"reported": ["test"]}))
    words = ("by colour", "--data", data, "--json", out, "--calibrate")
    run(*words, "--cost", "0.001")
    careful = json.loads(out.read_text())["calibration"]
    run(*words, "--cost", "0.9")
    careless = json.loads(out.read_text())["calibration"]
    assert careful["presence_threshold"] < careless["presence_threshold"]
    assert careful["precision_0.5"] == careful["precision_0.5_without_refusal"] > careless["precision_0.5"]
    assert careful["score_scale"] > 0 and careful["calibration_error_after"] < careful["calibration_error"]


def test_too_long_expressions_are_shortened_counted_and_named(folder, tiny_checkpoint, tmp_path, capsys):
    long = shutil.copytree(folder, tmp_path / "long")
    refs = json.loads((long / "refs.json").read_text())
    of_dev = [ref for ref in refs if ref["split"] == "dev"]
    of_dev[0]["sentences"][0]["sent"] = "the red dog " * 60
    of_dev[1]["sentences"][0]["sent"] = "x" * 3000
    (long / "refs.json").write_text(json.dumps(refs))
    out, lines = tmp_path / "numbers.json", tmp_path / "results.jsonl"
    run(tiny_checkpoint, "--data", long, "--device", "cpu", "--json", out, "--results", lines)
    assert json.loads(out.read_text())["shortened"] == 2
    assert {r.expression[:3] for r in read_results(lines) if r.shortened} == {"the", "xxx"}
    printed = capsys.readouterr().out
    assert "too long" in printed and "2 expressions" in printed


def test_shorten_keeps_whole_words(tiny_tokenizer):
    tokenizer = Tokenizer.from_file(tiny_tokenizer)
    text = "red dog on the left"
    assert shorten(text, tokenizer, 48) == text
    for limit in range(1, 6):
        short = shorten(text, tokenizer, limit)
        assert (text + " ").startswith(short + " ") and len(tokenizer.encode(short, limit).ids) <= limit
    word = shorten("skateboarder" * 100, tokenizer, 10)
    assert word and "skateboarder" * 100 != word and len(tokenizer.encode(word, 10).ids) <= 10
    with pytest.raises(ValueError, match="nothing to read"):
        shorten("   ", tokenizer, 10)


def test_a_table_says_nothing_of_shortening_where_there_was_none(data):
    assert "too long" not in table(evaluate(ByColour(), data, "dev"))


def test_sheets_show_each_photo_once(folder, tmp_path):
    run("baseline:largest", "--data", folder, "--split", "dev", "--sheets", tmp_path / "sheets")
    for name in ("worst.png", "best.png"):
        sheet = cv2.imread(str(tmp_path / "sheets" / name))
        assert sheet is not None and sheet.shape[1] > 260
