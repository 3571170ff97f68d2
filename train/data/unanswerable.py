"""Expressions that no photo answers: other languages, single letters, emoji, nonsense, and stuff that is not annotated.

They are trained as absent ones: the model reads English alone, and says nothing rather than a guess. Stuff (sky, grass)
is there, but in no data that we know of as a mask; the same answer is right as long as that is so.
"""

from collections.abc import Callable

import numpy as np

_OTHER_LANGUAGES = (
    *("der Mann links", "die Frau im roten Kleid", "Hund", "das Auto", "Katze auf dem Sofa", "der Stuhl", "Kind"),
    *("l'homme à gauche", "la femme en robe rouge", "chien noir", "la voiture blanche", "chat", "chaise"),
    *("el hombre de la izquierda", "la mujer con sombrero", "perro", "coche rojo", "gato negro", "silla", "niño"),
    *("o homem à esquerda", "cachorro", "carro vermelho", "uomo a sinistra", "cane nero", "macchina", "gatto"),
    *("man med hatt", "hunden till höger", "de hond", "rode auto", "koira", "punainen auto", "pies", "kobieta"),
    *("мужчина слева", "собака", "красная машина", "женщина", "кошка", "η γάτα", "σκύλος", "köpek", "kırmızı araba"),
    *(
        "男人",
        "左边的女人",
        "红色的车",
        "狗",
        "猫在沙发上",
        "人",
        "左の男性",
        "犬",
        "赤い車",
        "椅子",
        "남자",
        "빨간 차",
        "개",
    ),
    *("رجل", "امرأة", "كلب", "سيارة حمراء", "आदमी", "कुत्ता", "लाल गाड़ी", "ผู้ชาย", "หมา", "con chó", "anjing"),
)
_SCRIPTS = ((0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0x430, 0x44F), (0x3B1, 0x3C9), (0x627, 0x64A), (0x915, 0x939))
_EMOJI = ((0x1F600, 0x1F64F), (0x1F300, 0x1F320), (0x1F400, 0x1F43F), (0x1F680, 0x1F6C5), (0x1F90D, 0x1F93A))
_MASHED = ("asdf", "qwerty", "jkl", "zxcv", "lorem ipsum", "foo", "bar", "test", "hello", "abc", "aaa", "xyz", "123")
_STUFF = (
    *("sky", "grass", "sand", "trees", "sea", "water", "clouds", "road", "wall", "floor", "ceiling", "snow", "ground"),
    *("mountains", "hill", "river", "beach", "bushes", "leaves", "pavement", "street", "fence", "curtain", "rocks"),
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _language(rng: np.random.Generator) -> str:
    return str(rng.choice(_OTHER_LANGUAGES))


def _script(rng: np.random.Generator) -> str:
    first, last = _SCRIPTS[rng.integers(len(_SCRIPTS))]
    return "".join(chr(c) for c in rng.integers(first, last + 1, rng.integers(1, 6)))


def _letter(rng: np.random.Generator) -> str:
    return "".join(rng.choice(list(_LETTERS), rng.integers(1, 3)))


def _emoji(rng: np.random.Generator) -> str:
    first, last = _EMOJI[rng.integers(len(_EMOJI))]
    return "".join(chr(c) for c in rng.integers(first, last + 1, rng.integers(1, 4)))


def _nonsense(rng: np.random.Generator) -> str:
    if rng.random() < 0.3:
        return str(rng.choice(_MASHED))
    return "".join(rng.choice(list(_LETTERS), rng.integers(4, 11)))


_KINDS: tuple[Callable[[np.random.Generator], str], ...] = (_language, _script, _letter, _emoji, _nonsense)


def unanswerable(rng: np.random.Generator, said: str) -> str:
    """Draws an expression that nothing in a photo answers.

    Args:
        rng: Source of chance.
        said: All that is said of the photo, lower-case; stuff that it names is not drawn.
    """
    kind = int(rng.integers(len(_KINDS) + 1))
    unsaid = [word for word in _STUFF if word not in said]
    return str(rng.choice(unsaid)) if kind == len(_KINDS) and unsaid else _KINDS[kind % len(_KINDS)](rng)
