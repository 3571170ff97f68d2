"""The commands and the Python that README.md and docs/*.md show, read out of their code blocks."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(r"(?:^|\s)(?:(?:python|torchrun .*?) -m (train|cefnet)|(cefnet)) (.+)$")


@dataclass(frozen=True)
class Command:
    """A line of a code block that starts one of our programs.

    Attributes:
        text: The line as it stands on the page.
        program: "train" or "cefnet".
        words: What follows the program's name, without "[--option]" and a final "...".
    """

    text: str
    program: str
    words: tuple[str, ...]


def programs(page: Path) -> list[str]:
    """The Python blocks of a page."""
    return [block for language, block in BLOCK.findall(page.read_text(encoding="utf-8")) if language == "python"]


def commands(page: Path) -> list[Command]:
    """The commands in the shell blocks of a page, from top to bottom."""
    found = []
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        lines = block.replace("\\\n", " ").splitlines() if language in ("", "sh") else []
        for line in lines:
            if match := PROGRAM.search(line):
                module, script, rest = match.groups()
                words = shlex.split(re.sub(r"\[.*?\]", "", rest), comments=True)
                found.append(Command(line.strip(), module or script, tuple(w for w in words if w != "...")))
    return found
