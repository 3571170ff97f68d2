"""`make load`, for some seconds and with a tiny model: nobody gets another's answer, and errors don't last."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tests.stress.caller import Caller, Question, fingerprint, photo
from tests.stress.load import GROWTH, Report, run

ANSWER = {"expression": "dog", "present": True, "score": 0.5, "mask": {"size": [2, 2], "counts": "04"}}


def test_many_clients_at_once(tiny_checkpoint: Path) -> None:
    report = run({"tiny": str(tiny_checkpoint)}, clients=32, seconds=5)
    assert report.wrong == [] and report.recovered and report.answers >= 8
    assert report.memory[2] - report.memory[1] <= GROWTH
    assert report.busy > 0  # 32 ask at once, 24 may wait
    assert report.raised + report.refused + report.quits > 0
    assert 0 < report.p50 <= report.p95 < 120


@pytest.mark.parametrize(
    "changes",
    [{"wrong": ["another answer"]}, {"recovered": False}, {"memory": (0.0, 300.0, 300.1 + GROWTH)}, {"answers": 0}],
)
def test_a_report_fails_for_each_of_its_reasons(changes: dict[str, Any]) -> None:
    good: dict[str, Any] = {"answers": 1, "recovered": True, "memory": (200.0, 300.0, 300.0 + GROWTH)}
    assert Report(1, 1.0, **good).passed
    assert not Report(1, 1.0, **{**good, **changes}).passed


def test_another_answer_has_another_fingerprint() -> None:
    same = {**ANSWER, "timings": {"segment": 1.0}, "score": 0.500001}
    assert fingerprint(ANSWER) == fingerprint(same)
    mask = {"size": [2, 2], "counts": "4"}
    for change in ({"expression": "cat"}, {"present": False}, {"score": 0.6}, {"mask": mask}):
        assert fingerprint(ANSWER) != fingerprint({**ANSWER, **change})
    assert len({photo(seed) for seed in range(50)}) == 50 and photo(7) == photo(7)


def test_who_hangs_up_frees_the_queue(app: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever leaves while a model works for somebody else is not worked for."""
    caller, asked, left = Caller(app.url), [], threading.Event()
    real: Callable[..., Any] = app.service.segment

    def slow(session: Any, picture: Any, model: str, expressions: Any, *rest: Any, **options: Any) -> Any:
        asked.append(expressions[0])
        assert expressions[0] != "slow" or left.wait(60)
        return real(session, picture, model, expressions, *rest, **options)

    monkeypatch.setattr(app.service, "segment", slow)
    path = caller.upload(photo(1))
    first = caller.submit(Question(path, "slow"))
    events = [caller.submit(Question(path, f"dog {n}")) for n in range(3)]
    with pytest.raises(httpx.ReadTimeout):
        with httpx.stream("GET", f"{caller.api}/call/segment/{events[0]}", timeout=0.3) as stream:
            stream.read()
    time.sleep(0.5)  # until the server has noticed
    left.set()
    assert caller.fetch(str(first)) and caller.fetch(str(events[1])) and caller.fetch(str(events[2]))
    assert "dog 2" in asked and "dog 0" not in asked
