"""People's own photos and masks as a referring data set: expressions are generated from the masks.

`train/describe/expressions.py` says how.
"""

import csv
import hashlib
import io
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from torch.utils.data import DataLoader
from tqdm import tqdm

from cefnet.files import write_whole
from cefnet.render import png
from train.data.reader import ReferData
from train.describe.vocabulary import SYNONYMS
from train.preparation.coco import read_coco
from train.preparation.labelme import read_labelme
from train.preparation.labels import Labels, Skipped
from train.preparation.photos import found, layouts
from train.preparation.report import preview, report
from train.preparation.tables import Own, own_tables
from train.preparation.upright import LabelsOn, warning
from train.preparation.writer import Writer, WriterSpec, Written, sentence_kind
from train.preparation.yolo import read_yolo

Format = Literal["coco", "yolo", "labelme"]
Tables = dict[str, Any]  # file name without .json -> content
SKIPPED = "skipped.csv"
READERS: dict[Format, Callable[[Sequence[Path]], Labels]] = {
    "coco": read_coco,
    "yolo": lambda paths: read_yolo(paths[0]),
    "labelme": lambda paths: read_labelme(paths[0]),
}


def prepare_own(
    form: Format,
    labels: Path | Sequence[Path],
    images: Path,
    out: Path,
    *,
    spec: WriterSpec = WriterSpec(),  # noqa: B008
    val: float = 0.05,
    test: float = 0.05,
    labels_on: LabelsOn = "upright",
    preview_file: Path | None = None,
    workers: int = 0,
) -> dict[str, Any]:
    """Writes a data folder from labels of one's own, with `report.json` and `skipped.csv`: what is not used, and why.

    Args:
        form: How the labels are written.
        labels: COCO-format files or folders with such below; or the folder of YOLO's or labelme's files.
        images: Folder of the photos; they stay where they are.
        out: Data folder, made if it is not there. It is only written when all went well.
        spec: How much to write about each photo.
        val: Share of the photos in the split val, 0..1.
        test: Share of the photos in the split test, 0..1.
        labels_on: What labels of turned photos were drawn on where sizes can't tell.
        preview_file: PNG file to write with a contact sheet of samples.
        workers: Processes besides this one.

    Returns:
        What `report.report` counts.

    Raises:
        ValueError: The labels contradict themselves, photos can't be told apart, no photo or mask can be used, nothing
            can be said of any object, or `out` holds data that is not from here.
    """
    if (out / "refs.json").exists() and not (out / "dataset.json").exists():
        raise ValueError(f"{out} holds other data; give --out a folder of its own")
    if val + test > 1:
        raise ValueError(f"--val {val} and --test {test} are more than all photos; their sum may be 1")
    paths = [labels] if isinstance(labels, Path) else list(labels)
    own = _read(form, paths, images, labels_on)
    about = {"dataset": {"photos": str(images.resolve()), "labels": [str(path.resolve()) for path in paths]}}
    with tempfile.TemporaryDirectory() as folder:
        _save(Path(folder), {"instances": own.tables, "refs": []} | about)
        data = ReferData.open(folder)
        writer = Writer(data, _synonyms(own.labels), own.labels.verified, spec)
        loader = DataLoader(writer, batch_size=None, num_workers=workers)
        written = list(tqdm(loader, unit="photo", desc="expressions", mininterval=1.0))
        tables = dataset(own.tables, written, val, test, spec.seed)
        skipped = [*own.labels.skipped, *unused(own.labels, written)]
        summary = report(written, tables, skipped)
        _save(out, tables | about | {"report": summary})
        write_whole(out / SKIPPED, _csv(skipped))
        if preview_file:
            preview_file.parent.mkdir(parents=True, exist_ok=True)
            preview_file.write_bytes(png(preview(data, tables, spec.seed)))
    return summary


def _read(form: Format, paths: Sequence[Path], images: Path, labels_on: LabelsOn) -> Own:
    """The labels with their photos found, checked and upright; warns of those that may lie otherwise."""
    labels = found(READERS[form](paths), images, without_suffix=form == "yolo")
    lie, damaged = layouts(images, {number: photo.name for number, photo in labels.photos.items()})
    own = own_tables(labels, lie, damaged, labels_on)
    if own.doubtful:
        print(warning(own.doubtful, labels_on), file=sys.stderr)
    return own


def _synonyms(labels: Labels) -> dict[str, tuple[str, ...]]:
    """Other words for the categories: the labels' own, else those we know."""
    own = {name: tuple(w for w in labels.synonyms.get(name, ()) if w != name) for name in labels.categories.values()}
    return {name: words or SYNONYMS.get(name, ()) for name, words in own.items()}


def dataset(
    instances: Mapping[str, list[dict]], written: Sequence[Written], val: float, test: float, seed: int
) -> Tables:
    """The tables of the data folder: photos that can be used, with splits, and what was written about them.

    Args:
        instances: `categories`, `images` and `annotations`.
        written: About each photo.
        val: Share of the photos, 0..1.
        test: Share of the photos, 0..1.
        seed: Of the splits.

    Raises:
        ValueError: No photo can be used, or nothing can be said of any object.
    """
    usable = {w.image_id for w in written if not w.damaged}
    if not usable:
        raise ValueError(f"none of the {len(written)} photos can be used; the first: {written[0].damaged}")
    kept = [i for i in instances["images"] if i["id"] in usable]
    split_of = splits(kept, val, test, seed)
    images = [i | {"split": split_of[i["id"]]} for i in kept]
    annotations = {a["id"]: a for a in instances["annotations"] if a["image_id"] in usable}
    refs: list[dict] = []
    for w in written:
        for ann_id, sentences in w.sentences.items():
            ids = {"ref_id": len(refs) + 1, "ann_id": ann_id, "image_id": w.image_id}
            about = {"category_id": annotations[ann_id]["category_id"], "split": split_of[w.image_id]}
            refs.append(ids | about | {"sentences": [_sentence(kind, text) for kind, text in sentences]})
    for sent_id, sentence in enumerate((s for r in refs for s in r["sentences"]), start=1):
        sentence["sent_id"] = sent_id
    if not refs:
        raise ValueError("nothing can be said of any object: all are small, crowds or too much alike; see --smallest")
    absent = [{"image_id": w.image_id, "sent": s, "split": split_of[w.image_id]} for w in written for s in w.absent]
    table = dict(instances) | {"images": images, "annotations": list(annotations.values())}
    return {"instances": table, "refs": refs, "absent": absent}


def _sentence(kind: str, text: str) -> dict:
    return {"sent_id": 0, "sent": text, "kind": sentence_kind(text, kind), "way": kind}


def splits(images: Sequence[Mapping[str, Any]], val: float, test: float, seed: int) -> dict[int, str]:
    """Splits photos by a hash of their names, so that another run, or another file on the same photos, agrees.

    Photos whose record names a split stay there, if all do.

    Args:
        images: Records with `id`, `file_name` and perhaps `split`.
        val: Share of all photos, 0..1; a share above 0 gets at least one photo where there are three.
        test: As `val`.
        seed: Another seed, another split.

    Returns:
        Image id -> train, val or test (or what the records say).
    """
    if all(i.get("split") for i in images):
        return {i["id"]: i["split"] for i in images}
    order = sorted(images, key=lambda i: hashlib.sha256(f"{seed}/{i['file_name']}".encode()).digest())
    least = 1 if len(order) >= 3 else 0
    counts = [max(least, round(share * len(order))) if share else 0 for share in (val, test)]
    names = ["val"] * counts[0] + ["test"] * counts[1]
    return {i["id"]: names[n] if n < len(names) else "train" for n, i in enumerate(order)}


def unused(labels: Labels, written: Sequence[Written]) -> list[Skipped]:
    """Photos that could not be decoded or have no object, and objects that no expression means."""
    shapes = {shape.number: shape for shape in labels.shapes}
    empty = labels.photos.keys() - {shape.photo for shape in labels.shapes}
    rows = [Skipped(p.file, p.name, "", "no object on it") for n, p in labels.photos.items() if n in empty]
    for w in written:
        photo = labels.photos[w.image_id]
        if w.damaged:
            rows.append(Skipped(photo.file, photo.name, "", "photo can't be read", w.damaged))
        for ann_id, reason in w.left_out.items():
            rows.append(Skipped(photo.file, photo.name, shapes[ann_id].name, reason))
    return rows


def _csv(rows: Sequence[Skipped]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("file", "photo", "annotation", "reason", "detail"))
    table.writerows((r.file, r.photo, r.annotation, r.reason, r.detail) for r in rows)
    return text.getvalue()


def _save(folder: Path, tables: Tables) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        write_whole(folder / f"{name}.json", json.dumps(table, separators=(",", ":")) + "\n")
