"""How fast training is: our loop beside a plain one (float32, contiguous, data read in between)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from cefnet.model import CEFNet
from train import recipes
from train.build import build, stream
from train.data.batches import Batch
from train.data.reader import ReferData
from train.distributed import Team
from train.experiments.speed.models import tokenizer
from train.log import Timed
from train.losses import Target
from train.recipes.recipe import Masks, New

PHOTOS = {"ablation-efn-acm-bem": 6, "paper-unc-acm": 2}  # a step: few of the paper's, so that it fits any machine
WARM = 2  # steps that are not measured


def training(folder: Path, runs: int, device: torch.device) -> list[dict[str, Any]]:
    """Speeds of the two loops on the same batches, with random weights.

    Returns:
        A row a recipe: expressions a second of both, their ratio, and the share of our loop's time that waits for data.
    """
    data, pieces = ReferData.open(folder), tokenizer()
    rows = []
    for name, photos in PHOTOS.items():
        recipe = recipes.find(name)
        stage = next(stage for stage in recipe.stages if isinstance(stage, Masks))
        stage = replace(stage, data=replace(stage.data, photos=photos), accumulate=1)
        assert isinstance(recipe.start, New)
        model = partial(CEFNet, replace(recipe.start.model, vocabulary=pieces.size))
        count = photos * stage.data.expressions
        steps = range(WARM + runs)
        batches = partial(stream, stage, data, pieces, recipe.seed, Team(device), steps)
        ours, waiting = _measured(batches(workers=1), _our_step(stage, model, data, device))
        plain, _ = _measured(batches(workers=0), _plain_step(stage, model, data, device))
        rows.append({"recipe": name, "expressions a step": count, "ours": count / ours, "plain": count / plain,
                     "times": plain / ours, "waiting": waiting / ours})  # fmt: skip
    return rows


def _measured(stream: Generator[Batch, None, None], step: Callable[[Batch], object]) -> tuple[float, float]:
    """Medians over the steps: seconds of a whole step, and of waiting for its batch."""
    whole, waiting = [], []
    start = time.perf_counter()
    with closing(Timed(stream)) as batches:
        for batch in batches:
            step(batch)
            done = time.perf_counter()
            whole.append(done - start)
            waiting.append(batches.waited)
            start = done
    return statistics.median(whole[WARM:]), statistics.median(waiting[WARM:])


def _our_step(
    stage: Masks, model: Callable[[], CEFNet], data: ReferData, device: torch.device
) -> Callable[[Batch], object]:
    torch.manual_seed(0)
    return build(stage, model(), len(data.categories), Team(device)).step


def _plain_step(
    stage: Masks, model: Callable[[], CEFNet], data: ReferData, device: torch.device
) -> Callable[[Batch], object]:
    torch.manual_seed(0)
    learner = build(stage, model(), len(data.categories), Team(device))
    network = learner.model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    objective, optimiser = learner.objective, learner.optimiser

    def step(batch: Batch) -> float:
        b = batch.to(device)
        output = network(network.encode_photo(b.images.float() / 255), b.ids, b.token_mask, b.photo_index)
        terms = objective(output, Target(b.masks, b.present, b.classes[b.photo_index], b.objects))
        optimiser.zero_grad()
        terms["total"].backward()
        optimiser.step()
        return terms["total"].item()

    return step
