"""The reader of the REFER/COCO layout."""

import json
import math
import multiprocessing
import resource
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from photoref_fixture import COLOURS, make_photoref
from PIL import Image
from pycocotools import mask as coco_mask

from train.data.reader import Damaged, ReferData, decode_mask


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photoref(tmp_path_factory.mktemp("data"))


def edit(folder: Path, name: str, change) -> None:
    table = json.loads((folder / name).read_text())
    change(table)
    (folder / name).write_text(json.dumps(table))


def test_tables(folder: Path) -> None:
    data = ReferData.open(folder)
    assert data.categories == {1: "person", 3: "car", 18: "dog", 44: "bottle"}
    assert len(data.images) == 12
    assert len(data.refs) == len(data.annotations) == sum(len(a) for a in data.annotations_of.values())
    assert [len(r.sentences) for r in data.refs] == [3] * len(data.refs)
    assert {r.split for r in data.refs} == {"train", "study", "dev"}
    assert {s.kind for r in data.refs for s in r.sentences} == {"location", "look", "free"}
    assert data.images[13].squashed and not data.images[12].squashed
    assert len(data.captions[10]) == 2
    assert {a.split for a in data.absent} == {"train", "study", "dev"}


def test_photos_fit_their_masks(folder: Path) -> None:
    data = ReferData.open(folder)
    for ref in data.refs:
        photo, mask = data.photo(ref.image_id), data.union(ref.image_id, ref.ann_ids)
        assert photo.dtype == np.uint8 and photo.shape == (*mask.shape, 3) and mask.dtype == bool
        colour = next(s.sent for s in ref.sentences if s.kind == "look").split()[0]
        assert np.abs(photo[mask].mean(0) - COLOURS[colour]).max() < 12  # RGB, not BGR; polygons include their rim
        assert mask.sum() == pytest.approx(data.annotations[ref.ann_ids[0]].area, abs=2)


def test_shards_and_folder_hold_the_same(folder: Path, tmp_path: Path) -> None:
    shards, loose = ReferData.open(folder), ReferData.open(make_photoref(tmp_path, layout="folder"))
    assert len(shards.files) == 12 and not loose.files
    for image_id in shards.images:
        assert np.array_equal(shards.photo(image_id), loose.photo(image_id))


def test_threads_and_pickles_read_alike(folder: Path) -> None:
    data = ReferData.open(folder)
    ids = list(data.images) * 4
    spawned = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))  # gets the reader as a pickle
    with ThreadPoolExecutor(4) as threads, spawned as processes:
        for pool in (threads, processes):
            photos = list(pool.map(data.photo, ids))
            assert all(np.array_equal(photo, data.photo(i)) for i, photo in zip(ids, photos, strict=True))


def test_mask_encodings_agree() -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 10:22] = 1
    rle = coco_mask.encode(np.asfortranarray(mask))
    runs = np.flatnonzero(np.diff(np.concatenate([[0], mask.T.ravel(), [0]])))
    counts = np.diff(np.concatenate([[0], runs, [mask.size]])).tolist()
    polygon = [[10, 5, 22, 5, 22, 15, 10, 15]]
    for segmentation in (rle, {"size": [20, 30], "counts": rle["counts"].decode()}, polygon):
        assert np.array_equal(decode_mask(segmentation, 20, 30), mask)
    assert np.array_equal(decode_mask({"size": [20, 30], "counts": counts}, 20, 30), mask)
    two = decode_mask([*polygon, [0, 0, 4, 0, 4, 4, 0, 4]], 20, 30)
    assert two.sum() == mask.sum() + 16


def test_unknown_split_lists_the_known_ones(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"'testA'.*\['dev', 'study', 'train'\]"):
        ReferData.open(folder).refs_of("testA")


def test_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"instances\.json is missing"):
        ReferData.open(tmp_path)


def test_optional_tables_may_be_missing(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "data")
    for name in ("absent.json", "captions.json"):
        (tmp_path / "data" / name).unlink()
    data = ReferData.open(tmp_path / "data")
    assert data.absent == [] and data.captions == {}


def test_foreign_ids_are_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "a")
    edit(tmp_path / "a", "refs.json", lambda refs: refs[0].update(ann_id=7777))
    with pytest.raises(ValueError, match=r"ref 1 names annotation 7777"):
        ReferData.open(tmp_path / "a")
    shutil.copytree(folder, tmp_path / "b")
    edit(tmp_path / "b", "instances.json", lambda t: t["annotations"][0].update(category_id=99))
    with pytest.raises(ValueError, match=r"annotation 100 .* category"):
        ReferData.open(tmp_path / "b")


def test_bad_photos_are_named(tmp_path: Path) -> None:
    folder = make_photoref(tmp_path, layout="folder")
    edit(folder, "instances.json", lambda t: t["images"][0].update(width=97))
    photo = folder / "photos" / "photo_001.webp"
    photo.write_bytes(photo.read_bytes()[:40])
    (folder / "photos" / "photo_002.webp").unlink()
    data = ReferData.open(folder)
    for image_id, message in (
        (10, r"96 x 72 .* 97 x 72"),
        (11, "photo_001.* damaged or cut off"),
        (12, "photo_002.* neither"),
    ):
        with pytest.raises(ValueError, match=message):
            data.photo(image_id)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("instances.json", lambda t: [], "must hold images, annotations and categories"),
        ("instances.json", lambda t: t | {"images": None}, "images must be a list, not NoneType"),
        ("instances.json", lambda t: t["images"][1].pop("width") and None, "images, record 1: .*'width' is missing"),
        ("instances.json", lambda t: t["images"][1].update(width=10**6, height=10**6), "record 1: .*1000000 x 1000000"),
        ("instances.json", lambda t: t["images"][1].update(height=0), "record 1: .*96 x 0"),
        ("instances.json", lambda t: t["images"][0].update(file_name="../secret.png"), "leads out of the folder"),
        ("instances.json", lambda t: t["images"][0].update(file_name="a/../../b.png"), "leads out of the folder"),
        ("instances.json", lambda t: t["images"][0].update(file_name="/etc/secret.png"), "leads out of the folder"),
        ("instances.json", lambda t: t["images"][0].update(file_name="..\\b.png"), "leads out of the folder"),
        ("instances.json", lambda t: t["images"][0].update(file_name=None), "text expected"),
        ("instances.json", lambda t: t["annotations"][2].update(bbox=[0, math.nan, 1, 1]), "record 2: .*bbox"),
        ("instances.json", lambda t: t["annotations"][2].update(bbox=[0, math.inf, 1, 1]), "record 2: .*bbox"),
        ("instances.json", lambda t: t["annotations"][2].update(bbox=[0, 0, 1]), "annotations, record 2: "),
        ("instances.json", lambda t: t["annotations"][2].update(id="x"), "annotations, record 2: "),
        ("instances.json", lambda t: t["images"][1].update(id=10), "images: 1 ids are there twice:\n  10"),
        ("instances.json", lambda t: t["categories"][1].update(id=1), "categories: 1 ids are there twice:\n  1"),
        ("instances.json", lambda t: t["annotations"][1].update(id=100), "annotations: 1 ids are there twice:\n  100"),
        ("refs.json", lambda r: {}, "refs.json must be a list, not dict"),
        ("refs.json", lambda r: r[3].pop("sentences") and None, "record 3: .*'sentences' is missing"),
        ("refs.json", lambda r: r[3]["sentences"][0].update(sent=5), "record 3: .*text expected, not int"),
        ("refs.json", lambda r: r[3].pop("category_id") and None, "ref 4 names category 0"),
        ("absent.json", lambda a: a[0].pop("sent") and None, "absent.json, record 0: .*'sent' is missing"),
        ("captions.json", lambda c: c[0].update(image_id=None), "captions.json, record 0"),
        ("dataset.json", lambda d: [1], "dataset.json: not as it should be"),
    ],
)
def test_damaged_tables_are_named(name: str, change: Callable, words: str, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "data")
    path = tmp_path / "data" / name
    table = json.loads(path.read_text()) if path.is_file() else {}
    changed = change(table)
    path.write_text(json.dumps(table if changed is None else changed))
    with pytest.raises(ValueError, match=words):
        ReferData.open(tmp_path / "data")


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe{}", b"[" * 100_000])
@pytest.mark.parametrize("name", ["instances.json", "absent.json"])
def test_what_is_no_json_is_named(name: str, content: bytes, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "data")
    (tmp_path / "data" / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} is not JSON; is the download complete"):
        ReferData.open(tmp_path / "data")


def test_photos_that_are_empty_or_bombs_are_damaged(tmp_path: Path) -> None:
    folder = make_photoref(tmp_path, layout="folder")
    photos = [folder / "photos" / f"photo_{i:03d}.webp" for i in range(4)]
    photos[0].write_bytes(b"")
    for path, side in ((photos[1], 20_000), (photos[3], 9_000)):
        Image.new("1", (side, side)).save(path, "png")
        assert path.stat().st_size < 100_000
    photos[2].unlink()
    photos[2].mkdir()
    data = ReferData.open(folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for image_id, words in {
        10: "000.* is empty",
        11: "001.* 50 megapixels",
        12: "002.*Is a dir",
        13: "9000 x 9000",
    }.items():
        with pytest.raises(Damaged, match=words):
            data.photo(image_id)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KB; they unpack to 1.4 GB


def test_a_shard_that_has_become_shorter(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "data")
    data = ReferData.open(tmp_path / "data")
    place = data.files["photo_002.webp"]
    with (tmp_path / "data" / "photos-00.tar").open("r+b") as shard:
        shard.truncate(place.offset + place.size - 1)
    with pytest.raises(Damaged, match="photo_002.webp is cut off: .*photos-00.tar has become shorter"):
        data.photo(12)


def test_a_mask_that_is_damaged_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "data")
    segmentation = {"size": [100_000, 100_000], "counts": "1"}
    edit(tmp_path / "data", "instances.json", lambda t: t["annotations"][0].update(segmentation=segmentation))
    with pytest.raises(Damaged, match=r"annotation 100 of photo photo_000.webp has no readable mask: .*100000"):
        ReferData.open(tmp_path / "data").mask(100)
