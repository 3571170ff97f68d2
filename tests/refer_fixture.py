"""Tiny data sets in the exact layouts of the official files: REFER's folders, Python 2's pickles, COCO's names.

`python tests/refer_fixture.py DIR` writes them, to be tried by hand:
`python -m train prepare unc --refer DIR --images DIR/images --out OUT`.
"""

import io
import json
import pickle
import shutil
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

if TYPE_CHECKING:
    from train.data.reader import ReferData

WIDTH, HEIGHT = 80, 60
COLOURS = {"red": (220, 30, 30), "green": (30, 160, 40), "blue": (30, 50, 210)}
PLACES = {"left": (4, 16), "middle": (30, 18), "right": (56, 14)}
CATEGORIES = [
    {"supercategory": "person", "id": 1, "name": "person"},
    {"supercategory": "animal", "id": 18, "name": "dog"},
]


class Python2Pickler(pickle._Pickler):
    """Writes what Python 2's pickle writes for its `str` (bytes) and `unicode`: here `str` and `Unicode`."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_python2_str(self, text: str) -> None:
        content = text.encode("utf-8")
        if self.proto == 0:
            self.write(pickle.STRING + repr(content)[1:].encode("ascii") + b"\n")
        elif len(content) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(content)]) + content)
        else:
            self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        self.memoize(text)

    def save_python2_unicode(self, text: "Unicode") -> None:
        if self.proto == 0:
            line = text.replace("\\", "\\u005c").replace("\n", "\\u000a")
            self.write(pickle.UNICODE + line.encode("raw-unicode-escape") + b"\n")
        else:
            content = text.encode("utf-8")
            self.write(pickle.BINUNICODE + struct.pack("<I", len(content)) + content)
        self.memoize(text)

    dispatch[str] = save_python2_str


class Unicode(str):
    """Python 2's `unicode`."""


Python2Pickler.dispatch[Unicode] = Python2Pickler.save_python2_unicode


def python2_pickle(value: Any, protocol: int) -> bytes:
    """The bytes that Python 2's `pickle.dump(value, file, protocol)` writes, protocol 0 or 2."""
    file = io.BytesIO()
    Python2Pickler(file, protocol).dump(value)
    return file.getvalue()


def make_refer(root: Path, protocol: int = 0) -> Path:
    """Writes REFER's data folder with all five data sets and their photos below `images/`.

    Photos 1..10 are COCO's. Their splits: refcoco(unc) 1-3 train, 4 val, 5 testA, 6 testB; refcoco+(unc) 2-4 train,
    1 val, 5 testA, 6 testB; refcocog(google) 3, 6, 7, 9 train and 7, 8 val (photo 7 is in both); refcocog(umd) 3, 6
    train, 7 val, 8 test; grefcoco(unc) 1-3 train, 4 val. refclef has photos 25 and 26 of saiapr_tc-12.

    Args:
        root: Where to write.
        protocol: Of the pickles, 0 or 2.
    """
    coco = [_coco_photo(root, image_id) for image_id in range(1, 11)]
    unc = {i: "train" for i in (1, 2, 3)} | {4: "val", 5: "testA", 6: "testB"}
    plus = {i: "train" for i in (2, 3, 4)} | {1: "val", 5: "testA", 6: "testB"}
    umd = {3: "train", 6: "train", 7: "val", 8: "test"}
    google = [*_refs(coco, {3: "train", 6: "train", 9: "train"}), *_refs(coco, {8: "val"}, 50)]
    seventh = _refs(coco, {7: "train"}, 80)
    google += [seventh[0], seventh[1] | {"split": "val"}]
    for folder, files in {
        "refcoco": {"refs(unc).p": _refs(coco, unc), "refs(google).p": google},
        "refcoco+": {"refs(unc).p": _refs(coco, plus)},
        "refcocog": {"refs(umd).p": _refs(coco, umd), "refs(google).p": google},
    }.items():
        _write(root / folder, coco, files, protocol)
    _write(root / "grefcoco", coco, {}, protocol)
    (root / "grefcoco" / "grefs(unc).json").write_text(json.dumps(_grefs(coco)))
    _make_refclef(root, protocol)
    return root


def _write(folder: Path, photos: list[dict], files: dict[str, list], protocol: int) -> None:
    """`instances.json` as COCO's, and the pickles."""
    folder.mkdir(parents=True, exist_ok=True)
    instances = {
        "info": {"description": "tiny"},
        "licenses": [{"id": 1, "name": "Attribution License", "url": ""}],
        "images": [p["image"] for p in photos],
        "annotations": [a for p in photos for a in p["annotations"]],
        "categories": CATEGORIES,
    }
    (folder / "instances.json").write_text(json.dumps(instances))
    for name, refs in files.items():
        (folder / name).write_bytes(python2_pickle(refs, protocol))


def _coco_photo(root: Path, image_id: int) -> dict:
    """A photo with three objects, left, middle and right; the middle one is stored as RLE, as a crowd in photo 4."""
    name = f"COCO_train2014_{image_id:012d}.jpg"
    photo, things = _draw(image_id)
    path = root / "images" / "mscoco" / "images" / "train2014" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), photo[..., ::-1])
    image = {"license": 1, "file_name": name, "width": WIDTH, "height": HEIGHT, "id": image_id}
    image |= {"coco_url": f"http://mscoco.org/images/{image_id}", "date_captured": "2013-11-21 23:06:41"}
    annotations = []
    for n, (place, _, mask) in enumerate(things):
        x, y, w, h = cv2.boundingRect(mask)
        polygon = [[x, y, x + w, y, x + w, y + h, x, y + h], [x, y, x + 1, y]]  # COCO has some of two points
        rle = {
            "size": [HEIGHT, WIDTH],
            "counts": np.diff(np.flatnonzero(np.diff(np.r_[2, mask.T.ravel(), 2]))).tolist(),
        }
        ids = {"id": 100 * image_id + n, "image_id": image_id, "category_id": (1, 18)[n % 2]}
        about = {"area": float(mask.sum()), "bbox": [x, y, w, h], "iscrowd": int(image_id == 4 and place == "middle")}
        annotations.append(ids | about | {"segmentation": rle if place == "middle" else polygon})
    return {"image": image, "annotations": annotations, "things": things}


def _draw(seed: int) -> tuple[np.ndarray, list[tuple[str, str, np.ndarray]]]:
    rng = np.random.default_rng(seed)
    photo = rng.integers(110, 140, (HEIGHT, WIDTH, 1), dtype=np.uint8).repeat(3, axis=2)
    things = []
    for place, colour in zip(PLACES, rng.permutation(sorted(COLOURS)), strict=True):
        x, width = PLACES[place]
        y, height = int(rng.integers(8, 20)), int(rng.integers(15, 30))
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[y : y + height, x : x + width] = 1
        photo[mask > 0] = COLOURS[str(colour)]
        things.append((place, str(colour), mask))
    return photo, things


def _refs(photos: list[dict], splits: dict[int, str], start: int = 0) -> list[dict]:
    """Official refs of the left and the right object of some photos, two expressions each."""
    refs: list[dict] = []
    for p in photos:
        image_id = p["image"]["id"]
        for n in (0, 2) if image_id in splits else ():
            annotation, (place, colour, _) = p["annotations"][n], p["things"][n]
            name = next(c["name"] for c in CATEGORIES if c["id"] == annotation["category_id"])
            texts = (f"{colour} {name}", f"{name} on the {place}")
            ref_id, category = start + len(refs), annotation["category_id"]
            refs.append(_ref(ref_id, annotation["id"], category, p, splits[image_id], texts))
    return refs


def _ref(ref_id: int, ann_id: Any, category_id: Any, photo: dict, split: str, texts: tuple[str, ...]) -> dict:
    sent_ids = [2 * ref_id + i for i in range(len(texts))]
    sentences = [
        {"tokens": t.split(), "raw": Unicode(t.upper() + " \u00e9"), "sent_id": i, "sent": t}
        for i, t in zip(sent_ids, texts, strict=True)
    ]
    name = photo["image"]["file_name"].replace(".jpg", f"_{ref_id}.jpg")  # not the photo's name
    ids = {"sent_ids": sent_ids, "file_name": name, "ann_id": ann_id, "ref_id": ref_id}
    return ids | {"image_id": photo["image"]["id"], "split": split, "sentences": sentences, "category_id": category_id}


def _grefs(photos: list[dict]) -> list[dict]:
    """gRefCOCO: of each photo an expression of one object, of two and of none; and one without any sentence."""
    grefs = []
    for p in photos[:4]:
        split = "train" if p["image"]["id"] < 4 else "val"
        ids, kinds = [a["id"] for a in p["annotations"]], [a["category_id"] for a in p["annotations"]]
        for ann_id, category, texts in (
            ([ids[0]], [kinds[0]], ("the left one",)),
            (ids[1:], kinds[1:], ("the two on the right", "both but the left one")),
            ([-1], [-1], ("the purple elephant",)),
            ([ids[0]], [kinds[0]], ()),
        ):
            grefs.append(_ref(len(grefs), ann_id, category, p, split, texts))
    return grefs


def _make_refclef(root: Path, protocol: int) -> None:
    """ReferIt: photos in numbered folders, annotations numbered by strings, masks as lists of RLEs."""
    photos = []
    for image_id in (25, 26):
        photo, things = _draw(image_id)
        path = root / "images" / "saiapr_tc-12" / "00" / "images" / f"{image_id}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), photo[..., ::-1])
        annotations = []
        for n, (_, _, mask) in enumerate(things):
            upper = mask.copy()
            upper[30:] = 0
            rles = [coco_mask.encode(np.asfortranarray(part)) for part in (upper, mask - upper)]
            segmentation = [{"size": [HEIGHT, WIDTH], "counts": rle["counts"].decode()} for rle in rles]
            ids = {"id": f"{image_id}_{n + 1}", "image_id": image_id, "category_id": (1, 18)[n % 2]}
            about = {"area": int(mask.sum()), "bbox": list(cv2.boundingRect(mask))}
            annotations.append(ids | about | {"segmentation": segmentation, "mask_name": f"{image_id}_{n + 1}.mat"})
        image = {"file_name": f"{image_id}.jpg", "width": WIDTH, "height": HEIGHT, "id": image_id}
        photos.append({"image": image, "annotations": annotations, "things": things})
    berkeley, unc = _refs(photos, {25: "train", 26: "test"}), _refs(photos, {25: "train", 26: "testAB"})
    for ref in (*berkeley, *unc):
        del ref["file_name"]  # ReferIt's refs have none
    _write(root / "refclef", photos, {"refs(berkeley).p": berkeley, "refs(unc).p": unc}, protocol)


@pytest.fixture(scope="module")
def refer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_refer(tmp_path_factory.mktemp("refer"))


@pytest.fixture
def copy(refer: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(refer, tmp_path / "copy"))


def prepare(refer: Path, name: str, out: Path | None, *words: str) -> int:
    from train.__main__ import main  # whoever only writes the files may be anywhere

    to = () if out is None else ("--out", str(out))
    return main(["prepare", name, "--refer", str(refer), "--images", str(refer / "images"), *to, *words])


def prepared(refer: Path, name: str, out: Path, *words: str) -> "ReferData":
    from train.data.reader import ReferData

    assert prepare(refer, name, out, *words) == 0
    return ReferData.open(out)


if __name__ == "__main__":
    make_refer(Path(sys.argv[1]))
