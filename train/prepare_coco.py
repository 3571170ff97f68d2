"""`python -m train prepare coco`: any COCO-format instance file becomes a referring data set.

The expressions are generated from its masks; `train/data/expressions.py` says how.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader
from tqdm import tqdm

from cefnet.render import png
from train.data.coco import Instances, read_instances
from train.data.expressions import KINDS
from train.data.reader import ReferData
from train.data.upright import LABELS_ON, LabelsOn, layouts, turn_upright, warning
from train.data.writer import Writer, WriterSpec, Written, sentence_kind
from train.sheets import TRUTH, Tile, contact_sheet

Tables = dict[str, Any]  # file name without .json -> content
TILES, ABSENT_TILES, COLUMNS = 24, 4, 6
BINS = ((1, 2), (3, 3), (4, 5), (6, None))  # words, as the paper's for UNC


def add_coco_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of `prepare coco`."""
    spec = WriterSpec()
    parser.add_argument("--instances", type=Path, required=True, help="COCO-format instance file (JSON)")
    parser.add_argument("--images", type=Path, required=True, help="folder of its photos; they stay where they are")
    parser.add_argument("--out", type=Path, required=True, help="folder of the data set, made if it is not there")
    add_labels_on(parser, "upright")
    parser.add_argument("--preview", type=Path, help=f"PNG file for a contact sheet of {TILES} samples")
    parser.add_argument("--val", type=_share, default=0.05, help="share of the photos in val, 0..1 (default: 0.05)")
    parser.add_argument("--test", type=_share, default=0.05, help="share of the photos in test, 0..1 (default: 0.05)")
    parser.add_argument("--expressions", type=_count, default=spec.expressions, help="of an object (default: 3)")
    parser.add_argument("--absent", type=_count, default=spec.absent, help="of missing things, a photo (default: 1)")
    parser.add_argument("--smallest", type=_share, default=spec.smallest, help="share of the photo (default: 0.002)")
    parser.add_argument("--typos", type=_share, default=spec.typos, help="share of the expressions (default: 0.02)")
    parser.add_argument(
        "--without", nargs="+", default=[], choices=list(KINDS), metavar="KIND",
        help=f"kinds of expressions not to write (depths fronts where photos look straight down): {', '.join(KINDS)}",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=spec.seed, help="the same seed writes the same (default: 0)")
    parser.add_argument("--workers", type=int, default=0, help="processes besides this one (default: 0)")


def add_labels_on(parser: argparse.ArgumentParser, default: LabelsOn) -> None:
    """Declares `--labels-on`."""
    parser.add_argument(
        "--labels-on", choices=LABELS_ON, default=default,
        help="what labels of photos with an EXIF orientation were drawn on, where width and height can't tell "
        f"(default: {default})",
    )  # fmt: skip


def prepare_coco(args: argparse.Namespace) -> None:
    """Writes the data set, its report and the contact sheet, and prints the report.

    Raises:
        ValueError: the instance file can't be used, no photo can, nothing can be said of any object, or OUT holds
            data that is not from here.
    """
    if (args.out / "refs.json").exists() and not (args.out / "dataset.json").exists():
        raise ValueError(f"{args.out} holds other data; give --out a folder of its own")
    if args.val + args.test > 1:
        raise ValueError(f"--val {args.val} and --test {args.test} are more than all photos; their sum may be 1")
    instances = _upright(read_instances(args.instances), args.images, args.labels_on)
    spec = WriterSpec(
        args.expressions, args.absent, args.smallest, args.typos, without=tuple(args.without), seed=args.seed
    )
    with tempfile.TemporaryDirectory() as folder:  # OUT is only written when all went well
        _save(Path(folder), {"instances": instances.tables, "refs": []} | _about(args))
        data = ReferData.open(folder)
        writer = Writer(data, instances, spec)
        loader = DataLoader(writer, batch_size=None, num_workers=args.workers)
        written = list(tqdm(loader, unit="photo", desc="expressions", mininterval=1.0))
        tables = dataset(instances, written, args.val, args.test, args.seed)
        summary = report(instances, written, tables)
        _save(args.out, tables | _about(args) | {"report": summary})
        print(render_report(summary))
        if args.preview:
            args.preview.parent.mkdir(parents=True, exist_ok=True)
            args.preview.write_bytes(png(preview(data, tables, args.seed)))


def dataset(instances: Instances, written: Sequence[Written], val: float, test: float, seed: int) -> Tables:
    """The tables of the data folder: photos that can be used, with splits, and what was written about them.

    Raises:
        ValueError: no photo can be used, or nothing can be said of any object.
    """
    usable = {w.image_id for w in written if not w.damaged}
    if not usable:
        raise ValueError(f"none of the {len(written)} photos can be used; the first: {written[0].damaged}")
    kept = [i for i in instances.tables["images"] if i["id"] in usable]
    split_of = splits(kept, val, test, seed)
    images = [i | {"split": split_of[i["id"]]} for i in kept]
    annotations = {a["id"]: a for a in instances.tables["annotations"] if a["image_id"] in usable}
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
    table = instances.tables | {"images": images, "annotations": list(annotations.values())}
    return {"instances": table, "refs": refs, "absent": absent}


def _sentence(kind: str, text: str) -> dict:
    return {"sent_id": 0, "sent": text, "kind": sentence_kind(text, kind), "way": kind}


def splits(images: Sequence[Mapping[str, Any]], val: float, test: float, seed: int) -> dict[int, str]:
    """Splits photos by a hash of their names, so that another run, or another file on the same photos, agrees.

    Photos whose record names a split stay there, if all do.

    Args:
        images: records with `id`, `file_name` and perhaps `split`.
        val, test: shares of all photos, 0..1; a share above 0 gets at least one photo where there are three.
        seed: another seed, another split.

    Returns:
        image id -> train, val or test (or what the records say).
    """
    if all(i.get("split") for i in images):
        return {i["id"]: i["split"] for i in images}
    order = sorted(images, key=lambda i: hashlib.sha256(f"{seed}/{i['file_name']}".encode()).digest())
    least = 1 if len(order) >= 3 else 0
    counts = [max(least, round(share * len(order))) if share else 0 for share in (val, test)]
    names = ["val"] * counts[0] + ["test"] * counts[1]
    return {i["id"]: names[n] if n < len(names) else "train" for n, i in enumerate(order)}


def report(instances: Instances, written: Sequence[Written], tables: Tables) -> dict[str, Any]:
    """What became of photos, objects and claims, and how long the expressions are."""
    sentences = [s for r in tables["refs"] for s in r["sentences"]]
    said, kept, left_out = Counter[str](), Counter[str](), Counter[str](instances.left_out)
    for w in written:
        said, kept, left_out = said + w.said, kept + w.kept, left_out + w.left_out
    chosen = Counter(s["way"] for s in sentences)
    objects, words = sum(w.objects for w in written), [len(s["sent"].split()) for s in sentences]
    by_split: dict[str, Counter[str]] = defaultdict(Counter)
    for i in tables["instances"]["images"]:
        by_split[i["split"]]["photos"] += 1
    for r in tables["refs"]:
        by_split[r["split"]] += Counter(objects=1, expressions=len(r["sentences"]))
    for a in tables["absent"]:
        by_split[a["split"]]["absent"] += 1
    return {
        "splits": {name: dict(by_split[name]) for name in sorted(by_split)},
        "damaged": [w.damaged for w in written if w.damaged],
        "left_out": dict(left_out),
        "objects": {"to_describe": objects, "described": len(tables["refs"]), "share": len(tables["refs"]) / objects},
        "claims": {k: {"said": said[k], "kept": kept[k], "chosen": chosen[k]} for k in said if said[k]}
        | {"all": {"said": said.total(), "kept": kept.total(), "chosen": len(sentences)}},
        "words": {
            "mean": float(np.mean(words)),
            "median": float(np.median(words)),
            "longest": max(words),
            "bins": {_bin(low, high): sum(low <= n <= (high or n) for n in words) / len(words) for low, high in BINS},
            "different": len({w for s in sentences for w in s["sent"].lower().split()}),
        },
    }


def _bin(low: int, high: int | None) -> str:
    return f"{low}+" if high is None else str(low) if low == high else f"{low}-{high}"


def render_report(summary: Mapping[str, Any]) -> str:
    """The report in words and columns, to be printed."""
    columns = ("photos", "objects", "expressions", "absent")
    lines = [f"{'split':<14}" + "".join(f"{c:>13}" for c in columns)]
    lines += [f"{n:<14}" + "".join(f"{c.get(k, 0):>13,}" for k in columns) for n, c in summary["splits"].items()]
    objects, words = summary["objects"], summary["words"]
    lines += ["", f"objects described: {objects['described']:,} of {objects['to_describe']:,} ({objects['share']:.1%})"]
    lines += [f"left out: {count:,} x {reason}" for reason, count in summary["left_out"].items()]
    lines += ["", f"{'kind':<14}{'true claims':>13}{'single out':>13}{'share':>13}{'expressions':>13}"]
    for kind, n in summary["claims"].items():
        share = n["kept"] / max(1, n["said"])
        lines.append(f"{kind:<14}{n['said']:>13,}{n['kept']:>13,}{share:>13.1%}{n['chosen']:>13,}")
    bins = ", ".join(f"{name}: {share:.1%}" for name, share in words["bins"].items())
    lines += ["", f"words: {words['mean']:.2f} each, {words['longest']} at most, {words['different']:,} different"]
    lines.append(f"expressions of so many words: {bins}")
    damaged = summary["damaged"]
    lines += [f"photos that can't be used: {len(damaged)}"] if damaged else []
    lines += [f"  {reason}" for reason in damaged[:10]] + (["  ..."] if len(damaged) > 10 else [])
    return "\n".join(lines)


def preview(data: ReferData, tables: Tables, seed: int) -> np.ndarray:
    """A contact sheet of expressions drawn by chance, the last ones of what is absent."""
    rng = np.random.default_rng(seed)
    refs, absent = tables["refs"], tables["absent"]
    missing = [absent[i] for i in rng.permutation(len(absent))[:ABSENT_TILES]]
    tiles = []
    for i in rng.permutation(len(refs))[: TILES - len(missing)]:
        sentence = refs[i]["sentences"][int(rng.integers(len(refs[i]["sentences"])))]
        outline = (data.mask(refs[i]["ann_id"]), TRUTH)
        tiles.append(Tile(data.photo(refs[i]["image_id"]), f"{sentence['sent']}\n[{sentence['way']}]", (outline,)))
    tiles += [Tile(data.photo(a["image_id"]), f"{a['sent']}\n[absent]") for a in missing]
    return contact_sheet(tiles, COLUMNS)


def _upright(instances: Instances, root: Path, labels_on: LabelsOn) -> Instances:
    """The instances as they lie on upright photos; warns of those that may lie otherwise."""
    images = instances.tables["images"]
    upright = turn_upright(images, instances.tables["annotations"], layouts(root, images), labels_on)
    if upright.doubtful:
        print(warning(upright.doubtful, labels_on), file=sys.stderr)
    tables = instances.tables | {"images": upright.images, "annotations": upright.annotations}
    return replace(instances, tables=tables)


def _about(args: argparse.Namespace) -> Tables:
    photos, instances = str(args.images.resolve()), str(args.instances.resolve())
    return {"dataset": {"name": "coco", "photos": photos, "instances": instances}}


def _save(folder: Path, tables: Tables) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        part = folder / f"{name}.json.part"
        part.write_text(json.dumps(table, separators=(",", ":")) + "\n", encoding="utf-8")
        part.replace(folder / f"{name}.json")


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share; give a number from 0 to 1")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a count")
    return value
