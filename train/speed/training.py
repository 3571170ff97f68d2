"""How fast training is: our loop beside a plain one (float32, contiguous, data read in between)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from cefnet.model import CEFNet
from cefnet.text import Tokenizer
from train import recipes
from train.data.batch import Batch
from train.data.batches import Batches
from train.data.reader import ReferData
from train.distributed import Team
from train.learner import Learner
from train.losses import Objective, Target
from train.optim import build_optimiser, freeze, train_mode
from train.recipe import Recipe
from train.runlog import Timed
from train.speed.models import tokenizer

PHOTOS = {"cefnet-acm": 6, "paper-unc-acm": 2}  # a step: few of the paper's, so that it fits any machine
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
        recipe = replace(recipe, data=replace(recipe.data, photos=photos, image_size=recipe.sizes[0][1]))
        recipe = replace(recipe, model=replace(recipe.model, vocabulary=pieces.size))
        count = photos * recipe.data.expressions
        ours, waiting = _measured(_stream(data, pieces, recipe, runs, workers=1), _our_step(recipe, data, device))
        plain, _ = _measured(_stream(data, pieces, recipe, runs, workers=0), _plain_step(recipe, data, device))
        rows.append({"recipe": name, "expressions a step": count, "ours": count / ours, "plain": count / plain,
                     "times": plain / ours, "waiting": waiting / ours})  # fmt: skip
    return rows


def _stream(
    data: ReferData, pieces: Tokenizer, recipe: Recipe, runs: int, workers: int
) -> Generator[Batch, None, None]:
    batches = Batches(data, pieces, recipe.data, recipe.seed, steps=WARM + runs)
    yield from DataLoader(batches, batch_size=None, num_workers=workers)


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


def _our_step(recipe: Recipe, data: ReferData, device: torch.device) -> Callable[[Batch], object]:
    torch.manual_seed(recipe.seed)
    objective = Objective(recipe.losses, recipe.model, len(data.categories))
    learner = Learner(CEFNet(recipe.model), objective, recipe, Team(device))
    return learner.step


def _plain_step(recipe: Recipe, data: ReferData, device: torch.device) -> Callable[[Batch], object]:
    torch.manual_seed(recipe.seed)
    model = CEFNet(recipe.model).to(device)
    objective = Objective(recipe.losses, recipe.model, len(data.categories)).to(device)
    freeze(model, recipe)
    train_mode(model, recipe)
    optimiser = build_optimiser(model, objective, recipe)

    def step(batch: Batch) -> float:
        b = batch.to(device)
        output = model(model.encode_photo(b.images.float() / 255), b.ids, b.token_mask, b.photo_index)
        terms = objective(output, Target(b.masks, b.present, b.classes[b.photo_index], b.objects))
        optimiser.zero_grad()
        terms["total"].backward()
        optimiser.step()
        return terms["total"].item()

    return step
