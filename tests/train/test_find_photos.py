"""Photos of a label file, found on this disk whatever system wrote their paths."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.preparation.labels import Labels, Photo
from train.preparation.photos import find_photos, found


def touched(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


@pytest.mark.parametrize(
    ("asked", "at"),
    [
        ("a.jpg", "a.jpg"),
        ("b.jpg", "deep/er/b.jpg"),
        ("elsewhere/b.jpg", "deep/er/b.jpg"),
        ("images\\b.jpg", "deep/er/b.jpg"),
        ("..\\..\\media\\upload\\4\\b.jpg", "deep/er/b.jpg"),
        ("C:\\Users\\me\\deep\\er\\b.jpg", "deep/er/b.jpg"),
        ("/home/somebody/b.jpg", "deep/er/b.jpg"),
        ("DEEP/B.JPG", "deep/er/b.jpg"),
        ("COCO_train2014_000000000009.jpg", "train2017/000000000009.jpg"),
        (unicodedata.normalize("NFC", "caf\u00e9.jpg"), unicodedata.normalize("NFD", "caf\u00e9.jpg")),
        ("none.jpg", None),
        ("", None),
        ("nul\0.jpg", None),
    ],
)
def test_photos_are_found_by_path_then_by_name(asked: str, at: str | None, tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "caf\u00e9.jpg")  # as Apple's disks write it
    touched(tmp_path, "a.jpg", "deep/er/b.jpg", "train2017/000000000009.jpg", decomposed)
    assert find_photos(tmp_path, [asked]) == ({} if at is None else {asked: at})


def test_of_several_photos_the_one_whose_folders_agree_is_meant(tmp_path: Path) -> None:
    touched(tmp_path, "monday/p.jpg", "tuesday/p.jpg", "tuesday/old/p.jpg", "q.jpg", "old/q.jpg")
    names = ["export\\tuesday\\p.jpg", "x/monday/p.jpg", "q.jpg"]
    paths = ["tuesday/p.jpg", "monday/p.jpg", "q.jpg"]
    assert find_photos(tmp_path, names) == dict(zip(names, paths, strict=True))


def test_photos_that_cannot_be_told_apart_are_listed(tmp_path: Path) -> None:
    touched(tmp_path, "monday/p.jpg", "tuesday/p.jpg")
    with pytest.raises(ValueError, match="p.jpg may be monday/p.jpg or tuesday/p.jpg"):
        find_photos(tmp_path, ["p.jpg"])
    with pytest.raises(ValueError, match="monday/p.jpg would be monday/p.jpg and away/monday/p.jpg"):
        find_photos(tmp_path, ["monday/p.jpg", "away/monday/p.jpg"])  # one of the two is another photo


def test_photos_lie_beside_their_label_file(tmp_path: Path) -> None:
    touched(tmp_path, "train/p.jpg", "valid/p.jpg", "photos/q.jpg")
    assert find_photos(tmp_path, ["p.jpg"], tmp_path / "valid") == {"p.jpg": "valid/p.jpg"}
    assert find_photos(tmp_path, ["../photos/q.jpg"], tmp_path / "json") == {"../photos/q.jpg": "photos/q.jpg"}


def test_no_path_leads_out_of_the_folder(tmp_path: Path) -> None:
    touched(tmp_path, "secret.jpg", "photos/p.jpg")
    for name in ("../secret.jpg", str(tmp_path / "secret.jpg"), "..\\secret.jpg"):
        assert find_photos(tmp_path / "photos", [name], tmp_path) == {}
    inside = str(tmp_path / "photos" / "p.jpg")
    assert find_photos(tmp_path / "photos", [inside]) == {inside: "p.jpg"}


def test_names_may_lack_the_suffix(tmp_path: Path) -> None:
    touched(tmp_path, "images/train/a.b.jpg", "images/val/a.b.png", "labels/train/a.b.txt", "c.json", "c.webp")
    names = ["images/train/a.b", "images/val/a.b", "c", "a"]
    paths = ["images/train/a.b.jpg", "images/val/a.b.png", "c.webp"]
    assert find_photos(tmp_path, names, without_suffix=True) == dict(zip(names[:3], paths, strict=True))


@given(st.text(max_size=30))
def test_whatever_a_name_is_nothing_outside_is_found(name: str) -> None:
    root = Path(__file__).parent
    for path in find_photos(root, [name]).values():
        assert (root / path).is_file() and ".." not in path.split("/")


def test_a_photo_that_is_labelled_twice_is_refused(tmp_path: Path) -> None:
    """What one file doesn't label would be called absent, though the other does."""
    touched(tmp_path, "p.jpg")
    photos = {n: Photo(n, "p.jpg", f"{who}.json", tmp_path) for n, who in enumerate(("cars", "people"), start=1)}
    with pytest.raises(ValueError, match=r"labelled twice; .*\n  p.jpg, in cars.json and in people.json"):
        found(Labels(photos, [], {}), tmp_path)
    with pytest.raises(ValueError, match="is not a folder; --images is"):
        found(Labels(photos, [], {}), tmp_path / "nowhere")
