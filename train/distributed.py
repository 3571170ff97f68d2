"""One run on several processes (`torchrun ... -m train run ...`): who does what, and what they add up."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from cefnet.weights import pick_device
from train.data.batches import spans


@dataclass(frozen=True)
class Team:
    """The processes of a run, seen from one of them; alone by default.

    Every process holds the whole model and computes its own photos of each step's batch; DistributedDataParallel
    averages the gradients. The first process alone writes files.

    Attributes:
        device: This process's.
        rank: This process's number, 0 = the first.
        size: Number of processes.
    """

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def share(self, photos: int) -> range:
        """Which of a step's photos are this process's.

        Raises:
            ValueError: There are more processes than photos.
        """
        if photos < self.size:
            raise ValueError(f"a step has {photos} photos, too few for {self.size} processes: start fewer, "
                             "or --set data.photos=N")  # fmt: skip
        return spans(photos, self.size)[self.rank]

    def parts(self, photos: int, accumulate: int) -> int:
        """How many parts each process computes its share of a step in, when the step should have `accumulate`."""
        return min(math.ceil(accumulate / self.size), photos // self.size)

    def sum(self, values: Tensor) -> Tensor:
        """Adds up a tensor over the processes."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def any(self, value: bool) -> bool:
        """True if it is true in any process."""
        return value if self.size == 1 else bool(self.sum(torch.tensor(int(value), device=self.device)))

    def gather(self, texts: list[str]) -> list[str]:
        """The texts of all processes; without any this costs a single number."""
        if self.size == 1 or not self.any(bool(texts)):
            return texts
        lists: list[list[str]] = [[] for _ in range(self.size)]
        dist.all_gather_object(lists, texts)
        return [text for some in lists for text in some]

    def wait(self) -> None:
        """Goes on when all processes are here."""
        self.any(False)

    def wrap(self, module: nn.Module, unused: bool = False) -> nn.Module:
        """The module with gradients averaged over the processes.

        Args:
            module: Whose forward makes the loss.
            unused: Some of its trained parameters don't reach the loss.
        """
        if self.size == 1:
            return module
        return DistributedDataParallel(module, find_unused_parameters=unused)

    def hold(self, module: nn.Module, last: bool) -> AbstractContextManager:
        """Around all backward passes of a step but the last: their gradients are added up, not yet averaged."""
        return nullcontext() if last or self.size == 1 else module.no_sync()  # type: ignore[operator]


@contextmanager
def join(device: str) -> Iterator[Team]:
    """The team that torchrun started, or this process alone.

    Args:
        device: As `pick_device`; with several processes "auto" and "cuda" give each process its own GPU.

    Raises:
        ValueError: No such device, or fewer GPUs than processes.
    """
    rank, local, size = (int(os.environ.get(name, 0)) for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"))
    picked = pick_device(device)
    if size < 2:
        yield Team(picked)
        return
    if picked.type == "cuda":
        if local >= torch.cuda.device_count():
            gpus = torch.cuda.device_count()
            raise ValueError(f"more processes than the {gpus} GPUs of this machine: start one a GPU, or --device cpu")
        picked = torch.device("cuda", local)
        torch.cuda.set_device(picked)
    dist.init_process_group("nccl" if picked.type == "cuda" else "gloo")
    try:
        yield Team(picked, rank, size)
        dist.barrier()  # the first process keeps the store that the others still talk to
    finally:
        dist.destroy_process_group()


def synchronised(model: nn.Module, team: Team) -> nn.Module:
    """The model with BatchNorm statistics over all processes; parameters and their names stay.

    Raises:
        ValueError: Several processes without GPUs: torch has it for GPUs only.
    """
    if team.size == 1:
        return model
    if team.device.type != "cuda":
        raise ValueError("sync_norm needs GPUs: --set sync_norm=False for a run on several CPU processes")
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)


@contextmanager
def plain_words(advice: str) -> Iterator[None]:
    """Inside, the death of another process of the run is told in plain words.

    Args:
        advice: How to go on.

    Raises:
        ValueError: A process that reads data, or another one of the team, was killed or failed.
    """
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if "DataLoader worker" in text:
            why = "a process that reads data was killed or failed (out of memory? --workers 0 needs least)"
        elif isinstance(error, dist.DistError) or "gloo" in text:
            why = "another process of this run was killed, or failed as its own message says"
        else:
            raise
        raise ValueError(f"{why}; {advice}\n  ({text.splitlines()[0]})") from error
    except (ValueError, OSError) as error:
        text = str(error)
        if text.startswith("Caught ") and "DataLoader worker" in text:  # torch gives the other process's whole trace
            raise ValueError(f"{text.strip().splitlines()[-1]}; {advice}") from error
        raise
