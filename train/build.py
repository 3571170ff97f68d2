"""A stage of a recipe taken apart: what the training loop needs of it, as parts."""

from __future__ import annotations

import math
from collections.abc import Generator
from functools import partial

import torch
from torch.utils.data import DataLoader, Subset

from cefnet.model import CEFNet
from cefnet.text import Tokenizer
from train.checkpoint import ignore_sigterm
from train.data.batches import Batch, Batches
from train.data.reader import ReferData
from train.distributed import Team, synchronised
from train.grounding import FitObjective, Grounding
from train.learner import Forward, Learner, Lesson
from train.losses import Objective
from train.optim import build_optimiser, freeze, rate_factor, train_mode
from train.recipes.recipe import Ground, Masks, Trained


def build(stage: Trained, model: CEFNet, categories: int, team: Team) -> Learner:
    """What a stage trains, ready for its first step.

    Args:
        stage: What to do.
        model: Of the stage's architecture; goes to the team's device and into training mode.
        categories: Of the data.
        team: The processes that share each step.
    """
    freeze(model, stage.frozen_stages)
    if stage.sync_norm:
        synchronised(model, team)
    model.to(team.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    taught = lesson(stage, model, categories).to(team.device)
    train_mode(model, max(stage.frozen_norms, stage.frozen_stages), stage.frozen_statistics)
    optimiser = build_optimiser(
        [*model.named_parameters(), *(("objective." + name, p) for name, p in taught.objective.named_parameters())],
        stage.optimiser,
        stage.learning_rate,
        stage.weight_decay,
        partial(rate_factor, pretrained=stage.pretrained_rate, text=stage.text_rate),
    )
    return Learner(
        taught,
        optimiser,
        lambda step: stage.learning_rate * stage.schedule.factor(step, stage.steps),
        team,
        team.parts(stage.data.photos, stage.accumulate),
        stage.clip,
        stage.ema,
    )


def lesson(stage: Trained, model: CEFNet, categories: int) -> Lesson:
    """A model with what a stage teaches it.

    Raises:
        ValueError: The model lacks what the stage teaches.
    """
    if isinstance(stage, Ground):
        return Grounding(model, FitObjective(stage.losses, model.encoder.channels[-1], categories))
    assert isinstance(stage, Masks)
    return Forward(model, Objective(stage.losses, model.config, categories))


def stream(
    stage: Trained,
    data: ReferData,
    tokenizer: Tokenizer,
    seed: int,
    team: Team,
    steps: range,
    before: int = 0,
    workers: int = 0,
) -> Generator[Batch, None, None]:
    """This process's share of some steps of a stage, each a function of the seed, the step and its size.

    Args:
        stage: What a step draws.
        data: From whose `train` split.
        tokenizer: The model's.
        seed: Of the run.
        team: The processes that share each step.
        steps: Which, counted from the stage's first.
        before: Steps of the stages before; no two stages draw alike.
        workers: Processes that read data.
    """
    starts = [math.ceil(share * stage.steps) for share, _ in stage.sizes]
    places = team.share(stage.data.photos)
    for (_, size), first, end in zip(stage.sizes, starts, [*starts[1:], stage.steps], strict=True):
        wanted = range(before + max(first, steps.start), before + min(end, steps.stop))
        if not wanted:
            continue
        yield from DataLoader(
            Subset(Batches(data, tokenizer, stage.data, size, seed, steps=wanted.stop, places=places), wanted),
            batch_size=None,
            num_workers=workers,
            pin_memory=team.device.type == "cuda",
            generator=torch.Generator(),  # the loader must not draw from the run's
            worker_init_fn=ignore_sigterm,
        )
