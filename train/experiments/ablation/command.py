"""`python -m train ablation --data DIR`: the paper's Table 3 again, all rows trained and measured alike.

Every row differs from the others in `fusion`, `attention` and `boundary` alone: the same encoder, data, order of data,
budget and evaluation. Ended at any time, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from cefnet.config import ABLATION
from train.experiments.ablation.numbers import rows
from train.experiments.ablation.page import markdown
from train.experiments.ablation.pictures import draw, keep_logs
from train.experiments.ablation.runs import RESULTS, all_runs, measured, train

NUMBERS = "ablation.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="data folder")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"), help="of the run folders (runs/ablation)")
    some = f"some of: {', '.join(ABLATION)}"
    parser.add_argument("--rows", nargs="+", metavar="ROW", default=list(ABLATION), help=some)
    parser.add_argument("--seeds", type=int, default=1, help="runs of every row (default: 1)")
    parser.add_argument("--again", nargs="*", metavar="ROW", default=["efn-vcm-bem", "efn-acm-bem"],
                        help="rows with a second seed (default: efn-vcm-bem efn-acm-bem)")  # fmt: skip
    parser.add_argument("--expressions", type=int, default=40_000, help="that a run learns from (default: 40000)")
    parser.add_argument("--size", type=int, default=192, help="side of the input, in pixels (default: 192)")
    parser.add_argument("--embeddings", type=Path, metavar="NPZ", help="word vectors to start from")
    parser.add_argument("--split", default="dev", help="on which all is measured (default: dev)")
    parser.add_argument("--limit", type=int, metavar="N", help="only N expressions of it")
    parser.add_argument("--rounds", type=int, default=15, help="of the timing (default: 15)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, ... (default: auto)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change every row's recipe")
    parser.add_argument("--only-measured", action="store_true", help="train nothing: tables of the runs that are done")
    parser.add_argument("--json", type=Path, metavar="FILE", help=f"where the numbers go (default: {NUMBERS} in --out)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables here")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the rows beside the paper's, such as x.png")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="copy the runs' logs here, and draw their losses")


def main(args: argparse.Namespace) -> None:
    """Trains, measures, compares; prints the tables and writes what was asked for.

    Raises:
        ValueError: Unknown row, no data, or a training that ended early: the same command goes on with it.
    """
    runs = all_runs(args.out, args.rows, args.seeds, args.again)
    if args.only_measured:
        runs = [run for run in runs if (run.folder / RESULTS[""]).is_file()]
    if not runs:
        raise ValueError(f"{args.out} holds no run that is trained and measured")
    for run in runs:
        train(run, args)
        measured(run, args)
    about = {"size": args.size, "split": args.split}
    table = [row | about for row in rows(runs, args.size, args.rounds)]
    text = markdown(table)
    print(text)
    (args.json or args.out / NUMBERS).write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    if args.markdown:
        args.markdown.write_text(text, encoding="utf-8")
    if args.picture:
        draw(table, args.picture)
    if args.logs:
        keep_logs(runs, args.logs)
