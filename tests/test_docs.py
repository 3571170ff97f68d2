"""Commands in the docs are understood, and links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest

from train.__main__ import COMMANDS, build_parser

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"-m train (.+?)(?:`|$)", re.MULTILINE)


def commands(page: Path) -> list[list[str]]:
    """What follows `python -m train` or `torchrun ... -m train`; those that are abbreviated are left out."""
    found = [shlex.split(words, comments=True) for words in COMMAND.findall(page.read_text(encoding="utf-8"))]
    return [words for words in found if not {"...", "DATASET", "[--check]"} & set(words)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_understood(page: Path) -> None:
    for words in commands(page):
        build_parser(words[0]).parse_args(words)  # ends the test if it can't


def test_the_pages_use_the_commands_they_are_about() -> None:
    used = {words[0] for page in PAGES for words in commands(page)}
    assert {"run", "recipes", "prepare", "evaluate", "compare", "tables"} <= used <= set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target
