"""Expressions of what is not in a photo: other things, and near misses of what is there.

A kind is a function of a frame and of the names known to be missing in it; it lists expressions that fit nothing there.
Near misses speak only of names whose things people annotated, all of them.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from train.describe.looks import HARDLY
from train.describe.places import ORDINALS
from train.describe.things import Frame, Thing
from train.describe.vocabulary import COLOURS, HELD, RESTS_ON, SYNONYMS, Synonyms, category_name, means

AbsentKind = Callable[[Frame, Sequence[str]], list[str]]

# What a camera or an eye may take for a colour in another light.
_TAKEN_FOR: dict[str, tuple[str, ...]] = {
    "black": ("gray", "blue", "brown", "purple"),
    "white": ("gray", "yellow", "pink", "blue"),
    "gray": ("black", "white", "blue", "brown"),
    "red": ("orange", "pink", "brown"),
    "orange": ("red", "yellow", "brown"),
    "yellow": ("orange", "green", "white", "brown"),
    "green": ("yellow", "blue"),
    "blue": ("purple", "green", "gray", "black", "white"),
    "purple": ("blue", "pink", "black"),
    "pink": ("red", "purple", "white", "orange"),
    "brown": ("orange", "red", "black", "gray", "yellow"),
}


def other_things(frame: Frame, missing: Sequence[str]) -> list[str]:
    """The name of something that isn't there."""
    return list(missing)


def other_colours(frame: Frame, missing: Sequence[str]) -> list[str]:
    """A thing that is there, in a colour that none of its name has, nor one that may be taken for it."""
    found = []
    for name, group in _groups(frame).items():
        most = np.max([frame.colours(t) for t in group], axis=0)
        shares = dict(zip(COLOURS, most.tolist(), strict=True))
        unseen = [c for c in COLOURS if max(shares[c], *(shares[o] for o in _TAKEN_FOR[c])) < HARDLY / 2]
        found += [f"{name} in {c}" if group[0].human else f"{c} {name}" for c in unseen]
    return found


def other_company(frame: Frame, missing: Sequence[str]) -> list[str]:
    """A thing that is there, holding or on something that isn't."""
    found = []
    for name, group in _groups(frame).items():
        found += [f"{name} holding the {item}" for item in missing if group[0].human and item in HELD]
        found += [f"{name} on the {support}" for support in missing if name in RESTS_ON.get(support, ())]
    return found


def other_counts(frame: Frame, missing: Sequence[str]) -> list[str]:
    """One more than there are: the third of two."""
    counted = {name: len(group) for name, group in _groups(frame).items()}
    return [
        f"{ORDINALS[count]} {name} from the {side}"
        for name, count in counted.items()
        for side in ("left", "right")
        if 2 <= count < len(ORDINALS)
    ]


ABSENT_KINDS: Mapping[str, AbsentKind] = {
    "things": other_things,
    "colours": other_colours,
    "company": other_company,
    "counts": other_counts,
}


def tell_absent(
    frame: Frame,
    missing: Sequence[str],
    rng: np.random.Generator,
    crowds: Collection[str] = (),
    synonyms: Synonyms = SYNONYMS,
    kinds: Mapping[str, AbsentKind] = ABSENT_KINDS,
) -> str | None:
    """Writes an expression that fits nothing in the frame, or None.

    Args:
        frame: The photo and its things.
        missing: Names of categories of which nothing is there.
        rng: Chooses a kind, then an expression.
        crowds: Names of which more is there than is annotated one by one; no near miss speaks of them.
        synonyms: Other words for the names.
        kinds: Functions that list expressions, by name.
    """
    known = Frame(frame.image, tuple(t for t in frame.things if t.category not in crowds))
    here, ways = {t.category for t in frame.things} | set(crowds), list(kinds.values())
    for i in rng.permutation(len(ways)):
        if found := ways[i](known, missing):
            text = str(rng.choice(found))
            other = category_name(text, rng, synonyms) if text in missing else text
            return text if any(means(other, category, synonyms) for category in here) else other
    return None


def _groups(frame: Frame) -> dict[str, list[Thing]]:
    """Things by name, where people drew all of them."""
    groups: dict[str, list[Thing]] = defaultdict(list)
    for t in frame.things:
        groups[t.category].append(t)
    return {name: group for name, group in groups.items() if all(t.certain for t in group)}
