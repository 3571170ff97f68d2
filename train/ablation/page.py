"""The ablation's numbers as Markdown tables and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from train.report import percent
from train.table import lines

OURS, PAPER = "#2f6f4f", "#8a93a6"


def title(row: str) -> str:
    """As the paper names it: "efn-acm-bem" -> "EFN + ACM + BEM"."""
    return " + ".join(row.upper().split("-"))


def markdown(numbers: dict[str, Any]) -> str:
    """What each row reached, the differences of neighbours, by kind and length, and what a row costs."""
    rows = numbers["rows"]
    found, apart = reached(rows), difference(numbers["differences"])
    groups = [group(rows, key, name) for key, name in (("by_kind", "kind"), ("by_length", "words"))]
    return "\n\n".join(["## Reached", found, "## One module more", apart, "## By kind and length", *groups,
                        "## Cost", cost(rows, numbers["size"])]) + "\n"  # fmt: skip


def reached(rows: list[dict[str, Any]]) -> str:
    precision = (f"P@{x}" for x in rows[0]["precision"])
    head = ["row", "paper", "overall IoU", "95%", "each seed", "mean IoU", "95%", *precision, "boundary F", "shuffled"]
    return table(head, [
        [title(r["name"]), f"{r['paper']:.2f}", percent(r["overall_iou"]), span(r["interval"]),
         ", ".join(map(percent, r["overall_iou_of_seeds"])), percent(r["mean_iou"]), span(r["mean_interval"]),
         *map(percent, r["precision"].values()), percent(r["boundary_f"]), percent(r["shuffled_overall_iou"])]
        for r in rows
    ])  # fmt: skip


def difference(pairs: list[dict[str, Any]]) -> str:
    head = ["from", "to", "paper", "overall IoU", "95%", "mean IoU", "95%", "seeds", "beyond chance"]
    return table(head, [
        [title(p["from"]), title(p["to"]), f"{p['paper']:+.2f}", signed(p["overall_iou"]["difference"]),
         span(p["overall_iou"]["interval"], "+"), signed(p["mean_iou"]["difference"]),
         span(p["mean_iou"]["interval"], "+"), str(len(p["seeds"])), verdict(p)]
        for p in pairs
    ])  # fmt: skip


def verdict(pair: dict[str, Any]) -> str:
    """Which of the two measures differ by more than the photos' choice explains."""
    sure = [name.replace("_iou", "") for name in ("overall_iou", "mean_iou")
            if not pair[name]["interval"][0] <= 0 <= pair[name]["interval"][1]]  # fmt: skip
    return " and ".join(sure) or "neither"


def group(rows: list[dict[str, Any]], key: str, name: str) -> str:
    columns = list(rows[0][key])
    head = [f"overall IoU by {name}", *columns]
    return table(head, [[title(r["name"]), *(percent(r[key][c]["overall_iou"]) for c in columns)] for r in rows])


def cost(rows: list[dict[str, Any]], size: int) -> str:
    sides = list(rows[0]["attention_mb"])
    head = ["row", "parameters", f"GFLOP at {size} px", "of a further expression", "ms of it",
            *(f"attention MB {side} x {side}" for side in sides)]  # fmt: skip
    return table(head, [
        [title(r["name"]), f"{r['parameters']:,}", f"{r['gflop']:.2f}", f"{r['gflop_expression']:.2f}",
         f"{r['ms']:.1f}", *(f"{r['attention_mb'][side]:.2f}" for side in sides)]
        for r in rows
    ])  # fmt: skip


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(lines(head, rows))


def signed(value: float) -> str:
    return f"{100 * value:+.1f}"


def span(interval: list[float], sign: str = "") -> str:
    low, high = (100 * end for end in interval)
    return f"{low:{sign}.1f} to {high:{sign}.1f}"


def draw(numbers: dict[str, Any], path: Path) -> None:
    """Overall IoU of every row with its interval and seeds, the paper's beside it."""
    from matplotlib.figure import Figure  # half a second that only pictures pay

    rows = numbers["rows"]
    places = range(len(rows))
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    ours, theirs = figure.subplots(1, 2, sharey=True)
    for axes, colour, values, of in (
        (ours, OURS, [100 * r["overall_iou"] for r in rows], f"here: {numbers['split']}, {rows[0]['n']} expressions"),
        (theirs, PAPER, [r["paper"] for r in rows], "the paper: UNC val"),
    ):
        axes.barh(places, values, color=colour, height=0.6)
        axes.set_xlabel(f"overall IoU, %\n{of}")
        axes.spines[["top", "right"]].set_visible(False)
    for place, r in zip(places, rows, strict=True):
        ours.plot([100 * end for end in r["interval"]], [place, place], color="black", linewidth=1.2)
        seeds = r["overall_iou_of_seeds"]
        ours.plot([100 * x for x in seeds], [place] * len(seeds), "o", color="white", markeredgecolor="black", ms=4)
    ours.set_yticks(list(places), [title(r["name"]) for r in rows])
    ours.invert_yaxis()
    figure.savefig(path, dpi=120)
