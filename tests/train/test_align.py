"""A stage of words: what objects look like, matching by hand, and that folding keeps a model's answers."""

import copy
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from photoref_fixture import HEIGHT, WIDTH, make_photoref
from safetensors.torch import save_file
from torch import Tensor, nn

from cefnet.config import ModelConfig
from cefnet.model import CEFNet
from cefnet.weights import Checkpoint, load
from train.align import Pairs, align, fold, loss, readers, regions
from train.data.reader import ReferData
from train.recipes.recipe import Align, New
from train.start import Begun, begin_new, begin_with, towards_imagenet


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photoref(tmp_path_factory.mktemp("data"), photos=18)


class Colours(nn.Module):
    """In an encoder's place: E_3 to E_5 are the photo itself, at strides 8, 16 and 16."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        at = [nn.functional.avg_pool2d(images, s) for s in (8, 16, 16)]
        return images, images, *at


def test_an_object_looks_like_the_places_that_it_covers(folder: Path, tiny_config: ModelConfig) -> None:
    data = ReferData.open(folder)
    model = CEFNet(tiny_config)
    model.encoder = Colours()  # type: ignore[assignment]
    model.standardise = lambda images: images  # type: ignore[method-assign]
    (photo,) = [i for i, found in data.annotations_of.items() if len(found) == 4][:1]
    found = regions(model, data, [photo], 64)[photo]
    assert found.ann_ids == tuple(data.annotations_of[photo]) and found.features.shape == (4, 3 * 3 + 8)
    for ann_id, features in zip(found.ann_ids, found.features.float(), strict=True):
        x, y, w, h = data.annotations[ann_id].box
        centre = torch.tensor([(2 * x + w) / WIDTH - 1, (2 * y + h) / HEIGHT - 1])
        torch.testing.assert_close(features[-4:-2], centre, atol=0.1, rtol=0)  # to a fifth of a cell
        assert features[-2:].tolist() == [0.25, 0.25]  # 1/H and 1/W of 4 x 4 cells
        inside = torch.from_numpy(data.photo(photo)[data.mask(ann_id)]).float().mean(0) / 255
        background = torch.tensor(125 / 255)
        for stage in range(3):  # cells on its border hold some background
            seen = features[3 * stage : 3 * stage + 3]
            assert ((seen - inside).abs() < (background - inside).abs() * 0.75 + 0.02).all()


def test_matching_by_hand() -> None:
    """Two photos: the first with two objects and an expression of each, the second with one."""
    pairs = Pairs(
        ids=torch.empty(0), mask=torch.empty(0), target=torch.tensor([0, 1, 2]), objects=torch.empty(0),
        of_expression=torch.tensor([0, 0, 1]), of_object=torch.tensor([0, 0, 1]),
    )  # fmt: skip
    fit = torch.tensor([[2.0, 0, 0], [1, 1, 0], [0, 0, 3]])
    among_photo = (math.log(1 + math.exp(-2)) + math.log(2)) / 3
    among_all = (math.log(1 + 2 * math.exp(-2)) + math.log(2 + math.exp(-1)) + math.log(1 + 2 * math.exp(-3))) / 3
    expressions = (math.log(1 + math.exp(-1)) * 2) / 3  # the objects' columns: 2 against 1, 1 against 0
    assert loss(fit, pairs).item() == pytest.approx(among_photo + 0.5 * among_all + 0.5 * expressions, rel=1e-5)


class Through(nn.Module):
    """A text encoder whose h_T passes another layer."""

    def __init__(self, text: nn.Module, layer: nn.Module) -> None:
        super().__init__()
        self.text, self.layer = text, layer

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        words, sentence = self.text(ids, mask)
        return words, self.layer(sentence)


def test_folding_is_reading_through_the_map(tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    model = CEFNet(tiny_config).eval()
    new, back = copy.deepcopy(model.text), nn.Linear(16, 16)
    nn.init.normal_(new.gru.weight_ih_l0)
    through = copy.deepcopy(model)
    through.text = Through(new, back)  # type: ignore[assignment]
    fold(model, new, back)
    ids, images = torch.tensor([[3, 4, 5], [6, 7, 0]]), torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        folded, wanted = (one(one.encode_photo(images), ids, ids > 0) for one in (model, through))
    torch.testing.assert_close(folded.mask_logits, wanted.mask_logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(folded.presence_logit, wanted.presence_logit, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("gated", [True, False])
def test_every_layer_that_reads_the_sentence_is_known(tiny_config: ModelConfig, gated: bool) -> None:
    """Those are what gets another gradient when h_T alone is changed."""
    torch.manual_seed(0)
    model = CEFNet(tiny_config.with_values({"gated": gated})).eval()
    ids, images, seen = torch.tensor([[3, 4, 5]]), torch.rand(1, 3, 64, 64), []
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            layer.register_forward_hook(lambda layer, inputs, _: seen.append((layer, inputs[0])))
    with torch.no_grad():
        _, sentence = model.text(ids, ids > 0)
        model(model.encode_photo(images), ids, ids > 0)
    reading = [layer for layer, x in seen if x.shape == sentence.shape and torch.equal(x, sentence)]
    assert {id(layer) for layer in reading} == {id(layer) for layer in readers(model)}


def aligned(
    folder: Path, checkpoint: Checkpoint, backbone: str | None = None, **changes: object
) -> tuple[CEFNet, Begun, float | None]:
    """A stage of words from a checkpoint."""
    stage = replace(Align("words", steps=300, photos=6, size=64, split="study"), **changes)  # type: ignore[arg-type]
    torch.manual_seed(0)
    begun = begin_with(str(checkpoint.folder), stage.model, ())
    model = begun.model.eval()
    log = lambda values, samples: None  # noqa: E731
    right = align(model, ReferData.open(folder), checkpoint.tokenizer, stage, begun.new, 0, log, backbone)
    return model, begun, right


def test_words_are_learned_and_answers_kept(folder: Path, tiny_checkpoint: Path) -> None:
    checkpoint = load(tiny_checkpoint, "cpu")
    model, begun, right = aligned(folder, checkpoint)
    assert right is not None and 0.5 < right <= 1  # of two to four objects, half a minute's learning
    old = checkpoint.model.text
    assert model.config.matching and not checkpoint.config.matching
    assert torch.equal(old.embedding.weight, model.text.embedding.weight)  # Eq. 2 reads them too
    assert not torch.equal(old.gru.weight_ih_l0, model.text.gru.weight_ih_l0)
    assert model.matching is not None and model.matching.lean_on[0].weight[:, :2].flatten().tolist() == [0, 2]
    assert "matching.sharpness" in begun.new


def test_a_new_network_keeps_nothing_of_its_random_answers(folder: Path, tiny_checkpoint: Path) -> None:
    """No way back is learned, and what reads h_T stays as it was."""
    checkpoint, told = load(tiny_checkpoint, "cpu"), []
    stage = Align("words", steps=2, photos=6, size=64)
    begun = begin_new(New(checkpoint.config), stage.model, checkpoint.tokenizer.size)
    before = begun.model.fusions["3"].w_sentence.weight.clone()  # type: ignore[union-attr, operator]
    log = lambda values, samples: told.append((values, samples))  # noqa: E731
    data = ReferData.open(folder)
    assert align(begun.model.eval(), data, checkpoint.tokenizer, stage, begun.new, 0, log) is None
    assert torch.equal(begun.model.fusions["3"].w_sentence.weight, before)  # type: ignore[union-attr, arg-type]
    assert [set(values) for values, _ in told] == [{"total", "matching", "learning_rate"}] * 2
    assert all(samples >= 6 for _, samples in told)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_an_encoder_goes_part_of_the_way_back(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ModelConfig(encoder="efficientnet_lite2", width=8, word_width=8, text_width=8, vocabulary=9,
                         decoder_widths=(8, 8, 8, 8, 8), image_size=64)  # fmt: skip
    model = CEFNet(config)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    monkeypatch.setattr("train.start.load_efficientnet_lite2", lambda encoder: encoder.apply(ones))
    towards_imagenet(model, share)
    for name, value in model.state_dict().items():
        wanted = before[name]
        if name.startswith("encoder.") and value.is_floating_point():
            wanted = (1 - share) * wanted + share
        torch.testing.assert_close(value, wanted)


def test_the_way_back_leads_to_the_weights_that_were_named(folder: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    """--backbone was heard by new networks alone."""
    checkpoint, file = load(tiny_checkpoint, "cpu"), tmp_path / "named.safetensors"
    named = {name: value + 1 for name, value in checkpoint.model.encoder.state_dict().items()}
    save_file(named, file)
    model, *_ = aligned(folder, checkpoint, str(file), steps=2, imagenet=1.0)
    for name, value in model.encoder.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, named[name])


def ones(module: nn.Module) -> None:
    for value in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
        value.data.fill_(1)


def test_a_share_has_bounds() -> None:
    with pytest.raises(ValueError, match="1.5"):
        towards_imagenet(CEFNet(ModelConfig(encoder="efficientnet_lite0", width=8, decoder_widths=(8,) * 5)), 1.5)
