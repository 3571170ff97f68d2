"""train/start.py: ImageNet weights from anywhere; another model's weights in a network that differs."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cefnet.config import ModelConfig
from cefnet.model import CEFNet
from cefnet.model.encoders import build_encoder
from train.recipes import find
from train.recipes.recipe import New
from train.start import Sources, adopt, check_dropped, load_imagenet, origin, told


def test_a_backbone_file_fits_any_encoder(tiny_config: ModelConfig, tmp_path: Path) -> None:
    file = tmp_path / "resnet18.pth"
    for name in ("resnet18", "efficientnet_lite0"):
        source = build_encoder(name)
        torch.save(source.state_dict(), file)
        model = CEFNet(replace(tiny_config, encoder=name))
        load_imagenet(model, str(file))
        assert all(torch.equal(v, source.state_dict()[k]) for k, v in model.encoder.state_dict().items())
    with pytest.raises(ValueError, match="same architecture"):
        load_imagenet(CEFNet(replace(tiny_config, encoder="resnet18")), str(file))


def test_what_is_missing_is_said(tiny_config: ModelConfig) -> None:
    with pytest.raises(ValueError, match="no public ImageNet weights.*--backbone FILE_OR_HUB_ID"):
        load_imagenet(CEFNet(replace(tiny_config, encoder="resnet18")))


def test_origin_in_words() -> None:
    paper = find("paper-unc-acm").start
    assert isinstance(paper, New)
    backbone = Sources(backbone="timm/resnet101.tv_in1k")
    assert origin(paper, backbone) == "ImageNet weights of resnet101 (`resnet101.tv_in1k`)"
    assert origin("runs/paper-unc-acm", backbone) == "the weights of `paper-unc-acm`"
    assert origin(replace(paper, pretrained=False), Sources(Path("glove.npz"), "x")) == (
        "random weights and word vectors of `glove.npz`"
    )


def answers(model: CEFNet, config: ModelConfig) -> list[Tensor]:
    """All that a model says of two photos and expressions."""
    generator = torch.Generator().manual_seed(1)
    images, ids = torch.rand(2, 3, 64, 64, generator=generator), torch.tensor([[3, 4, 5], [6, 7, 0]])
    with torch.no_grad():
        output = model.eval()(model.encode_photo(images), ids, ids > 0)
    assert config.presence and output.presence_logit is not None
    return [*output.mask_logits, *output.boundary_logits, output.presence_logit]


WIDER = [
    ("matching",), ("matching", "clicks"), ("matching", "clicks", "right", "several"), ("right",), ("several",),
]  # fmt: skip


@pytest.mark.parametrize("fields", WIDER, ids="+".join)
def test_new_inputs_change_no_answer(fields: tuple[str, ...], tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    model = CEFNet(tiny_config)
    wider = CEFNet(tiny_config.with_values(dict.fromkeys(fields, True)))
    adopted = adopt(wider, model.state_dict())
    assert not adopted.dropped and adopted.new
    assert ("fusions.3.w_place.weight" in adopted.widened) == ("matching" in fields)
    for now, before in zip(answers(wider, wider.config), answers(model, model.config), strict=True):
        torch.testing.assert_close(now, before)


def test_clicks_join_a_model_that_has_matching(tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    model = CEFNet(tiny_config.with_values({"matching": True}))
    for name, value in model.state_dict().items():
        if "lean_on" in name:
            value.normal_()
    wider = CEFNet(tiny_config.with_values({"matching": True, "clicks": True}))
    assert not adopt(wider, model.state_dict()).dropped
    for now, before in zip(answers(wider, wider.config), answers(model, model.config), strict=True):
        torch.testing.assert_close(now, before)


def test_widening_by_hand() -> None:
    new = nn.ModuleDict({"conv": nn.Conv2d(3, 2, 3, bias=False), "line": nn.Linear(4, 2), "other": nn.Linear(2, 2)})
    source = {"conv.weight": torch.ones(2, 2, 3, 3), "line.weight": torch.ones(2, 5), "line.bias": torch.ones(2),
              "gone.weight": torch.ones(1)}  # fmt: skip
    adopted = adopt(new, source)  # type: ignore[arg-type]
    weight = new["conv"].weight
    assert isinstance(weight, Tensor) and weight[:, :2].eq(1).all() and weight[:, 2].eq(0).all()
    assert adopted.widened == ("conv.weight",) and adopted.dropped == ("line.weight", "gone.weight")
    assert adopted.new == ("line.weight", "other.weight", "other.bias")


def test_lost_tensors_are_named_unless_somebody_said_so() -> None:
    lost = ["fusions.3.attention.w_m.weight", "presence.out.bias"]
    check_dropped(lost, ["fusions.*.attention.*", "presence.*"], "acm")
    with pytest.raises(ValueError, match=r"1 tensors of acm find no place .*: presence.out.bias. .*--allow-drop"):
        check_dropped(lost, ["fusions.*.attention.*"], "acm")
    with pytest.raises(ValueError, match="and 5 more"):
        check_dropped([f"layer.{i}" for i in range(25)], [], "acm")


def test_a_difference_is_told_in_words(tiny_config: ModelConfig) -> None:
    wider = tiny_config.with_values({"matching": True})
    adopted = adopt(CEFNet(wider), CEFNet(tiny_config).state_dict())
    text = told(adopted, tiny_config, wider)
    assert text.startswith("changed: matching False -> True\nnew: matching (") and "w_place.weight" in text
    assert told(adopt(CEFNet(wider), CEFNet(wider).state_dict()), wider, wider) == ""
