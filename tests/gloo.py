"""What the processes of tests/test_distributed.py do; in a file of its own because they import it."""

import os
from pathlib import Path
from unittest.mock import patch

import torch

from cefnet.text import Tokenizer
from cefnet.weights import TOKENIZER
from train import loop
from train.data.batches import Batches
from train.data.reader import ReferData
from train.distributed import Team, join
from train.recipe import Recipe


def new_run(recipe: Recipe, data: Path, folder: Path, team: Team) -> loop.Run:
    """A run at its first step, BatchNorm in evaluation mode: its statistics are each process's own."""
    run = loop.Run(recipe, ReferData.open(data), Tokenizer.from_file(folder / TOKENIZER), folder, team)
    run.start(None, None)
    run.model.eval()
    return run


def gradients(recipe: Recipe, data: Path, folder: Path, team: Team) -> dict[str, object]:
    """Loss terms and gradients of step 0."""
    run = new_run(recipe, data, folder, team)
    learner = run.learner
    batches = Batches(run.data, run.tokenizer, recipe.data, recipe.seed, places=team.share(recipe.data.photos))
    parts = batches[0].split(team.parts(recipe.data.photos, recipe.accumulate))
    with patch("train.forward.has_bfloat16", lambda: False):  # rounding would differ from part to part
        terms = learner.backward(parts, learner.shares(parts))
    found = {name: p.grad for name, p in learner.local.named_parameters() if p.grad is not None}
    return {"terms": terms, "gradients": found, "samples": [s for part in parts for s in part.sample_ids]}


def work(rank: int, port: int, recipes: list[Recipe], data: Path, folder: Path) -> None:
    """One of two processes: writes what `gradients` gives for each recipe."""
    torch.set_num_threads(1)
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ.update({"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", **address})
    with join("cpu") as team:
        for recipe in recipes:
            torch.save(gradients(recipe, data, folder, team), folder / f"{recipe.name}-{rank}.pt")
        texts = [["one"], ["two", "three"]][rank]
        assert team.gather(texts) == ["one", "two", "three"] and team.gather([]) == []
        assert team.any(rank == 1) and not team.any(False)
    os._exit(0)  # all is written; an interpreter that ends beside gloo's threads was once seen to abort
