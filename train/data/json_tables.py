"""JSON tables, read so that a damaged one is named, and so is the record in it that is not as it should be."""

import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from cefnet.arguments import check_pointer

NAMED = 20  # faults that a message names one by one
Id = TypeVar("Id", bound=Hashable)
Item = TypeVar("Item")

# What converting a record raises when the record is not what it should be.
NOT_AS_EXPECTED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        ValueError: it is no JSON, or nested without end, or Git LFS has left a pointer in its place.
        OSError: it can't be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))  # some tools put a byte order mark before it
    except (ValueError, RecursionError) as error:
        check_pointer(path)
        raise ValueError(f"{path} is not JSON; is the download complete? ({error})") from error


def converted(convert: Callable, record: Any, where: str, *more: Any) -> Any:
    """`convert(record, *more)`.

    Args:
        convert: turns a record into what it is used as.
        record: from a file.
        where: it comes from, for the message.
        more: further arguments.

    Raises:
        ValueError: the record lacks something, or holds something else than it should.
    """
    try:
        return convert(record, *more)
    except NOT_AS_EXPECTED as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{where}: not as it should be: {reason}") from error


def records(table: Any, convert: Callable, where: str) -> list[Any]:
    """All records of a table, converted.

    Raises:
        ValueError: it is no list, or a record is not as it should be; says which.
    """
    if not isinstance(table, list):
        raise ValueError(f"{where} must be a list, not {type(table).__name__}")
    return [converted(convert, record, f"{where}, record {place}") for place, record in enumerate(table)]


def by_id(items: Iterable[tuple[Id, Item]], where: str) -> dict[Id, Item]:
    """A table by its ids; `where` names it for the message. The same record twice is harmless.

    Raises:
        ValueError: Two records have one id, so that what names it may mean either; all such ids are named.
    """
    found: dict[Id, Item] = {}
    twice: dict[Id, None] = {}
    for key, item in items:
        if found.setdefault(key, item) != item:
            twice[key] = None
    if twice:
        raise ValueError(f"{where}: {listed([str(key) for key in twice], 'ids are there twice')}")
    return found


def listed(texts: Sequence[str], what: str) -> str:
    """How many there are, and the first `NAMED` of them, a line each."""
    lines = [f"{len(texts)} {what}:", *(f"  {text}" for text in texts[:NAMED])]
    return "\n".join([*lines, f"  and {len(texts) - NAMED} more"] if len(texts) > NAMED else lines)
