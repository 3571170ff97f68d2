"""`python -m train ship RUN NAME --data DIR`: measures a run and makes it `weights/NAME`, card and all."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cefnet.config import PRESETS, Decision, ModelConfig, add_decision, decision_of
from cefnet.predictor import Predictor
from cefnet.weights import SHIPPED, TOKENIZER, load, save, ship
from train.checkpoint import RECIPE, START
from train.data.reader import ReferData
from train.evaluation.command import evaluate, measure, report
from train.evaluation.questions import BASELINES, queries

LOSSES = ("dice", "presence", "right", "several", "classes", "rivals", "alignment")
CLICKS = (1, 3)  # after how many a model that takes clicks is measured
DEPARTURES = (
    "dilated",
    "decoder_stride",
    "normalisation",
    "gated",
    "residual",
    "matching",
    "presence",
    "right",
    "several",
    "clicks",
)
Numbers = dict[str, Any]


def model_card(
    name: str,
    config: ModelConfig,
    decision: Decision,
    parameters: int,
    recipe: Numbers,
    start: str,
    numbers: dict[str, Numbers],
) -> str:
    """The card of a shipped model (`card.md`): Markdown with the Hub's YAML header.

    Args:
        name: Shipped name.
        config: Of the model.
        decision: How its answers are decided.
        parameters: How many the model has.
        recipe: Of the run, as in `recipe.json`.
        start: What the run started from, in words.
        numbers: `model`, `shuffled` and `baseline:...` -> what `evaluate` returned.
    """
    titles = {"model": "this model", "shuffled": "this model, shuffled expressions"}
    clicks = [(key, int(key.partition(":")[2])) for key in numbers if key.startswith("clicks:")]
    titles |= {key: f"this model, {n} click{'s' * (n > 1)} each" for key, n in clicks}
    paper = PRESETS[f"paper-{config.attention}"]
    changed = [field for field in DEPARTURES if getattr(config, field) != getattr(paper, field)]
    used = [loss for loss in LOSSES if any(stage.get("losses", {}).get(loss) for stage in recipe["stages"])]
    card = (
        _templates()
        .get_template("card.md")
        .render(
            name=name,
            config=config,
            decision=decision,
            parameters=parameters,
            recipe=recipe,
            start=start,
            numbers=numbers,
            titles=titles,
            departures=[f"`{field}={getattr(config, field)}`" for field in changed],
            losses=[f"`{loss}`" for loss in used],
        )
    )
    return card + "\n"


def run_card(recipe: Numbers, start: str, steps: int) -> str:
    """The card of a run folder, which is rewritten while it trains.

    Args:
        recipe: Of the run, as in `recipe.json`.
        start: What the run started from, in words.
        steps: Done so far.
    """
    total = sum(stage["steps"] for stage in recipe["stages"])
    training = _templates().get_template("card_training.md").render(recipe=recipe, start=start)
    return f"Run of the recipe `{recipe['name']}`, step {steps} of {total}.\n\n{training}"


def _templates() -> Environment:
    """The cards' templates; `digits` writes a number with three of them, or "-" where there is none."""
    folder = FileSystemLoader(Path(__file__).parent)
    templates = Environment(loader=folder, undefined=StrictUndefined, trim_blocks=True)
    templates.filters["digits"] = lambda value: "-" if value is None else f"{value:.3f}"
    return templates


NUMBERS = "numbers.json"
SPLIT = "dev"


def measure_all(
    predictor: Predictor, data: ReferData, name: str, clicks: Sequence[int] = CLICKS
) -> dict[str, dict[str, Any]]:
    """The model, the same with shuffled expressions or clicks, and the baselines: title -> numbers of `evaluate`.

    Args:
        predictor: Answers.
        data: Whose dev split is asked.
        name: Of the model.
        clicks: After how many a model that takes them is measured.
    """
    numbers = {
        "model": evaluate(predictor, data, SPLIT, name=name, progress=True),
        "shuffled": evaluate(predictor, data, SPLIT, shuffle=True, name=name, progress=True),
    }
    for count in clicks if predictor.config.clicks else ():
        numbers[f"clicks:{count}"] = evaluate(predictor, data, SPLIT, name=name, progress=True, clicks=count)
    for baseline, answers in BASELINES.items():
        title = f"baseline:{baseline}"
        records = measure(answers(data), data, queries(data, SPLIT, None, 0))
        numbers[title] = report(records, title, SPLIT)
    return numbers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("name", help="shipped name, such as cefnet-acm")
    parser.add_argument("--data", type=Path, required=True, help="data folder; its dev split is measured")
    parser.add_argument("--image-size", type=int, metavar="N", help="instead of the run's")
    add_decision(parser, "the run's")
    parser.add_argument(
        "--score", type=float, nargs=2, metavar=("SCALE", "SHIFT"),
        help="brings the scores to probabilities, as `evaluate --calibrate` says (models with `right`)",
    )  # fmt: skip
    parser.add_argument(
        "--clicks", type=int, nargs="*", default=CLICKS, metavar="N",
        help="after how many clicks a model that takes them is measured too (default: 1 3)",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", help="cpu, cuda, ... (default: auto)")
    parser.add_argument("--weights", type=Path, default=SHIPPED, help="where NAME goes (default: weights)")


def main(args: argparse.Namespace) -> None:
    """Measures the run on dev and writes its weights, card, numbers and SHA-256 sums.

    Raises:
        ValueError: No such run, an impossible size or threshold, or scores to scale of a model without `right`.
    """
    checkpoint = load(args.run, args.device)
    if args.score:
        if checkpoint.model.right is None:
            raise ValueError(f"{args.run} has no output `right` whose scores could be scaled; leave --score out")
        checkpoint.model.right.scale(*args.score)
    model, decision = checkpoint.model, decision_of(args, checkpoint.decision)
    if args.image_size is not None:
        model.config = replace(checkpoint.config, image_size=args.image_size)
    numbers = measure_all(
        Predictor(model, checkpoint.tokenizer, next(model.parameters()).device, decision=decision),
        ReferData.open(args.data),
        args.name,
        args.clicks,
    )
    recipe = json.loads((args.run / RECIPE).read_text(encoding="utf-8"))
    parameters = sum(p.numel() for p in model.parameters())
    start = (args.run / START).read_text(encoding="utf-8").strip()
    folder = args.weights / args.name
    card = model_card(args.name, model.config, decision, parameters, recipe, start, numbers)
    save(folder, model, decision, args.run / TOKENIZER, checkpoint.words, card)
    (folder / NUMBERS).write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    ship(folder, args.name, args.weights)
    print(f"{folder}: overall IoU {numbers['model']['overall_iou']:.3f}")
