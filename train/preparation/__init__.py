"""Data sets in our one layout: `prepare`, by `prepare_official` for the public ones, `prepare_own` for anyone's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from train.preparation import public_sets
from train.preparation.official import prepare_official
from train.preparation.own import READERS, prepare_own

__all__ = ["prepare", "prepare_official", "prepare_own"]


def prepare(
    dataset: str,
    labels: str | Path | Sequence[str | Path],
    images: str | Path | None = None,
    out: str | Path = "data",
    **options: Any,
) -> Path:
    """Brings a public data set, or your own photos and masks, into the layout that training and evaluation read.

    Args:
        dataset: How your own labels are written ("coco", "yolo", "labelme"), or a public data set, such as "unc" or
            "joint".
        labels: COCO-format files, the folder of YOLO's or labelme's files, or REFER's data folder.
        images: Folder of the photos, which stay where they are; None: that of the labels.
        out: Data folder to write, made if it is not there.
        **options: As `prepare_own` or `prepare_official` takes them, such as `val=0.1` or `skip_missing=True`.

    Returns:
        The data folder. Of your own labels it has `report.json`, and `skipped.csv` with what is not used and why.

    Raises:
        ValueError: Unknown data set, or as `prepare_own` and `prepare_official`.
    """
    many = [labels] if isinstance(labels, str | Path) else list(labels)
    paths, folder = [Path(path) for path in many], Path(out)
    beside = paths[0] if paths[0].is_dir() else paths[0].parent
    photos = Path(images) if images is not None else beside
    if dataset in READERS:
        prepare_own(dataset, paths, photos, folder, **options)
    elif dataset in (*public_sets.DATASETS, "joint"):
        prepare_official(dataset, paths[0], photos, folder, **options)
    else:
        known = ", ".join([*READERS, *public_sets.DATASETS, "joint"])
        raise ValueError(f"There is no data set {dataset!r}; choose one of {known}.")
    return folder
