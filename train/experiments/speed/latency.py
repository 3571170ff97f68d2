"""How long an answer takes: ours beside the paper's model as it is written, in one run."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cefnet.inference import folded
from cefnet.model import CEFNet
from cefnet.photos import read_photo
from cefnet.predictor import Predictor
from train.experiments.speed.models import EIGHT, EXPRESSION, PHOTO, network, predictor, tokenizer
from train.experiments.speed.plain import answer, plain
from train.experiments.speed.timing import Action, medians, threads

PEER = "authors-vcm"
Rows = list[dict[str, Any]]


def peer(model: CEFNet, size: int | None = None) -> Action:
    """The plain implementation (of `plain`) answers as for the first time, which it does every time."""
    pixels = read_photo(PHOTO)
    ids, mask = map(torch.from_numpy, tokenizer().batch([EXPRESSION]))
    return lambda: answer(model, pixels, ids, mask, size)


def ours(model: Predictor, size: int | None = None) -> dict[str, Action]:
    """Encoding a photo, the first expression about it, a further one, and eight at once; up to the mask."""
    pixels = read_photo(PHOTO)
    photo = model.encode(pixels, size)

    def first() -> np.ndarray:
        return model.segment(model.encode(pixels, size), EXPRESSION, explain=False).mask

    return {
        "encode": lambda: model.encode(pixels, size),
        "first": first,
        "next": lambda: model.segment(photo, EXPRESSION, explain=False).mask,
        "eight": lambda: [one.mask for one in model.segment_many(photo, EIGHT, explain=False)],
    }


def latency(names: Sequence[str], counts: Sequence[int], runs: int, device: torch.device) -> Rows:
    """Every model at its own input size, with so many threads; once more where the app would choose bfloat16.

    Returns:
        One row a model, precision and number of threads: milliseconds (`eight` an expression), and how many times as
        fast as the peer the first and a further expression are.
    """
    rows: Rows = []
    compared = peer(plain(network(PEER, device)))
    predictors = {(name, one.dtype): one for name in names for one in _precisions(name, device)}
    actions = {model: ours(one) for model, one in predictors.items()}
    for count in counts:
        with threads(count):
            flat = {(model, what): action for model in actions for what, action in actions[model].items()}
            ms = medians({"peer": compared, **flat}, runs)  # type: ignore[dict-item]
        base = ms["peer"]
        plain_row = {"model": f"plain {PEER}", "precision": "float32", "threads": count}
        rows.append({**plain_row, "first_ms": base, "next_ms": base})
        for model in actions:
            of = {what: ms[(model, what)] for what in actions[model]}  # type: ignore[index]
            rows.append({
                "model": model[0], "precision": str(model[1]).removeprefix("torch."), "threads": count,
                "encode_ms": of["encode"], "first_ms": of["first"], "next_ms": of["next"],
                "eight_ms": of["eight"] / len(EIGHT), "first_times": base / of["first"],
                "next_times": base / of["next"],
            })  # fmt: skip
    return rows


def _precisions(name: str, device: torch.device) -> list[Predictor]:
    """A model in float32 and, if that is another, in what the app would choose."""
    plain_one = predictor(name, device)
    chosen = Predictor(plain_one.model, plain_one.tokenizer, device, precision="auto")
    return [plain_one] if chosen.dtype == plain_one.dtype else [plain_one, chosen]


def sizes(names: Sequence[str], pixels: Sequence[int], runs: int, device: torch.device) -> Rows:
    """A further expression at several input sizes, milliseconds, beside the peer at the same size."""
    rows: Rows = []
    loaded, compared = {name: predictor(name, device) for name in names}, plain(network(PEER, device))
    for size in pixels:
        actions = {name: ours(one, size)["next"] for name, one in loaded.items()}
        ms = medians({"peer": peer(compared, size), **actions}, runs)
        rows.append({"size": size, f"plain {PEER}": ms["peer"], **{name: ms[name] for name in names}})
    return rows


def ladder(name: str, runs: int, device: torch.device, compiled: bool) -> Rows:
    """What makes a model fast: the network's part of a further expression, one step after the other."""
    bare = network(name, device)
    last = folded(bare)
    contiguous = copy.deepcopy(last).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    steps = {
        "all of it for every expression": whole(bare),
        "the photo's part once": rest(bare),
        "BatchNorm folded": rest(contiguous),
        "channels last (what people get)": rest(last),
        "bfloat16": rest(last, torch.bfloat16),
    }
    if compiled:
        steps["compiled, float32"] = rest(torch.compile(last))  # type: ignore[arg-type]
        steps["compiled, bfloat16"] = rest(torch.compile(last), torch.bfloat16)  # type: ignore[arg-type]
    ms = medians(steps, runs)
    base = next(iter(ms.values()))
    return [{"model": name, "how": how, "ms": value, "times": base / value} for how, value in ms.items()]


def asked(model: CEFNet) -> tuple[Tensor, Tensor, Tensor]:
    """A photo and an expression as the network takes them."""
    device = next(model.parameters()).device
    ids, mask = map(torch.from_numpy, tokenizer().batch([EXPRESSION]))
    side = model.config.image_size
    return torch.rand(1, 3, side, side, device=device), ids.to(device), mask.to(device)


def whole(model: CEFNet) -> Action:
    images, ids, mask = asked(model)
    return torch.inference_mode()(lambda: model(model.encode_photo(images), ids, mask))


def rest(model: CEFNet, dtype: torch.dtype | None = None) -> Action:
    images, ids, mask = asked(model)
    with torch.inference_mode():
        photo = model.encode_photo(images)
    lower = torch.autocast(images.device.type, dtype) if dtype else nullcontext()

    @torch.inference_mode()
    def run() -> object:
        with lower:
            return model(photo, ids, mask)

    return run
