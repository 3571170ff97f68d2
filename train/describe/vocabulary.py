"""Words for COCO's categories, for what such things do, and for colours."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import cv2
import numpy as np

COLOURS = ("black", "white", "gray", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")


def colour_shares(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Share of each of COLOURS among the pixels of a mask: 11 floats that sum to 1 (zeros for an empty mask)."""
    pixels = image[mask > 0] >> 3
    names = _colour_table()[pixels[:, 0], pixels[:, 1], pixels[:, 2]]
    return np.bincount(names, minlength=len(COLOURS)) / max(1, len(names))


@lru_cache(maxsize=1)
def _colour_table() -> np.ndarray:
    """Index into COLOURS for each RGB colour of 5 bits a channel: 32 x 32 x 32 int64."""
    grid = np.stack(np.meshgrid(*[np.arange(32, dtype=np.float32) / 31] * 3, indexing="ij"), axis=-1)
    hue, saturation, value = np.moveaxis(cv2.cvtColor(grid.reshape(1024, 32, 3), cv2.COLOR_RGB2HSV), -1, 0)
    hue, saturation, value = (a.reshape(32, 32, 32) for a in (hue, saturation, value))  # 0..360, 0..1, 0..1
    names = np.select(
        [hue < 12, hue < 40, hue < 68, hue < 165, hue < 255, hue < 290, hue < 345],
        [3, 4, 5, 6, 7, 8, 9],
        default=3,
    )
    names = np.where((names == 4) & ((value < 0.72) | (saturation < 0.55)), 10, names)  # dull orange is brown
    names = np.where((names == 3) & (value < 0.45) & (hue < 20), 10, names)  # dark red too
    names = np.where((names == 3) & (saturation < 0.5) & (value > 0.7), 9, names)  # pale red is pink
    names = np.where(saturation < 0.16, np.select([value < 0.25, value > 0.8], [0, 1], default=2), names)
    return np.where(value < 0.2, 0, names)


Synonyms = Mapping[str, Sequence[str]]

SYNONYMS: dict[str, tuple[str, ...]] = {
    "person": ("human",),
    "bicycle": ("bike", "cycle"),
    "car": ("vehicle", "automobile"),
    "motorcycle": ("motorbike", "bike"),
    "airplane": ("plane", "aeroplane", "aircraft"),
    "bus": ("vehicle", "coach"),
    "truck": ("lorry", "vehicle"),
    "boat": ("ship", "vessel"),
    "traffic light": ("stoplight", "traffic signal"),
    "fire hydrant": ("hydrant",),
    "cat": ("kitty", "feline"),
    "dog": ("pup", "canine"),
    "horse": ("pony",),
    "cow": ("bovine", "cattle"),
    "backpack": ("rucksack", "bag"),
    "handbag": ("purse", "bag"),
    "tie": ("necktie",),
    "suitcase": ("luggage", "bag"),
    "sports ball": ("ball",),
    "baseball bat": ("bat",),
    "baseball glove": ("glove", "mitt"),
    "tennis racket": ("racket", "racquet"),
    "wine glass": ("glass", "goblet"),
    "cup": ("mug",),
    "bowl": ("dish",),
    "hot dog": ("hotdog",),
    "donut": ("doughnut",),
    "chair": ("seat",),
    "couch": ("sofa",),
    "potted plant": ("plant", "houseplant"),
    "dining table": ("table",),
    "tv": ("television", "screen", "monitor"),
    "laptop": ("computer", "notebook"),
    "mouse": ("computer mouse",),
    "remote": ("remote control",),
    "cell phone": ("phone", "mobile phone"),
    "oven": ("stove", "cooker"),
    "sink": ("basin", "washbasin"),
    "refrigerator": ("fridge",),
    "teddy bear": ("teddy", "stuffed animal"),
    "hair drier": ("hair dryer",),
}
PORTABLE = frozenset(  # what a person is "with"
    (
        "backpack",
        "umbrella",
        "handbag",
        "tie",
        "suitcase",
        "frisbee",
        "skis",
        "snowboard",
        "kite",
        "baseball bat",
    )
    + ("baseball glove", "skateboard", "surfboard", "tennis racket", "cell phone")
)
PEOPLE = ("man", "woman", "boy", "girl", "child", "kid", "baby", "toddler", "lady", "guy", "player", "rider")
HUMAN = frozenset(("person", *PEOPLE))
HELD = frozenset(  # what hands hold
    ("umbrella", "handbag", "frisbee", "sports ball", "baseball bat", "baseball glove", "tennis racket", "bottle")
    + ("wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "carrot")
    + ("hot dog", "pizza", "donut", "cake", "cell phone", "remote", "book", "teddy bear", "toothbrush", "scissors")
    + ("hair drier", "surfboard", "skateboard", "snowboard", "suitcase", "laptop")
)
STANDING = frozenset(  # what stands on the ground (or on a table), so that lower in the photo is nearer
    ("person", *PEOPLE, "bicycle", "car", "motorcycle", "bus", "train", "truck", "boat", "fire hydrant", "bench")
    + ("parking meter", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "suitcase")
    + ("bottle", "wine glass", "cup", "bowl", "chair", "couch", "potted plant", "bed", "dining table", "toilet")
    + ("refrigerator", "vase", "teddy bear")
)
_TABLEWARE = frozenset(
    ("bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange")
    + ("broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "laptop", "mouse", "remote", "keyboard")
    + ("cell phone", "book", "vase", "scissors", "handbag", "teddy bear", "cat")
)
_CUSHIONED = frozenset(
    ("cat", "dog", "teddy bear", "book", "laptop", "remote", "cell phone", "handbag", "backpack", "suitcase")
)
RESTS_ON: dict[str, frozenset[str]] = {  # support -> what can be seen to be "on" it
    "dining table": _TABLEWARE,
    "couch": _CUSHIONED,
    "bed": _CUSHIONED,
    "chair": _CUSHIONED,
    "bench": _CUSHIONED,
} | dict.fromkeys(("horse", "elephant", "bicycle", "motorcycle", "skateboard", "surfboard", "snowboard", "skis"), HUMAN)
SEATS = frozenset(("chair", "couch", "bed", "bench", "toilet"))  # a mask doesn't tell sitting on from standing by


NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}
PLURALS = {
    **{"person": "people", "man": "men", "woman": "women", "child": "children", "mouse": "mice", "knife": "knives"},
    **{"snowman": "snowmen", "loaf": "loaves", "leaf": "leaves", "foot": "feet", "tooth": "teeth", "goose": "geese"},
    **{one: one for one in ("sheep", "skis", "scissors", "broccoli", "cattle", "aircraft", "luggage", "fish", "deer")},
}


def category_name(category: str, rng: np.random.Generator, synonyms: Synonyms = SYNONYMS) -> str:
    """The category's name or, every third time, another word for it."""
    others = synonyms.get(category, ())
    return str(rng.choice(others)) if others and rng.random() < 0.33 else category


def means(name: str, category: str, synonyms: Synonyms = SYNONYMS) -> bool:
    """Whether things of the category go by that name; some names, like "bag", fit several categories."""
    return name == category or name in synonyms.get(category, ())


def plural(name: str, count: int, rng: np.random.Generator) -> str:
    """An expression of all things of a name: "dogs", "the two dogs", "all dogs"."""
    number = NUMBERS.get(count)
    ways = ["{}", "the {}", "all {}", "all the {}", *(["the " + number + " {}", number + " {}"] if number else [])]
    ways += ["both {}"] * (count == 2)
    return str(rng.choice(ways)).format(plural_of(name))


def plural_of(name: str) -> str:
    """The plural of a name: "wine glass" -> "wine glasses"."""
    start, _, last = name.rpartition(" ")
    if last in PLURALS:
        last = PLURALS[last]
    elif last.endswith(("s", "x", "ch", "sh")):
        last += "es"
    elif last.endswith("y") and last[-2:-1] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "s"
    return f"{start} {last}".strip()


def category_words(category: str) -> frozenset[str]:
    """Words that hint at the category, for people those of one kind of person too."""
    return frozenset((category, *SYNONYMS.get(category, ()), *(PEOPLE if category == "person" else ())))
