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
    saved = json.loads(kept.read_text()) if kept.is_file() else {}
    if saved.get("shards") != shards:
        places = {name: place for url in shards for name, place in scan(url).items()}
        saved = {"shards": shards, "photos": places}
        temporary = folder / f".{INDEX}.{os.getpid()}"  # several processes may do this at once
        temporary.write_text(json.dumps(saved))
        temporary.replace(kept)
    return {name: Place(*place) for name, place in saved["photos"].items()}


def scan(url: str) -> dict[str, Place]:
    """The files in one shard, which must not be compressed: file name -> place."""
    files, path = url_to_fs(url)
    with files.open(path, "rb") as shard, tarfile.open(fileobj=shard, mode="r:") as tar:
        members = [member for member in tar if member.isfile()]
    return {m.name.removeprefix("./"): Place(url, m.offset_data, m.size) for m in members}
