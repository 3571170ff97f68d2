"""`python -m train prepare DATASET`: official data sets, or your own photos and masks, in our one layout.

    python -m train prepare unc --refer DIR --images DIR --out DIR --check

DIR of `--refer` is the data folder of REFER (https://github.com/lichengunc/refer) with refcoco/, refcoco+/,
refcocog/, refclef/ (and grefcoco/ of https://github.com/henghuiding/gRefCOCO). Photos stay where they are.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from train.data import official
from train.data.refer import Tables, held_out, join, keep, read_official
from train.data.upright import LabelsOn, layouts, turn_upright, warning
from train.prepare_coco import add_coco_arguments, add_labels_on, prepare_coco

NAMED = 20  # missing photos that are named one by one


def find_photos(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Where photos are below a folder.

    A photo is looked for at its own path, then anywhere below by its own name, then by COCO's newer name
    (000000000009.jpg for COCO_train2014_000000000009.jpg).

    Args:
        root: the folder.
        names: as the annotation file has them.

    Returns:
        name -> path relative to `root`, with "/"; photos that are not there are left out.
    """
    found = {name: name for name in names if (root / name).is_file()}
    missing = [name for name in names if name not in found]
    if not missing:
        return found
    below: dict[str, str] = {}
    for folder, folders, files in os.walk(root):
        folders.sort()
        inside = Path(folder).relative_to(root)
        for file in files:
            below.setdefault(file, (inside / file).as_posix())
    for name in missing:
        own = PurePosixPath(name).name
        for candidate in (own, own.rpartition("_")[2]):
            if candidate in below:
                found[name] = below[candidate]
                break
    return found


def prepare(args: argparse.Namespace) -> None:
    """Reads official files, counts, checks, finds the photos, and writes a data folder.

    Raises:
        ValueError: files are missing or not as they should be, counts differ (with --check), photos are missing
            (without --skip-missing).
    """
    if not (args.out or args.check):
        raise ValueError("nothing to do: give --out DIR, --check, or both")
    names = official.JOINT if args.dataset == "joint" else (args.dataset,)
    parts, problems = [], []
    for name in names:
        source = official.DATASETS[name]
        source = official.Source(source.folder, getattr(args, "split_by", None) or source.split_by)
        print(f"reading {source} ...", file=sys.stderr)
        parts.append(read_official(args.refer, source))
        counts = official.by_split(parts[-1].refs)
        if args.check:
            print(official.table(str(source), counts, official.count(parts[-1].refs)) + "\n")
            if wrong := official.differences(str(source), counts):
                problems.append(f"{source} is not as the public file: {', '.join(wrong)}")
    tables = _joined(parts, args.as_published) if args.dataset == "joint" else parts[0]
    places = find_photos(args.images, [i["file_name"] for i in tables.images])
    missing = [i["file_name"] for i in tables.images if i["file_name"] not in places]
    if missing:
        _name(missing, args.images)
        if not args.skip_missing:
            problems.append(f"{len(missing)} photos are not below {args.images} (--skip-missing leaves them out)")
    if problems:
        raise ValueError("; ".join(problems))
    if args.out:
        write(args.out, tables, args.dataset, args.images, places, args.labels_on)


def _joined(parts: list[Tables], leaky: bool) -> Tables:
    tables = join(parts, leaky)
    out = held_out(parts)
    leaked = official.count(r for part in parts for r in part.refs if r["split"] == "train" and r["image_id"] in out)
    done = "kept, as published: don't measure a model on the photos it was trained on" if leaky else "left out"
    print(
        f"{leaked.photos:,} training photos with {leaked.expressions:,} expressions are in a val or test split of "
        f"another of the three: {done}"
    )
    return tables


def _name(missing: list[str], root: Path) -> None:
    print(f"{len(missing)} photos are missing below {root}:", file=sys.stderr)
    for name in missing[:NAMED]:
        print(f"  {name}", file=sys.stderr)
    if len(missing) > NAMED:
        print(f"  and {len(missing) - NAMED} more", file=sys.stderr)


def write(
    out: Path, tables: Tables, name: str, root: Path, places: dict[str, str], labels_on: LabelsOn = "stored"
) -> None:
    """Writes `instances.json`, `refs.json` and `dataset.json`, which says where the photos are.

    Args:
        out: the data folder; made if it isn't there. What an earlier `prepare` wrote there is replaced.
        tables: what to write; photos that are not in `places` are left out, with all that is said of them.
        name: of the data set.
        root: folder of the photos.
        places: file name -> path below `root`.
        labels_on: what labels were drawn on where sizes can't tell; browsers showed photos as stored until 2020, when
            these data sets had long been labelled.

    Raises:
        ValueError: the folder holds data that is not from here.
    """
    if (out / "refs.json").exists() and not (out / "dataset.json").exists():
        raise ValueError(f"{out} holds other data; give --out a folder of its own")
    tables = keep(tables, {i["id"] for i in tables.images if i["file_name"] in places})
    splits: dict[int, set[str]] = {}
    for r in tables.refs:
        splits.setdefault(r["image_id"], set()).add(r["split"])
    alone = {image_id: min(names) for image_id, names in splits.items() if len(names) == 1}
    images = [i | {"file_name": places[i["file_name"]], "split": alone.get(i["id"], "")} for i in tables.images]
    upright = turn_upright(images, tables.annotations, layouts(root, images), labels_on)
    if upright.doubtful:
        print(warning(upright.doubtful, labels_on), file=sys.stderr)
    files = {
        "dataset.json": {"name": name, "photos": str(root.resolve())},
        "instances.json": {
            "categories": tables.categories,
            "images": upright.images,
            "annotations": upright.annotations,
        },
        "refs.json": tables.refs,
    }
    out.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        part = out / f"{file}.part"
        part.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")
        part.replace(out / file)
    for split, there in official.by_split(tables.refs).items():
        print(f"{split}: {there.expressions:,} expressions, {there.refs:,} objects, {there.photos:,} photos")
    print(f"written to {out}; its photos stay in {root}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments: a data set, then what it needs."""
    datasets = parser.add_subparsers(dest="dataset", metavar="DATASET", required=True)
    for name, source in official.DATASETS.items():
        about = f"{source.folder}, split by {source.split_by}"
        command = datasets.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
        _add_official_arguments(command)
        command.add_argument("--split-by", metavar="WHO", help=f"another split file (default: {source.split_by})")
    joint = datasets.add_parser(
        "joint",
        help=f"the train splits of {', '.join(official.JOINT)} without the photos of their val and test splits",
        description="The paper's combined training set, without photos of any val or test split of the three.",
    )
    _add_official_arguments(joint)
    joint.add_argument("--as-published", action="store_true", help="keep those photos, as papers do")
    own = datasets.add_parser("coco", help="your own photos and masks, any COCO instance file")
    add_coco_arguments(own)


def _add_official_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--refer", type=Path, required=True, metavar="DIR", help="REFER's data folder")
    where = "the photos, anywhere below: COCO's train2014, for ReferIt saiapr_tc-12; they stay there"
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help=where)
    parser.add_argument("--out", type=Path, metavar="DIR", help="data folder to write")
    parser.add_argument("--check", action="store_true", help="compare the counts with those of the public files")
    add_labels_on(parser, "stored")
    parser.add_argument("--skip-missing", action="store_true", help="leave out photos that are not there")


def main(args: argparse.Namespace) -> None:
    """Prepare the data set that was asked for.

    Raises:
        ValueError: see `prepare` and `train.prepare_coco`.
    """
    prepare_coco(args) if args.dataset == "coco" else prepare(args)
