"""The public data sets by their names, and the numbers that their files must show."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Which official files a name stands for: the folder in REFER's data and the split file `refs(split_by).p`."""

    folder: str
    split_by: str

    def __str__(self) -> str:
        return f"{self.folder}({self.split_by})"


DATASETS: dict[str, Source] = {
    "refcoco": Source("refcoco", "unc"),
    "refcoco+": Source("refcoco+", "unc"),
    "refcocog": Source("refcocog", "umd"),
    "refclef": Source("refclef", "berkeley"),
    "grefcoco": Source("grefcoco", "unc"),
    # the names in papers
    "unc": Source("refcoco", "unc"),
    "unc+": Source("refcoco+", "unc"),
    "g-ref": Source("refcocog", "google"),
    "referit": Source("refclef", "berkeley"),
}
JOINT = ("unc", "unc+", "g-ref")  # what the paper calls "coco"


@dataclass(frozen=True)
class Count:
    """How much of something: `refs` are referred objects, an object in two splits counted twice."""

    expressions: int
    refs: int
    photos: int


# Counts of the public files. g-ref's test split was never released; ReferIt's file has no published counts.
PUBLIC: dict[str, dict[str, Count]] = {
    "refcoco(unc)": {
        "train": Count(120_624, 42_404, 16_994),
        "val": Count(10_834, 3_811, 1_500),
        "testA": Count(5_657, 1_975, 750),
        "testB": Count(5_095, 1_810, 750),
    },
    "refcoco+(unc)": {
        "train": Count(120_191, 42_278, 16_992),
        "val": Count(10_758, 3_805, 1_500),
        "testA": Count(5_726, 1_975, 750),
        "testB": Count(4_889, 1_798, 750),
    },
    "refcocog(google)": {"train": Count(85_474, 44_822, 24_698), "val": Count(9_536, 5_000, 4_650)},
    "refcocog(umd)": {
        "train": Count(80_512, 42_226, 21_899),
        "val": Count(4_896, 2_573, 1_300),
        "test": Count(9_602, 5_023, 2_600),
    },
}
# What gRefCOCO's authors say of the whole file; its splits' counts are not published.
PUBLIC_EXPRESSIONS = {"grefcoco(unc)": 259_859}
# What the paper states for the whole data set (expressions, objects, photos).
PAPER: dict[str, Count] = {
    "refcoco(unc)": Count(142_209, 50_000, 19_994),
    "refcoco+(unc)": Count(141_564, 49_856, 19_992),
    "refcocog(google)": Count(104_560, 54_822, 26_711),
    "refclef(berkeley)": Count(130_525, 96_654, 19_894),
}


def count(refs: Iterable[Mapping]) -> Count:
    """Counts refs, as records of `refs.json`."""
    refs = list(refs)
    return Count(sum(len(r["sentences"]) for r in refs), len(refs), len({r["image_id"] for r in refs}))


def by_split(refs: Iterable[Mapping]) -> dict[str, Count]:
    """Counts of every split, train first."""
    splits: dict[str, list[Mapping]] = {}
    for r in refs:
        splits.setdefault(r["split"], []).append(r)
    first = {"train": 0, "val": 1}
    return {s: count(splits[s]) for s in sorted(splits, key=lambda split: (first.get(split, 2), split))}


def differences(source: str, found: Mapping[str, Count]) -> list[str]:
    """What differs from the public file, in words; empty if nothing does or no counts are known."""
    public = PUBLIC.get(source, dict(found))
    wrong = [split for split in public | dict(found) if found.get(split) != public.get(split)]
    whole = sum(c.expressions for c in found.values())
    if whole != PUBLIC_EXPRESSIONS.get(source, whole):
        wrong.append(f"{whole:,} expressions instead of {PUBLIC_EXPRESSIONS[source]:,}")
    return wrong


def table(source: str, found: Mapping[str, Count], whole: Count) -> str:
    """The counts for reading, beside those of the public file, and what the paper states for the whole."""
    public = PUBLIC.get(source, {})
    columns = "".join(f"{what:>13}" for what in ("expressions", "objects", "photos"))
    lines = [f"{source:18}{columns}   {'public file' if public else ''}".rstrip()]
    for split in dict(found) | public:
        there, expected = found.get(split, Count(0, 0, 0)), public.get(split)
        same = "" if expected is None else "the same" if there == expected else f"differs:{_cells(expected)}"
        lines.append(f"{split:18}{_cells(there)}   {same}".rstrip())
    lines.append(f"{'whole':18}{_cells(whole)}")
    if source in PAPER:
        lines.append(f"{'as in the paper':18}{_cells(PAPER[source])}")
    return "\n".join(lines)


def _cells(c: Count) -> str:
    return f"{c.expressions:>13,}{c.refs:>13,}{c.photos:>13,}"
