"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of `path` in one step when all is written and on the disk.

    A process that is killed inside, or a disk that is full, leaves what was there before; the unfinished file beside
    it, `.NAME.part`, is removed or, after a kill, overwritten by the next try.

    Args:
        path: In a folder that exists.

    Raises:
        OSError: It can't be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: bytes | str) -> None:
    """Replaces a file in one step (text as UTF-8); see `replacing`.

    Raises:
        OSError: It can't be written; what was there before still is.
    """
    with replacing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)
