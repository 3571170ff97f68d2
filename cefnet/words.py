"""Reads expressions as they are typed: what says nothing is left out before the tokenizer sees it.

"Please find the man in the straw hat." is read as "man in the straw hat". What goes, and what stays:

- Case, doubled blanks, zero-width and control characters, and other forms of one letter (Unicode's NFKC) go.
- Punctuation round words goes. Within a word hyphens and apostrophes stay ("t-shirt", "man's", "o'clock"), and so do
  numbers ("7", "10:30", "1,000") and "no." before a number. Typographic quotes, hyphens and apostrophes are read as
  the plain ones.
- Words of request at the beginning go ("please", "can you", "find", "show me", "where is", "the mask of"), and
  "please" at the end. So does an article at the beginning; those within stay.
- "a photo of a dog" is read as "dog": it speaks of the whole photo, as people write for other models. "the photo of
  a dog" and "photo of a dog" keep the photo: so one speaks of a thing. "a photo of a dog on the wall" and others that
  say where pictures hang or are shown keep it too. The words alone tell no more.
- What would leave nothing stays: "the", "please" and "?!" are read as they are.

It needs no tokenizer and no torch. It is part of how a model reads: `normaliser` in `config.json` is its `VERSION`.
"""

import re
import unicodedata
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

VERSION = 1  # of what this file does; models are trained with it

_PLAIN = str.maketrans(
    dict.fromkeys("‘’‚‛ʼ′´`＇", "'") | dict.fromkeys("“”„‟″«»", '"') | dict.fromkeys("‐‑‒–−", "-") | {"…": " "}
)
# What parts words even where no blank stands beside it; commas and colons within a number do not.
_PARTS = re.compile(r"""[;!?()\[\]{}<>"|_—―、。]|\.{2,}|--+|(?<!\d)[,:]|[,:](?!\d)""")
_JOINS = {"&": "and", "+": "and"}  # signs that stand for a word when they stand alone

_PICTURES_PLACE = r"""(?:on|in)\ (?:[^ ]+\ ){0,2}
    (?:walls?|fridge|refrigerator|frame|posters?|screen|monitor|tv|television|billboard|album|magazine|newspaper)\b"""
_LEADING = re.compile(
    rf"""(?:(?:
      please
    | (?:can|could|would|will)\ you(?:\ see)?
    | (?:find|show|give|get)\ me
    | (?:find|select|segment|locate|highlight|detect|identify)
      (?!\ (?:of|in|on|at|by|with|from|to|near|under|behind|between|beside|next|that)\b)  # "segment of an orange"
    | (?:show|mark|outline|pick|get|cut\ out)(?=\ (?:the|an?)\b)                          # not "show jumping horse"
    | (?:look|search)\ for
    | where(?:\ is|\ are|'s)
    | i\ (?:want|need)(?:\ to\ (?:see|find|select|segment))?
    | the\ (?:segmentation\ )?mask\ (?:of|for)
    | an?\ (?:photo|photograph|picture|image|pic)\ of
      (?!\ (?:.*\ )?(?:framed|pinned|taped|(?:hung|hanging)\ (?:on|in|above|over|from|by|next)\b|{_PICTURES_PLACE}))
    | the | an?
    )\ )+""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Word:
    """A word that counts.

    Attributes:
        typed: As typed, between two blanks: "“Dog’s,".
        read: As the model reads it: "dog's". Several words where they were typed as one: "dog,cat" is "dog cat".
    """

    typed: str
    read: str


def normalise(expression: str) -> str:
    """What of an expression is read, in lower case with single blanks; normalising it again changes nothing.

    Args:
        expression: As typed.

    Returns:
        Empty only if there was nothing to read: blanks, zero-width and control characters.
    """
    return " ".join(word.read for word in kept(expression))


def kept(expression: str) -> tuple[Word, ...]:
    """The words of an expression that are read, in order, each with what was typed.

    Args:
        expression: As typed.
    """
    typed = expression.split()
    before: list[tuple[int, str]] = []
    after = [(index, word) for index, word in enumerate(typed)]
    while after != before:  # what one pass uncovers, the next one sees
        before, after = after, _pass(after)
    return tuple(
        Word(typed[index], " ".join(word for _, word in group)) for index, group in groupby(after, itemgetter(0))
    )


def foreign(expression: str) -> tuple[str, ...]:
    """The words of an expression that can't be English, as typed: no Latin letter and no digit is in them.

    Args:
        expression: As typed.

    Returns:
        Other scripts, emoji and signs, each word once, in order.
    """
    words = (word.typed for word in kept(expression) if not any(map(_is_latin, word.read)))
    return tuple(dict.fromkeys(words))


def _is_latin(character: str) -> bool:
    return character.isdigit() or unicodedata.name(character, "").startswith("LATIN ")


def check_version(version: object) -> None:
    """Refuses models that read expressions in a way that this version of cefnet doesn't know.

    Args:
        version: `normaliser` in a `config.json`.

    Raises:
        ValueError: If it is not `VERSION`.
    """
    if type(version) is not int or version != VERSION:
        raise ValueError(
            f"normaliser is {version!r}; this version of cefnet knows {VERSION}. A newer cefnet may know it."
        )


def _pass(words: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Reads words, each with the index of what was typed, and takes away what asks instead of names."""
    words = [(index, printable) for index, word in words if (printable := "".join(filter(str.isprintable, word)))]
    plain = [word.translate(_PLAIN).casefold() for _, word in words]
    quoted = any(word.startswith("'") for word in plain)  # then apostrophes at ends of words are quotes too
    read = [
        (index, part)
        for (index, _), word, after in zip(words, plain, [*plain[1:], ""], strict=False)
        for part in _read(word, after, quoted)
    ]
    if not read:
        return words  # punctuation alone
    leading = _LEADING.match(" ".join(part for _, part in read))
    asked = read[len(leading[0].split()) :] if leading else read
    return asked[:-1] if len(asked) > 1 and asked[-1][1] == "please" else asked


def _read(word: str, after: str, quoted: bool) -> list[str]:
    """A word as it is read; the word after it tells what a point or an apostrophe at its end means."""
    if word == "no." and after[:1].isdigit():
        return [word]
    if word in _JOINS and after:
        return [_JOINS[word]]
    parts = _plain_parts(word)
    if parts and word.endswith("s'") and after and not quoted:  # "the boys' bike"
        parts[-1] += "'"
    return parts


def _plain_parts(word: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word.translate(_PLAIN)).casefold())
    parts = (_bare(part) for part in _PARTS.sub(" ", plain.translate(_PLAIN)).split())
    return [part for part in parts if part]


def _bare(word: str) -> str:
    """A word without the punctuation round it; signs that say something, such as emoji, stay."""
    says = [i for i, character in enumerate(word) if not _is_punctuation(character)]
    return word[says[0] : says[-1] + 1] if says else ""


def _is_punctuation(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] == "P" or category == "Sm" or (category == "Sk" and character.isascii())
