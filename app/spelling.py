"""Help with words: which ones the models hardly know, what may have been meant, and what fits several places."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr
from rapidfuzz import process
from rapidfuzz.distance import OSA

from app import strings, views
from app.service import Item, Service
from cefnet.result import rivals
from cefnet.words import foreign, kept

KNOWN = 2  # times a word was seen in training; below it, it is hardly known
WELL_KNOWN = 5  # times; only such words are suggested, so that a suggestion is worth its click
MOST = 3  # suggestions a word
LETTERS_AN_ERROR = 3  # one typing error is allowed for so many letters,
ERRORS = 3  # at least one, and at most so many
# Little words that a model may miss without harm, whether it was trained on them or not.
STOP_WORDS = frozenset(
    """a am an and any are as be been but can could did do does find for get give had has have he her hers him his how i
    if in is it its just let look mark mask me my no not of off on or our out please select show so some that the their
    them then there these they this those to us very want was we were what when where which who whom whose why will with
    would you your""".split()
)


@dataclass(frozen=True)
class Doubt:
    """A word that the models hardly know.

    Attributes:
        word: As typed, without punctuation around it.
        suggestions: Words they know well, the likeliest first; at most `MOST`.
    """

    word: str
    suggestions: tuple[str, ...]


def unsure(expression: str, words: Mapping[str, int]) -> list[Doubt]:
    """Finds the words of an expression that training hardly met.

    Words with digits, single letters and `STOP_WORDS` are let pass. "dog's" is known if "dog" is, and "grey-haired" if
    both parts are.

    Args:
        expression: As typed.
        words: How often each word was seen in training; if empty, nothing is known about words, nor said.

    Returns:
        One doubt a word, in order, each word once.
    """
    if not words:
        return []
    doubts: dict[str, Doubt] = {}
    for word in _parts(expression, words):
        plain = word.lower()
        if plain not in doubts and not _passes(plain, words):
            doubts[plain] = Doubt(word, nearest(plain, words))
    return list(doubts.values())


def nearest(word: str, words: Mapping[str, int]) -> tuple[str, ...]:
    """Well-known words that `word` (lower-case) may have been meant to be: fewest typing errors first, then counts.

    An error is a letter added, left out or changed, two letters swapped, or a space left out.
    """
    allowed = min(max(1, len(word) // LETTERS_AN_ERROR), ERRORS)
    candidates = [one for one, count in words.items() if count >= WELL_KNOWN and one != word and _is_word(one)]
    near = process.extract(word, candidates, scorer=OSA.distance, score_cutoff=allowed, limit=None)
    ranked = [(errors, -words[one], one) for one, errors, _ in near]
    if not any(errors == 1 for errors, _, _ in ranked):
        ranked += [(1, -count, two) for two, count in _apart(word, words)]
    return tuple(one for _, _, one in sorted(ranked)[:MOST])


def replace_word(expression: str, word: str, by: str) -> str:
    """The expression with every `word` (whole, in upper or lower case) replaced, all else as it was."""
    return re.sub(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", lambda _: by, expression, flags=re.IGNORECASE)


def vocabulary(service: Service) -> dict[str, int]:
    """How often each word was seen by whichever model saw it most."""
    merged: dict[str, int] = {}
    for predictor in service.predictors.values():
        merged |= {word: max(count, merged.get(word, 0)) for word, count in predictor.words.items()}
    return merged


def _parts(expression: str, words: Mapping[str, int]) -> Iterable[str]:
    """The words as they are to be judged: whole where training knows them so, else what hyphens join."""
    for read in kept(expression):
        whole = re.sub(r"^[\W_]+|[\W_]+$", "", read.typed)
        for part in [whole] if words.get(whole.lower(), 0) >= KNOWN else re.split(r"(?:[^\w'’]|_)+", whole):
            if part := re.sub(r"['’]s?$", "", part).strip("'’"):
                yield part


def _passes(word: str, words: Mapping[str, int]) -> bool:
    return words.get(word, 0) >= KNOWN or word in STOP_WORDS or len(word) == 1 or not _is_word(word)


def _is_word(word: str) -> bool:
    return not any(character.isdigit() for character in word)


def _apart(word: str, words: Mapping[str, int]) -> Iterable[tuple[str, int]]:
    """Two well-known words that `word` may be without their space, and how often the rarer was seen."""
    for cut in range(2, len(word) - 1):
        pair = word[:cut], word[cut:]
        count = min(words.get(one, 0) for one in pair)
        if count >= WELL_KNOWN:
            yield " ".join(pair), count


# On the page


@dataclass(frozen=True)
class Help:
    """What stands below the expression.

    Attributes:
        note: Says which words are hardly known.
        choices: What may have been meant; a row is (word, its replacement).
    """

    note: gr.HTML
    choices: gr.Dataset

    @property
    def outputs(self) -> list[Any]:
        return [self.note, self.choices]


def layout() -> Help:
    """Lays the parts out, out of sight."""
    note = gr.HTML(visible=False, elem_id="doubt")
    texts = [gr.Textbox(visible=False, label=label) for label in ("word", "replacement")]
    choices = gr.Dataset(
        components=texts, samples=[["", ""]], sample_labels=[""], label=strings.DID_YOU_MEAN, layout="gallery",
        visible=False, elem_id="suggestions",
    )  # fmt: skip
    return Help(note, choices)


def show(part: Help, service: Service, item: Item) -> dict[Any, Any]:
    """Updates of `part.outputs` for an item: words in doubt, and whether several places fit its words."""
    told = help_for(part, [item.expression], vocabulary(service))
    if not item.mended and (places := several(item)):
        told[part.note] = gr.update(value=told[part.note].get("value", "") + places, visible=True)
    return told


def help_for(part: Help, expressions: Iterable[str], words: Mapping[str, int]) -> dict[Any, Any]:
    """Updates of `part.outputs` for some expressions' words."""
    texts = list(expressions)
    unread = list(dict.fromkeys(word for text in texts for word in foreign(text)))
    found = {one.word.lower(): one for text in texts for one in unsure(text, words) if one.word not in unread}
    doubts = list(found.values())
    if not doubts and not unread:
        return hide(part)
    note = said(strings.FOREIGN, unread) + said(strings.HARDLY_KNOWN, (doubt.word for doubt in doubts))
    rows = [[doubt.word, by] for doubt in doubts for by in doubt.suggestions]
    labels = [by if len(doubts) == 1 else f"{word} → {by}" for word, by in rows]
    return {
        part.note: gr.update(value=note, visible=True),
        part.choices: gr.update(samples=rows, sample_labels=labels, visible=True) if rows else gr.update(visible=False),
    }


def said(sentence: str, words: Iterable[str]) -> str:
    """A sentence about some words, as HTML; empty without any."""
    quoted = ", ".join(f"<mark>“{escape(word)}”</mark>" for word in words)
    return f'<p class="doubt" role="status">{sentence.format(words=quoted)}</p>' if quoted else ""


def several(item: Item) -> str:
    """A sentence, as HTML, if several places fit the words about equally well by some model, and one alone is taken."""
    single = {model: result for model, result in item.results.items() if result.decision.keeps_one(result.several)}
    counts = {model: len(rivals(result)) for model, result in single.items()}
    unclear = {model: count for model, count in counts.items() if count > 1}
    if not unclear:
        return ""
    count = max(unclear.values())
    by = "" if len(unclear) == len(counts) else strings.BY_MODEL.format(model=views.title(min(unclear))[0])
    number = strings.NUMBERS.get(count, str(count))
    return f'<p class="doubt">{escape(strings.SEVERAL.format(number=number, expression=item.expression, by=by))}</p>'


def hide(part: Help) -> dict[Any, Any]:
    """Updates of `part.outputs` where there is nothing to say."""
    return {one: gr.update(visible=False) for one in part.outputs}


def mend(text: str, row: list[str]) -> str:
    """What the expression box holds after a click on a row of `Help.choices`."""
    word, by = row
    return replace_word(text, word, by)
