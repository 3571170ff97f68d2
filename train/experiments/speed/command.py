"""`python -m train benchmark`: how fast, and with how much memory, beside the paper's model as it is written.

Everything is measured in one run on one machine, in turn, as medians; what counts are the ratios. With --data it also
times training. Models of hundreds of megabytes are asked many times over; --only picks parts.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from cefnet.weights import pick_device
from train.experiments.speed.floor import floor
from train.experiments.speed.latency import PEER, ladder, latency, sizes
from train.experiments.speed.memory import of_models, table5
from train.experiments.speed.report import markdown
from train.experiments.speed.startup import startup
from train.experiments.speed.timing import machine

MODELS = ("cefnet-acm", "cefnet-vcm", "paper-acm", "paper-vcm", "authors-acm", "authors-vcm")
PARTS = ("latency", "sizes", "ladder", "memory", "models", "floor", "startup", "training")
SIZES = (320, 480, 640)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", choices=PARTS, nargs="+", metavar="PART", help=f"some of: {', '.join(PARTS)}")
    parser.add_argument("--models", choices=MODELS, nargs="+", metavar="MODEL", default=MODELS, help="some models only")
    parser.add_argument("--runs", type=int, default=5, help="rounds that the medians are of (default: 5)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads (default: 1 2)")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="input sides (default: 320 480 640)")
    parser.add_argument("--compile", action="store_true", help="torch.compile too (needs a C++ compiler, minutes)")
    parser.add_argument("--data", type=Path, help="data folder: measure training too")
    parser.add_argument("--device", default="auto", help="cpu, cuda, ... (default: auto)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers here")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables here")


def main(args: argparse.Namespace) -> None:
    """Measures, prints the tables, writes what was asked for.

    Raises:
        ValueError: Impossible numbers, a part that needs --data without it.
    """
    if args.runs < 1 or min(args.threads) < 1:
        raise ValueError(f"--runs is {args.runs} and --threads {args.threads}; both start at 1")
    parts = args.only or [part for part in PARTS if part != "training" or args.data]
    if "training" in parts and not args.data:
        raise ValueError("to measure training, say with --data on what")
    numbers = measure(args, parts, pick_device(args.device))
    text = markdown(numbers)
    print(text)
    if args.json:
        args.json.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    if args.markdown:
        args.markdown.write_text(text, encoding="utf-8")


def measure(args: argparse.Namespace, parts: list[str], device: torch.device) -> dict[str, Any]:
    """Machine, goals, and one list of rows a part."""
    names, runs = tuple(args.models), args.runs
    paper_too = tuple(name for name in ("cefnet-acm", "paper-acm") if name in names)
    actions = {
        "latency": lambda: latency(names, args.threads, runs, device),
        "sizes": lambda: sizes(paper_too, args.sizes, runs, device),
        "ladder": lambda: [row for name in paper_too for row in ladder(name, runs, device, args.compile)],
        "memory": lambda: table5(device),
        "models": lambda: of_models(names, device),
        "floor": lambda: floor(names, runs, device),
        "startup": lambda: startup(runs),
        "training": lambda: _training(args, device),
    }
    numbers: dict[str, Any] = {"machine": machine(device), "runs": runs, "peer": f"plain {PEER}"}
    for part in parts:
        print(f"measuring: {part}", flush=True)
        numbers[part] = actions[part]()
    numbers["goals"] = goals(numbers)
    return numbers


def _training(args: argparse.Namespace, device: torch.device) -> list[dict[str, Any]]:
    from train.experiments.speed.training import training  # needs what training needs

    return training(args.data, args.runs, device)


def goals(numbers: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The ratios that this project promises: with the most threads that were measured, in the app's precision."""
    found: dict[str, dict[str, Any]] = {}
    rows = numbers.get("latency", [])
    most = max((row["threads"] for row in rows), default=0)
    by_model = {row["model"]: row for row in rows if row["threads"] == most}  # the app's choice is a model's last row
    wanted = {
        "cpu_first_expression": ("cefnet-acm", "first"),
        "cpu_next_expression": ("cefnet-acm", "next"),
        "cpu_paper_acm_next_expression": ("paper-acm", "next"),
    }
    for goal, (name, what) in wanted.items():
        if name in by_model and "gpu" not in numbers["machine"]:
            ours, peer = by_model[name][f"{what}_ms"], by_model[numbers["peer"]][f"{what}_ms"]
            found[goal] = {**_goal(ours, peer, "ms", numbers["runs"]), "precision": by_model[name]["precision"]}
    largest = next((row for row in numbers.get("memory", []) if row["size"].endswith("96x96")), None)
    if largest:
        found["vcm_memory_96"] = _goal(largest["our VCM"], largest["plain VCM"], "MB", 1)
    return found


def _goal(ours: float, peer: float, unit: str, runs: int) -> dict[str, Any]:
    return {"ratio": peer / ours, "ours": ours, "peer": peer, "unit": unit, "runs": runs}
