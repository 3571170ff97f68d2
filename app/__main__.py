"""`python -m app` serves the page; `python -m app publish SPACE_ID` puts it up as a Space."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from app.environment import without_proxies
from app.publish import space_upload
from cefnet import hub
from cefnet.console import words_of

PROGRAM = "python -m app"


def build_parser(program: str = PROGRAM) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, description="Without a command: serves the page.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    publish = commands.add_parser("publish", help="upload the page as a Hugging Face Space")
    publish.add_argument("space_id", metavar="SPACE_ID", help="owner/name")
    publish.add_argument("--dry-run", action="store_true", help="say what would go up, and touch no network")
    publish.add_argument("--private", action="store_true", help="where the Space is new, make it private")
    publish.add_argument("--into", type=Path, metavar="DIR", help="dry run that leaves the files in an empty folder")
    return parser


def publish(args: argparse.Namespace) -> None:
    """Uploads what a Space needs, or says what that is; the Space then holds these files and no others."""
    with tempfile.TemporaryDirectory() as temporary:
        upload = space_upload(args.space_id, args.into or Path(temporary))
        print(upload.describe())
        if args.dry_run or args.into:
            print("Dry run: nothing was sent.")
            return
        from huggingface_hub import HfApi  # here: a dry run needs none

        print(hub.send(upload, HfApi(), args.private, replace=True))


def serve() -> None:
    """Serves the page, as `app.serve.serve`, whatever proxies the environment names."""
    with without_proxies():
        from app.serve import serve  # here: it imports Gradio
    serve()


def main(argv: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Runs a command, or serves; returns 0, or 2 after an error that the user can mend (printed in one line).

    Args:
        argv: The words behind the program's name; None: those of the command line.
        program: What was typed to get here; help and errors call it so.
    """
    args = build_parser(program).parse_args(words_of(argv))
    if args.command is None:
        serve()
        return 0
    try:
        publish(args)
    except (ValueError, OSError) as error:
        print(f"{program} {args.command}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
