"""The app as it is started: its memory after many questions, and that it doesn't grow."""

from pathlib import Path

import pytest
from gradio_client import Client, handle_file

from tests.stress.process import kilobytes
from train.experiments.speed.startup import ROOT, started

PHOTOS = sorted((ROOT / "app" / "examples").glob("*.webp"))
QUESTIONS = ["man on the left", "a dog", "the red car", "woman in white", "the largest thing"]
FIRST, LAST = 10, 50  # questions after which the memory is compared

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs /proc")


def test_the_app_stays_small() -> None:
    with started() as (address, pid):
        client = Client(address, verbose=False)
        sizes = {}
        for number in range(1, LAST + 1):
            photo, question = PHOTOS[number % len(PHOTOS)], QUESTIONS[number % len(QUESTIONS)]
            client.predict(handle_file(photo), question, api_name="/segment")
            if number in (FIRST, LAST):
                sizes[number] = kilobytes("VmRSS", pid) / 1024  # megabytes
    assert sizes[LAST] < 1536
    assert sizes[LAST] - sizes[FIRST] < 100
