"""Pickles of plain data, read without trusting them: the official annotation files are pickles of Python 2.

Unpickling does whatever a file asks for. The machine used here has only the instructions that build containers,
numbers and strings; a file that would import, call or restore anything is refused when it comes to that.
"""

import io
import pickle
import pickletools
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

# The instructions that build plain data, by their names in `pickletools`.
ALLOWED = frozenset(
    "PROTO FRAME STOP MARK POP POP_MARK "
    "NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT "
    "STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 "
    "LIST EMPTY_LIST APPEND APPENDS DICT EMPTY_DICT SETITEM SETITEMS TUPLE EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 "
    "PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET".split()
)
DAMAGE = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError, OverflowError, struct.error,
)  # fmt: skip
NAMES = {ord(instruction.code): instruction.name for instruction in pickletools.opcodes}


class Refused(ValueError):
    """The pickle asks for more than plain data."""


class Instructions(dict):
    """What the machine can do, by instruction code."""

    def __missing__(self, code: int) -> None:
        name = NAMES.get(code, f"{code:#04x}")
        raise Refused(f"it uses the instruction {name}; only containers, numbers and strings are read")


def _simple_keys(do: Callable[[Any], None], keys: slice) -> Callable[["PlainUnpickler"], None]:
    """Looks at the keys on the stack first: to hash one that is built of tuples of the same tuples takes for ever."""

    def checked(machine: "PlainUnpickler") -> None:
        if not all(isinstance(key, str | int | float) for key in machine.stack[keys]):
            raise Refused("a key of a dict is neither string nor number")
        do(machine)

    return checked


class PlainUnpickler(pickle._Unpickler):
    """Builds lists, tuples, dicts, numbers, strings and None; nothing else.

    It is the unpickler that is written in Python, because its instructions are a table that can be cut down, and its
    memo is a dict: the one written in C reserves memory for whatever position a file names.

    Byte strings, which is what Python 2's `str` are, become `str`: UTF-8, or Latin-1 where they are not UTF-8.
    """

    stack: list[Any]

    dispatch = Instructions({c: do for c, do in pickle._Unpickler.dispatch.items() if NAMES[c] in ALLOWED})
    dispatch[pickle.DICT[0]] = _simple_keys(pickle._Unpickler.dispatch[pickle.DICT[0]], slice(None, None, 2))
    dispatch[pickle.SETITEM[0]] = _simple_keys(pickle._Unpickler.dispatch[pickle.SETITEM[0]], slice(-2, -1))
    dispatch[pickle.SETITEMS[0]] = _simple_keys(pickle._Unpickler.dispatch[pickle.SETITEMS[0]], slice(None, None, 2))

    def _decode_string(self, value: bytes) -> str:
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("latin-1")


def load_plain(path: Path) -> Any:
    """Reads a pickle (protocols 0 to 5) of plain data.

    What is shared in the file is shared in the result, so that few bytes may stand for an endlessly repeating
    structure: look at what is expected, don't walk through all of it.

    Raises:
        ValueError: The file asks for anything else than plain data, or is damaged.
    """
    content = path.read_bytes()
    try:
        return PlainUnpickler(io.BytesIO(content)).load()
    except Refused as error:
        raise ValueError(f"{path} is not a pickle of plain data and was not read: {error}") from None
    except DAMAGE as error:
        raise ValueError(f"{path} is no pickle or a damaged one ({type(error).__name__})") from error
