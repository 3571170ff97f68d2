"""Arguments that are nearly right: read where there is no doubt what was meant, and named where there is."""

from __future__ import annotations

import base64
import binascii
import os
import re
from numbers import Real
from pathlib import Path

_DATA_URL = re.compile(r"data:[\w/+.;=-]*;base64,", re.IGNORECASE)
_LFS = b"version https://git-lfs.github.com/spec/"  # how a pointer begins that Git LFS puts in a file's place
LONGEST = 60  # characters of an argument that a message repeats,
LONGEST_PATH = 400  # and of a path, which ends in the name that matters


def described(value: object) -> str:
    """What an argument is, for a message: "None", "a str ('photo.jpg')", "a torch.Tensor of shape (3, 4, 4)".

    Args:
        value: Anything; of numbers and texts the beginning is repeated, of all else the kind alone.
    """
    if value is None:
        return "None"
    kind = type(value)
    name = (
        kind.__name__
        if kind.__module__ in ("builtins", "numpy")
        else f"{kind.__module__.split('.')[0]}.{kind.__name__}"
    )
    article = "an" if name[0].lower() in "aeiou" else "a"
    if isinstance(value, (str, int, float)):
        return f"{article} {name} ({shortened(repr(value))})"
    if (shape := getattr(value, "shape", None)) is not None:
        return f"{article} {name} of shape {tuple(shape)}"
    return f"{article} {name} of {len(value)}" if isinstance(value, (list, tuple)) else f"{article} {name}"


def shortened(text: str, most: int = LONGEST) -> str:
    """At most `most` characters of a text."""
    return text if len(text) <= most else text[: most - 3] + "..."


def text_of(value: object, name: str) -> str:
    """An argument that must be a text.

    Args:
        value: What was given.
        name: Of the argument.

    Raises:
        ValueError: If it is no text; says what it is.
    """
    if not isinstance(value, str):
        raise ValueError(f"{name} is {described(value)}; it must be a text, such as 'dog on the left'.")
    return value


def number_of(value: object, name: str) -> float:
    """An argument that must be a number.

    Args:
        value: What was given.
        name: Of the argument.

    Raises:
        ValueError: If it is none; says what it is.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"{name} is {described(value)}; it must be a number.")
    return float(value)


def home_of(path: str | os.PathLike[str]) -> Path:
    """A path with `~` as the home folder, which no shell puts in for `--data=~/photos` or an environment variable.

    Args:
        path: As given; a `~` that belongs to nobody here stays.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:  # nobody's home, or no HOME
        return Path(path)


def check_pointer(file: bytes | Path, name: str | None = None) -> None:
    """Refuses the few lines that a checkout without Git LFS has in place of a large file.

    Args:
        file: Its path, or its content, of which the beginning is enough.
        name: What the message calls it; its path if None.

    Raises:
        ValueError: If it is a pointer; says which command fetches the file.
    """
    if isinstance(file, Path):
        name = name or str(file)
        with file.open("rb") as opened:
            file = opened.read(len(_LFS))
    if file.startswith(_LFS):
        raise ValueError(
            f"{name} is a Git LFS pointer, not the file itself; in its checkout, `git lfs install` and `git lfs pull`"
            " fetch it."
        )


def is_data_url(text: str) -> bool:
    """Whether a text is a file in base64 behind "data:...;base64,".

    Args:
        text: Anything.
    """
    return _DATA_URL.match(text) is not None


def from_base64(text: str, name: str) -> bytes:
    """The bytes of a file that was sent as text.

    Args:
        text: Base64 in its usual alphabet or the one of addresses, with or without "data:image/png;base64," before it;
            line breaks and missing padding do no harm.
        name: What the message calls it.

    Raises:
        ValueError: If it is no base64, or nothing.
    """
    digits = "".join(_DATA_URL.sub("", text, count=1).splitlines()).rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        content = base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{name} is {described(text)}, which is no base64.") from error
    if not content:
        raise ValueError(f"{name} is base64 of nothing.")
    return content
