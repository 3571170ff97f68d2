"""plain_pickle.py: reads what Python 2 and 3 write of plain data, and does nothing else that a file asks."""

import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refer_fixture import Unicode, python2_pickle

from train.preparation.plain_pickle import load_plain

TEXTS = st.text(st.characters(codec="utf-8"))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS | st.integers(), inner) | st.tuples(inner, inner),
    max_leaves=12,
)


def load(content: bytes, tmp_path: Path) -> Any:
    path = tmp_path / "refs(unc).p"
    path.write_bytes(content)
    return load_plain(path)


@settings(max_examples=60, deadline=None)
@given(value=PLAIN, protocol=st.integers(0, 5))
def test_reads_what_python_3_writes(tmp_path_factory: pytest.TempPathFactory, value: Any, protocol: int) -> None:
    assert load(pickle.dumps(value, protocol), tmp_path_factory.getbasetemp()) == value


@pytest.mark.parametrize("protocol", (0, 2))
def test_reads_python_2_strings(tmp_path: Path, protocol: int) -> None:
    texts = ["lady", 'it\'s "here"', "two\nlines", "caf\u00e9", "x" * 300, ""]
    value = {"bytes": texts, "unicode": [Unicode(t) for t in texts], "n": [1, -1, 2**40, True, None, 0.5]}
    assert load(python2_pickle(value, protocol), tmp_path) == value


def test_the_fixture_writes_python_2_instructions() -> None:
    """Python 2's `str` is STRING or SHORT_BINSTRING, its `unicode` UNICODE or BINUNICODE; each gets a memo place."""
    value = {"raw": Unicode("A"), "sent": "a"}
    assert python2_pickle(value, 0) == b"(dp0\nS'raw'\np1\nVA\np2\nsS'sent'\np3\nS'a'\np4\ns."
    assert python2_pickle(value, 2) == b"\x80\x02}q\x00(U\x03rawq\x01X\x01\x00\x00\x00Aq\x02U\x04sentq\x03U\x01aq\x04u."


def test_bytes_that_are_not_utf8_are_latin1(tmp_path: Path) -> None:
    assert load(b"S'caf\\xe9'\n.", tmp_path) == "caf\u00e9"


def test_what_is_shared_stays_shared(tmp_path: Path) -> None:
    shared = ["a"]
    one, two = load(pickle.dumps([shared, shared], 2), tmp_path)
    assert one is two


class Call:
    """Pickles to a call of os.mkdir."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return os.mkdir, (self.folder,)


class Plain:
    """An instance, to be restored with its state."""


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_called(tmp_path: Path, protocol: int) -> None:
    trap = tmp_path / "made"
    with pytest.raises(ValueError, match=r"refs\(unc\)\.p .*instruction (STACK_)?GLOBAL"):
        load(pickle.dumps([{"ref_id": 1}, Call(str(trap))], protocol), tmp_path)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("content", "instruction"),
    [
        (b"cos\nmkdir\n(S'made'\ntR.", "GLOBAL"),
        (b"(S'made'\nios\nmkdir\n.", "INST"),
        (b"(cos\nmkdir\nS'made'\no.", "GLOBAL"),
        (b"(S'mkdir'\nS'made'\no.", "OBJ"),
        (b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93.", "STACK_GLOBAL"),
        (b"S'mkdir'\n(S'made'\ntR.", "REDUCE"),
        (b"\x80\x02S'a'\n)\x81.", "NEWOBJ"),
        (b"\x80\x04S'a'\n)}\x92.", "NEWOBJ_EX"),
        (b"(lp0\n(S'__class__'\nNdb.", "BUILD"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02\x83\x01\x01.", "EXT2"),
        (b"\x80\x02\x84\x01\x01\x01\x01.", "EXT4"),
        (b"Pme\n.", "PERSID"),
        (b"S'me'\nQ.", "BINPERSID"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"\x80\x04\x8f.", "EMPTY_SET"),
        (b"\x80\x03C\x01a.", "SHORT_BINBYTES"),
        (b"\xff.", "0xff"),
    ],
)
def test_every_other_instruction_is_refused(tmp_path: Path, content: bytes, instruction: str) -> None:
    with pytest.raises(ValueError, match=f"was not read: it uses the instruction {instruction};"):
        load(content, tmp_path)


@pytest.mark.parametrize("protocol", range(6))
def test_instances_are_refused(tmp_path: Path, protocol: int) -> None:
    with pytest.raises(ValueError, match="was not read"):
        load(pickle.dumps(Plain(), protocol), tmp_path)


def test_a_far_memo_place_takes_no_memory(tmp_path: Path) -> None:
    """The unpickler written in C would reserve 64 GiB here."""
    assert load(b"]r" + struct.pack("<I", 2**32 - 1) + b".", tmp_path) == []
    assert load(b"(lp99999999999\n.", tmp_path) == []


def test_a_doubling_structure_is_read_without_unfolding_it(tmp_path: Path) -> None:
    """2^200 leaves in 800 bytes; as a key of a dict it would have to be hashed leaf by leaf."""
    tower = b"U\x03lol" + b"".join(bytes([*b"q", i, *b"h", i, 0x86]) for i in range(200))  # BINPUT, BINGET, TUPLE2
    value = load(tower + b".", tmp_path)
    assert value[0] is value[1]
    for keyed in (b"}" + tower + b"Ns.", b"(" + tower + b"Nd.", b"}(" + tower + b"Nu."):
        with pytest.raises(ValueError, match="neither string nor number"):
            load(keyed, tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        b"(l",
        b".",
        b"(lp0\nS'a'\n",
        b"I" + b"9" * 5000 + b"\n.",
        b"g7\n.",
        b"Na.",
        b"\x80\x09N.",
        b"0.",
        b"G",
        b"\x80\x04\x95",
        b"]q\x00(}q\x01(X",
    ],
)
def test_damage_is_said(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"refs\(unc\)\.p is no(t a| pickle)"):
        load(content, tmp_path)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), protocol=st.sampled_from((0, 2)))
def test_no_byte_change_does_more_than_fail(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, protocol: int
) -> None:
    content = bytearray(python2_pickle([{"ref_id": 1, "sentences": [{"sent": "a b", "sent_id": 2}]}] * 2, protocol))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        load(bytes(content), tmp_path_factory.getbasetemp())
    except ValueError:
        pass
