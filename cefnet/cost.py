"""What a model costs: the memory of its co-attention (the quantity of the paper's Table 5) and its arithmetic.

>>> attention_memory_of(predictor.model, 640)[3] / MEGABYTE     # stage 3, photos of 640 x 640
>>> work_of(predictor.model, 640).expression / 1e9              # GFLOP
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from cefnet.model import CEFNet
from cefnet.model.coattention import as_map
from cefnet.model.fusion import Fusion

MEGABYTE = 2**20  # bytes: with it, Eq. 3-5 as they are written take about what Table 5 says at 96 x 96 (1308 MB)
MULTIPLE = 32  # of input sides, as in `Predictor.encode`
STAGES = (3, 4, 5)


@dataclass(frozen=True)
class Work:
    """Floating-point operations of matrix products, convolutions and attention: two a multiply-accumulate.

    Attributes:
        photo: Of what no expression changes, once a photo.
        expression: Of the rest, once an expression.
    """

    photo: int
    expression: int

    @property
    def total(self) -> int:
        """Of the first expression about a photo."""
        return self.photo + self.expression


def peak_memory(action: Callable[[], object], device: str | torch.device = "cpu") -> int:
    """Runs `action` and watches the memory of its tensors, those that it returns included.

    On a CPU the profiler is asked, which hears of every allocation; a dispatch mode would see no more of a fused
    kernel than its outputs. One call at a time: the profiler and CUDA's statistics belong to the process.

    Args:
        action: Frees nothing that was there before.
        device: Whose memory counts.

    Returns:
        Bytes that were live at the worst moment, above those before.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return _peak_on_cuda(action, device)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        kept = action()  # noqa: F841 (alive until the end, as it would be for whoever called)
    assert seen.profiler is not None and seen.profiler.kineto_results is not None
    events = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()  # negative where memory is given back
        peak = max(peak, live)
    return peak


def _peak_on_cuda(action: Callable[[], object], device: torch.device) -> int:
    action()  # what libraries keep from their first call on (cuBLAS' workspace) is not the action's
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    kept = action()  # noqa: F841
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


@torch.no_grad()
def attention_memory(
    module: nn.Module, channels: int, height: int, width: int, device: str | torch.device = "cpu"
) -> int:
    """Measures what Table 5 compares: the peak of live tensor memory of one co-attention, above its inputs.

    Args:
        module: In evaluation mode, on `device`; takes M and L, 1 x C x H x W float32 each, as the modules of
            `cefnet.model.coattention` do.
        channels: C.
        height: H, in places of the feature map (a photo's side divided by the stage's stride).
        width: W, likewise.
        device: Where to measure: what a kernel allocates differs between devices.

    Returns:
        Bytes, outputs included, without gradients.

    Raises:
        ValueError: If a size is below 1, or the module is in training mode (it would learn from the noise).
    """
    if min(channels, height, width) < 1:
        raise ValueError(f"{channels} x {height} x {width} is no feature map; sizes start at 1.")
    if module.training:
        raise ValueError("The module is in training mode; call its eval() first.")
    m, l = torch.randn(2, 1, channels, height, width, device=device).unbind(0)  # noqa: E741 (the paper's name)
    return peak_memory(lambda: [as_map(out) for out in module(m, l)], device)


def attention_memory_of(model: CEFNet, size: int) -> dict[int, int]:
    """Measures each stage's `attention_memory` for one expression about one photo, where the model is.

    The stages run one after the other, so that a model needs the largest of them, not their sum.

    Args:
        model: In evaluation mode, float32.
        size: The photo's side at the network's input, in pixels; a multiple of 32.

    Returns:
        Stage (3, 4, 5) -> bytes; 0 without co-attention.

    Raises:
        ValueError: As `attention_memory`, or if `size` is impossible.
    """
    _check(size)
    device = next(model.parameters()).device
    memory: dict[int, int] = {}
    for stage in STAGES:
        fusion = model.fusions[str(stage)]
        assert isinstance(fusion, Fusion)
        side = size // model.encoder.strides[stage - 1]
        attention = fusion.attention
        memory[stage] = attention_memory(attention, model.config.width, side, side, device) if attention else 0
    return memory


@torch.no_grad()
def work_of(model: CEFNet, size: int, tokens: int = 8) -> Work:
    """Counts a forward pass without making one: shapes alone are passed on (PyTorch's "meta" device).

    Args:
        model: On any device; it is left alone.
        size: The photo's side at the network's input, in pixels; a multiple of 32.
        tokens: Word pieces of the expression.

    Raises:
        ValueError: If `size` or `tokens` is impossible.
    """
    _check(size)
    if tokens < 1:
        raise ValueError(f"tokens is {tokens}; an expression has at least one.")
    device = next(model.parameters()).device
    with FlopCounterMode(display=False) as of_text:  # for real: it is small, and needs the tokens' numbers
        said = model.text(
            torch.ones(1, tokens, dtype=torch.int64, device=device),
            torch.ones(1, tokens, dtype=torch.bool, device=device),
        )
    shadow = _shadow(model)
    shadow.text = _Said(*said)  # type: ignore[assignment]
    with torch.device("meta"):
        image = torch.empty(1, 3, size, size)
        ids, mask = torch.empty(1, tokens, dtype=torch.int64), torch.empty(1, tokens, dtype=torch.bool)
        with FlopCounterMode(display=False) as of_photo:
            photo = shadow.encode_photo(image)
        with FlopCounterMode(display=False) as of_rest:
            shadow(photo, ids, mask)
    return Work(of_photo.get_total_flops(), of_text.get_total_flops() + of_rest.get_total_flops())


class _Said(nn.Module):
    """In the text encoder's place: always the same words and sentence, as shapes."""

    def __init__(self, words: Tensor, sentence: Tensor) -> None:
        super().__init__()
        self.words, self.sentence = words.to("meta"), sentence.to("meta")

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        return self.words, self.sentence


def _shadow(model: CEFNet) -> CEFNet:
    """The model without its numbers, which are not even copied for a moment."""
    hollow: dict[int, object] = {id(one): nn.Parameter(one.to("meta"), False) for one in model.parameters()}
    hollow |= {id(one): one.to("meta") for one in model.buffers()}
    return copy.deepcopy(model, hollow)


def _check(size: int) -> None:
    if size < MULTIPLE or size % MULTIPLE:
        raise ValueError(f"The input size is {size}; it must be a multiple of {MULTIPLE} pixels.")
