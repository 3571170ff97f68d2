"""One record for every expression: asked in one process, or by all that torchrun started, and kept in a file."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from tqdm import tqdm

from train.answers import Answer, Answers
from train.data.reader import ReferData
from train.metrics import Record, boundary_f
from train.queries import Query


def measure(
    answers: Answers, data: ReferData, photos: Sequence[Sequence[Query]], progress: bool = False
) -> list[Record]:
    """Ask every expression, all of a photo together, and keep what came out."""
    records = []
    total = sum(map(len, photos))
    with tqdm(total=total, unit=" expressions", disable=not progress) as bar:
        for photo in photos:
            given = answers(photo)
            records += [_record(query, answer, data) for query, answer in zip(photo, given, strict=True)]
            bar.update(len(photo))
    return records


def _record(query: Query, answer: Answer, data: ReferData) -> Record:
    truth = data.union(query.image_id, query.ann_ids)
    return Record(
        **asdict(query),
        score=float(answer.score),
        presence=float(answer.presence),
        present=bool(answer.present),
        truth=int(truth.sum()),
        predicted=int(answer.mask.sum()),
        intersection=int((truth & answer.mask).sum()),
        boundary_f=boundary_f(answer.mask, truth),
        shortened=answer.shortened,
    )


def place() -> tuple[int, int]:
    """This process's number and how many processes torchrun started; (0, 1) without torchrun."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def own_device(device: str) -> str:
    """ "auto" with several processes on a machine with GPUs: each process takes its own."""
    if device == "auto" and place()[1] > 1:
        import torch

        if torch.cuda.is_available():
            return f"cuda:{int(os.environ.get('LOCAL_RANK', 0)) % torch.cuda.device_count()}"
    return device


def measure_shared(
    answers: Answers, data: ReferData, photos: Sequence[Sequence[Query]], progress: bool = False
) -> list[Record] | None:
    """As `measure`, but each process measures its share of the photos.

    Returns:
        In process 0 all records, in the order that `measure` gives; None in the others.
    """
    rank, processes = place()
    mine = measure(answers, data, photos[rank::processes], progress and rank == 0)
    if processes == 1:
        return mine
    import torch.distributed as dist

    # Who is done early waits for the others; if one fails, torchrun ends them all.
    dist.init_process_group("gloo", timeout=timedelta(days=7))
    shares: list[list[Record]] | None = [[] for _ in range(processes)] if rank == 0 else None
    dist.gather_object(mine, shares)
    dist.destroy_process_group()
    if shares is None:
        return None
    queues = [iter(share) for share in shares]
    return [next(queues[i % processes]) for i, photo in enumerate(photos) for _ in photo]


def write_results(path: Path, records: Sequence[Record]) -> None:
    """Writes records as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(asdict(record)) + "\n" for record in records), encoding="utf-8")


def read_results(path: Path) -> list[Record]:
    """Reads what `write_results` wrote.

    Raises:
        ValueError: There is no such file, or a line is not a record.
    """
    if not path.is_file():
        raise ValueError(f"there is no {path}: `python -m train evaluate ... --results FILE` writes such a file")
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            values = json.loads(line)
            records.append(Record(**{**values, "ann_ids": tuple(values["ann_ids"])}))
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path}, line {number} is not a result of `evaluate --results`: {error!r}") from None
    return records
