"""`python -m train prepare DATASET`: official data sets, or your own photos and masks, in our one layout.

    python -m train prepare unc --refer DIR --images DIR --out DIR --check
    python -m train prepare coco --instances FILE --images DIR --out DIR --preview PNG

DIR of `--refer` is the data folder of REFER (https://github.com/lichengunc/refer) with refcoco/, refcoco+/,
refcocog/, refclef/ (and grefcoco/ of https://github.com/henghuiding/gRefCOCO). Photos stay where they are.
"""

import argparse
from pathlib import Path

from train.describe.expressions import KINDS
from train.preparation import public_sets
from train.preparation.official import prepare_official
from train.preparation.own import prepare_own
from train.preparation.report import TILES, render_report
from train.preparation.upright import LABELS_ON, LabelsOn
from train.preparation.writer import WriterSpec

OWN = {
    "coco": "your own photos and masks, in COCO-format instance files of any tool",
    "yolo": "your own photos and masks, in a folder of YOLO segmentation labels",
    "labelme": "your own photos and masks, in labelme's JSON files",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments: a data set, then what it needs."""
    datasets = parser.add_subparsers(dest="dataset", metavar="DATASET", required=True)
    for name, source in public_sets.DATASETS.items():
        about = f"{source.folder}, split by {source.split_by}"
        command = datasets.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
        _add_official_arguments(command)
        command.add_argument("--split-by", metavar="WHO", help=f"another split file (default: {source.split_by})")
    joint = datasets.add_parser(
        "joint",
        help=f"the train splits of {', '.join(public_sets.JOINT)} without the photos of their val and test splits",
        description="The paper's combined training set, without photos of any val or test split of the three.",
    )
    _add_official_arguments(joint)
    joint.add_argument("--as-published", action="store_true", help="keep those photos, as papers do")
    for name, about in OWN.items():
        command = datasets.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
        _add_labels(command, name)
        _add_own_arguments(command)


def _add_official_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--refer", type=Path, required=True, metavar="DIR", help="REFER's data folder")
    where = "the photos, anywhere below: COCO's train2014, for ReferIt saiapr_tc-12; they stay there"
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help=where)
    parser.add_argument("--out", type=Path, metavar="DIR", help="data folder to write")
    parser.add_argument("--check", action="store_true", help="compare the counts with those of the public files")
    _add_labels_on(parser, "stored")
    parser.add_argument("--skip-missing", action="store_true", help="leave out photos that are not there")


def _add_labels(parser: argparse.ArgumentParser, form: str) -> None:
    images = "folder of the photos; they stay where they are"
    if form == "coco":
        which = "COCO-format instance files (JSON), or folders with such below"
        parser.add_argument("--instances", type=Path, required=True, nargs="+", metavar="FILE", help=which)
        parser.add_argument("--images", type=Path, required=True, metavar="DIR", help=images)
        return
    which = "folder of data.yaml or classes.txt and the label files" if form == "yolo" else "folder of the JSON files"
    parser.add_argument("--labels", type=Path, required=True, metavar="DIR", help=which)
    parser.add_argument("--images", type=Path, metavar="DIR", help=f"{images} (default: that of the labels)")


def _add_own_arguments(parser: argparse.ArgumentParser) -> None:
    spec = WriterSpec()
    parser.add_argument("--out", type=Path, required=True, help="folder of the data set, made if it is not there")
    _add_labels_on(parser, "upright")
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


def _add_labels_on(parser: argparse.ArgumentParser, default: LabelsOn) -> None:
    parser.add_argument(
        "--labels-on", choices=LABELS_ON, default=default,
        help="what labels of photos with an EXIF orientation were drawn on, where width and height can't tell "
        f"(default: {default})",
    )  # fmt: skip


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


def main(args: argparse.Namespace) -> None:
    """Prepares the data set that was asked for, and prints what came of it.

    Raises:
        ValueError: See `prepare_official` and `prepare_own`.
    """
    if args.dataset not in OWN:
        prepare_official(
            args.dataset, args.refer, args.images, args.out,
            split_by=getattr(args, "split_by", None), check=args.check, skip_missing=args.skip_missing,
            as_published=getattr(args, "as_published", False), labels_on=args.labels_on,
        )  # fmt: skip
        return
    spec = WriterSpec(args.expressions, args.absent, args.smallest, args.typos, tuple(args.without), args.seed)
    labels = args.instances if args.dataset == "coco" else args.labels
    summary = prepare_own(
        args.dataset, labels, args.images or args.labels, args.out, spec=spec, val=args.val, test=args.test,
        labels_on=args.labels_on, preview_file=args.preview, workers=args.workers,
    )  # fmt: skip
    print(render_report(summary))
