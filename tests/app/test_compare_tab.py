"""The tab that compares two models, without a browser (`test_browser` opens it)."""

import re
import threading
from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np
import pytest
from app_fixture import NAMES, noise
from tab_fixture import with_results

from app import compare, strings
from app.compare import Cost, Sized, costs, costs_of, tab, table, words_for
from app.page import Shared, View
from app.picture import picture_from
from app.service import Answer, Service, Session
from cefnet.cost import Work, attention_memory_of, work_of

Handlers = dict[str, Callable[..., Any]]


@pytest.fixture(scope="module")
def answer(app_service: Service) -> Answer:
    return app_service.ask(Session(), picture_from(noise(30, 40)), ["red dog", "cat"])


def lay_out(service: Service) -> tuple[View, Handlers, dict[str, Any]]:
    """The tab, what its events call, and its parts by their ids."""
    with gr.Blocks() as blocks:
        shared = Shared(gr.State(None), gr.State(None), gr.Radio(), gr.Radio(), gr.Slider(), gr.Radio())
        view = tab(service, shared)
    handlers = {fn.name: fn.fn for fn in blocks.fns.values()}
    return view, handlers, {part.elem_id: part for part in blocks.blocks.values() if getattr(part, "elem_id", None)}


def rectangle(left: int, right: int) -> np.ndarray:
    mask = np.zeros((10, 10), bool)
    mask[:, left:right] = True
    return mask


def test_agreement_in_words_by_hand() -> None:
    said = words_for([rectangle(0, 4), rectangle(1, 6)], ["cefnet-vcm", "<b>mine"])
    assert "both: 30.0%" in said and "only VCM: 10.0%" in said and "only &lt;b&gt;mine: 20.0%" in said
    assert "<b>0.50</b>" in said  # 30 of 60
    assert strings.NEITHER in words_for([rectangle(0, 0)] * 2, NAMES)


def test_tables_are_plain_text() -> None:
    assert "&lt;i&gt;" in (text := table(["a", "b"], [["<i>", "1"]])) and "<i>" not in text
    assert text.count('scope="row"') == 1 and text.count('scope="col"') == 1


def test_costs_are_measured_once_one_at_a_time(app_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, asked = threading.Semaphore(1), []

    def memory(model: Any, size: int) -> dict[int, int]:
        assert inside.acquire(blocking=False)
        asked.append(size)
        inside.release()
        return {3: 70, 4: 30, 5: 30}

    monkeypatch.setattr(compare, "attention_memory_of", memory)
    monkeypatch.setattr(compare, "work_of", lambda *_: Work(1, 2))
    cost = costs(app_service)
    threads = [threading.Thread(target=cost, args=(name, 64)) for name in NAMES * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == [64, 64] and cost(NAMES[0], 64) == Cost(3, 70)


def test_costs_are_the_models_own(app_service: Service) -> None:
    cost, model = costs(app_service)(NAMES[0], 128), app_service.predictors[NAMES[0]].model
    assert cost == Cost(work_of(model, 128, compare.TYPICAL).total, max(attention_memory_of(model, 128).values()))


def test_nothing_is_measured_before_the_tab_is_opened(app_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "costs", lambda _: lambda *_: Cost(10**9, 2**20))
    _, handlers, _ = lay_out(app_service)
    assert handlers["price"](None, 128) == gr.skip()
    told = handlers["price"](1.0, 128)
    assert "128 x 128" in told and told.count("1.0 GFLOP") == 2


def test_a_cost_is_told_beside_that_at_the_own_size(app_service: Service) -> None:
    known = {64: Cost(2 * 10**9, 2**20), 128: Cost(7 * 10**9, 10 * 2**20)}
    usual, larger = (costs_of(app_service, lambda _, size: known[size], NAMES[1], size) for size in (64, 128))
    assert usual == ["ACM", "2.0 GFLOP", "1.0 MB"]
    assert larger == ["ACM", "7.0 GFLOP (3.5 times that at 64)", "10.0 MB (10.0 times that at 64)"]
    without = costs_of(app_service, lambda *_: Cost(10**9, 0), NAMES[1], 128)
    assert without[2] == strings.NO_ATTENTION


def test_both_answers_are_shown_and_then_those_of_another_size(app_service: Service, answer: Answer) -> None:
    _, handlers, parts = lay_out(app_service)
    inputs = [answer, NAMES[1], 1, 0.0, "all"]
    ran = handlers["run_at"](None, 128, *inputs)
    assert isinstance(ran, Sized) and ran.size == 128 and [one.expression for one in ran.results] == ["cat", "cat"]
    assert ran.results[0].levels[0].shape == (32, 32) and answer.results[NAMES[0]][1].levels[0].shape == (16, 16)
    own, larger = (handlers["follow"](1.0, *inputs, state) for state in (None, ran))
    for drawn in (own, larger):
        assert "both: 100.0%" in drawn[parts["agreement-legend"]]  # at threshold 0 all pixels belong to both
        assert drawn[parts["agreement"]]["value"].shape == (30, 40, 3)
        assert "VCM and ACM" in drawn[parts["compare-about"]] and "“cat”" in drawn[parts["compare-about"]]
    assert "own input size" in own[parts["compare-about"]] and "128 x 128" in larger[parts["compare-about"]]
    score = f"{ran.results[0].score:.2f}"
    assert f"<td>{score}</td>" in larger[parts["compare-facts"]]
    other = handlers["follow"](1.0, answer, NAMES[1], 0, 0.0, "all", ran)  # about another expression: not what was run
    assert "“red dog”" in other[parts["compare-about"]] and "own input size" in other[parts["compare-about"]]


@pytest.mark.usefixtures("two_regions")
def test_one_region_or_all_at_any_size(app_service: Service) -> None:
    answer = app_service.ask(Session(), picture_from(noise(40, 40)), ["dog"])
    _, handlers, parts = lay_out(app_service)

    def covered(regions: str, ran: Sized | None) -> float:
        drawn = handlers["follow"](1.0, answer, NAMES[0], 0, 0.5, regions, ran)
        return float(re.search(r"both: ([\d.]+)%", drawn[parts["agreement-legend"]])[1])  # type: ignore[index]

    for ran in (None, handlers["run_at"](None, 128, answer, NAMES[0], 0, 0.5, "one")):
        assert 0 < covered("one", ran) < covered("all", ran)


def test_nothing_found_by_either_is_said(app_service: Service, answer: Answer) -> None:
    _, handlers, parts = lay_out(app_service)
    absent = {name: tuple(one.decided(presence_threshold=1.0) for one in found)
              for name, found in answer.results.items()}  # fmt: skip
    drawn = handlers["follow"](1.0, with_results(answer, absent), NAMES[0], 0, 0.5, "all", None)
    assert strings.NEITHER in drawn[parts["agreement-legend"]]
    assert drawn[parts["compare-facts"]].count(strings.NOTHING_NOTE) == 2


def test_models_of_other_names_and_one_alone(app_service: Service, answer: Answer) -> None:
    first, second = app_service.predictors.values()
    view, handlers, parts = lay_out(Service({"mine": second, "yours": first, "theirs": first}))
    found = answer.results
    named = {"mine": found[NAMES[1]], "yours": found[NAMES[0]], "theirs": found[NAMES[0]]}
    told = with_results(answer, named)
    drawn = handlers["follow"](1.0, told, "theirs", 0, 0.5, "all", None)
    assert "mine and yours" in drawn[parts["compare-about"]] and "theirs" not in drawn[parts["compare-facts"]]
    view, handlers, parts = lay_out(Service({"mine": first}))
    assert "mine" in parts["compare-one"].value and not handlers and not view.outputs and not view.draw(None)  # type: ignore[arg-type]
