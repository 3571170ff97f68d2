"""Words for COCO's categories, and what such things do: be carried, stand, rest on others.

A category of another name has no synonyms unless its data set gives some, and is in none of the other tables: of it is
said what any mask tells, its place, order, size and colour and what it is next to. Add it to a table to have more said.
"""

from collections.abc import Mapping, Sequence

import numpy as np

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
