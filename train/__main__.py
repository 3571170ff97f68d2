"""`python -m train COMMAND`: train models, measure them, make what training needs.

Each command lives in its own module with `add_arguments(parser)` and `main(args)`; only the chosen one is
imported, so that `--help` answers at once and no command pays for another's dependencies.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from cefnet.console import words_of

COMMANDS: dict[str, tuple[str, str]] = {
    "prepare": ("train.preparation.command", "bring a public data set, or your own photos and masks, into our layout"),
    "run": ("train.run", "train a model by a recipe"),
    "evaluate": ("train.evaluation.command", "measure a model or a baseline on a split"),
    "compare": ("train.evaluation.compare", "compare two models' results on the same expressions"),
    "benchmark": (
        "train.experiments.speed.command",
        "measure speed and memory beside the paper's model as it is written",
    ),
    "ablation": ("train.experiments.ablation.command", "train and measure the rows of the paper's Table 3"),
    "tables": ("train.experiments.tables", "render the paper's tables beside our runs"),
    "recipes": ("train.recipes", "list the recipes, or show one"),
    "ship": ("train.ship", "measure a run and make it one of the shipped models"),
    "tokenizer": ("train.tokenizer", "train the SentencePiece tokenizer on expressions and captions"),
    "convert": ("train.convert", "convert public EfficientNet-Lite weights for the encoder"),
}


def build_parser(chosen: str | None, program: str | None = None) -> argparse.ArgumentParser:
    """The command line.

    Args:
        chosen: The command that gets its arguments; those of the others need their modules.
        program: How that command was typed, for its help; None: `python -m train` and its name.
    """
    parser = argparse.ArgumentParser(prog="python -m train", description="Train CEFNet and measure it.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, about) in COMMANDS.items():
        typed = program if name == chosen else None
        command = commands.add_parser(name, prog=typed, help=about, description=about[0].upper() + about[1:] + ".")
        if name == chosen:
            import_module(module).add_arguments(command)
    return parser


def main(argv: Sequence[str] | None = None, program: str | None = None) -> int:
    """Runs one command.

    Args:
        argv: The words after `python -m train`; the process's own if None.
        program: How the command was typed, for its help and errors; None: `python -m train` and its name.

    Returns:
        The exit status: 0, or 2 after an error that the user can mend (printed in one line), 130 when
        interrupted.
    """
    words = words_of(argv)
    args = build_parser(words[0] if words else None, program).parse_args(words)
    try:
        import_module(COMMANDS[args.command][0]).main(args)
    except (ValueError, OSError) as error:
        print(f"{program or f'python -m train {args.command}'}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
