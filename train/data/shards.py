"""Photos in tar shards: where each one lies, so that reading it needs no search. Nothing is unpacked or copied."""

import tarfile
from pathlib import Path
from typing import NamedTuple

from cefnet.arguments import check_pointer

# What tarfile raises for damaged files: a head may be of any size, or of heads of heads without end.
DAMAGE = (tarfile.TarError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError, MemoryError)


class Place(NamedTuple):
    """A photo's bytes: `size` of them from `offset` in the file `shard`."""

    shard: str
    offset: int
    size: int

    def read(self) -> bytes:
        with open(self.shard, "rb") as file:  # opened anew: a file that processes share has one position for all
            file.seek(self.offset)
            return file.read(self.size)


def local_shards(folder: Path) -> dict[str, Place]:
    """The photos in the `photos-*.tar` of a folder: file name -> place."""
    places: dict[str, Place] = {}
    for path in sorted(folder.glob("photos-*.tar")):
        places |= scan(path)
    return places


def scan(path: Path) -> dict[str, Place]:
    """The files in one shard, which must not be compressed: file name -> place.

    Links, devices and folders in it are nobody's photos; they are passed over, and nothing is ever unpacked.

    Raises:
        ValueError: It is no tar file, or damaged or cut off.
    """
    places: dict[str, Place] = {}
    end, length = 0, path.stat().st_size
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if not 0 <= member.size <= length or member.offset_data < end:  # one could lead back, for ever
                    raise tarfile.ReadError(f"{member.name!r} has an impossible size")
                end = member.offset_data
                if member.isfile() and not member.issparse():
                    places[member.name.removeprefix("./")] = Place(str(path), member.offset_data, member.size)
    except DAMAGE as error:
        check_pointer(path)
        raise ValueError(f"{path} is no tar file, or damaged or cut off: fetch it again ({error})") from error
    return places
