"""Photos in tar shards elsewhere, read by range; an in-memory store stands for the object store."""

import gzip
import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from photoref_fixture import make_photoref

from train.data import shards
from train.data.reader import Damaged, ReferData


@pytest.fixture
def store() -> Iterator[fsspec.AbstractFileSystem]:
    files = fsspec.filesystem("memory")
    yield files
    files.rm("/bucket", recursive=True)


def moved(folder: Path, target: Path, store: fsspec.AbstractFileSystem) -> Path:
    """A copy of a data folder whose shards are in the store."""
    shutil.copytree(folder, target)
    for shard in target.glob("*.tar"):
        store.pipe_file(f"/bucket/{shard.name}", shard.read_bytes())
        shard.unlink()
    (target / "dataset.json").write_text(json.dumps({"shards": "memory://bucket/photos-*.tar"}))
    return target


def test_photos_are_read_where_they_are(
    tmp_path: Path, store: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = ReferData.open(make_photoref(tmp_path / "here"))
    there = ReferData.open(moved(tmp_path / "here", tmp_path / "there", store))
    assert len(there.files) == 12
    asked, kind = [], type(store)
    read = kind.cat_file

    def counted(self: fsspec.AbstractFileSystem, path: str, start: int, end: int) -> bytes:
        asked.append(end - start)
        return read(self, path, start, end)

    monkeypatch.setattr(kind, "cat_file", counted)
    for image_id in here.images:
        assert np.array_equal(here.photo(image_id), there.photo(image_id))
    assert asked == [here.files[record.file_name].size for record in here.images.values()]  # and not a byte more


def test_shards_are_searched_once_and_again_when_they_change(
    tmp_path: Path, store: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = moved(make_photoref(tmp_path / "here"), tmp_path / "there", store)
    files, scan, searched = ReferData.open(folder).files, shards.scan, []
    monkeypatch.setattr(shards, "scan", lambda url: searched.append(url) or scan(url))
    assert ReferData.open(folder).files == files and not searched
    store.rm_file("/bucket/photos-01.tar")
    assert len(ReferData.open(folder).files) == 6 and searched == ["memory:///bucket/photos-00.tar"]


@pytest.mark.parametrize(
    ("address", "words"),
    [("memory://bucket/no-*.tar", "there are no shards at memory"), ("dropbox://x/*.tar", "dropbox.*can't be read")],
)
def test_wrong_addresses_are_named(address: str, words: str, tmp_path: Path) -> None:
    make_photoref(tmp_path)
    (tmp_path / "dataset.json").write_text(json.dumps({"shards": address}))
    with pytest.raises(ValueError, match=words):
        ReferData.open(tmp_path)


def head(kind: bytes = b"0", size: bytes = b"00000000020\0", name: bytes = b"photo_000.webp") -> bytes:
    """A tar member's head of 512 bytes, as somebody might forge it."""
    block = bytearray(512)
    block[: len(name)], block[124:136], block[156:157], block[257:265] = name, size, kind, b"ustar\x0000"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def number(value: int) -> bytes:
    """A size in a head that octal digits can't hold."""
    return (b"\xff" if value < 0 else b"\x80") + value.to_bytes(11, "big", signed=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda tar: b"",
        lambda tar: b"no tar" * 1000,
        lambda tar: tar[: len(tar) // 2],
        lambda tar: tar[:700],
        gzip.compress,  # might unpack to anything
        lambda tar: head(size=number(-512)) + bytes(1024),  # leads back to itself
        lambda tar: head(size=b"00000000000\0") + head(size=number(-1024)) + bytes(1024),
        lambda tar: head(size=number(2**60)) + bytes(1024),
        lambda tar: head(b"x", number(-1024)) + bytes(1024),
        lambda tar: head(b"x", number(2**62)) + bytes(1024),  # read into memory if let
        lambda tar: head(b"x", b"00000000000\0") * 5000 + bytes(1024),  # a head of a head of a head
        lambda tar: head(b"x", b"00000000024\0") + b"20 size=-1000000000\n".ljust(512, b"\0") + head() + bytes(1024),
    ],
)
def test_damaged_shards_are_named(change: Callable[[bytes], bytes], tmp_path: Path) -> None:
    shard = make_photoref(tmp_path) / "photos-01.tar"
    shard.write_bytes(change(shard.read_bytes()))
    with pytest.raises(ValueError, match=r"photos-01\.tar is no tar file, or damaged or cut off: fetch it again"):
        ReferData.open(tmp_path)


def test_links_and_names_that_lead_out_of_a_shard_lead_nowhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret.webp"
    folder = make_photoref(tmp_path / "data")
    with tarfile.open(folder / "photos-00.tar") as tar:
        [photo] = [tar.extractfile(m).read() for m in tar if m.name == "photo_002.webp"]  # type: ignore[union-attr]
    secret.write_bytes(photo)
    with tarfile.open(folder / "photos-00.tar", "w") as tar:
        for name, kind in {"photo_000.webp": tarfile.SYMTYPE, "photo_002.webp": tarfile.LNKTYPE}.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, str(secret)
            tar.addfile(member)
        for name in ("../../photo_004.webp", "/photo_006.webp"):
            member = tarfile.TarInfo(name)
            member.size = len(photo)
            tar.addfile(member, io.BytesIO(photo))
    before = sorted(tmp_path.rglob("*"))
    data = ReferData.open(folder)
    for image_id in (10, 12, 14, 16):
        with pytest.raises(Damaged, match="neither in a tar shard nor in"):
            data.photo(image_id)
    assert data.photo(11).shape == (72, 96, 3)
    assert sorted(tmp_path.rglob("*")) == before  # nothing was unpacked


@pytest.mark.parametrize("content", ["{", "[]", '{"shards": 1}', "null"])
def test_a_damaged_index_is_made_anew(content: str, tmp_path: Path, store: fsspec.AbstractFileSystem) -> None:
    folder = moved(make_photoref(tmp_path / "here"), tmp_path / "there", store)
    files = ReferData.open(folder).files
    (folder / shards.INDEX).write_text(content)
    assert ReferData.open(folder).files == files
    assert json.loads((folder / shards.INDEX).read_text())["shards"]


def test_an_index_that_names_other_files_is_made_anew(tmp_path: Path, store: fsspec.AbstractFileSystem) -> None:
    folder = moved(make_photoref(tmp_path / "here"), tmp_path / "there", store)
    files = ReferData.open(folder).files
    index = json.loads((folder / shards.INDEX).read_text())
    index["photos"]["photo_000.webp"] = ["/etc/passwd", 0, 20]
    (folder / shards.INDEX).write_text(json.dumps(index))
    assert ReferData.open(folder).files == files
