"""`python -m train replay DUMP`: repeats the step of a run whose loss or gradient was not finite.

The dump, a safetensors file, holds the weights as they were before the step and the samples of one process; neither
the run's folder nor its data is needed.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from cefnet.config import ModelConfig
from cefnet.model import CEFNet
from cefnet.weights import pick_device
from train.data.batch import Batch
from train.forward import Forward
from train.losses import LossWeights, Objective
from train.optim import freeze, train_mode
from train.recipe import Recipe

ABOUT = "about"


def dump(path: Path, forward: Forward, recipe: Recipe, parts: list[Batch], shares: list[Tensor], step: int) -> None:
    """Writes what `replay` needs.

    Args:
        path: of the new file.
        forward: model and objective; the optimiser has not moved them in this step.
        recipe: of the run.
        parts: the step's samples, of this process.
        shares: of each part, see `Objective`.
        step: number of the step.
    """
    tensors = {f"forward.{name}": value for name, value in forward.state_dict().items()}
    texts = []
    for i, part in enumerate(parts):
        fields = {**vars(part), "shares": shares[i]}
        tensors |= {f"{i}.{name}": value for name, value in fields.items() if isinstance(value, Tensor)}
        texts.append({name: value for name, value in fields.items() if not isinstance(value, Tensor)})
    about = {
        "step": step,
        "recipe": asdict(recipe),
        "parts": texts,
        "categories": 0 if forward.objective.classifier is None else forward.objective.classifier.out_channels,
        "device": str(shares[0].device),
    }
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    save_file(plain, path, metadata={ABOUT: json.dumps(about)})


def read(path: Path, device: torch.device) -> tuple[Forward, list[Batch], list[Tensor], dict[str, Any]]:
    """Model and objective in training mode, the parts of the step, their shares, and what else the dump says.

    Raises:
        ValueError: not a dump.
    """
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})[ABOUT])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, KeyError) as error:
        raise ValueError(f"{path} is not a dump of a run ({error})") from error
    saved = about["recipe"]
    losses = LossWeights(**{**saved["losses"], "mask": tuple(saved["losses"]["mask"])})
    frozen = {name: saved[name] for name in ("frozen_stages", "frozen_norms")}
    recipe = Recipe(saved["name"], ModelConfig().with_values(saved["model"]), losses=losses, **frozen)
    model = CEFNet(recipe.model)
    forward = Forward(model, Objective(losses, recipe.model, about["categories"]))
    forward.load_state_dict({k.removeprefix("forward."): v for k, v in tensors.items() if k.startswith("forward.")})
    freeze(model, recipe)
    train_mode(model, recipe)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    parts, shares = [], []
    for i, texts in enumerate(about["parts"]):
        own = {k.removeprefix(f"{i}."): v for k, v in tensors.items() if k.startswith(f"{i}.")}
        shares.append(own.pop("shares").to(device))
        parts.append(Batch(**own, **texts).to(device))
    return forward.to(device), parts, shares, about


def first_not_finite(forward: Forward, found: list[str]) -> None:
    """Makes every module note in `found` that it gave something that is not finite; the first is the innermost."""

    def look(name: str, output: Any) -> None:
        values = [output] if isinstance(output, Tensor) else output if isinstance(output, tuple | list) else []
        if any(isinstance(v, Tensor) and v.is_floating_point() and not v.isfinite().all() for v in values):
            found.append(name)

    for name, module in forward.named_modules():
        module.register_forward_hook(lambda _module, _inputs, output, name=name: look(name, output))


def replay(path: Path, device: torch.device) -> bool:
    """Repeats the step of a dump and prints what is found.

    Returns:
        True if the loss or the gradient is not finite here too.
    """
    forward, parts, shares, about = read(path, device)
    modules: list[str] = []
    first_not_finite(forward, modules)
    weights = [name for name, value in forward.named_parameters() if not value.isfinite().all()]
    total = 0.0
    for part, share in zip(parts, shares, strict=True):
        terms = forward(part, share)
        total += terms["total"].item()
        if math.isfinite(total):  # else grid_sample's backward may crash
            terms["total"].backward()
        print(", ".join(f"{name} {value.item():.6g}" for name, value in terms.items()), part.sample_ids)
    gradients = {name: p.grad for name, p in forward.named_parameters() if p.grad is not None}
    norm = nn.utils.get_total_norm(gradients.values()).item() if math.isfinite(total) else math.nan
    print(f"step {about['step']} on {device} (the run: {about['device']}): loss {total:.6g}, gradient norm {norm:.6g}")
    for what, names in {
        "weights": weights,
        "outputs": modules,
        "gradients": [name for name, value in gradients.items() if not value.isfinite().all()],
    }.items():
        if names:
            print(f"{what} that are not finite: {len(names)}, first {names[0]}")
    return not (math.isfinite(total) and math.isfinite(norm))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dump", type=Path, help="not-finite-....safetensors in a run's folder")
    parser.add_argument("--device", default="auto", help="cpu, cuda, ... (default: auto)")


def main(args: argparse.Namespace) -> None:
    """Repeats the step.

    Raises:
        ValueError: not a dump, or everything is finite here.
    """
    device = pick_device(args.device)
    if not replay(args.dump, device):
        raise ValueError(
            f"all is finite on {device}: try the device of the run (the dump says which), and see whether the run "
            "had several processes (the samples here are those of one of them)"
        )
