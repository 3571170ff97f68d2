"""What the shipped weights answer about the example photos. `python tests/golden.py` writes it anew after a change."""

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cefnet.predictor import Predictor  # noqa: E402

GOLDEN = Path(__file__).with_name("golden.json")
MODELS = ("cefnet-acm", "cefnet-vcm")
QUESTIONS = (
    ("coco_214753.webp", "horse on the right"),
    ("coco_196393.webp", "white cat"),
    ("coco_127.webp", "piece of cake"),
)


def answers(name: str) -> list[dict[str, Any]]:
    """Score and an 8 x 8 summary of the probability map for each question."""
    predictor = Predictor.from_pretrained(name, "cpu")
    out = []
    for photo, expression in QUESTIONS:
        result = predictor.segment(predictor.encode(ROOT / "app" / "examples" / photo), expression)
        grid = cv2.resize(result.probability, (8, 8), interpolation=cv2.INTER_AREA)
        about = {"photo": photo, "expression": expression, "score": result.score}
        out.append({**about, "grid": np.round(grid, 4).tolist()})
    return out


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps({name: answers(name) for name in MODELS}, indent=1) + "\n")
