"""Kinds of expressions: how a thing relates to a thing of another name.

`also` asks for any anchor of that name: where two benches stand, "cow next to the bench" must be clear for both.
"""

from collections.abc import Callable

from train.describe.things import Claim, Scene, Thing, contact, gap, inside, overlap, under
from train.describe.vocabulary import HELD, PORTABLE, RESTS_ON, SEATS, STANDING


def relations(scene: Scene) -> list[Claim]:
    """With, next to, left or right of a thing of another category."""
    claims = []
    for anchor in scene.others:
        if scene.target.human and anchor.category in PORTABLE:
            claims += _with(scene, anchor)
        elif scene.target.category not in PORTABLE and min(scene.target.area, anchor.area) >= 0.004:
            claims += [*_next_to(scene, anchor), *_beside(scene, anchor)]
    return claims


def _with(scene: Scene, anchor: Thing) -> list[Claim]:
    if not inside(anchor, scene.target):
        return []
    return [Claim(f"{{}} with the {anchor.category}", lambda r: any(inside(o, r) for o in scene.alike(anchor)))]


def _next_to(scene: Scene, anchor: Thing) -> list[Claim]:
    if gap(scene.target, anchor) >= 0.03:
        return []

    def also(r: Thing) -> bool:
        return any(gap(r, o) <= 0.1 for o in scene.alike(anchor))

    return [Claim(f"{{}} {words} the {anchor.category}", also) for words in ("next to", "by")]


def _beside(scene: Scene, anchor: Thing) -> list[Claim]:
    """On which side of the one thing of that name, the two at about the same height."""
    target = scene.target
    if len(scene.alike(anchor)) != 1 or abs(target.y - anchor.y) >= 0.3:
        return []
    claims = []
    if target.box[2] < anchor.x and target.x < anchor.box[0]:
        claims.append(Claim(f"{{}} to the left of the {anchor.category}", lambda r: r.x <= anchor.x))
    if target.box[0] > anchor.x and target.x > anchor.box[2]:
        claims.append(Claim(f"{{}} to the right of the {anchor.category}", lambda r: r.x >= anchor.x))
    return claims


def holding(scene: Scene) -> list[Claim]:
    """A person whose mask touches, at the height of arms, what hands hold and nothing else carries."""
    if not scene.target.human:
        return []
    claims = []
    for item in (o for o in scene.others if o.category in HELD and o.area < 0.6 * scene.target.area):
        touch, height = contact(item, scene.target)
        carried = any(rests_on(item, o) for o in (scene.target, *scene.others) if o is not item)
        if touch > 0.15 and 0.15 < height < 0.8 and not carried:
            claims.append(_claim(scene, f"{{}} holding the {item.category}", item, _may_hold))
    return claims


def resting(scene: Scene) -> list[Claim]:
    """On a table, a couch, a horse: what is right beneath the target's foot."""
    on = [o for o in scene.others if rests_on(scene.target, o)]
    return [_claim(scene, f"{{}} on the {o.category}", o, _may_rest) for o in on]


def fronts(scene: Scene) -> list[Claim]:
    """In front of or behind a thing that it overlaps: of two that stand, the nearer one ends lower."""
    claims = []
    for anchor in (o for o in scene.others if _apart(scene.target, o)):
        if _in_front(scene.target, anchor):
            claims.append(_claim(scene, f"{{}} in front of the {anchor.category}", anchor, _may_front))
        elif _in_front(anchor, scene.target):
            claims.append(_claim(scene, f"{{}} behind the {anchor.category}", anchor, lambda r, o: _may_front(o, r)))
    return claims


def rests_on(a: Thing, b: Thing) -> bool:
    """Whether a stands, lies or rides on b, as far as masks tell."""
    return a.category in RESTS_ON.get(b.category, ()) and a.box[3] < b.box[3] and under(a, b) > 0.5


def _claim(scene: Scene, text: str, anchor: Thing, may: Callable[[Thing, Thing], bool]) -> Claim:
    return Claim(text, lambda r: any(may(r, o) for o in scene.alike(anchor)))


def _may_hold(r: Thing, item: Thing) -> bool:
    return r.human and (inside(item, r) or contact(item, r)[0] > 0.02)


def _may_rest(r: Thing, support: Thing) -> bool:
    return gap(r, support) < 0.03 and r.box[3] < support.box[3] + 0.02


def _may_front(r: Thing, anchor: Thing) -> bool:
    return max(overlap(r, anchor), overlap(anchor, r)) > 0.1 and r.box[3] > anchor.box[3] - 0.02


def _in_front(a: Thing, b: Thing) -> bool:
    """Whether a hides a part of b; a b within a's box may be in it, as a dog in a boat, and is not counted."""
    shared = max(overlap(a, b), overlap(b, a))
    within = all(a.box[i] <= b.box[i] and b.box[i + 2] <= a.box[i + 2] for i in (0, 1))
    lower = a.box[3] > b.box[3] + 0.04
    return lower and not within and shared > 0.5 and max(contact(a, b)[0], contact(b, a)[0]) > 0.2


def _apart(a: Thing, b: Thing) -> bool:
    """Whether each stands by itself: neither carries the other, nobody may sit there."""
    pairs = ((a, b), (b, a))
    return {a.category, b.category} <= STANDING and not any(
        p.category in RESTS_ON.get(q.category, ())
        or (q.category in SEATS and p.category not in SEATS)
        or (p.human and q.category in HELD)
        for p, q in pairs
    )
