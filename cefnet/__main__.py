"""`cefnet`, or `python -m cefnet`: masks from the command line, and the commands of the app and of training by name."""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from importlib import import_module, util
from pathlib import Path

from cefnet import render
from cefnet.config import add_decision, decision_of, write_config
from cefnet.console import words_of
from cefnet.exports import EXPORTS, files
from cefnet.photos import read_photo
from cefnet.result import Click, Result

HERE = Path(__file__).resolve().parent
# Commands of the packages that build on this one: module, words before the user's, help. Only a chosen one is imported.
WINGS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "app": ("app.__main__", (), "serve the page, as python -m app"),
    "prepare": ("train.__main__", ("prepare",), "bring photos and masks into our layout, as python -m train prepare"),
    "train": ("train.__main__", ("run",), "train or fine-tune a model, as python -m train run"),
    "evaluate": ("train.__main__", ("evaluate",), "measure a model, as python -m train evaluate"),
}


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=_program(), description="Finds what you name in a photo.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    segment = commands.add_parser("segment", help="write masks of what expressions name in a photo")
    segment.add_argument("photo", metavar="PHOTO", help="picture file")
    segment.add_argument("expressions", metavar="EXPRESSION", nargs="+", help="such as 'dog on the left'")
    segment.add_argument(
        "--click", action="append", default=[], type=_click, metavar="Y,X[,not]",
        help="a place in pixels where the thing is, or is not; again for more; the EXPRESSION may then be ''",
    )  # fmt: skip
    segment.add_argument("--model", default="cefnet-acm", help="shipped name, folder or Hub id (default cefnet-acm)")
    segment.add_argument("--revision", help="branch, tag or commit of a Hub model")
    segment.add_argument(
        "--out", type=Path, default=Path("out"), metavar="DIR", help="folder to write to (default out)"
    )
    segment.add_argument("--export", choices=list(EXPORTS), help="all masks as files of a labelling tool instead")
    add_decision(segment)
    segment.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default auto)")

    info = commands.add_parser("info", help="print what a model is")
    info.add_argument("model", metavar="MODEL", help="shipped name, folder or Hub id")
    info.add_argument("--revision", help="branch, tag or commit of a Hub model")

    push = commands.add_parser("push", help="upload a model with its card to the Hugging Face Hub")
    push.add_argument("repo_id", metavar="REPO_ID", help="owner/name")
    push.add_argument("--model", default="cefnet-acm", help="shipped name or folder (default cefnet-acm)")
    push.add_argument("--dry-run", action="store_true", help="say what would go up, and touch no network")
    push.add_argument("--private", action="store_true", help="where the repository is new, make it private")

    for name, (_, _, about) in WINGS.items():
        commands.add_parser(name, help=about)
    return parser


def segment(args: argparse.Namespace) -> None:
    """Writes mask.png, boundary.png, overlay.png and result.json for each expression."""
    from cefnet.predictor import Predictor  # here, as in `info` and `push`: other commands do not wait for torch

    if args.click and len(args.expressions) > 1:
        raise ValueError(f"--click goes with one expression; {len(args.expressions)} were given")
    photo = read_photo(args.photo)
    predictor = Predictor.from_pretrained(args.model, args.device, args.revision)
    decision = decision_of(args, predictor.decision)
    clicks = [args.click] * len(args.expressions)
    results = predictor.segment_many(predictor.encode(photo), args.expressions, explain=False, clicks=clicks)
    results = [result.decided(decision) for result in results]
    for number, result in enumerate(results, start=1):
        folder = args.out if len(results) == 1 or args.export else args.out / _folder_name(number, result.expression)
        if not args.export:
            write(folder, photo, result, args.model)
        found = f"{100 * result.mask.mean():.1f}% of the photo" if result.present else "nothing matches"
        print(f"{folder}: {result.expression!r}: {found} (score {result.score:.2f})")

    if args.export:
        export(args.out, args.export, Path(args.photo).name, results, args.model)


def export(folder: Path, kind: str, photo: str, results: Sequence[Result], model: str) -> None:
    """Writes all results as one file, or folder, of a labelling tool."""
    for name, content in files(kind, photo, results, model).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        print(folder / name)


def write(folder: Path, photo: render.Photo, result: Result, model: str) -> None:
    """One result's files. Where nothing is present the mask is empty, the overlay is the photo."""
    mask = result.found
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mask.png").write_bytes(render.png(render.grey(mask)))
    (folder / "boundary.png").write_bytes(render.png(render.grey(result.boundary)))
    (folder / "overlay.png").write_bytes(render.png(render.overlay(photo, mask)))
    about = {"model": model} | result.to_dict()
    (folder / "result.json").write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def info(args: argparse.Namespace) -> None:
    """Prints config, parameters, source and SHA-256."""
    from cefnet.weights import load

    checkpoint = load(args.model, "cpu", args.revision)
    parameters = sum(parameter.numel() for parameter in checkpoint.model.parameters())
    print(f"name        {checkpoint.name}")
    print(f"source      {checkpoint.source}")
    print(f"sha256      {checkpoint.sha256}")
    print(f"parameters  {parameters:,}")
    print(f"words seen  {len(checkpoint.words):,}")
    print(f"config      {write_config(checkpoint.config, checkpoint.decision).strip()}")


def push(args: argparse.Namespace) -> None:
    """Uploads a weights folder, or says what would go up."""
    from cefnet import hub

    upload = hub.weights_upload(args.model, args.repo_id)
    print(upload.describe())
    if args.dry_run:
        print("Dry run: nothing was sent.")
        return
    from huggingface_hub import HfApi  # here: no other command needs its start-up time

    print(hub.send(upload, HfApi(), args.private))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns 0, or 2 after an error that the user can mend (printed in one line)."""
    words = words_of(argv)
    if words and words[0] in WINGS:
        return _wing(words[0], words[1:])
    args = build_parser().parse_args(words)
    try:
        {"segment": segment, "info": info, "push": push}[args.command](args)
    except (ValueError, OSError) as error:
        print(f"{_program()} {args.command}: {error}", file=sys.stderr)
        return 2
    return 0


def _wing(command: str, words: Sequence[str]) -> int:
    """Hands a command on to the package that has it.

    A folder with a train.py or an app/ of its own hides ours from `python -m`, which looks there first.
    """
    module, first, _ = WINGS[command]
    package = module.partition(".")[0]
    found = util.find_spec(package)
    if found is None or found.origin is None or Path(found.origin).resolve() != HERE.parent / package / "__init__.py":
        other = found.origin if found else None
        print(f"{_program()} {command}: {other or 'something else'} stands in place of our package {package!r}; "
              f"type `cefnet {command}`, or go to another folder", file=sys.stderr)  # fmt: skip
        return 2
    try:
        status: int = import_module(module).main([*first, *words], program=f"{_program()} {command}")
        return status
    except ModuleNotFoundError as error:
        extra = "app" if package == "app" else "train"
        print(f"{_program()} {command}: {error}; pip install '.[{extra}]' in a checkout has it", file=sys.stderr)
        return 2


def _program() -> str:
    return "cefnet" if Path(sys.argv[0]).stem == "cefnet" else "python -m cefnet"


def _click(text: str) -> Click:
    match = re.fullmatch(r"(\d+(?:\.\d+)?),(\d+(?:\.\d+)?)(,not)?", text.replace(" ", ""))
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not Y,X or Y,X,not in pixels, such as 120,200")
    return Click(float(match[1]), float(match[2]), here=not match[3])


def _folder_name(number: int, expression: str) -> str:
    """Such as "1-dog-on-the-left": safe on every file system."""
    return "-".join([str(number), *re.findall(r"[a-z0-9]+", expression.lower())])[:60]


if __name__ == "__main__":
    sys.exit(main())
