"""A tiny data folder in the REFER/COCO layout, drawn rather than photographed, for tests that need data."""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco_mask

CATEGORIES = {1: "person", 3: "car", 18: "dog", 44: "bottle"}
COLOURS = {"red": (220, 30, 30), "green": (30, 160, 40), "blue": (30, 50, 210), "yellow": (235, 215, 30)}
WIDTH, HEIGHT = 96, 72


HELD_OUT = {4: "study", 5: "dev"}  # of six photos in turn; the others are `train`


def make_photoref(
    folder: Path, photos: int = 12, seed: int = 0, layout: str = "tar", held_out: Mapping[int, str] = HELD_OUT
) -> Path:
    """Writes a data folder and returns it.

    Two thirds of the photos are `train`, then `study` and `dev` in turn. Photo 0, 3, 6, ... has one large object
    (and captions), the others have two to four small ones that don't touch. Rectangles are stored as polygons,
    ellipses as RLE; object colours are exact, the background is grey noise.

    Args:
        folder: Where to write; made if it is not there.
        photos: How many.
        seed: The same seed draws the same photos.
        layout: "tar" for photos-00.tar and photos-01.tar, "folder" for photos/.
        held_out: The split of the n-th of six photos, where it is not `train`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    images: list[dict] = []
    annotations: list[dict] = []
    refs: list[dict] = []
    captions: list[dict] = []
    absent: list[dict] = []
    files: dict[str, bytes] = {}
    for i in range(photos):
        image_id, split = 10 + i, held_out.get(i % 6, "train")
        record = {
            "id": image_id,
            "file_name": f"photo_{i:03d}.webp",
            "width": WIDTH,
            "height": HEIGHT,
            "split": split,
        }
        images.append(record | ({"squashed": True} if i % 4 == 3 else {}))
        photo = rng.integers(110, 140, (HEIGHT, WIDTH, 1), dtype=np.uint8).repeat(3, axis=2)
        objects = _draw_single(photo, rng) if i % 3 == 0 else _draw_several(photo, rng)
        for category, colour, place, segmentation, box, area in objects:
            ann_id = 100 + len(annotations)
            annotations.append(
                {
                    "id": ann_id,
                    "image_id": image_id,
                    "category_id": category,
                    "iscrowd": 0,
                    "area": area,
                    "bbox": box,
                }
                | {"segmentation": segmentation, "source": "coco"}
            )
            refs.append(_ref(len(refs) + 1, ann_id, image_id, category, split, colour, place))
        if i % 3 == 0:
            name = CATEGORIES[objects[0][0]]
            captions += [{"image_id": image_id, "caption": f"A {objects[0][1]} {name} stands {how} ."} for how in "ab"]
        missing = sorted(set(CATEGORIES) - {o[0] for o in objects})
        absent += [{"image_id": image_id, "sent": f"purple {CATEGORIES[c]}", "split": split} for c in missing]
        files[record["file_name"]] = cv2.imencode(".webp", photo[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 101])[
            1
        ].tobytes()
    categories = [{"id": c, "name": name} for c, name in CATEGORIES.items()]
    instances = {"categories": categories, "images": images, "annotations": annotations}
    tables = {"instances": instances, "refs": refs, "captions": captions, "absent": absent}
    for name, table in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(table))
    _write_photos(folder, files, layout)
    return folder


def _draw_single(photo: np.ndarray, rng: np.random.Generator) -> list[tuple]:
    x, y = int(rng.integers(5, 30)), int(rng.integers(5, 20))
    return [_draw(photo, rng, (x, y, 48, 40), "in the middle")]


def _draw_several(photo: np.ndarray, rng: np.random.Generator) -> list[tuple]:
    places = {"top left": (4, 4), "top right": (60, 6), "bottom left": (6, 42), "bottom right": (58, 40)}
    chosen = rng.permutation(sorted(places))[: int(rng.integers(2, 5))]
    return [_draw(photo, rng, (*places[p], int(rng.integers(16, 30)), int(rng.integers(14, 26))), p) for p in chosen]


def _draw(photo: np.ndarray, rng: np.random.Generator, box: tuple[int, int, int, int], place: str) -> tuple:
    """Paints one object; returns (category id, colour word, place, segmentation, box xywh, area)."""
    x, y, w, h = box
    category = int(rng.choice(sorted(CATEGORIES)))
    colour = str(rng.choice(sorted(COLOURS)))
    mask = np.zeros(photo.shape[:2], np.uint8)
    segmentation: dict | list
    if rng.random() < 0.5:
        mask[y : y + h, x : x + w] = 1
        segmentation = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    else:
        cv2.ellipse(mask, (x + w // 2, y + h // 2), (w // 2 - 1, h // 2 - 1), 0, 0, 360, 1, -1)
        rle = coco_mask.encode(np.asfortranarray(mask))
        segmentation = {"size": list(rle["size"]), "counts": rle["counts"].decode()}
    photo[mask > 0] = COLOURS[colour]
    return category, colour, place, segmentation, [float(v) for v in cv2.boundingRect(mask)], int(mask.sum())


def _ref(ref_id: int, ann_id: int, image_id: int, category: int, split: str, colour: str, place: str) -> dict:
    name = CATEGORIES[category]
    texts = {
        "location": f"{name} on the {place}".replace("on the in", "in"),
        "look": f"{colour} {name}",
        "free": name,
    }
    sentences = [{"sent_id": 10 * ref_id + i, "sent": t, "kind": k} for i, (k, t) in enumerate(texts.items())]
    ids = {"ref_id": ref_id, "ann_id": ann_id, "image_id": image_id, "category_id": category}
    return ids | {"split": split, "sentences": sentences}


def _write_photos(folder: Path, files: dict[str, bytes], layout: str) -> None:
    if layout == "folder":
        (folder / "photos").mkdir(exist_ok=True)
        for name, content in files.items():
            (folder / "photos" / name).write_bytes(content)
        return
    for shard in range(2):
        with tarfile.open(folder / f"photos-{shard:02d}.tar", "w") as tar:
            for name in sorted(files)[shard::2]:
                info = tarfile.TarInfo(name)
                info.size = len(files[name])
                tar.addfile(info, io.BytesIO(files[name]))
