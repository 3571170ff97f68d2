"""Photos in tar shards elsewhere, read by range; an in-memory store stands for the object store."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from photoref_fixture import make_photoref

from train.data import shards
from train.data.reader import ReferData


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
