"""The whole network: shapes, gradients, precision, batching, and what no expression changes."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from cefnet.config import ABLATION, PRESETS, ModelConfig
from cefnet.model import CEFNet, Output
from train.recipes.ablation import COMPACT

SMALL = {"width": 16, "image_size": 64, "vocabulary": 50, "word_width": 8, "text_width": 16,
         "decoder_widths": (16, 16, 8, 8, 8)}  # fmt: skip
SHRINK = {"resnet101": "resnet18", "wide_resnet101_2": "resnet18", "efficientnet_lite2": "efficientnet_lite0"}


def small(config: ModelConfig) -> ModelConfig:
    """The same choices, narrow and shallow."""
    return replace(config, encoder=SHRINK[config.encoder], **SMALL)  # type: ignore[arg-type]


CONFIGS = {name: small(config) for name, config in PRESETS.items()}
CONFIGS |= {name: small(PRESETS["paper-acm"].with_values(row)) for name, row in ABLATION.items()}
CONFIGS |= {f"compact-{a}": small(replace(COMPACT, attention=a)) for a in ("acm", "vcm")}
CONFIGS["clicks"] = replace(CONFIGS["compact-acm"], matching=True, clicks=True, right=True, several=True)
CLICKS = torch.tensor([[[0.2, 0.3, 1.0], [0.7, 0.6, -1.0]]])


def run(model: CEFNet, n: int = 2, size: int = 64, **options: Any) -> Output:
    torch.manual_seed(1)
    images = torch.rand(n, 3, size, size)
    ids = torch.tensor([[3, 4, 5], [6, 7, 0]] * n)[:n]
    if model.config.clicks:
        options["clicks"] = CLICKS.repeat(n, 1, 1)
    return model(model.encode_photo(images), ids, ids > 0, **options)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_parameter_receives_a_gradient_after_one_step(name: str) -> None:
    torch.manual_seed(0)
    model = CEFNet(CONFIGS[name]).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3)
    for _ in range(2):  # the STN starts as the identity and gives its own layers no gradient before
        out = run(model)
        logits = [*out.mask_logits, *out.boundary_logits, *out.body_logits]
        loss = torch.stack([x.square().mean() + x.mean() for x in logits]).sum()
        verdicts = (out.presence_logit, out.right_logit, out.several_logit)
        loss = loss + sum(x.sum() for x in verdicts if x is not None)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    without = [k for k, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@pytest.mark.parametrize("name", CONFIGS)
def test_outputs_by_name(name: str) -> None:
    config = CONFIGS[name]
    out = run(CEFNet(config).eval(), explain=True)
    finest = 64 // config.decoder_stride
    assert [x.shape for x in out.mask_logits] == [(2, 1, s, s) for s in (finest, 16, 8, 4)]
    assert len(out.boundary_logits) == len(out.body_logits) == 4 * config.boundary
    assert (out.presence_logit is not None) == config.presence
    stages = [] if config.attention == "none" else [3, 4, 5]
    assert sorted(out.word_attention) == sorted(out.co_attention) == stages
    for i in stages:
        side = {3: 8, 4: 4, 5: 4}[i]
        assert out.word_attention[i].shape == (2, 3, side, side)
        torch.testing.assert_close(out.word_attention[i].sum(1), torch.ones(2, side, side))
        assert out.word_attention[i][1, 2].abs().max() == 0  # padding
        assert out.co_attention[i].of(1).row(1, 2).sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ["paper-vcm", "paper-acm", "compact-vcm", "compact-acm"])
def test_bf16_has_no_nan(name: str) -> None:
    model = CEFNet(CONFIGS[name]).train()
    with torch.autocast("cpu", torch.bfloat16):
        out = run(model)
        logits = [*out.mask_logits, *out.boundary_logits, *out.body_logits]
        loss = torch.stack([x.float().mean() for x in logits]).sum()
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", ["efn-vcm-bem", "compact-acm"])
def test_batching_changes_nothing(name: str) -> None:
    model = CEFNet(CONFIGS[name]).eval()
    photo = model.encode_photo(torch.rand(1, 3, 64, 64))
    ids = torch.tensor([[3, 4, 5], [6, 0, 0]])
    together = model(photo, ids, ids > 0).mask_logits[0]
    alone = [model(photo, row[row > 0][None], torch.ones(1, int((row > 0).sum()), dtype=torch.bool)) for row in ids]
    for n in range(2):
        torch.testing.assert_close(together[n], alone[n].mask_logits[0][0], atol=1e-4, rtol=1e-4)


def test_photo_index_says_whose_photo() -> None:
    model = CEFNet(CONFIGS["compact-acm"]).eval()
    images = torch.rand(2, 3, 64, 64)
    ids = torch.tensor([[3, 4], [3, 4], [3, 4]])
    out = model(model.encode_photo(images), ids, ids > 0, torch.tensor([1, 0, 1])).mask_logits[0]
    torch.testing.assert_close(out[0], out[2])
    first = model(model.encode_photo(images[:1]), ids[:1], ids[:1] > 0).mask_logits[0]
    torch.testing.assert_close(out[1], first[0], atol=1e-4, rtol=1e-4)
    with pytest.raises(ValueError, match="photo_index"):
        model(model.encode_photo(images), ids, ids > 0)


def test_decoder_fusion_leaves_the_encoder_alone() -> None:
    """DFN: E_4 and E_5 before fusion are those of the bare encoder; EFN: they depend on the words."""
    for name, same in (("dfn", True), ("efn", False)):
        model = CEFNet(CONFIGS[name]).eval()
        seen: list[torch.Tensor] = []
        model.fusions["5"].register_forward_pre_hook(lambda _, args, seen=seen: seen.append(args[0]))
        photo = model.encode_photo(torch.rand(1, 3, 64, 64))
        for ids in (torch.tensor([[3, 4]]), torch.tensor([[9, 8]])):
            model(photo, ids, ids > 0)
        assert torch.equal(seen[0], seen[1]) == same


def test_photos_need_not_be_square() -> None:
    model = CEFNet(CONFIGS["compact-vcm"]).eval()
    out = model(model.encode_photo(torch.rand(1, 3, 64, 96)), torch.tensor([[3]]), torch.tensor([[True]]))
    assert out.mask_logits[0].shape == (1, 1, 16, 24)


def test_models_have_the_documented_sizes() -> None:
    configs = {"paper": PRESETS["paper-acm"], **{a: replace(COMPACT, attention=a) for a in ("acm", "vcm")}}
    with torch.device("meta"):
        sizes = {name: sum(p.numel() for p in CEFNet(config).parameters()) for name, config in configs.items()}
    assert sizes["acm"] < 8.9e6 and sizes["vcm"] < 8.9e6  # fp16 files under 18 MB
    assert sizes["paper"] > 60e6
