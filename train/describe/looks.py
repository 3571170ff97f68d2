"""Kinds of expressions: what a thing is called and which colours it shows."""

import numpy as np

from train.describe.things import Claim, Frame, Scene, Thing
from train.describe.vocabulary import COLOURS

# Bare arms and legs measure as one of these.
SKIN = frozenset(("brown", "pink", "orange"))
MAINLY, HARDLY = 0.55, 0.2  # shares of a colour: enough to be called by it, too much to be told apart by it


def name(scene: Scene) -> list[Claim]:
    """The bare noun, where it fits nothing else that is annotated."""
    return [Claim("{}", lambda r: True)] if scene.certain else []


def colours(scene: Scene) -> list[Claim]:
    """The one thing of its name with that colour; for a person, the colour of what the trunk wears."""
    shares = _coloured(scene.frame, scene.target)
    best = int(shares.argmax())
    if shares[best] < MAINLY:
        return []

    def also(r: Thing) -> bool:
        return bool(_coloured(scene.frame, r)[best] > HARDLY)

    texts = ("{{}} in {}", "{{}} wearing {}") if scene.target.human else ("{} {{}}",)
    return [Claim(text.format(COLOURS[best]), also) for text in texts]


def clothes(scene: Scene) -> list[Claim]:
    """What a standing person wears above and below the waist."""
    top, pants = _worn(scene.frame, scene.target)
    claims = []
    if top:
        claims.append(Claim(f"{{}} in {_article(top)} {top} top", lambda r: _may_wear(scene.frame, r, top, 0)))
    if pants:
        claims.append(Claim(f"{{}} in {pants} pants", lambda r: _may_wear(scene.frame, r, pants, 1)))
    if top and pants and top != pants:

        def also(r: Thing) -> bool:
            return _may_wear(scene.frame, r, top, 0) and _may_wear(scene.frame, r, pants, 1)

        claims.append(Claim(f"{{}} in {_article(top)} {top} top and {pants} pants", also))
    return claims


UPPER, LOWER = (0.22, 0.48), (0.6, 0.85)  # heights of a standing person, 0 the head, 1 the feet


def _worn(frame: Frame, t: Thing) -> tuple[str, str]:
    """Colours of the upper and the lower body; empty where there is no clear one, or the mask is no standing person."""
    x0, y0, x1, y1 = t.box
    height, width = frame.image.shape[:2]
    standing = t.human and y0 > 0.01 and y1 < 0.99 and (y1 - y0) * height > 1.9 * (x1 - x0) * width
    if not standing or y1 - y0 < 0.15:
        return "", ""
    found = []
    for part in (UPPER, LOWER):
        shares = frame.colours(t, *part)
        colour = COLOURS[int(shares.argmax())]
        found.append(colour if shares.max() >= MAINLY and colour not in SKIN else "")
    return found[0], found[1]


def _may_wear(frame: Frame, t: Thing, colour: str, part: int) -> bool:
    """In doubt where: a person who sits or is cut off shows other heights, so the whole of the mask is asked."""
    if not t.human:
        return False
    whole, there = frame.colours(t), frame.colours(t, *(UPPER, LOWER)[part])
    return bool(max(whole[COLOURS.index(colour)], there[COLOURS.index(colour)]) > HARDLY)


def _coloured(frame: Frame, t: Thing) -> np.ndarray:
    return frame.colours(t, 0.25, 0.6) if t.human else frame.colours(t)


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"
