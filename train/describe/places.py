"""Kinds of expressions: where a thing is, and how it compares with its rivals in order, size and depth.

Each function lists claims that are true of the scene's target; `also` tells which other things they may be said of.
"""

from itertools import pairwise
from operator import attrgetter

from train.describe.things import Claim, Scene, Thing
from train.describe.vocabulary import STANDING

ORDINALS = ("first", "second", "third", "fourth", "fifth")


def positions(scene: Scene) -> list[Claim]:
    """Where in the frame: the target in the outer third (or the middle), every rival clearly outside of it."""
    return [*_thirds(scene), *_corner(scene)]


def _corner(scene: Scene) -> list[Claim]:
    at = scene.target
    row = "top" if at.y < 0.33 else "bottom" if at.y > 0.67 else ""
    column = "left" if at.x < 0.33 else "right" if at.x > 0.67 else ""

    def also(r: Thing) -> bool:
        close = abs(r.x - at.x) <= 0.3 and abs(r.y - at.y) <= 0.3
        there = all((r_at < 0.45) if t_at < 0.5 else (r_at > 0.55) for r_at, t_at in ((r.x, at.x), (r.y, at.y)))
        return close or there

    texts = (f"{row} {column} {{}}", f"{{}} in the {row} {column} corner") if row and column else ()
    return [Claim(text, also) for text in texts]


def _thirds(scene: Scene) -> list[Claim]:
    at, claims = scene.target, [*_outer_third(scene, "x", "left", "right"), *_outer_third(scene, "y", "top", "bottom")]
    if abs(at.x - 0.5) < 0.1:
        claims += [Claim(f"{{}} in the {word}", lambda r: abs(r.x - 0.5) <= 0.22) for word in ("middle", "center")]
    return claims


def _outer_third(scene: Scene, axis: str, low: str, high: str) -> list[Claim]:
    value, preposition = attrgetter(axis), "on" if axis == "x" else "at"
    at = value(scene.target)
    if at < 0.36:
        return [Claim(f"{{}} {preposition} the {low}", lambda r: value(r) <= max(0.42, at + 0.12))]
    if at > 0.64:
        return [Claim(f"{{}} {preposition} the {high}", lambda r: value(r) >= min(0.58, at - 0.12))]
    return []


def ends(scene: Scene) -> list[Claim]:
    """The outermost of its name in one direction, or the middle one of three."""
    if not scene.rivals:
        return []
    claims = [*_outermost(scene, "x", "left", "right"), *_outermost(scene, "y", "top", "bottom")]
    if len(scene.rivals) == 2:
        least, most = sorted(r.x for r in scene.rivals)
        if least + 0.07 < scene.target.x < most - 0.07:
            claims += [Claim("middle {}", _nobody), Claim("{} in between", _nobody)]
    return claims


def _outermost(scene: Scene, axis: str, low: str, high: str) -> list[Claim]:
    value, claims = attrgetter(axis), []
    at, mean = value(scene.target), sum(value(r) for r in scene.rivals) / len(scene.rivals)
    word = low if at < mean else high

    def also(r: Thing) -> bool:
        return value(r) - 0.07 <= at if word == low else value(r) + 0.07 >= at

    claims.append(Claim(f"{word} {{}}", also))
    if axis == "x":
        claims += [Claim(f"{word}most {{}}", also), Claim(f"{{}} farthest to the {word}", also)]
    return claims


def orders(scene: Scene) -> list[Claim]:
    """Counting from a side; only in a row of three to six that people annotated, with clear gaps."""
    return _counted(scene, "x", ("left", "right"), 0.05, ("{} {{}} from the {}", "{} {{}} from {}"))


def columns(scene: Scene) -> list[Claim]:
    """Counting from the top or the bottom, in a stack of three to six."""
    xs, ys = ([get(t) for t in (scene.target, *scene.rivals)] for get in (attrgetter("x"), attrgetter("y")))
    if max(ys) - min(ys) < max(xs) - min(xs):  # rather a row
        return []
    return _counted(scene, "y", ("top", "bottom"), 0.07, ("{} {{}} from the {}",))


def _counted(scene: Scene, axis: str, sides: tuple[str, str], clear: float, phrases: tuple[str, ...]) -> list[Claim]:
    value = attrgetter(axis)
    row = sorted([scene.target, *scene.rivals], key=value)
    gaps = [value(b) - value(a) for a, b in pairwise(row)]
    if not 3 <= len(row) <= 6 or min(gaps) < clear or not scene.certain:
        return []
    claims = []
    for side, place in zip(sides, (row.index(scene.target), row[::-1].index(scene.target)), strict=True):
        if 0 < place < len(ORDINALS) and place <= len(row) // 2:
            claims += [Claim(phrase.format(ORDINALS[place], side), _nobody) for phrase in phrases]
    return claims


def sizes(scene: Scene) -> list[Claim]:
    """The biggest or smallest of its name by a factor of 1.6 in area."""
    if not scene.rivals:
        return []
    area = scene.target.area
    claims = [Claim(f"{word} {{}}", lambda r: area <= 1.6 * r.area) for word in ("biggest", "largest", "big")]
    if scene.certain:
        small = ("smallest", "small", "little")
        claims += [Claim(f"{word} {{}}", lambda r: 1.6 * area >= r.area) for word in small]
    return claims


def comparisons(scene: Scene) -> list[Claim]:
    """The bigger, smaller, taller or shorter of two; taller only where both stand on the same line."""
    if len(scene.rivals) != 1 or not scene.certain:
        return []
    target, rival = scene.target, scene.rivals[0]
    bigger = target.area > rival.area
    words = ["bigger", "larger"] if bigger else ["smaller"]
    claims = [Claim(f"{w} {{}}", lambda r: max(target.area, r.area) <= 1.6 * min(target.area, r.area)) for w in words]
    if {target.category, rival.category} <= STANDING and abs(target.box[3] - rival.box[3]) < 0.03:
        heights = [t.box[3] - t.box[1] for t in (target, rival)]
        if all(0.01 < t.box[1] and t.box[3] < 0.99 for t in (target, rival)) and max(heights) > 1.25 * min(heights):
            claims.append(Claim("taller {}" if heights[0] > heights[1] else "shorter {}", _nobody))
    return claims


def depths(scene: Scene) -> list[Claim]:
    """The closest or farthest of its name: of things that stand, the nearer one ends lower and looks larger."""
    target = scene.target
    if not scene.rivals or not {t.category for t in (target, *scene.rivals)} <= STANDING:
        return []
    pair = len(scene.rivals) == 1
    near = ["closest {}", "nearest {}", "{} in front", "{} closest to the camera", *(["closer {}"] if pair else [])]
    claims = [Claim(text, lambda r: not nearer(target, r)) for text in near]
    if scene.certain:
        far = ["farthest {}", "{} farthest away", "{} furthest back"]
        claims += [Claim(text, lambda r: not nearer(r, target)) for text in far]
    return claims


def nearer(a: Thing, b: Thing) -> bool:
    """Whether a is clearly in front of b, both standing on the same ground."""
    return a.box[3] > b.box[3] + 0.06 and a.area > 1.5 * b.area


def _nobody(_: Thing) -> bool:
    return False
