"""Folded models answer as the others do."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from cefnet.config import ABLATION, ModelConfig
from cefnet.inference import folded
from cefnet.model import CEFNet, Output

IDS = torch.tensor([[3, 4, 5], [6, 7, 0]])


def lived(config: ModelConfig) -> CEFNet:
    """A model whose BatchNorms have statistics, gains and shifts of their own."""
    torch.manual_seed(0)
    model = CEFNet(config)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.3)
    return model.eval()


@torch.no_grad()
def answer(model: CEFNet) -> Output:
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    return model(model.encode_photo(images), IDS, IDS != 0)


def norms(model: nn.Module) -> list[str]:
    return [name for name, one in model.named_modules() if isinstance(one, nn.BatchNorm2d)]


@pytest.mark.parametrize("encoder", ["efficientnet_lite0", "resnet18", "resnet50"])
@pytest.mark.parametrize("row", ABLATION)
@pytest.mark.parametrize("normalisation", ["batch", "l2"])
def test_the_answers_are_the_same(tiny_config: ModelConfig, encoder: str, row: str, normalisation: str) -> None:
    config = replace(tiny_config, encoder=encoder, dilated=False, normalisation=normalisation)
    model = lived(config.with_values(ABLATION[row]))
    before, after = answer(model), answer(folded(model))
    for name in ("mask_logits", "boundary_logits", "body_logits"):
        for one, other in zip(getattr(before, name), getattr(after, name), strict=True):
            torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(before.presence_logit, after.presence_logit, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("encoder", ["efficientnet_lite0", "resnet18", "resnet50"])
def test_only_norms_without_a_convolution_before_them_are_left(tiny_config: ModelConfig, encoder: str) -> None:
    model = lived(replace(tiny_config, encoder=encoder, dilated=False))
    count = len(norms(model))
    left = [f"fusions.{i}.{name}" for i in (3, 4, 5) for name in ("norm_e", "norm_m")]
    assert norms(folded(model)) == left and len(norms(model)) == count  # the model itself is left alone


def test_a_model_in_training_is_refused(tiny_config: ModelConfig) -> None:
    with pytest.raises(ValueError, match="training mode"):
        folded(CEFNet(tiny_config))
