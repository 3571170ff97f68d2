"""The README's picture, from the shipped weights: `python docs/make_results.py` writes docs/results.webp."""

import sys
from pathlib import Path

from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cefnet import Predictor, render  # noqa: E402
from cefnet.photos import read_photo  # noqa: E402

QUESTIONS = (  # the first expression of the first four example photos: not chosen by the result
    ("coco_308.webp", "man in the straw hat"),
    ("coco_790.webp", "lady in blue tank top"),
    ("coco_214753.webp", "horse on the right"),
    ("coco_196393.webp", "white cat"),
)
MODELS = {"ACM": "cefnet-acm", "VCM": "cefnet-vcm"}


def main() -> None:
    figure = Figure(figsize=(3 * len(QUESTIONS), 5), layout="constrained")
    axes = figure.subplots(len(MODELS), len(QUESTIONS))
    for row, (title, name) in enumerate(MODELS.items()):
        predictor = Predictor.from_pretrained(name)
        for column, (file, expression) in enumerate(QUESTIONS):
            photo = read_photo(ROOT / "app" / "examples" / file)
            result = predictor.segment(predictor.encode(photo), expression)
            axis = axes[row][column]
            axis.imshow(render.overlay(photo, result.found))
            found = f"score {result.score:.2f}" if result.present else f"nothing matches, score {result.score:.2f}"
            axis.set_title(f"{expression}\n{title}, {found}", fontsize=9)
            axis.axis("off")
    figure.savefig(ROOT / "docs" / "results.webp", dpi=100, pil_kwargs={"quality": 85})


if __name__ == "__main__":
    main()
