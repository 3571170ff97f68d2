"""JSON tables, read so that a damaged one is named, and so is the record in it that is not as it should be."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What converting a record raises when the record is not what it should be.
NOT_AS_EXPECTED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        ValueError: it is no JSON, or nested without end.
        OSError: it can't be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
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
