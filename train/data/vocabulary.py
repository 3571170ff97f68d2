"""Words for COCO's categories."""

import numpy as np

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


def category_name(category: str, rng: np.random.Generator) -> str:
    """The category's name or, every third time, another word for it."""
    others = SYNONYMS.get(category, ())
    return str(rng.choice(others)) if others and rng.random() < 0.33 else category


def means(name: str, category: str) -> bool:
    """Whether things of the category go by that name; some names, like "bag", fit several categories."""
    return name == category or name in SYNONYMS.get(category, ())


def category_words(category: str) -> frozenset[str]:
    """Words that hint at the category, for people those of one kind of person too."""
    return frozenset((category, *SYNONYMS.get(category, ()), *(PEOPLE if category == "person" else ())))
