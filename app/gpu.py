"""ZeroGPU, where a Space is lent a GPU for one call at a time; everywhere else this changes nothing.

There, a decorated function runs in a process forked from the app's. Arguments and results cross over by pickling, what
it changes elsewhere is lost, and nothing on the GPU outlives the call: hence `parked` for what is kept between calls.
`spaces` must be imported before CUDA is touched; afterwards models go to "cuda" at start, as on any GPU. It doesn't
support `torch.compile`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import ParamSpec, TypeVar

import torch

from cefnet.predictor import Photo

try:
    import spaces
except ImportError:  # not on a Space
    spaces = None

SECONDS = 20  # what a question may take there; it counts against the visitor's quota, and the shorter, the sooner

P = ParamSpec("P")
T = TypeVar("T")


def on_gpu(function: Callable[P, T], seconds: int = SECONDS) -> Callable[P, T]:
    """`function`, run with a GPU on ZeroGPU; as it is where there is no `spaces` package.

    Args:
        function: Takes and returns what can be pickled, tensors on the CPU. It may read what was there before the
            first call, such as the models, and must not rely on changing anything.
        seconds: What a call may take at most.

    Raises:
        ValueError: As `function`; other exceptions of a borrowed process come as a `gr.Error` that names their class.
    """
    if spaces is None:
        return function

    def told(*args: P.args, **kwargs: P.kwargs) -> T | ValueError:
        try:
            return function(*args, **kwargs)
        except ValueError as error:  # ZeroGPU would drop its text, which is for people
            return error

    there = spaces.GPU(told, duration=seconds)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        result = there(*args, **kwargs)
        if isinstance(result, ValueError):
            raise result
        return result

    return call


def parked(photo: Photo) -> Photo:
    """`photo` with its features on the CPU, to be kept between calls (itself, if they are there)."""
    return moved(photo, "cpu")


def moved(photo: Photo, device: str | torch.device) -> Photo:
    """`photo` with its features on `device`, which `segment_many` wants to be the model's."""
    if photo.features.device == torch.device(device):
        return photo
    return replace(photo, features=photo.features.to(device))
