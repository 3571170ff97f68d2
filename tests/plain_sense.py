"""What an expression means in its words' plain sense: a slow second opinion on the generator, from boxes and pixels."""

import re
from collections.abc import Callable, Sequence

import numpy as np

from train.describe.things import Thing
from train.describe.vocabulary import COLOURS, SYNONYMS, colour_shares, means

ORDINALS = ("first", "second", "third", "fourth", "fifth")
COLOUR = "|".join(COLOURS)
_OTHERS = ("bench", "bottle", "frisbee", "umbrella", "zebra")  # categories without another name
NOUNS = sorted({*_OTHERS, *SYNONYMS, *(w for words in SYNONYMS.values() for w in words)}, key=len, reverse=True)

Found = Sequence[Thing]


def meant(text: str, things: Found, image: np.ndarray) -> list[Thing]:
    """The things that an expression may mean: first by noun, then by look, then by place among those left."""
    text = text.removeprefix("the ")
    # The noun comes before any anchor: "car next to the bus", "person in a red top on the horse".
    spans = [(m.start(), -len(n), n) for n in NOUNS if (m := re.search(rf"\b{n}\b", text))]
    noun = min(spans)[2]
    left: Found = [t for t in things if means(noun, t.category)]
    rest = re.sub(rf"\b{noun}\b", "@", text, count=1)
    for pattern, look in LOOKS:
        if m := re.search(pattern, rest):
            left, rest = look(left, m, image), rest.replace(m[0], "@", 1)
    others = [t for t in things if not means(noun, t.category)]
    for pattern, place in PLACES:
        if m := re.fullmatch(pattern, rest):
            return list(place(left, m, others))
    raise AssertionError(f"no plain sense of {text!r} ({rest!r})")


def wears(rows: tuple[float, float]) -> Callable[[Found, re.Match, np.ndarray], Found]:
    def look(left: Found, m: re.Match, image: np.ndarray) -> Found:
        return [t for t in left if share(t, m[1], rows, image) > 0.4]

    return look


def share(t: Thing, colour: str, rows: tuple[float, float], image: np.ndarray) -> float:
    ys = np.nonzero(t.mask)[0]
    part, high = t.mask.copy(), ys.max() + 1 - ys.min()
    part[: int(ys.min() + rows[0] * high)] = 0
    part[int(ys.min() + rows[1] * high) + 1 :] = 0
    return float(colour_shares(image, part)[COLOURS.index(colour)])


def wears_both(left: Found, m: re.Match, image: np.ndarray) -> Found:
    return [t for t in left if share(t, m[1], (0.2, 0.5), image) > 0.4 and share(t, m[2], (0.6, 0.9), image) > 0.4]


LOOKS = [
    (rf"@ in an? ({COLOUR}) top and ({COLOUR}) pants", wears_both),
    (rf"@ in an? ({COLOUR}) top", wears((0.2, 0.5))),
    (rf"@ in ({COLOUR}) pants", wears((0.6, 0.9))),
    (rf"@ (?:in|wearing) ({COLOUR})", wears((0.25, 0.6))),
    (rf"({COLOUR}) @", wears((0.0, 1.0))),
]


def most(value: Callable[[Thing], float]) -> Callable[[Found, re.Match, Found], Found]:
    """Those of the greatest value; two that are equal are both meant."""
    return lambda left, m, others: [t for t in left if value(t) >= max(map(value, left)) - 1e-9]


def bottom(t: Thing) -> float:
    return t.box[3]


def counted(left: Found, m: re.Match, others: Found) -> Found:
    axis = (lambda t: t.x) if m[2] in ("left", "right") else (lambda t: t.y)
    row = sorted(left, key=axis, reverse=m[2] in ("right", "bottom"))
    place = ORDINALS.index(m[1])
    return row[place : place + 1]


def median(left: Found, m: re.Match, others: Found) -> Found:
    return sorted(left, key=lambda t: t.x)[len(left) // 2 :][:1] if len(left) % 2 else []


def in_half(axis: str, sign: int) -> Callable[[Found, re.Match, Found], Found]:
    """The outermost, if it is in that half of the frame."""
    outermost = most(lambda t: sign * getattr(t, axis))
    return lambda left, m, others: [t for t in outermost(left, m, others) if sign * (getattr(t, axis) - 0.5) > 0]


def cornered(left: Found, m: re.Match, others: Found) -> Found:
    y, x = {"top": -1, "bottom": 1}[m[1]], {"left": -1, "right": 1}[m[2]]
    return [t for t in left if x * (t.x - 0.5) > 0.1 and y * (t.y - 0.5) > 0.1]


def related(test: Callable[[Thing, Thing], bool]) -> Callable[[Found, re.Match, Found], Found]:
    return lambda left, m, others: [t for t in left if any(test(t, o) for o in others if o.category == m[1])]


def shares_columns(a: Thing, b: Thing) -> float:
    widths = [t.box[2] - t.box[0] for t in (a, b)]
    return (min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])) / min(widths)


def in_front(a: Thing, b: Thing) -> bool:
    return shares_columns(a, b) > 0.1 and a.box[3] > b.box[3]


def stands_on(a: Thing, b: Thing) -> bool:
    """Some lowest pixel of a has b right beneath, and b goes on below a."""
    height = len(a.mask)
    for x in np.nonzero(a.mask.any(axis=0))[0]:
        y = np.nonzero(a.mask[:, x])[0].max()
        if b.mask[y + 1 : min(height, y + 3), x].any() and a.box[3] < b.box[3]:
            return True
    return False


def touching(person: Thing, item: Thing) -> int:
    """Pixels of the one next to pixels of the other."""
    grown = np.pad(item.mask, 2)
    size = len(item.mask)
    around = np.maximum.reduce([grown[dy : dy + size, dx : dx + size] for dy in range(5) for dx in range(5)])
    return int((around & person.mask).sum())


def holder(left: Found, m: re.Match, others: Found) -> Found:
    held = [(touching(t, o), t) for t in left for o in others if o.category == m[1]]
    greatest = max((n for n, _ in held), default=0)
    return list(dict.fromkeys(t for n, t in held if n > 0.5 * greatest > 0))


def near(a: Thing, b: Thing) -> bool:
    dx = max(a.box[0] - b.box[2], b.box[0] - a.box[2], 0)
    dy = max(a.box[1] - b.box[3], b.box[1] - a.box[3], 0)
    return dx * dx + dy * dy < 0.05**2


def carries(a: Thing, b: Thing) -> bool:
    return a.box[0] < b.x < a.box[2] and a.box[1] < b.y < a.box[3]


PLACES = [
    ("@", lambda left, m, others: left),
    ("left @|leftmost @|@ farthest to the left", most(lambda t: -t.x)),
    ("right @|rightmost @|@ farthest to the right", most(lambda t: t.x)),
    ("top @", most(lambda t: -t.y)),
    ("bottom @", most(lambda t: t.y)),
    ("@ on the left", in_half("x", -1)),
    ("@ on the right", in_half("x", 1)),
    ("@ at the top", in_half("y", -1)),
    ("@ at the bottom", in_half("y", 1)),
    ("@ in the (?:middle|center)", most(lambda t: -abs(t.x - 0.5))),
    ("middle @|@ in between", median),
    ("(top|bottom) (left|right) @", cornered),
    ("@ in the (top|bottom) (left|right) corner", cornered),
    (rf"({'|'.join(ORDINALS)}) @ from (?:the )?(left|right|top|bottom)", counted),
    ("(?:biggest|largest|big|bigger|larger) @", most(lambda t: t.area)),
    ("(?:smallest|small|little|smaller) @", most(lambda t: -t.area)),
    ("taller @", most(lambda t: t.box[3] - t.box[1])),
    ("shorter @", most(lambda t: t.box[1] - t.box[3])),
    ("(?:closest|nearest|closer) @|@ in front|@ closest to the camera", most(bottom)),
    ("farthest @|@ farthest away|@ furthest back", most(lambda t: -bottom(t))),
    ("@ with the (.+)", related(carries)),
    ("@ (?:next to|by) the (.+)", related(near)),
    ("@ to the left of the (.+)", related(lambda t, o: t.x < o.x)),
    ("@ to the right of the (.+)", related(lambda t, o: t.x > o.x)),
    ("@ holding the (.+)", holder),
    ("@ on the (.+)", related(stands_on)),
    ("@ in front of the (.+)", related(in_front)),
    ("@ behind the (.+)", related(lambda t, o: in_front(o, t))),
]
