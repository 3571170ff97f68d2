"""Many clients at once against the app's API on this computer, each with photos of its own.

    python tests/stress/load.py                            # 50 clients, 3 minutes, the shipped models (make load)
    python tests/stress/load.py --clients 8 --seconds 20 --json build/load.json

The server is a process of its own, as `python app.py` is. First every question is asked alone; then the clients ask
them all the time, and every answer must be the one that the same question got alone. Meanwhile some hang up before
their answer, some ask what makes the model raise, and some send what is refused. A server that is busy says so (503),
and is asked again. Ends with exit status 0 if no answer was another's, nothing but what was meant to failed, the
server's memory stayed flat, and it still answers at the end.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.stress.caller import Caller, Question, photo  # noqa: E402
from tests.stress.process import kilobytes  # noqa: E402

RAISES = "the model call that raises"
EXPRESSIONS = ("dog on the left", "man in the straw hat", "red car", "the largest thing", "something blue")
QUIT, RAISE, REFUSED = 0.05, 0.03, 0.02  # shares of the questions that go wrong on purpose
GROWTH = 100.0  # MB that the server may grow from the first third of the time to the last


@dataclass
class Report:
    """What happened.

    Attributes:
        clients, seconds: As asked for.
        answers: Right ones, beside those of `wrong`: another's, or none where one was due.
        busy: Times that the server said it was.
        quits, raised, refused: Questions that went wrong on purpose, and ended as they should.
        p50, p95: Seconds from an accepted question to its answer.
        memory: MB of the server: after warming up, and the most in the first and in the last third.
        recovered: Whether every question was answered rightly afterwards.
    """

    clients: int
    seconds: float
    answers: int = 0
    wrong: list[str] = field(default_factory=list)
    busy: int = 0
    quits: int = 0
    raised: int = 0
    refused: int = 0
    p50: float = 0.0
    p95: float = 0.0
    memory: tuple[float, float, float] = (0.0, 0.0, 0.0)
    recovered: bool = False

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        flat = self.memory[2] - self.memory[1] <= GROWTH
        return not self.wrong and self.recovered and flat and self.answers > 0


def serve(models: dict[str, str], folder: str, address: Any) -> None:
    """The app in a process of its own, which says its address; `RAISES` makes its models raise."""
    os.environ |= {"GRADIO_TEMP_DIR": folder, "GRADIO_ANALYTICS_ENABLED": "False"}
    from app.serve import launch
    from app.service import Service
    from app.ui import build

    service = Service.load(models)
    for predictor in service.predictors.values():
        real = predictor.segment_many

        def fails(photo: Any, expressions: Any, *options: Any, real: Any = real) -> Any:
            if RAISES in expressions:
                raise RuntimeError("as was asked for")
            return real(photo, expressions, *options)

        predictor.segment_many = fails
    blocks = build(service)
    launch(blocks, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    address.send(blocks.local_url)
    address.recv()  # until whoever started it is done


def load(url: str, pid: int, clients: int, seconds: float, seed: int = 0) -> Report:
    """Asks alone, then all at once, then alone again."""
    first, report = Caller(url), Report(clients, seconds)
    questions = [Question(first.upload(photo(seed + n)), EXPRESSIONS[n % len(EXPRESSIONS)]) for n in range(clients)]
    expected = {question: first.ask(question) for question in questions}
    failed = sum(text.startswith("error") for text in expected.values())
    different = len(set(expected.values()))
    if failed or different < clients:
        raise ValueError(f"asked alone, {failed} of {clients} questions fail, and only {different} answers differ")
    start, lock, taken, sizes = time.monotonic(), threading.Lock(), list[float](), list[tuple[float, float]]()
    report.memory = (memory(pid), 0.0, 0.0)
    work = [
        threading.Thread(target=client, args=(url, questions, expected, start + seconds, report, taken, lock, seed + n))
        for n in range(clients)
    ]
    for thread in work:
        thread.start()
    while any(thread.is_alive() for thread in work):
        sizes.append((time.monotonic() - start, memory(pid)))
        time.sleep(0.2)
    third = sizes[-1][0] / 3
    early, late = ([size for at, size in sizes if low <= at <= low + third] for low in (0, 2 * third))
    report.memory = (report.memory[0], max(early), max(late))
    if taken:
        report.p50, report.p95 = (float(np.percentile(taken, part)) for part in (50, 95))
    report.recovered = all(first.ask(question) == answer for question, answer in expected.items())
    return report


def client(
    url: str, questions: list[Question], expected: dict[Question, str], end: float, report: Report,
    taken: list[float], lock: threading.Lock, seed: int,
) -> None:  # fmt: skip
    """Asks until `end`, mostly what has an answer."""
    rng, caller = random.Random(seed), Caller(url)

    def count(name: str) -> None:
        with lock:
            setattr(report, name, getattr(report, name) + 1)

    def wrong(text: str) -> None:
        with lock:
            report.wrong.append(text[:300])

    while time.monotonic() < end:
        question, chance = rng.choice(questions), rng.random()
        try:
            if chance < QUIT:
                event = caller.submit(question)
                if event is not None:
                    caller.quit(event)
                    count("quits")
            elif chance < QUIT + RAISE + REFUSED:
                raises = chance < QUIT + RAISE
                odd = Question(question.path, RAISES if raises else "dog " * 2500)
                said = caller.ask(odd, lambda: count("busy"))
                expects = "Something went wrong on the server" if raises else "the limit is"
                count("raised" if raises else "refused") if expects in said else wrong(f"not refused: {said}")
            else:
                while (event := caller.submit(question)) is None:
                    count("busy")
                    time.sleep(rng.uniform(0.1, 0.5))
                accepted = time.monotonic()
                said = caller.fetch(event)
                taken.append(time.monotonic() - accepted)
                count("answers") if said == expected[question] else wrong(f"another answer: {said}")
        except (httpx.HTTPError, ValueError, IndexError) as error:
            wrong(repr(error))


def memory(pid: int) -> float:
    """MB of a process (Linux)."""
    return kilobytes("VmRSS", pid) / 1000


def run(models: dict[str, str], clients: int, seconds: float, seed: int = 0) -> Report:
    """Starts the server, loads it, and ends it."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        here, there = context.Pipe()
        server = context.Process(target=serve, args=(models, folder, there), daemon=True)
        server.start()
        there.close()
        try:
            return load(here.recv(), server.pid or 0, clients, seconds, seed)
        finally:
            server.terminate()
            server.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", default="", metavar="NAME=MODEL,...", help="as CEFNET_MODELS (default: shipped)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the summary here")
    args = parser.parse_args()
    from app.environment import DEFAULT_MODELS

    models = dict(pair.split("=", 1) for pair in args.models.split(",")) if args.models else DEFAULT_MODELS
    report = run(models, args.clients, args.seconds, args.seed)
    summary = json.dumps({**asdict(report), "passed": report.passed}, indent=2)
    print(summary)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(summary + "\n")
    sys.exit(0 if report.passed else 1)


if __name__ == "__main__":
    main()
