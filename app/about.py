"""About the models: which weights answer, how good they are; and what becomes of what people upload."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from app import strings, views
from app.service import Service
from cefnet.predictor import Predictor
from cefnet.weights import SHIPPED


def footer(service: Service) -> str:
    """HTML: name, source and short SHA-256 of every model in use, and a word on privacy."""
    models = "; ".join(one(name, predictor) for name, predictor in service.predictors.items())
    return f"<footer>{how_good(service)}<p>{strings.LOADED}: {models}.</p><p>{strings.PRIVACY}</p></footer>"


def numbers(predictor: Predictor) -> dict[str, Any] | None:
    """What `python -m train evaluate` measured of a model, where its folder holds it (`numbers.json`)."""
    file = Path(predictor.source, "numbers.json")
    if not predictor.source or not file.is_file():
        return None
    return json.loads(file.read_text(encoding="utf-8"))["model"]


def how_good(service: Service) -> str:
    """HTML: how often each model is right on photos that it has not seen, by kind of expression."""
    known = {name: told for name, one in service.predictors.items() if (told := numbers(one))}
    if not known:
        return ""
    rows = []
    for name, told in known.items():
        kinds = [f"{told['by_kind'][kind]['mean_iou']:.2f}" for kind in strings.KINDS]
        cells = [share(told["precision"]["0.5"]), share(told["absent_accuracy"]), f"{told['mean_iou']:.2f}", *kinds]
        rows.append(
            f'<tr><th scope="row">{escape(views.title(name)[0])}</th>{"".join(f"<td>{c}</td>" for c in cells)}</tr>'
        )
    heads = "".join(f'<th scope="col">{escape(one)}</th>' for one in (*strings.HOW_GOOD_HEADS, *strings.KINDS.values()))
    one = next(iter(known.values()))
    caption = strings.HOW_GOOD.format(n=one["n"], absent=one["n_absent"])
    return (
        f'<section id="how-good"><table class="compare"><caption>{caption}</caption><tr><td></td>{heads}</tr>'
        f"{''.join(rows)}</table></section>"
    )


def better(service: Service) -> str:
    """Which of two models is right more often, in a sentence with the measured shares; empty where it is not known."""
    known = {views.title(name)[0]: told for name, one in service.predictors.items() if (told := numbers(one))}
    if len(known) < 2:
        return ""
    (first, a), (second, b) = sorted(known.items(), key=lambda one: -one[1]["precision"]["0.5"])[:2]
    gains = {kind: a["by_kind"][kind]["mean_iou"] - b["by_kind"][kind]["mean_iou"] for kind in strings.KINDS}
    most = max(gains, key=lambda kind: gains[kind])
    return strings.BETTER.format(
        first=first, second=second, one=share(a["precision"]["0.5"]), other=share(b["precision"]["0.5"]),
        kind=strings.KINDS[most], gain=gains[most],
    )  # fmt: skip


def share(value: float) -> str:
    """As a person reads it."""
    return f"{100 * value:.0f}%"


def one(name: str, predictor: Predictor) -> str:
    """HTML for one model."""
    known = [origin(predictor.source)] if predictor.source else []
    if predictor.sha256:
        weights = strings.WEIGHTS.format(sha256=predictor.sha256[:8])
        known.append(f'<span title="SHA-256 {escape(predictor.sha256)}">{weights}</span>')
    about = f" ({', '.join(known)})" if known else ""
    return f"<b>{escape(name)}</b>{about}"


def origin(source: str) -> str:
    """HTML for where weights came from; of a folder its name alone, for paths are nobody's business."""
    folder = Path(source)
    if folder.parent == SHIPPED:
        return strings.FROM_APP
    if folder.is_dir():
        named = folder.parent if folder.name == "weights" else folder  # a run folder's
        return escape(strings.FROM_FOLDER.format(name=named.name))
    repository = escape(source.partition("@")[0])
    return f'<a href="https://huggingface.co/{repository}" target="_blank" rel="noreferrer">{escape(source)}</a>'
