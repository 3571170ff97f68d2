"""The ablation's numbers as Markdown tables."""

from __future__ import annotations

from typing import Any

from train.evaluation.command import percent
from train.experiments.table import lines

DIFFERENCE = ["overall IoU", "95%", "mean IoU", "95%", "beyond the photos' choice"]


def title(row: str) -> str:
    """As the paper names it: "efn-acm-bem" -> "EFN + ACM + BEM"."""
    return " + ".join(row.upper().split("-"))


def markdown(rows: list[dict[str, Any]]) -> str:
    """What each row reached, how neighbours and seeds differ, by kind and length, and what a row costs."""
    pairs, again = ([pair for row in rows for pair in row[key]] for key in ("differences", "noise"))
    parts = {
        "Reached": [reached(rows)],
        "Precision and boundaries": [precision(rows)],
        "One module more, and all of them": [difference(pairs)],
        "The same row with another seed": [noise(again)] if again else [],
        "By kind and length": [group(rows, key, name) for key, name in (("kind", "kind"), ("length", "words"))],
        "Cost": [cost(rows)],
    }
    told = [text for name, tables in parts.items() if tables for text in (f"## {name}", *tables)]
    return "\n\n".join(told) + "\n"


def reached(rows: list[dict[str, Any]]) -> str:
    head = ["row", "paper", "overall IoU", "95%", "each seed", "mean IoU", "95%", "shuffled"]
    return table(head, [
        [title(r["name"]), f"{r['paper']:.2f}", percent(r["overall_iou"]), span(r["interval"]),
         ", ".join(map(percent, r["overall_iou_of_seeds"])), percent(r["mean_iou"]), span(r["mean_interval"]),
         percent(r["shuffled_overall_iou"])] for r in rows
    ])  # fmt: skip


def precision(rows: list[dict[str, Any]]) -> str:
    at = list(rows[0]["precision"])
    return table(["row", *(f"P@{x}" for x in at), "boundary F"], [
        [title(r["name"]), *(within(r["precision"][x], r["precision_interval"][x]) for x in at),
         within(r["boundary_f"], r["boundary_f_interval"])] for r in rows
    ])  # fmt: skip


def difference(pairs: list[dict[str, Any]]) -> str:
    head = ["from", "to", "seeds", "paper", *DIFFERENCE]
    return table(head, [
        [title(p["from"]), title(p["to"]), str(len(p["seeds"])), f"{p['paper']:+.2f}", *differs(p)] for p in pairs
    ])  # fmt: skip


def noise(pairs: list[dict[str, Any]]) -> str:
    head = ["row", "from seed", "to seed", *DIFFERENCE]
    return table(head, [[title(p["name"]), *map(str, p["seeds"]), *differs(p)] for p in pairs])


def differs(pair: dict[str, Any]) -> list[str]:
    overall, mean = pair["overall_iou"], pair["mean_iou"]
    return [signed(overall["difference"]), span(overall["interval"], "+"), signed(mean["difference"]),
            span(mean["interval"], "+"), verdict(pair)]  # fmt: skip


def verdict(pair: dict[str, Any]) -> str:
    """Which of the two measures differ by more than the photos' choice explains."""
    sure = [name.replace("_iou", "") for name in ("overall_iou", "mean_iou")
            if not pair[name]["interval"][0] <= 0 <= pair[name]["interval"][1]]  # fmt: skip
    return " and ".join(sure) or "neither"


def group(rows: list[dict[str, Any]], key: str, name: str) -> str:
    columns = list(rows[0][f"by_{key}"])
    return table([f"overall IoU by {name}", *columns], [
        [title(r["name"]), *(within(r[f"by_{key}"][c]["overall_iou"], r[f"{key}_interval"][c]) for c in columns)]
        for r in rows
    ])  # fmt: skip


def cost(rows: list[dict[str, Any]]) -> str:
    sides = list(rows[0]["attention_mb"])
    head = ["row", "parameters", f"GFLOP at {rows[0]['size']} px", "of a further expression", "ms of it",
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


def within(value: float | None, interval: list[float] | None) -> str:
    """A number with its interval, such as "24.4 (21.0 to 28.2)"."""
    return f"{percent(value)} ({span(interval)})" if interval else percent(value)


def span(interval: list[float], sign: str = "") -> str:
    low, high = (100 * end for end in interval)
    return f"{low:{sign}.1f} to {high:{sign}.1f}"
