"""Language: expression -> SentencePiece pieces. Needs no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sentencepiece
from numpy.typing import NDArray

from cefnet.arguments import text_of
from cefnet.words import kept

MAX_CHARACTERS = 1000  # far above what max_tokens pieces can spell; keeps pasted books out of the tokenizer
PADDING = 0  # id of the padding piece


@dataclass(frozen=True)
class Tokens:
    """An expression cut into pieces, and which word each piece belongs to.

    Attributes:
        ids: One id per piece, in 1..size-1.
        words: Those that are read (`cefnet.words.kept`), as typed between two blanks.
        word_of: For each piece the index into `words`; never decreases, and names every word.
    """

    ids: tuple[int, ...]
    words: tuple[str, ...]
    word_of: tuple[int, ...]


# An expression without words, where a click says what is meant: the unknown piece, which no text has (unknown letters
# are spelled in bytes).
NOTHING_SAID = Tokens((1,), (), ())


class Tokenizer:
    """A SentencePiece model behind the normaliser of `cefnet.words`; spells unknown letters in bytes."""

    def __init__(self, processor: sentencepiece.SentencePieceProcessor) -> None:
        self._processor = processor
        self.size: int = processor.get_piece_size()

    @classmethod
    def from_file(cls, path: str | Path) -> "Tokenizer":
        """Opens a `tokenizer.model`.

        Raises:
            ValueError: If the file is missing, is no SentencePiece model, or has no padding piece at id 0.
        """
        path = Path(path)
        if not path.is_file():
            raise ValueError(f"There is no tokenizer at {path}; `python -m train tokenizer` makes one.")
        try:
            return cls.from_bytes(path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    @classmethod
    def from_bytes(cls, model: bytes) -> "Tokenizer":
        """Opens a serialised model; errors as `from_file`."""
        processor = sentencepiece.SentencePieceProcessor()
        try:
            processor.LoadFromSerializedProto(model)
        except RuntimeError as error:
            raise ValueError("this is not a SentencePiece model, or it is damaged.") from error
        if processor.get_piece_size() == 0 or processor.pad_id() != PADDING:
            raise ValueError(f"no padding piece at id {PADDING}; `python -m train tokenizer` makes one.")
        return cls(processor)

    def piece(self, index: int) -> str:
        """The text of piece `index`; a leading "▁" marks the start of a word."""
        return self._processor.id_to_piece(index)

    def encode(self, expression: str, max_tokens: int = 48, truncate: bool = False) -> Tokens:
        """Normalises an expression and cuts it into pieces, word by word, so that every piece knows its word.

        Args:
            expression: What was typed.
            max_tokens: Most pieces that the result may have.
            truncate: Drop what is beyond the limits instead of refusing it.

        Raises:
            ValueError: If there is nothing to read, or (unless `truncate`) half of a surrogate pair, or more than the
                limits.
        """
        text_of(expression, "expression")
        if len(expression) > MAX_CHARACTERS and not truncate:
            raise ValueError(f"The expression has {len(expression):,} characters; the limit is {MAX_CHARACTERS:,}.")
        ids: list[int] = []
        words: list[str] = []
        word_of: list[int] = []
        for word in kept(expression[:MAX_CHARACTERS]):
            if pieces := self._processor.encode(word.read):
                ids += pieces
                word_of += [len(words)] * len(pieces)
                words.append(word.typed)
        if not ids:
            raise ValueError("There is nothing to read in the expression; type a few words, such as 'dog on the left'.")
        if not truncate and (halves := [c for c in expression if "\ud800" <= c <= "\udfff"]):
            raise ValueError(  # no JSON, file or page can hold it, so that no answer could be given
                f"There is nothing to read in a half character (U+{ord(halves[0]):04X}) of the expression;"
                " type it again."
            )
        if len(ids) > max_tokens:
            if not truncate:
                raise ValueError(
                    f"The expression has {len(ids)} word pieces; the limit is {max_tokens}, about as many"
                    " common words (rare words, emoji and other scripts take several pieces each)."
                )
            ids, word_of = ids[:max_tokens], word_of[:max_tokens]
            words = words[: word_of[-1] + 1]
        return Tokens(tuple(ids), tuple(words), tuple(word_of))

    def batch(
        self, expressions: Sequence[str], max_tokens: int = 48, truncate: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Encodes expressions to one padded batch.

        Returns:
            ids: N x T int64, padded with 0 at the end; T is the longest expression's length.
            mask: N x T bool, True at real pieces.

        Raises:
            ValueError: As `encode`, or if there is no expression at all.
        """
        if isinstance(expressions, str):
            raise ValueError("batch takes a list of expressions; for one use encode.")
        if not expressions:
            raise ValueError("No expressions were given; pass at least one.")
        return pad([self.encode(expression, max_tokens, truncate) for expression in expressions])


def pad(tokens: Sequence[Tokens]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Stacks encoded expressions.

    Args:
        tokens: N of them, of T pieces at most.

    Returns:
        ids: N x T int64, padded with 0 at the end.
        mask: N x T bool, True at real pieces.
    """
    ids = np.full((len(tokens), max(len(one.ids) for one in tokens)), PADDING, np.int64)
    for row, one in zip(ids, tokens, strict=True):
        row[: len(one.ids)] = one.ids
    return ids, ids != PADDING
