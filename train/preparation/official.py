"""Official data sets (UNC, UNC+, G-Ref, ReferIt, gRefCOCO) in our one layout."""

import json
import sys
from pathlib import Path

from train.data.reader import listed
from train.preparation import public_sets
from train.preparation.photos import find_photos, layouts
from train.preparation.refer import Tables, held_out, join, keep, read_official
from train.preparation.upright import LabelsOn, turn_upright, warning


def prepare_official(
    dataset: str,
    refer: Path,
    images: Path,
    out: Path | None = None,
    *,
    split_by: str | None = None,
    check: bool = False,
    skip_missing: bool = False,
    as_published: bool = False,
    labels_on: LabelsOn = "stored",
) -> None:
    """Reads official files, counts, checks, finds the photos, and writes a data folder.

    Args:
        dataset: One of `public_sets.DATASETS`, or "joint": the train splits of `public_sets.JOINT`.
        refer: REFER's data folder.
        images: The photos are anywhere below; they stay there.
        out: Data folder to write; None writes nothing.
        split_by: Another split file of the data set.
        check: Compare the counts with those of the public files.
        skip_missing: Leave out photos that are not there.
        as_published: Of "joint", keep training photos that are in a val or test split of another data set.
        labels_on: What labels of turned photos were drawn on where sizes can't tell. Browsers showed photos as stored
            until 2020, when these data sets had long been labelled.

    Raises:
        ValueError: Files are missing or not as they should be, counts differ (with `check`), photos are missing
            (without `skip_missing`), or `out` holds other data.
    """
    if out is None and not check:
        raise ValueError("nothing to do: give --out DIR, --check, or both")
    names = public_sets.JOINT if dataset == "joint" else (dataset,)
    parts, problems = [], []
    for name in names:
        source = public_sets.DATASETS[name]
        source = public_sets.Source(source.folder, split_by or source.split_by)
        print(f"reading {source} ...", file=sys.stderr)
        parts.append(read_official(refer, source))
        if check:
            problems += _compared(str(source), parts[-1])
    tables = _joined(parts, as_published) if dataset == "joint" else parts[0]
    places = find_photos(images, [i["file_name"] for i in tables.images])
    if missing := [i["file_name"] for i in tables.images if i["file_name"] not in places]:
        print(f"missing below {images}: {listed(missing, 'photos')}", file=sys.stderr)
        if not skip_missing:
            problems.append(f"{len(missing)} photos are not below {images} (--skip-missing leaves them out)")
    if problems:
        raise ValueError("; ".join(problems))
    if out is not None:
        write(out, tables, dataset, images, places, labels_on)


def _compared(source: str, tables: Tables) -> list[str]:
    """Prints the counts of a data set beside the public file's; returns what is to be complained of."""
    counts = public_sets.by_split(tables.refs)
    print(public_sets.table(source, counts, public_sets.count(tables.refs)) + "\n")
    wrong = public_sets.differences(source, counts)
    return [f"{source} is not as the public file: {', '.join(wrong)}"] if wrong else []


def _joined(parts: list[Tables], leaky: bool) -> Tables:
    tables = join(parts, leaky)
    out = held_out(parts)
    leaked = public_sets.count(r for part in parts for r in part.refs if r["split"] == "train" and r["image_id"] in out)
    done = "kept, as published: don't measure a model on the photos it was trained on" if leaky else "left out"
    print(
        f"{leaked.photos:,} training photos with {leaked.expressions:,} expressions are in a val or test split of "
        f"another of the three: {done}"
    )
    return tables


def write(
    out: Path, tables: Tables, name: str, root: Path, places: dict[str, str], labels_on: LabelsOn = "stored"
) -> None:
    """Writes `instances.json`, `refs.json` and `dataset.json`, which says where the photos are.

    Args:
        out: The data folder; made if it isn't there. What an earlier `prepare` wrote there is replaced.
        tables: What to write; photos that are not in `places` are left out, with all that is said of them.
        name: Of the data set.
        root: Folder of the photos.
        places: File name -> path below `root`.
        labels_on: What labels were drawn on where sizes can't tell; browsers showed photos as stored until 2020, when
            these data sets had long been labelled.

    Raises:
        ValueError: The folder holds data that is not from here.
    """
    if (out / "refs.json").exists() and not (out / "dataset.json").exists():
        raise ValueError(f"{out} holds other data; give --out a folder of its own")
    tables = keep(tables, {i["id"] for i in tables.images if i["file_name"] in places})
    splits: dict[int, set[str]] = {}
    for r in tables.refs:
        splits.setdefault(r["image_id"], set()).add(r["split"])
    alone = {image_id: min(names) for image_id, names in splits.items() if len(names) == 1}
    images = [i | {"file_name": places[i["file_name"]], "split": alone.get(i["id"], "")} for i in tables.images]
    lie, _ = layouts(root, {i["id"]: i["file_name"] for i in images})  # photos that can't be read: training names them
    upright = turn_upright(images, tables.annotations, lie, labels_on)
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
    for split, there in public_sets.by_split(tables.refs).items():
        print(f"{split}: {there.expressions:,} expressions, {there.refs:,} objects, {there.photos:,} photos")
    print(f"written to {out}; its photos stay in {root}")
