"""What needs no network needs no torch: run in a process of its own, in which torch can't be imported."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = "import sys; sys.modules['torch'] = None\n"  # then `import torch` raises ImportError
READ = """
from pathlib import Path
import numpy as np
import cefnet
import cefnet.render
from cefnet import Decision, Result, read_photo
from cefnet.affinity import Affinity
from cefnet.text import Tokenizer, pad

pixels = read_photo("app/examples/coco_308.webp")
tokenizer = Tokenizer.from_file("weights/cefnet-acm/tokenizer.model")
tokens = [tokenizer.encode(words) for words in ("man in the straw hat", "hat")]
ids, mask = pad(tokens)
assert ids.shape == mask.shape == (2, len(tokens[0].ids)) and mask.sum() == len(tokens[0].ids) + len(tokens[1].ids)
level = np.zeros((8, 8), np.float32)
level[:4] = 0.9
places = Affinity(np.eye(4, dtype=np.float32), np.eye(4, dtype=np.float32), 100.0, 2, 2)
result = Result(
    expression="hat", score=0.8, presence=0.8, decision=Decision(), timings={}, height=16, width=16, levels=(level,),
    _boundary=None, _tokens=tokens[1], _word_attention={}, _co_attention={5: places},
)
assert result.box == (0, 0, 16, 8) and result.to_dict()["area"] == 0.5
assert result.co_attention(15, 0)[15, 0] > 0.9  # the identity attends to itself
assert cefnet.render.overlay(pixels, np.zeros(pixels.shape[:2], bool)).shape == pixels.shape
"""
HELP = """
from cefnet.__main__ import main
try:
    main(["--help"])
except SystemExit as stop:
    assert stop.code == 0
assert main(["evaluate", "baseline:center", "--data", "no/such/folder"]) == 2
"""
ASK = """
import cefnet
import cefnet.render
try:
    cefnet.Predictor
except ImportError:
    sys.exit(7)
"""


@pytest.mark.parametrize(
    ("code", "status"), [(READ, 0), (HELP, 0), (ASK, 7)], ids=["photos, text, results", "commands", "a network"]
)
def test_torch_is_imported_for_networks_alone(code: str, status: int) -> None:
    done = subprocess.run([sys.executable, "-c", BLOCK + code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == status, done.stderr


def test_what_does_not_exist_is_still_an_attribute_error() -> None:
    import cefnet

    assert not hasattr(cefnet, "Predicter") and cefnet.Predictor.__name__ == "Predictor"
