"""What tests/stress/fuzz.py tries: for every reader a maker of inputs, and what must come of them."""

from __future__ import annotations

import io
import json
import pickle
import sys
import tarfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from bad_photos import cases, encoded, quarters  # noqa: E402
from bad_texts import READ, REFUSED  # noqa: E402

from app.ask import expressions  # noqa: E402
from app.errors import gr  # noqa: E402
from cefnet.config import PRESETS, Decision, parse_config, write_config  # noqa: E402
from cefnet.photos import MAX_PIXELS, read_photo  # noqa: E402
from cefnet.text import Tokenizer  # noqa: E402
from train.data.shards import scan  # noqa: E402
from train.preparation.plain_pickle import load_plain  # noqa: E402

TOKENIZER = ROOT / "weights" / "cefnet-acm" / "tokenizer.model"


@dataclass(frozen=True)
class Target:
    """A reader: `inputs` makes what it is given, `check` reads it and raises where it should not have come to that."""

    inputs: st.SearchStrategy[Any]
    check: Callable[[Any, Path], None]
    memory: bool = False


@st.composite
def changed(draw: st.DrawFn, sound: Sequence[bytes]) -> bytes:
    """One of some sound files, with up to six changes."""
    content = bytearray(draw(st.sampled_from(sound)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        length = draw(st.sampled_from((1, 1, 2, 4, 8, 64)))
        match draw(st.sampled_from("replace replace extreme cut repeat move".split())):
            case "replace":
                content[at : at + length] = draw(st.binary(min_size=length, max_size=length))
            case "extreme":  # sizes and offsets
                number = draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)))
                content[at : at + 4] = number.to_bytes(4, draw(st.sampled_from(("big", "little"))))
            case "cut":
                del content[at : at + draw(st.sampled_from((length, len(content))))]
            case "repeat":
                content[at:at] = content[at : at + length] * draw(st.sampled_from((1, 2, 500)))
            case "move":
                to = draw(st.integers(0, max(0, len(content) - 1)))
                content[to:to] = content[at : at + length]
    return bytes(content)


def photo() -> Target:
    """Picture files of every format."""
    warnings.simplefilter("ignore")  # Pillow's, of what it refuses
    sound = [content for case in cases() if case.photo is not None and len(content := case.make()) < 5000]

    def check(content: bytes, _: Path) -> None:
        try:
            photo = read_photo(content)
        except ValueError as error:
            assert str(error).startswith("The photo") and "\n" not in str(error), error
            return
        assert photo.dtype == np.uint8 and photo.ndim == 3 and photo.shape[2] == 3 and photo.flags.c_contiguous
        assert 0 < photo.shape[0] * photo.shape[1] <= MAX_PIXELS

    return Target(changed(sound) | st.binary(max_size=200), check, memory=True)


def expression() -> Target:
    """What people type."""
    tokenizer = Tokenizer.from_file(TOKENIZER)
    known = [*READ.values(), *REFUSED.values()]
    text = st.text(st.characters(), max_size=300) | st.lists(st.sampled_from(known) | st.text(max_size=9)).map(" ".join)

    def check(text: str, _: Path) -> None:
        try:
            for one in expressions(text):
                tokens = tokenizer.encode(one)
                one.encode()
                assert 1 <= len(tokens.ids) <= 48 and all(1 < i < tokenizer.size for i in tokens.ids), tokens
                assert sorted(set(tokens.word_of)) == list(range(len(tokens.words))), tokens
        except (ValueError, gr.Error) as error:
            str(error).encode()

    return Target(text, check)


def tokenizer() -> Target:
    """Files that claim to be a tokenizer."""

    def check(content: bytes, _: Path) -> None:
        with suppress(ValueError):
            tokenizer = Tokenizer.from_bytes(content)
            tokens = tokenizer.encode("the Dog on the left, 左", truncate=True)
            assert all(0 <= i < tokenizer.size for i in tokens.ids), tokens

    return Target(changed([TOKENIZER.read_bytes()]) | st.binary(max_size=200), check)


def config() -> Target:
    """Model configs: JSON of every kind, and fields with any value."""
    numbers = st.integers() | st.floats() | st.sampled_from((0, 1, -1, 32, 320, 10**9, 1e308))
    leaf = st.none() | st.booleans() | numbers | st.text(max_size=9) | st.sampled_from(("vcm", "acm", "none", "l2"))
    value = st.recursive(leaf, lambda one: st.lists(one, max_size=6) | st.dictionaries(st.text(max_size=3), one))
    written = [write_config(preset, Decision()) for preset in PRESETS.values()]
    sound = [json.loads(one) for one in written]
    fields = st.dictionaries(st.sampled_from(list(sound[0])) | st.text(max_size=5), value, max_size=4)
    texts = st.builds(lambda one, other: json.dumps(one | other), st.sampled_from(sound), fields)
    bytes_of = changed([one.encode() for one in written])

    def check(text: str, _: Path) -> None:
        with suppress(ValueError):
            read = parse_config(text)
            assert parse_config(write_config(*read)) == read, read

    return Target(texts | bytes_of.map(lambda one: one.decode("utf-8", "surrogateescape")) | st.text(), check)


def shard() -> Target:
    """Tar shards of photos."""
    sound = []
    for kind in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=kind) as tar:
            for n, name in enumerate(("./a.png", "b" * 90 + ".png", "../../ü.png")):
                member = tarfile.TarInfo(name)
                content = encoded(quarters(n + 1, 5), "PNG")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        sound.append(file.getvalue())

    def check(content: bytes, folder: Path) -> None:
        path = folder / "photos-00.tar"
        path.write_bytes(content)
        with suppress(ValueError):
            for place in scan(path).values():
                assert place.shard == str(path) and 0 <= place.offset and 0 <= place.size <= len(content), place
                assert len(place.read()) <= place.size

    return Target(changed(sound) | st.binary(max_size=2000), check)


def pickles() -> Target:
    """The official annotation files, which are pickles."""
    value = [{"ref_id": 1, "sentences": [{"sent": "the dog", "tokens": ["the", "dog"]}], "box": (0.5, 2**70)}] * 3
    sound = [pickle.dumps(value, protocol) for protocol in range(6)]

    def check(content: bytes, folder: Path) -> None:
        (folder / "refs.p").write_bytes(content)
        with suppress(ValueError):
            load_plain(folder / "refs.p")

    return Target(changed(sound) | st.binary(max_size=200), check)


TARGETS: dict[str, Callable[[], Target]] = {
    "photo": photo, "expression": expression, "tokenizer": tokenizer, "config": config, "shard": shard,
    "pickle": pickles,
}  # fmt: skip
