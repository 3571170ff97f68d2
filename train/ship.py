"""`python -m train ship RUN NAME --data DIR`: measures a run and makes it `weights/NAME`, card and all."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from cefnet.config import PRESETS, Decision, ModelConfig, add_decision, decision_of
from cefnet.predictor import Predictor
from cefnet.weights import SHIPPED, TOKENIZER, load, save, ship
from train.checkpoint import RECIPE, START
from train.data.reader import ReferData
from train.evaluation.command import evaluate, measure, report
from train.evaluation.questions import BASELINES, queries

TEMPLATE = Path(__file__).with_name("card.md")
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
REGIONS = {
    "one": """`regions` is `one`: the mask is the strongest connected region alone of the places that reach the mask
threshold; for an expression that means several things, `result.decided(regions="all")` gives all.""",
    "all": "`regions` is `all`: the mask is every place that reaches the mask threshold, in however many regions.",
    "auto": """`regions` is `auto`: the mask is every place that reaches the mask threshold where the model says that
several things are meant, else the strongest connected region of them alone.""",
}
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
    """Renders the card as Markdown with the Hub's YAML header.

    Args:
        name: Shipped name.
        config: Of the model.
        decision: How its answers are decided.
        parameters: How many the model has.
        recipe: Of the run, as in `recipe.json`.
        start: What the run started from, in words.
        numbers: `model`, `shuffled` and `baseline:...` -> what `evaluate` returned.
    """
    model = numbers["model"]
    without = model["without_refusal"]
    return TEMPLATE.read_text(encoding="utf-8").format(
        name=name,
        module=config.attention.upper(),
        encoder=config.encoder,
        width=config.width,
        parameters=parameters / 1e6,
        split=model["split"],
        n=model["n"],
        n_absent=model["n_absent"],
        n_shuffled=numbers["shuffled"]["n"],
        table=_table(name, numbers),
        overall_interval=_span(model["intervals"]["overall_iou"]),
        mean_interval=_span(model["intervals"]["mean_iou"]),
        without=f"overall IoU {without['overall_iou']:.3f}, mean IoU {without['mean_iou']:.3f}, "
        f"Prec@0.5 {without['precision']['0.5']:.3f}",
        boundary_f=f"{model['boundary_f']:.3f}",
        absent=_number(model["absent_accuracy"]),
        refused=f"{model['refused']:.3f}",
        calibration=f"{model['calibration_error']:.3f}",
        plural=_plural(model["plural"]),
        groups=_group("kind", model["by_kind"]) + "\n\n" + _group("words", model["by_length"]),
        training=_training(recipe, start),
        departures=_departures(config),
        losses=_losses(recipe["stages"]),
        mask_threshold=decision.mask_threshold,
        presence_threshold=decision.presence_threshold,
        regions=REGIONS[decision.regions],
    )


def _table(name: str, numbers: dict[str, Numbers]) -> str:
    lines = [
        "| | overall IoU | mean IoU | Prec@0.5 | Prec@0.7 | Prec@0.9 | `python -m train evaluate ...` |",
        "|---|---|---|---|---|---|---|",
    ]
    titles = {"model": "this model", "shuffled": "this model, shuffled expressions"}
    titles |= {f"clicks:{n}": f"this model, {n} click{'s' * (n > 1)} each" for n in CLICKS}
    for key, n in numbers.items():
        p = n["precision"]
        cells = [n["overall_iou"], n["mean_iou"], p["0.5"], p["0.7"], p["0.9"]]
        command = f"{name if key in titles else key} --data DIR --split {n['split']}"
        command += " --shuffle-expressions" if n["shuffled"] else ""
        command += f" --clicks {n['clicks']}" if n["clicks"] else ""
        lines.append(f"| {titles.get(key, key)} | {' | '.join(f'{c:.3f}' for c in cells)} | `{command}` |")
    return "\n".join(lines)


def _group(title: str, groups: dict[str, Numbers]) -> str:
    lines = [f"| {title} | overall IoU | mean IoU | expressions |", "|---|---|---|---|"]
    for name, part in groups.items():
        cells = (name, _number(part["overall_iou"]), _number(part["mean_iou"]), str(part["n"]))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def run_card(recipe: Numbers, start: str, steps: int) -> str:
    """The card of a run folder, which is rewritten while it trains.

    Args:
        recipe: Of the run, as in `recipe.json`.
        start: What the run started from, in words.
        steps: Done so far.
    """
    total = sum(stage["steps"] for stage in recipe["stages"])
    return f"Run of the recipe `{recipe['name']}`, step {steps} of {total}.\n\n{_training(recipe, start)}\n"


def _plural(plural: Numbers | None) -> str:
    if plural is None:
        return "All of these expressions mean one thing."
    return f"Mean IoU of the {plural['n']} expressions that mean several things, which are in no other number: " \
           f"{plural['mean_iou']:.3f}."  # fmt: skip


def _training(recipe: Numbers, start: str) -> str:
    stages = "\n".join(f"- {_stage(stage)}" for stage in recipe["stages"])
    return f"Recipe `{recipe['name']}` of `train/recipes`, started from {start}:\n\n{stages}"


def _stage(stage: Numbers) -> str:
    if stage["kind"] == "align":
        return f"`{stage['name']}`: {stage['steps']} steps of words and pooled objects, {stage['photos']} photos each"
    samples = stage["steps"] * stage["data"]["photos"] * stage["data"]["expressions"]
    sizes = ", then ".join(f"{size} px" for _, size in stage["sizes"]) or "the model's own input size"
    average = f"averaged weights (decay {stage['ema']})" if stage["ema"] else "last weights"
    return (
        f"`{stage['name']}`: {stage['steps']} steps, {samples:,} expressions, at {sizes}; {stage['optimiser']}, "
        f"learning rate {stage['learning_rate']}; {average}"
    )


def _departures(config: ModelConfig) -> str:
    paper = PRESETS[f"paper-{config.attention}"]
    changed = [k for k in DEPARTURES if getattr(config, k) != getattr(paper, k)]
    return ", ".join(f"`{k}={getattr(config, k)}`" for k in changed)


def _losses(stages: list[Numbers]) -> str:
    """The terms that the paper hasn't, in words."""
    used = [name for name in LOSSES if any(stage.get("losses", {}).get(name) for stage in stages)]
    return f"losses of `train/losses.py` beside the paper's: {', '.join(f'`{name}`' for name in used) or 'none'}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _span(ends: list[float]) -> str:
    return f"{ends[0]:.3f} to {ends[1]:.3f}"


NUMBERS = "numbers.json"
SPLIT = "dev"


def measure_all(predictor: Predictor, data: ReferData, name: str) -> dict[str, dict[str, Any]]:
    """The model, the same with shuffled expressions or clicks, and the baselines: title -> numbers of `evaluate`."""
    numbers = {
        "model": evaluate(predictor, data, SPLIT, name=name, progress=True),
        "shuffled": evaluate(predictor, data, SPLIT, shuffle=True, name=name, progress=True),
    }
    for clicks in CLICKS if predictor.config.clicks else ():
        numbers[f"clicks:{clicks}"] = evaluate(predictor, data, SPLIT, name=name, progress=True, clicks=clicks)
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
