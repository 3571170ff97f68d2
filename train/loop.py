"""The stages of a run, one after the other, and the loop that trains one of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cefnet.config import Decision
from cefnet.model import CEFNet
from cefnet.text import Tokenizer
from cefnet.weights import MODEL, TOKENIZER, save
from train.align import align
from train.build import build, stream
from train.checkpoint import CHECKPOINT, START, ended_by_sigterm, load_checkpoint, on_sigterm, save_checkpoint
from train.data.batches import Batch, Batches
from train.data.reader import ReferData
from train.distributed import Team
from train.learner import Learner
from train.log import Damage, Progress, Timed, draw_curves, progress
from train.recipes.recipe import Align, Masks, Recipe, Trained
from train.ship import run_card
from train.start import Begun, Sources, begin_new, begin_with, first_weights


class Run:
    """One run in one folder: which stage is under way, where it starts, what it saves.

    Args:
        recipe: What to do.
        first: Number of the stage that the run begins with.
        data: The data set.
        text: The run's tokenizer, and how often each word was seen.
        folder: Of the run.
        team: The processes that share it.
        sources: What a new network starts from.
        workers: Processes that read data.
    """

    def __init__(
        self,
        recipe: Recipe,
        first: int,
        data: ReferData,
        text: tuple[Tokenizer, dict[str, int]],
        folder: Path,
        team: Team,
        sources: Sources,
        workers: int,
    ) -> None:
        self.recipe, self.first, self.data, self.folder, self.team = recipe, first, data, folder, team
        self.tokenizer, self.words = text
        self.sources, self.workers = sources, workers
        photos = len({ref.image_id for ref in data.refs_of("train")})
        self.damage = Damage(folder if team.first else None, photos)

    def go(self, stop: int) -> tuple[int, bool]:
        """Does the stages up to step `stop` of the whole, from where the folder is.

        Returns:
            steps: How many are done; fewer than `stop` after SIGTERM, and where a stage can't be stopped inside.
            terminated: Whether SIGTERM ended it.
        """
        steps = self.recipe.before(self.first)
        with on_sigterm() as terminated:
            for i, stage in enumerate(self.recipe.stages):
                before, after = self.recipe.before(i), self.recipe.before(i + 1)
                if i < self.first or finished(self.folder, self.recipe, i):
                    steps = after
                    continue
                if before >= stop or self.team.any(terminated()):
                    break
                if isinstance(stage, Trained):
                    steps = before + self.photos(i, stage, stop - before, terminated)
                elif after <= stop:
                    steps = before + self.align(i, stage)
                self.team.wait()  # the others start from what the first one wrote
                if steps < after:
                    break
            return steps, self.team.any(terminated() and steps < stop)

    def begin(self, i: int, weights: bool = True) -> Begun:
        """The network of a stage at its start.

        Args:
            i: Number of the stage.
            weights: Whether a new network gets its first weights; a checkpoint has others.
        """
        stage, start = self.recipe.stages[i], self.recipe.start
        torch.manual_seed(self.recipe.seed + i)
        if i > self.first or isinstance(start, str):
            source = str(stage_folder(self.folder, self.recipe, i - 1)) if i > self.first else str(start)
            return begin_with(source, stage.model, ("*",) if self.sources.allow_drop else stage.may_drop)
        begun = begin_new(start, stage.model, self.tokenizer.size)
        if weights:
            masks = next((s for s in self.recipe.stages if isinstance(s, Masks)), Masks("masks"))
            size = masks.sizes[0][1] if masks.sizes else start.model.image_size
            batch = Batches(self.data, self.tokenizer, masks.data, size, self.recipe.seed)[0]
            images = batch.images.float() / 255
            first_weights(begun.model, start, self.sources, self.tokenizer, images)
        return begun

    def tell(self, i: int, begun: Begun) -> None:
        if self.team.first and begun.about:
            print(f"{self.recipe.stages[i].name}:\n{begun.about}")

    def align(self, i: int, stage: Align) -> int:
        """Does a stage of words in one go; ended early, it is done again. Returns its steps."""
        self.checkpoint(i)
        begun, before = self.begin(i), self.recipe.before(i)
        self.tell(i, begun)
        model = begun.model.to(self.team.device).eval()
        advice = f"ended by SIGTERM inside {stage.name!r}, which --resume begins anew"
        bar = progress(self.folder, before, self.recipe.steps, stage.name, self.team.first)
        with ended_by_sigterm(advice), bar as shown:
            log = shown.add if shown else lambda values, samples: None
            seed, backbone = self.recipe.seed + i, self.sources.backbone
            right = align(model, self.data, self.tokenizer, stage, begun.new, seed, log, backbone)
        if right is not None and self.team.first:
            print(f"{stage.name}: the right object of a photo, {stage.split}: {right:.3f}")
        self.write(i, model, begun.decision, stage.steps)
        return stage.steps

    def photos(self, i: int, stage: Trained, stop: int, ended: Callable[[], bool]) -> int:
        """Trains the stage's network up to its step `stop`. Returns the steps done; fewer if `ended` says so."""
        before, state = self.recipe.before(i), self.checkpoint(i)
        begun = self.begin(i, weights=state is None)
        kept = {name: value.clone() for name, value in begun.model.state_dict().items()} if stage.mix else {}
        stage = replace(stage, sizes=stage.sizes or ((0.0, begun.model.config.image_size),))
        learner = build(stage, begun.model, len(self.data.categories), self.team)
        if state is None:
            self.tell(i, begun)
        else:
            take_up(learner, state, self.folder)
        steps = range(learner.steps, min(stop, stage.steps))
        source = self.data, self.tokenizer, self.recipe.seed, self.team
        batches = stream(stage, *source, steps, before, self.workers)
        bar = progress(self.folder, before + steps.start, self.recipe.steps, stage.name, self.team.first)
        with bar as shown, closing(Timed(batches)) as timed:
            keep = partial(self.keep, i, learner, begun.decision, kept)
            train(learner, timed, self.damage, keep, self.recipe.checkpoint_every, ended, shown)
        return learner.steps

    def checkpoint(self, i: int) -> dict[str, Any] | None:
        """The folder's checkpoint if it is of stage `i`.

        Raises:
            ValueError: It is of a later stage, or damaged.
        """
        if not (self.folder / CHECKPOINT).is_file():
            return None
        state = load_checkpoint(self.folder)
        stage = state.get("stage", i)
        if stage > i:
            name = stage_folder(self.folder, self.recipe, i).name
            raise ValueError(f"{self.folder} is past its stage {name}, but that stage's weights are gone")
        return state if stage == i else None

    def keep(self, i: int, learner: Learner, decision: Decision, first: dict[str, Tensor]) -> None:
        """Writes the checkpoint, and the result so far as a weights folder: the first process only."""
        if not self.team.first:
            return
        save_checkpoint(self.folder, {**learner.state(), "stage": i})
        result = copy.deepcopy(learner.model)
        result.load_state_dict(mixed(learner.result(), first, getattr(self.recipe.stages[i], "mix", 0.0)))
        self.write(i, result, decision, learner.steps)

    def write(self, i: int, model: CEFNet, decision: Decision, steps: int) -> None:
        """The result so far: in the run's folder, and in the stage's where the stage is done."""
        if not self.team.first:
            return
        folders = {self.folder: None}
        if steps == self.recipe.stages[i].steps:
            folders[stage_folder(self.folder, self.recipe, i)] = None
        start = (self.folder / START).read_text(encoding="utf-8").strip()
        card = run_card(self.recipe.to_dict(), start, self.recipe.before(i) + steps)
        for folder in folders:
            save(folder, model, decision, self.folder / TOKENIZER, self.words, card)
        draw_curves(self.folder)


def train(
    learner: Learner,
    batches: Timed[Batch],
    damage: Damage,
    keep: Callable[[], None],
    every: int,
    ended: Callable[[], bool],
    shown: Progress | None,
) -> None:
    """The training loop.

    Args:
        learner: Makes the steps.
        batches: This process's share of each.
        damage: Counts what could not be used.
        keep: Saves where the learner is: every `every` steps and at the end.
        every: Steps.
        ended: Whether to end before all batches are seen.
        shown: Log and progress bar, if this process has them.
    """
    team, saved = learner.team, -1
    for batch in batches:
        values = learner.step(batch)
        if shown:
            shown.add(values, len(batch.expressions) * team.size, batches.waited)
        damage.add(team.gather(batch.skipped))
        if team.any(ended()):
            break
        if learner.steps % every == 0:
            keep()
            saved = learner.steps
    if learner.steps != saved:
        keep()


def mixed(result: dict[str, Tensor], first: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """The result with a share of the weights that a stage started from; without any, as it is."""
    if not share:
        return result
    return {
        name: value.cpu().lerp(first[name], share) if value.is_floating_point() else value
        for name, value in result.items()
    }


def take_up(learner: Learner, state: dict[str, Any], folder: Path) -> None:
    """Gives a learner the state of a checkpoint.

    Raises:
        ValueError: It is of another model.
    """
    try:
        learner.load_state(state)
    except (LookupError, TypeError, RuntimeError) as error:
        raise ValueError(f"{folder / CHECKPOINT} is of another model or version: {error}") from error


def stage_folder(folder: Path, recipe: Recipe, i: int) -> Path:
    """Where the weights of a stage are when it is done: `1-words`, ...; those of the last one in the run's folder."""
    last = i == len(recipe.stages) - 1 and isinstance(recipe.stages[i], Trained)
    return folder if last else folder / f"{i + 1}-{recipe.stages[i].name}"


def finished(folder: Path, recipe: Recipe, i: int) -> bool:
    """Whether a stage's weights are there; the last one's say nothing, they are written on the way too."""
    own = stage_folder(folder, recipe, i)
    return own != folder and (own / MODEL).is_file()


def where(folder: Path, recipe: Recipe, first: int) -> tuple[int, int]:
    """The stage that is under way in a run folder, counted from 0, and its steps so far."""
    stages = range(first, len(recipe.stages))
    i = next((i for i in stages if not finished(folder, recipe, i)), len(recipe.stages) - 1)
    state = load_checkpoint(folder) if (folder / CHECKPOINT).is_file() else {}
    return i, state["step"] if state.get("stage") == i else 0
