"""The foot of the page: which weights answer, and what becomes of what people upload."""

from __future__ import annotations

from html import escape
from pathlib import Path

from app import strings
from app.service import Service
from cefnet.predictor import Predictor
from cefnet.weights import SHIPPED


def footer(service: Service) -> str:
    """HTML: name, source and short SHA-256 of every model in use, and a word on privacy."""
    models = "; ".join(one(name, predictor) for name, predictor in service.predictors.items())
    return f"<footer><p>{strings.LOADED}: {models}.</p><p>{strings.PRIVACY}</p></footer>"


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
