"""Memory and arithmetic against hand counts."""

import pytest
import torch
from torch import Tensor, nn

from cefnet.config import ModelConfig
from cefnet.cost import attention_memory, attention_memory_of, peak_memory, work_of
from cefnet.model import CEFNet
from cefnet.model.coattention import AsymmetricCoAttention, VanillaCoAttention, attend, positions
from train.experiments.speed.plain import PlainVanillaCoAttention as Plain

FLOAT = 4  # bytes


class Padded(VanillaCoAttention):
    """Keys padded to the values' width instead: the fused call on 512 channels."""

    def forward(self, m: Tensor, l: Tensor) -> tuple[Tensor, Tensor]:  # noqa: E741
        q, k = (nn.functional.pad(positions(w(x)), (0, 256)) for w, x in ((self.w_m, m), (self.w_l, l)))
        return attend(q, k, positions(m), 1.0), attend(k, q, positions(l), 1.0)


def test_peak_is_a_hand_count() -> None:
    x = torch.ones(1000, 8)

    def product() -> Tensor:
        first = x @ x.T  # 1000 x 1000
        second = first + first  # both are live
        del first
        return second[:500].clone()  # half of one more, after the first is gone

    assert peak_memory(product) == 2 * 1000 * 1000 * FLOAT
    assert peak_memory(lambda: x) == 0


def test_plain_attention_keeps_four_matrices_of_all_places() -> None:
    places, channels = 24 * 24, 16
    matrices = 4 * places**2 * FLOAT  # A, A_1, A^T laid out anew for its softmax, A_2
    measured = attention_memory(Plain(channels, False).eval(), channels, 24, 24)
    assert matrices <= measured <= matrices + 4 * channels * places * FLOAT


def test_the_order_of_the_papers_table_5() -> None:
    """At 512 x 40 x 40, as at 96 x 96 (1314, 92 and 64 MB there): plain, keys padded, ours with values in halves."""
    plain, padded, halves = (
        attention_memory(module(512, False).eval(), 512, 40, 40) for module in (Plain, Padded, VanillaCoAttention)
    )
    matrix, feature = 1600**2 * FLOAT, 512 * 1600 * FLOAT
    assert plain > 4 * matrix
    assert halves < padded < 2 * matrix
    assert halves <= 4 * feature  # keys and queries (half a feature each), both outputs, and slices of one
    acm = attention_memory(AsymmetricCoAttention(512, 512).eval(), 512, 40, 40)
    assert 2 * feature < acm < plain / 3


def test_memory_of_a_models_stages(tiny_config: ModelConfig) -> None:
    model = CEFNet(tiny_config.with_values({"attention": "vcm"})).eval()
    small, large = attention_memory_of(model, 64), attention_memory_of(model, 256)
    assert list(small) == [3, 4, 5]
    assert small[3] > small[4] == small[5] > 0  # strides 8, 16, 16
    assert large[3] > 4 * small[3]  # sixteen times the places
    none = CEFNet(tiny_config.with_values({"attention": "none"})).eval()
    assert attention_memory_of(none, 64) == {3: 0, 4: 0, 5: 0}


def test_work_of_a_model(tiny_config: ModelConfig) -> None:
    acm, vcm = (CEFNet(tiny_config.with_values({"attention": name})).eval() for name in ("acm", "vcm"))
    before = {name: tensor.clone() for name, tensor in acm.state_dict().items()}
    once, fourfold = work_of(acm, 64), work_of(acm, 128)
    assert fourfold.photo == 4 * once.photo > 0  # convolutions alone
    assert once.total == once.photo + once.expression
    first = acm.encoder.stage(1, torch.zeros(1, 3, 64, 64))
    assert once.photo > 2 * first.numel() * 3 * 9  # the first 3 x 3 convolution on three channels
    # VCM: M~ and L~, each in two halves, each half a product with 8 keys and one with 8 values, at three stages
    more = work_of(vcm, 512).expression - work_of(vcm, 256).expression * 4
    quartic = sum(2 * 2 * 2 * (8 + 8) * (side**4 - 4 * (side // 2) ** 4) for side in (64, 32, 32))
    assert more == pytest.approx(quartic, rel=0.02)
    assert all(torch.equal(tensor, before[name]) for name, tensor in acm.state_dict().items())


def test_what_cannot_be_measured_is_refused(tiny_config: ModelConfig) -> None:
    with pytest.raises(ValueError, match="eval"):
        attention_memory(AsymmetricCoAttention(16, 16), 16, 8, 8)
    with pytest.raises(ValueError, match="feature map"):
        attention_memory(Plain(16, False).eval(), 16, 0, 8)
    model = CEFNet(tiny_config).eval()
    for size in (0, 100):
        with pytest.raises(ValueError, match="multiple of 32"):
            attention_memory_of(model, size)
    with pytest.raises(ValueError, match="multiple of 32"):
        work_of(model, 50)
    with pytest.raises(ValueError, match="tokens"):
        work_of(model, 64, tokens=0)
