"""What became of people's labels: numbers for reading, and a contact sheet for looking."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from train.data.reader import ReferData
from train.evaluation.sheets import TRUTH, Tile, contact_sheet
from train.preparation.labels import Skipped, counted
from train.preparation.tables import told
from train.preparation.writer import Written

TILES, ABSENT_TILES, COLUMNS = 24, 4, 6
BINS = ((1, 2), (3, 3), (4, 5), (6, None))  # words, as the paper's for UNC


def report(written: Sequence[Written], tables: Mapping[str, Any], skipped: Sequence[Skipped]) -> dict[str, Any]:
    """What became of photos, objects and claims, and how long the expressions are.

    Args:
        written: About each photo.
        tables: Of the data folder.
        skipped: What is not used.
    """
    sentences = [s for r in tables["refs"] for s in r["sentences"]]
    said, kept = Counter[str](), Counter[str]()
    for w in written:
        said, kept = said + w.said, kept + w.kept
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
        "photos_left_out": [told(row) for row in skipped if not row.annotation],
        "left_out": counted(row for row in skipped if row.annotation),
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
    lines += [f"without expressions: {count:,} x {reason}" for reason, count in summary["left_out"].items()]
    lines += ["", f"{'kind':<14}{'true claims':>13}{'single out':>13}{'share':>13}{'expressions':>13}"]
    for kind, n in summary["claims"].items():
        share = n["kept"] / max(1, n["said"])
        lines.append(f"{kind:<14}{n['said']:>13,}{n['kept']:>13,}{share:>13.1%}{n['chosen']:>13,}")
    bins = ", ".join(f"{name}: {share:.1%}" for name, share in words["bins"].items())
    lines += ["", f"words: {words['mean']:.2f} each, {words['longest']} at most, {words['different']:,} different"]
    lines.append(f"expressions of so many words: {bins}")
    photos = summary["photos_left_out"]
    lines += [f"photos that are not used: {len(photos)}"] if photos else []
    lines += [f"  {reason}" for reason in photos[:10]] + (["  ..."] if len(photos) > 10 else [])
    return "\n".join(lines)


def preview(data: ReferData, tables: Mapping[str, Any], seed: int) -> np.ndarray:
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
