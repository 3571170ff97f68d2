"""Photos in tar shards, on this machine or in an object store: where each one lies, so that reading it needs no search.

Any address that fsspec reads will do: a path, `s3://bucket/photos-*.tar`, `gs://...`. A photo is one
range request for its bytes alone, made by whichever process wants it; nothing is unpacked or copied.
"""

import json
import os
import tarfile
from pathlib import Path
from typing import NamedTuple

from fsspec.core import url_to_fs

INDEX = "shards.json"
# What tarfile raises for damaged files: a head may be of any size, or of heads of heads without end.
DAMAGE = (tarfile.TarError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError, MemoryError)


class Place(NamedTuple):
    """A photo's bytes: `size` of them from `offset` in the shard `url`."""

    url: str
    offset: int
    size: int

    def read(self) -> bytes:
        files, path = url_to_fs(self.url)  # cached, but for each process its own: connections don't survive a fork
        return files.cat_file(path, self.offset, self.offset + self.size)


def local_shards(folder: Path) -> dict[str, Place]:
    """The photos in the `photos-*.tar` of a folder: file name -> place."""
    places: dict[str, Place] = {}
    for path in sorted(folder.glob("photos-*.tar")):
        places |= scan(str(path))
    return places


def remote_shards(pattern: str, folder: Path) -> dict[str, Place]:
    """The photos in shards elsewhere: file name -> place.

    Finding the places reads every shard once; `shards.json` in the data folder keeps them, until the shards change.

    Args:
        pattern: address of the shards, with `*`.
        folder: data folder.

    Raises:
        ValueError: there are no such shards, or fsspec needs another package to read them.
    """
    try:
        files, path = url_to_fs(pattern)
        found = files.glob(path, detail=True)
    except ImportError as error:
        raise ValueError(f"{pattern} can't be read: {error}") from error
    shards = {files.unstrip_protocol(name): about["size"] for name, about in sorted(found.items())}
    if not shards:
        raise ValueError(f"there are no shards at {pattern}")
    kept = folder / INDEX
    if (places := _read_index(kept, shards)) is None:
        places = {name: place for url in shards for name, place in scan(url).items()}
        temporary = folder / f".{INDEX}.{os.getpid()}"  # several processes may do this at once
        temporary.write_text(json.dumps({"shards": shards, "photos": places}))
        temporary.replace(kept)
    return places


def _read_index(kept: Path, shards: dict[str, int]) -> dict[str, Place] | None:
    """The places in these shards as they were kept; None where they weren't, or the file is damaged."""
    try:
        saved = json.loads(kept.read_text())
        places = {name: Place(str(url), int(at), int(size)) for name, (url, at, size) in saved["photos"].items()}
        return places if saved["shards"] == shards and {p.url for p in places.values()} <= shards.keys() else None
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None


def scan(url: str) -> dict[str, Place]:
    """The files in one shard, which must not be compressed: file name -> place.

    Links, devices and folders in it are nobody's photos; they are passed over, and nothing is ever unpacked.

    Raises:
        ValueError: it is no tar file, or damaged or cut off.
    """
    files, path = url_to_fs(url)
    places: dict[str, Place] = {}
    end, length = 0, files.size(path)
    try:
        with files.open(path, "rb") as shard, tarfile.open(fileobj=shard, mode="r:") as tar:
            for member in tar:
                if not 0 <= member.size <= length or member.offset_data < end:  # one could lead back, for ever
                    raise tarfile.ReadError(f"{member.name!r} has an impossible size")
                end = member.offset_data
                if member.isfile() and not member.issparse():
                    places[member.name.removeprefix("./")] = Place(url, member.offset_data, member.size)
    except DAMAGE as error:
        raise ValueError(f"{url} is no tar file, or damaged or cut off: fetch it again ({error})") from error
    return places
