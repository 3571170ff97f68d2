"""Terminals and pipes that hold fewer letters than people write: a command loses no result to them."""

import io
import os
import re
import sys
from collections.abc import Sequence

from cefnet.arguments import home_of


def words_of(argv: Sequence[str] | None = None) -> list[str]:
    """A command's words, and output that shows what its encoding lacks as escapes such as \\u53f3.

    Windows sends a pipe cp1252 and a bare server has ascii, where printing an expression would otherwise end the run
    before its files are written. Where Python has read the words themselves in such an encoding, they are read anew as
    UTF-8, which terminals send. A path's `~` is the home folder.

    Args:
        argv: The words after the command; the process's own if None.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    return [_at_home(_as_utf8(word)) for word in (sys.argv[1:] if argv is None else argv)]


def _at_home(word: str) -> str:
    """A path with its `~` replaced, as no shell does in `--data=~/photos`, and those of Windows nowhere."""
    option, path = re.fullmatch(r"(--[\w-]+=)?(.*)", word, re.DOTALL).groups("")  # type: ignore[union-attr]
    return f"{option}{home_of(path)}" if path.startswith(("~/", "~\\")) else word


def _as_utf8(word: str) -> str:
    """A word whose bytes Python could not read, and keeps as halves of characters, in UTF-8."""
    if word.isprintable():
        return word
    try:
        return os.fsencode(word).decode("utf-8")
    except UnicodeError:
        return word
