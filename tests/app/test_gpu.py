"""ZeroGPU: what is decorated runs in a forked process, as there, and answers as it would here."""

import multiprocessing
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app import gpu
from cefnet.predictor import Photo, Predictor
from cefnet.result import Result

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


@dataclass
class FakeSpaces:
    """The package `spaces` as it is on ZeroGPU: another process, everything pickled, and errors lose their text."""

    durations: list[int] = field(default_factory=list)

    def GPU(self, task: Callable[..., Any], *, duration: int) -> Callable[..., Any]:  # noqa: N802
        self.durations.append(duration)
        context = multiprocessing.get_context("fork")
        arguments, results = context.SimpleQueue(), context.SimpleQueue()

        def work() -> None:
            args, kwargs = arguments.get()
            try:
                results.put((task(*args, **kwargs), None))
            except Exception as error:
                results.put((None, type(error).__name__))
            arguments.get()  # tensors are fetched from a process that is still there, as it is on ZeroGPU

        def call(*args: Any, **kwargs: Any) -> Any:
            process = context.Process(target=work, daemon=True)
            process.start()
            arguments.put((args, kwargs))
            value, error = results.get()
            arguments.put(None)
            process.join()
            if error:
                raise RuntimeError(error)
            return value

        return call


@pytest.fixture
def zero(monkeypatch: pytest.MonkeyPatch) -> FakeSpaces:
    fake = FakeSpaces()
    monkeypatch.setattr(gpu, "spaces", fake)
    return fake


@pytest.fixture(scope="module")
def predictor(tiny_checkpoint: Path) -> Predictor:
    return Predictor.from_pretrained(tiny_checkpoint, "cpu")


def test_without_the_package_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "spaces", None)
    assert gpu.on_gpu(len) is len


def test_a_call_runs_in_another_process_and_changes_nothing_here(zero: FakeSpaces) -> None:
    seen: list[int] = []

    def who(number: int, *, double: bool) -> tuple[int, int]:
        seen.append(number)
        return os.getpid(), number * (1 + double)

    process, number = gpu.on_gpu(who)(21, double=True)
    assert process != os.getpid() and number == 42 and seen == []
    assert zero.durations == [gpu.SECONDS]


def test_texts_for_people_cross_over(zero: FakeSpaces) -> None:
    def refuse() -> None:
        raise ValueError("too long an expression")

    with pytest.raises(ValueError, match="too long an expression"):
        gpu.on_gpu(refuse)()


def test_a_question_crosses_over_and_its_answer_back(zero: FakeSpaces, predictor: Predictor) -> None:
    def ask(pixels: np.ndarray | None, photo: Photo | None, expressions: list[str]) -> tuple[Photo, list[Result]]:
        if photo is None:
            photo = predictor.encode(pixels)
        return gpu.parked(photo), predictor.segment_many(gpu.moved(photo, predictor.device), expressions)

    there = gpu.on_gpu(ask)
    photo, (first,) = there(PIXELS, None, ["red dog"])
    _, (second,) = there(None, photo, ["red dog"])  # the features that were kept, back in another process
    expected = predictor.segment(predictor.encode(PIXELS), "red dog")
    for result in (first, second):
        np.testing.assert_allclose(result.probability, expected.probability, atol=1e-5)
        np.testing.assert_allclose(result.co_attention(20, 30, 5), expected.co_attention(20, 30, 5), atol=1e-5)
        assert [word for word, _ in result.word_attention(5)] == ["red", "dog"]


def tensors(photo: Photo) -> list[torch.Tensor]:
    return [*photo.features.encoded, *photo.features.fine]


def test_features_move_and_stay_what_they_are(predictor: Predictor) -> None:
    photo = predictor.encode(PIXELS)
    assert gpu.parked(photo) is photo  # on a CPU there is nothing to do
    away = gpu.moved(photo, "meta")  # a device that every machine has
    assert len(away.features.encoded) == 1 and len(away.features.fine) == 2
    for moved, kept in zip(tensors(away), tensors(photo), strict=True):
        assert moved.device.type == "meta" and moved.shape == kept.shape
    assert (away.height, away.width, away.size) == (40, 60, photo.size)


def test_cuda_without_a_number_is_the_device_that_cuda_tensors_are_on(predictor: Predictor) -> None:
    photo = predictor.encode(PIXELS)
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    there = gpu.moved(photo, "cuda")
    assert gpu.moved(there, "cuda") is there
