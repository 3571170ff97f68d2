"""train/start.py: the encoder's ImageNet weights from anywhere."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cefnet.config import ModelConfig
from cefnet.encoders import build_encoder
from cefnet.model import CEFNet
from train.recipes import find
from train.start import load_imagenet, origin


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
    recipe = find("paper-unc-acm")
    assert origin(recipe, None, None, "timm/resnet101.tv_in1k") == "ImageNet weights of resnet101 (`resnet101.tv_in1k`)"
    assert origin(recipe, None, "runs/paper-unc-acm", "timm/x") == "the weights of `paper-unc-acm`"
    assert origin(replace(recipe, pretrained=False), Path("glove.npz"), None, "x") == (
        "random weights and word vectors of `glove.npz`"
    )
