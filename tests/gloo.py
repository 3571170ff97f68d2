"""What the processes of tests/train/test_distributed.py do; in a file of its own because they import it."""

import os
from pathlib import Path
from unittest.mock import patch

import torch

from cefnet.config import ModelConfig
from cefnet.model import CEFNet
from cefnet.text import Tokenizer
from cefnet.weights import TOKENIZER
from train.build import build, stream
from train.data.reader import ReferData
from train.distributed import Team, join
from train.recipes.recipe import Masks


def gradients(stage: Masks, config: ModelConfig, data: Path, folder: Path, team: Team) -> dict[str, object]:
    """Loss terms and gradients of step 0, BatchNorm in evaluation mode: its statistics are each process's own."""
    torch.manual_seed(0)
    tables, tokenizer = ReferData.open(data), Tokenizer.from_file(folder / TOKENIZER)
    learner = build(stage, CEFNet(config), len(tables.categories), team)
    learner.model.eval()
    parts = next(stream(stage, tables, tokenizer, 0, team, range(1))).split(learner.parts)
    with patch("train.learner.has_bfloat16", lambda: False):  # rounding would differ from part to part
        terms = learner.backward(parts, learner.shares(parts))
    found = {name: p.grad for name, p in learner.lesson.named_parameters() if p.grad is not None}
    return {"terms": terms, "gradients": found, "samples": [s for part in parts for s in part.sample_ids]}


def work(rank: int, port: int, stages: list[Masks], config: ModelConfig, data: Path, folder: Path) -> None:
    """One of two processes: writes what `gradients` gives for each stage."""
    torch.set_num_threads(1)
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ.update({"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", **address})
    with join("cpu") as team:
        for stage in stages:
            torch.save(gradients(stage, config, data, folder, team), folder / f"{stage.name}-{rank}.pt")
        texts = [["one"], ["two", "three"]][rank]
        assert team.gather(texts) == ["one", "two", "three"] and team.gather([]) == []
        assert team.any(rank == 1) and not team.any(False)
    os._exit(0)  # all is written; an interpreter that ends beside gloo's threads was once seen to abort
