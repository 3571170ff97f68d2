"""Photos in tar shards: read where they lie; damaged and forged shards are refused."""

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from photoref_fixture import make_photoref

from train.data.reader import Damaged, ReferData


def test_a_photo_is_read_from_its_own_bytes(tmp_path: Path) -> None:
    folder = make_photoref(tmp_path / "tar")
    packed = ReferData.open(folder)
    loose = ReferData.open(make_photoref(tmp_path / "folder", layout="folder"))
    assert len(packed.files) == 12 and not loose.files
    for image_id, record in packed.images.items():
        assert packed.files[record.file_name].read() == (loose.photos / record.file_name).read_bytes()
        assert np.array_equal(packed.photo(image_id), loose.photo(image_id))


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
