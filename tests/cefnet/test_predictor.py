import inspect
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from cefnet import Predictor, Result
from cefnet.config import Decision, ModelConfig
from cefnet.model import CEFNet, Output
from cefnet.predictor import Photo
from cefnet.text import Tokenizer

IMAGE = np.random.default_rng(0).integers(0, 256, (45, 70, 3), np.uint8)


@pytest.fixture(scope="module")
def predictor(tiny_checkpoint) -> Predictor:
    return Predictor.from_pretrained(tiny_checkpoint, device="cpu")


@pytest.fixture(scope="module")
def photo(predictor) -> Photo:
    return predictor.encode(IMAGE)


@pytest.fixture(scope="module")
def result(predictor, photo) -> Result:
    return predictor.segment(photo, "the red zyzzyva on the left")


@pytest.fixture(scope="module")
def make(tiny_config: ModelConfig, tiny_tokenizer):
    """Builds a predictor of a variant of the tiny model."""

    def build(**changes: object) -> Predictor:
        torch.manual_seed(0)
        model = CEFNet(tiny_config.with_values(changes)).eval()
        return Predictor(model, Tokenizer.from_file(tiny_tokenizer))

    return build


def same(one: Result, two: Result) -> None:
    """The same answer, up to the order in which floats are added."""
    assert one.expression == two.expression
    np.testing.assert_allclose(one.probability, two.probability, atol=1e-5)
    assert one.score == pytest.approx(two.score, abs=1e-5)


def test_maps_have_the_photos_size_and_kind(result):
    maps = [result.probability, result.boundary, *result.side_masks, result.co_attention(0, 0)]
    maps += [heat for stage in (3, 4, 5) for _, heat in result.word_attention(stage)]
    for one in maps:
        assert one.shape == (45, 70) and one.dtype == np.float32
        assert one.min() >= 0 and one.max() <= 1
    assert result.mask.shape == (45, 70) and result.mask.dtype == bool
    assert len(result.side_masks) == 4 and len(result.levels) == 4
    assert 0 <= result.score <= 1 and min(result.timings.values()) > 0


def test_the_last_side_mask_is_the_probability(result):
    np.testing.assert_array_equal(result.side_masks[-1], result.probability)
    heights = [level.shape[0] for level in result.levels]
    assert heights == sorted(heights, reverse=True)  # SM_1 is the finest


def test_probability_is_the_sigmoid_resized_bilinearly(predictor, photo, result):
    ids, mask = map(torch.from_numpy, predictor.tokenizer.batch([result.expression]))
    with torch.inference_mode():
        logits = predictor.model(photo.features, ids, mask).mask_logits[0]
        resized = torch.nn.functional.interpolate(logits.sigmoid(), (45, 70), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(result.probability, resized[0, 0].numpy(), atol=1e-5)


def test_a_batch_answers_as_one_by_one(predictor, photo):
    expressions = ["dog", "the red car on the left", "zyzzyva 🐕", "dog"]
    results = predictor.segment_many(photo, expressions)
    assert [result.expression for result in results] == expressions
    for expression, together in zip(expressions, results, strict=True):
        alone = predictor.segment(photo, expression)
        same(together, alone)
        for (word, one), (other, two) in zip(together.word_attention(3), alone.word_attention(3), strict=True):
            assert word == other
            np.testing.assert_allclose(one, two, atol=1e-5)
        np.testing.assert_allclose(together.co_attention(44, 69), alone.co_attention(44, 69), atol=1e-5)


def test_concurrent_calls_answer_as_serial_ones(predictor):
    photos = [predictor.encode(np.roll(IMAGE, 9 * n, axis=1)) for n in range(3)]
    questions = [(n, words) for n in range(3) for words in ("red dog", "the cat on the right", "zyzzyva")] * 2
    serial = [predictor.segment(photos[n], words) for n, words in questions]
    with ThreadPoolExecutor(6) as pool:
        threaded = pool.map(lambda q: predictor.segment(predictor.encode(np.roll(IMAGE, 9 * q[0], 1)), q[1]), questions)
        for one, two in zip(serial, threaded, strict=True):
            same(one, two)


def test_a_second_expression_skips_the_photos_part(make, monkeypatch):
    predictor = make()
    photo = predictor.encode(IMAGE)
    stages = []
    stage = predictor.model.encoder.stage
    monkeypatch.setattr(predictor.model.encoder, "stage", lambda i, x: stages.append(i) or stage(i, x))
    predictor.segment(photo, "dog")
    predictor.segment(photo, "cat")
    assert stages == [4, 5, 4, 5]


def test_words_sum_to_one_everywhere_with_their_pieces_merged(predictor, photo, result):
    words = ["red", "zyzzyva", "on", "the", "left"]
    for stage in (3, 4, 5):
        attention = result.word_attention(stage)
        assert [word for word, _ in attention] == words
        np.testing.assert_allclose(sum(heat for _, heat in attention), 1, atol=1e-5)
    tokens = predictor.tokenizer.encode(result.expression)
    ids, mask = map(torch.from_numpy, predictor.tokenizer.batch([result.expression]))
    with torch.inference_mode():
        alpha = predictor.model(photo.features, ids, mask, explain=True).word_attention[5][0].numpy()
    pieces = [alpha[i] for i, word in enumerate(tokens.word_of) if word == 1]
    assert len(pieces) > 1
    expected = cv2.resize(np.sum(pieces, axis=0), (70, 45), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(result.word_attention(5)[1][1], expected, atol=1e-5)


@pytest.mark.parametrize("attention", ["vcm", "acm"])
@pytest.mark.parametrize(("y", "x", "row", "column"), [(0, 0, 0, 0), (44, 69, 3, 3), (22.6, 17.6, 2, 1)])
def test_co_attention_is_the_row_of_the_place_asked_for(make, attention, y, x, row, column):
    predictor = make(attention=attention)
    photo = predictor.encode(IMAGE)
    result = predictor.segment(photo, "red dog")
    ids, mask = map(torch.from_numpy, predictor.tokenizer.batch(["red dog"]))
    with torch.inference_mode():
        maps = predictor.model(photo.features, ids, mask, explain=True).co_attention[5]
    assert (maps.height, maps.width) == (4, 4)  # 64 pixels at stride 16
    grid = maps.of(0).row(row, column)
    assert grid.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(result.co_attention(y, x), cv2.resize(grid, (70, 45)), atol=1e-6)


def test_places_and_stages_that_do_not_exist_are_refused(result):
    for y, x in ((-1, 0), (0, -0.5), (45, 0), (0, 70), (float("nan"), 0)):
        with pytest.raises(ValueError, match="outside the photo, which is 45 high and 70 wide"):
            result.co_attention(y, x)
    for stage in (0, 2, 6):
        with pytest.raises(ValueError, match="must be 3, 4 or 5"):
            result.word_attention(stage)
        with pytest.raises(ValueError, match="must be 3, 4 or 5"):
            result.co_attention(0, 0, stage)


def test_without_explanations_maps_are_refused_and_the_mask_is_the_same(predictor, photo, result):
    bare = predictor.segment(photo, result.expression, explain=False)
    same(bare, result)
    for ask in (bare.word_attention, lambda: bare.co_attention(0, 0)):
        with pytest.raises(ValueError, match="explain=False"):
            ask()


def test_the_plainest_model_has_no_explanations_but_a_boundary(make):
    predictor = make(attention="none", boundary=False, fusion="decoder", presence=False)
    result = predictor.segment(predictor.encode(IMAGE), "dog")
    with pytest.raises(ValueError, match="the model has none"):
        result.word_attention()
    assert result.boundary.shape == (45, 70) and result.boundary.dtype == np.float32


class Fixed(torch.nn.Module):
    """A model that answers every expression with the same logits, 2 x 2 pixels."""

    def __init__(self, config: ModelConfig, presence_logit: float | None) -> None:
        super().__init__()
        self.config, self.presence_logit = config, presence_logit

    def encode_photo(self, images: torch.Tensor) -> None:
        return None

    def forward(self, features: None, ids: torch.Tensor, mask: torch.Tensor, explain: bool, clicks: None) -> Output:
        logits = torch.tensor([[0.9, 0.2], [0.6, 0.5]]).logit().expand(len(ids), 1, 2, 2)
        presence = None if self.presence_logit is None else torch.full((len(ids),), self.presence_logit)
        return Output((logits,) * 4, (logits,), (), presence, logits)


@pytest.fixture
def fixed(tiny_config, tiny_tokenizer):
    def answer(presence_logit: float | None = None, **decided: float) -> Result:
        model = Fixed(tiny_config, presence_logit)
        predictor = Predictor(model, Tokenizer.from_file(tiny_tokenizer), decision=Decision(**decided))
        return predictor.segment(predictor.encode(np.zeros((2, 2, 3), np.uint8)), "dog")

    return answer


def test_score_is_the_models_own_or_the_mean_over_the_mask(fixed):
    assert fixed(presence_logit=-1.0).score == pytest.approx(1 / (1 + np.e))
    assert fixed(mask_threshold=0.55).score == pytest.approx((0.9 + 0.6) / 2)
    assert fixed(mask_threshold=0.95).score == 0  # an empty mask


def test_thresholds_are_the_predictors_and_can_be_changed(fixed):
    result = fixed(presence_logit=0.0, mask_threshold=0.55, presence_threshold=0.6)
    assert result.mask.tolist() == [[True, False], [True, False]]
    assert not result.present
    other = result.decided(mask_threshold=0.1, presence_threshold=0.4)
    assert other.mask.all() and other.present and other.score == result.score
    assert not result.present  # the first is untouched


def test_box_and_dictionary(fixed):
    result = fixed(presence_logit=3.0, mask_threshold=0.55)
    assert result.box == (0, 0, 1, 2)  # the left column
    about = result.to_dict()
    assert about["box"] == [0, 0, 1, 2] and about["area"] == 0.5 and about["present"] is True
    assert about["mask"]["size"] == [2, 2]
    np.testing.assert_array_equal(coco_mask.decode(about["mask"]), result.mask)
    assert result.decided(mask_threshold=1.0).box is None


def test_maps_come_in_any_size_without_a_second_run(predictor, result):
    small = replace(result, height=10, width=20)
    maps = [small.probability, small.boundary, small.mask, small.found, *small.side_masks, small.co_attention(9, 19)]
    assert {one.shape for one in maps} == {(10, 20)} and small.to_dict()["mask"]["size"] == [10, 20]
    assert not result.decided(presence_threshold=1.0).found.any()  # no score reaches it
    np.testing.assert_array_equal(result.decided(presence_threshold=0.0).found, result.mask)


def test_the_network_can_see_another_size(predictor):
    photo = predictor.encode(IMAGE, size=96)
    twice = predictor.encode(IMAGE, size=192)
    assert photo.size == 96 and photo.features.encoded[0].shape[-1] * 2 == twice.features.encoded[0].shape[-1]
    assert predictor.segment(photo, "dog").mask.shape == IMAGE.shape[:2]
    with pytest.raises(ValueError, match="image_size is 100; it must be a multiple"):
        predictor.encode(IMAGE, size=100)


def test_an_absent_thing_has_an_empty_mask_in_the_dictionary_alone(fixed):
    result = fixed(presence_logit=-3.0, mask_threshold=0.55)
    about = result.to_dict()
    assert result.mask.any() and result.box is not None and not result.present
    assert about["box"] is None and about["area"] == 0 and not coco_mask.decode(about["mask"]).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (64, 64), (700, 33)])
def test_photos_of_any_shape(predictor, size):
    result = predictor.segment(predictor.encode(np.full((*size, 3), 90, np.uint8)), "dog")
    assert result.mask.shape == result.boundary.shape == size
    assert result.co_attention(size[0] - 1, size[1] - 1).shape == size


def test_expressions_that_cannot_be_used_are_refused(predictor, photo):
    for expressions, message in (
        ([], "at least one"), (["dog", " "], "nothing to read"), (["dog " * 49], "limit is 48"),
        ("dog", "a list"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            predictor.segment_many(photo, expressions)


def test_encode_reads_files(predictor, photo, tmp_path):
    cv2.imwrite(str(tmp_path / "photo.png"), IMAGE[..., ::-1])
    same(predictor.segment(predictor.encode(tmp_path / "photo.png"), "dog"), predictor.segment(photo, "dog"))


def test_nothing_is_kept_or_trained(predictor, photo):
    before = {name: tensor.clone() for name, tensor in predictor.model.state_dict().items()}
    fields = set(vars(predictor))
    result = predictor.segment(photo, "dog")
    assert set(vars(predictor)) == fields and not predictor.model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in predictor.model.state_dict().items())
    assert isinstance(result.score, float) and torch.is_grad_enabled()


def test_the_three_lines_of_the_readme_exist():
    for name in ("from_pretrained", "from_checkpoint", "encode", "segment", "segment_many"):
        assert inspect.getdoc(getattr(Predictor, name))
