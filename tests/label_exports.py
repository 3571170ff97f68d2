"""The same drawn photos and objects as each labelling tool exports them, in the layouts that the tools document.

CVAT 2 ("COCO 1.0", its brush as RLE; "Ultralytics YOLO Segmentation 1.0"), Label Studio 1 (SDK 2's converter), Roboflow
(COCO Segmentation), labelme2coco 0.2, VIA 2 (2.0.10 and later), FiftyOne 1 (COCODetectionDataset), Ultralytics 8,
labelme 5 and 6.
"""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

WIDTH, HEIGHT, PHOTOS = 96, 72, 4
COLOURS = {"suitcase": (220, 30, 30), "chair": (30, 30, 220)}
NAMES = tuple(COLOURS)
Export = tuple[str, list[Path], Path]  # format, label files, folder of the photos


def outline(number: int, name: str) -> list[float]:
    """The polygon of a photo's suitcase (four corners) or chair (six)."""
    x = 6 + 5 * number
    corners = [(x, 10), (x + 24, 10), (x + 24, 34), (x, 34)]
    if name == "chair":
        corners = [(60, 40), (74, 36), (88, 40), (88, 60), (74, 66), (60, 60)]
    return [float(v) for corner in corners for v in corner]


def drawn(number: int, name: str) -> np.ndarray:
    """The mask of an object: H x W uint8."""
    rles = coco_mask.frPyObjects([outline(number, name)], HEIGHT, WIDTH)
    return coco_mask.decode(coco_mask.merge(rles))


def write_photos(folder: Path, numbers: range = range(PHOTOS)) -> None:
    """Grey photos with a red suitcase and a blue chair."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        photo = np.random.default_rng(number).integers(110, 140, (HEIGHT, WIDTH, 1), np.uint8).repeat(3, axis=2)
        for name in NAMES:
            photo[drawn(number, name) > 0] = COLOURS[name]
        Image.fromarray(photo).save(folder / f"p{number}.png")


def box(polygon: list[float]) -> list[float]:
    x, y = polygon[::2], polygon[1::2]
    return [min(x), min(y), max(x) - min(x), max(y) - min(y)]


def runs(mask: np.ndarray) -> list[int]:
    """Uncompressed RLE: lengths of runs down the columns, the first of nothing."""
    flat = mask.T.ravel()
    ends = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff(np.concatenate([[0], ends, [flat.size]])).tolist()
    return [0, *lengths] if flat[0] else lengths


def write(path: Path, table: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(table), encoding="utf-8")
    return path


def table(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """A plain COCO table, and its photos in `folder`/photos."""
    write_photos(folder / "photos")
    images = [{"id": n + 1, "file_name": f"p{n}.png", "width": WIDTH, "height": HEIGHT} for n in range(PHOTOS)]
    annotations = [
        {"id": 10 * n + c, "image_id": n + 1, "category_id": c, "segmentation": [outline(n, name)]}
        for n in range(PHOTOS)
        for c, name in enumerate(NAMES, start=1)
    ]
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": c + 1, "name": NAMES[c]} for c in (0, 1)],
    }


def labelme_file(folder: Path, *shapes: dict[str, Any], **more: Any) -> Path:
    """A labelme file in `folder`/json for a photo in `folder`/photos, which Windows wrote."""
    about = {"imagePath": "..\\photos\\p0.png", "imageHeight": HEIGHT, "imageWidth": WIDTH}
    return write(folder / "json" / "p0.json", {"version": "4.5.6", "shapes": list(shapes)} | about | more)


def cvat(folder: Path) -> Export:
    """COCO 1.0: the second object was drawn with the brush, which CVAT writes as RLE and calls a crowd."""
    write_photos(folder / "images" / "default")
    blank = {"license": 0, "flickr_url": "", "coco_url": "", "date_captured": 0}
    images = [{"id": n + 1, "width": WIDTH, "height": HEIGHT, "file_name": f"p{n}.png"} | blank for n in range(PHOTOS)]
    annotations: list[dict] = []
    for n in range(PHOTOS):
        for category, name in enumerate(NAMES, start=1):
            polygon, brush = outline(n, name), name == "chair"
            rle = {"counts": runs(drawn(n, name)), "size": [HEIGHT, WIDTH]}
            ids = {"id": len(annotations) + 1, "image_id": n + 1, "category_id": category}
            about = {"area": float(drawn(n, name).sum()), "bbox": box(polygon), "iscrowd": int(brush)}
            more = {"segmentation": rle if brush else [polygon], "attributes": {"occluded": False}}
            annotations.append(ids | about | more)
    categories = [{"id": c, "name": name, "supercategory": ""} for c, name in enumerate(NAMES, start=1)]
    table = {"licenses": [{"name": "", "id": 0, "url": ""}], "info": {"year": ""}, "categories": categories}
    file = folder / "annotations" / "instances_default.json"
    write(file, table | {"images": images, "annotations": annotations})
    return "coco", [file], folder / "images"


def label_studio(folder: Path) -> Export:
    r"""On Windows: ids from 0, `images\...` in the names, of which the disk knows nothing, and a rectangle's box."""
    write_photos(folder / "images")
    images = [{"width": WIDTH, "height": HEIGHT, "id": n, "file_name": f"images\\p{n}.png"} for n in range(PHOTOS)]
    annotations: list[dict] = []
    for n in range(PHOTOS):
        for category, name in enumerate(NAMES):
            ids = {"id": len(annotations), "image_id": n, "category_id": category}
            polygon = outline(n, name)
            annotations.append(ids | {"segmentation": [polygon], "bbox": box(polygon), "ignore": 0, "iscrowd": 0})
    annotations.append(
        {"id": 8, "image_id": 0, "category_id": 2, "segmentation": [], "bbox": [1, 60, 9, 9], "iscrowd": 0}
    )
    categories = [{"id": c, "name": name} for c, name in enumerate((*NAMES, "lamp"))]
    file = write(folder / "result.json", {"images": images, "categories": categories, "annotations": annotations})
    return "coco", [file], folder / "images"


def roboflow(folder: Path) -> Export:
    """A folder for each split, numbered from 0 each; category 0 is the name of the whole."""
    for split, numbers in {"train": range(2), "valid": range(2, 3), "test": range(3, 4)}.items():
        write_photos(folder / split, numbers)
        images = [
            {"id": i, "license": 1, "file_name": f"p{n}.png", "height": HEIGHT, "width": WIDTH,
             "date_captured": "2024-05-01T10:00:00+00:00", "extra": {"name": f"photo-{n}.jpg"}}
            for i, n in enumerate(numbers)
        ]  # fmt: skip
        annotations: list[dict] = []
        for i, n in enumerate(numbers):
            for category, name in enumerate(NAMES, start=1):
                polygon = outline(n, name)
                about = {
                    "bbox": box(polygon),
                    "area": float(drawn(n, name).sum()),
                    "segmentation": [polygon],
                    "iscrowd": 0,
                }
                annotations.append({"id": len(annotations), "image_id": i, "category_id": category} | about)
        categories = [{"id": 0, "name": "luggage", "supercategory": "none"}]
        categories += [{"id": c, "name": name, "supercategory": "luggage"} for c, name in enumerate(NAMES, start=1)]
        table = {"info": {"year": "2024"}, "licenses": [{"id": 1, "url": "", "name": "CC BY 4.0"}]}
        write(folder / split / "_annotations.coco.json",
              table | {"categories": categories, "images": images, "annotations": annotations})  # fmt: skip
    return "coco", [folder], folder


def labelme2coco(folder: Path) -> Export:
    """Categories from 0 in the order in which they come, paths as labelme has them."""
    write_photos(folder / "photos")
    images = [
        {"id": n + 1, "file_name": f"../photos/p{n}.png", "height": HEIGHT, "width": WIDTH} for n in range(PHOTOS)
    ]
    annotations: list[dict] = []
    for n in range(PHOTOS):
        for category, name in enumerate(NAMES):
            polygon = outline(n, name)
            about = {"bbox": [round(v) for v in box(polygon)], "segmentation": [polygon], "category_id": category}
            more = {"id": len(annotations) + 1, "iscrowd": 0, "area": int(drawn(n, name).sum())}
            annotations.append({"image_id": n + 1} | about | more)
    categories = [{"id": c, "name": name, "supercategory": name} for c, name in enumerate(NAMES)]
    file = write(
        folder / "json" / "dataset.json", {"images": images, "annotations": annotations, "categories": categories}
    )
    return "coco", [file], folder


def via(folder: Path) -> Export:
    """URLs are paths of another machine, areas are the box's, an object with two attributes is there twice."""
    write_photos(folder / "photos")
    blank = {"license": 0, "date_captured": ""}
    images = [
        {"id": n + 1, "width": WIDTH, "height": HEIGHT, "file_name": f"p{n}.png"}
        | dict.fromkeys(("flickr_url", "coco_url"), f"/home/somebody/p{n}.png") | blank
        for n in range(PHOTOS)
    ]  # fmt: skip
    annotations: list[dict] = []
    for n in range(PHOTOS):
        for category, name in enumerate(NAMES, start=1):
            polygon = outline(n, name)
            about = {"segmentation": [polygon], "area": box(polygon)[2] * box(polygon)[3], "bbox": box(polygon)}
            ids = {"iscrowd": 0, "id": 2 * n + category, "image_id": n + 1, "category_id": category}
            annotations += [about | ids] * (1 + (name == "chair"))
    categories = [{"supercategory": "thing", "id": c, "name": name} for c, name in enumerate(NAMES, start=1)]
    table = {"info": {"year": 2024, "version": "1.0"}, "images": images, "annotations": annotations}
    table["licenses"] = [{"id": 0, "name": "Unknown License", "url": ""}]
    return "coco", [write(folder / "via_project_coco.json", table | {"categories": categories})], folder / "photos"


def fiftyone(folder: Path) -> Export:
    """`data/` and `labels.json`; masks are polygons, fields that nobody filled are null."""
    write_photos(folder / "data")
    blank = {"license": None, "coco_url": None}
    images = [{"id": n + 1, "file_name": f"p{n}.png", "height": HEIGHT, "width": WIDTH} | blank for n in range(PHOTOS)]
    annotations: list[dict] = []
    for n in range(PHOTOS):
        for category, name in enumerate(NAMES):
            polygon = outline(n, name)
            ids = {"id": len(annotations) + 1, "image_id": n + 1, "category_id": category}
            about = {"bbox": box(polygon), "segmentation": [polygon], "area": 576.0, "iscrowd": 0}
            annotations.append(ids | about | {"supercategory": None})
    categories = [{"id": c, "name": name, "supercategory": None} for c, name in enumerate(NAMES)]
    table = {"info": {"description": "Exported from FiftyOne"}, "licenses": [], "categories": categories}
    write(folder / "labels.json", table | {"images": images, "annotations": annotations})
    return "coco", [folder], folder


def shares(polygon: list[float]) -> str:
    return " ".join(f"{v / (HEIGHT if i % 2 else WIDTH):.6f}" for i, v in enumerate(polygon))


def yolo(folder: Path) -> Export:
    """Ultralytics': images/SPLIT beside labels/SPLIT, and data.yaml."""
    for split, numbers in {"train": range(2), "val": range(2, 4)}.items():
        write_photos(folder / "images" / split, numbers)
        for n in numbers:
            lines = [f"{c} {shares(outline(n, name))}" for c, name in enumerate(NAMES)]
            path = folder / "labels" / split / f"p{n}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(lines) + "\n")
    names = "".join(f"  {c}: {name}\n" for c, name in enumerate(NAMES))
    (folder / "data.yaml").write_text(f"path: ../datasets/mine\ntrain: images/train\nval: images/val\nnames:\n{names}")
    return "yolo", [folder], folder


def yolo_roboflow(folder: Path) -> Export:
    """SPLIT/images beside SPLIT/labels, a list of names, and texts that are no labels."""
    write_photos(folder / "train" / "images")
    for n in range(PHOTOS):
        lines = [f"{c} {shares(outline(n, name))}" for c, name in enumerate(NAMES)]
        path = folder / "train" / "labels" / f"p{n}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines))
    (folder / "data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['suitcase', 'chair']\n"
    )
    (folder / "README.roboflow.txt").write_text("luggage - v1\n==============\n")
    return "yolo", [folder], folder


def labelme(folder: Path) -> Export:
    """A file beside each photo: a polygon, and a mask as a picture of its box."""
    write_photos(folder)
    for n in range(PHOTOS):
        polygon = np.reshape(outline(n, "suitcase"), (-1, 2)).tolist()
        x, y, w, h = cv2.boundingRect(drawn(n, "chair"))
        png = io.BytesIO()
        Image.fromarray(drawn(n, "chair")[y : y + h, x : x + w]).save(png, "PNG")
        common = {"group_id": None, "description": "", "flags": {}}
        shapes = [
            {"label": "suitcase", "points": polygon, "shape_type": "polygon", "mask": None} | common,
            {"label": "chair", "points": [[x, y], [x + w - 1, y + h - 1]], "shape_type": "mask",
             "mask": base64.b64encode(png.getvalue()).decode()} | common,
        ]  # fmt: skip
        about = {"imagePath": f"p{n}.png", "imageData": None, "imageHeight": HEIGHT, "imageWidth": WIDTH}
        write(folder / f"p{n}.json", {"version": "5.5.0", "flags": {}, "shapes": shapes} | about)
    return "labelme", [folder], folder


EXPORTS: tuple[Callable[[Path], Export], ...] = (
    cvat, label_studio, roboflow, labelme2coco, via, fiftyone, yolo, yolo_roboflow, labelme,
)  # fmt: skip
