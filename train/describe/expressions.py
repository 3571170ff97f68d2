"""Expressions generated from annotations.

A kind of expression is a function of a `Scene` that lists claims true of its target. A claim is kept only if it singles
the target out: it must be clearly false of everything else in the frame that goes by the same noun. To add a kind,
write such a function and name it in `KINDS`; `train/describe/looks.py` has the shortest examples.

    def tilted(scene: Scene) -> list[Claim]:
        if slope(scene.target) < 20:
            return []
        return [Claim("tilted {}", lambda rival: slope(rival) > 10)]

Not everything in a photo is annotated: where a detector made the masks, small objects are missing most often, so
"smallest" and counting ("second from the left") are only said where people drew them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from train.describe.looks import clothes, colours, name
from train.describe.places import columns, comparisons, depths, ends, orders, positions, sizes
from train.describe.relations import fronts, holding, relations, resting
from train.describe.things import Claim, Frame, Scene, Thing
from train.describe.vocabulary import SYNONYMS, Synonyms, category_name, means

Kind = Callable[[Scene], list[Claim]]

# The order is part of the stream of batches: a run resumes only if it stays.
KINDS: Mapping[str, Kind] = {
    "positions": positions,
    "ends": ends,
    "orders": orders,
    "sizes": sizes,
    "colours": colours,
    "relations": relations,
    "name": name,
    "columns": columns,
    "comparisons": comparisons,
    "depths": depths,
    "clothes": clothes,
    "holding": holding,
    "resting": resting,
    "fronts": fronts,
}
LOOKS, PLACES = ("colours", "clothes"), ("positions", "ends", "sizes", "depths", "relations", "resting", "fronts")
PAIRS = "pairs"  # the name under which two claims in one expression are counted: "red car on the left"


@dataclass(frozen=True)
class Told:
    """What can be said of a thing by one noun.

    Attributes:
        noun: The noun.
        said: How many true claims there are, by kind.
        kept: The expressions that single the thing out, by kind; only kinds that have some.
    """

    noun: str
    said: dict[str, int]
    kept: dict[str, list[str]]


def scene_of(target: Thing, frame: Frame, noun: str, synonyms: Synonyms = SYNONYMS) -> Scene:
    """Sorts the other things of a frame into rivals, which the noun fits too, and others."""
    rest = [t for t in frame.things if t is not target]
    rivals = [t for t in rest if t.category == target.category or means(noun, t.category, synonyms)]
    return Scene(frame, target, tuple(rivals), tuple(t for t in rest if t not in rivals))


def singles_out(claim: Claim, rivals: Sequence[Thing]) -> bool:
    """Whether a claim that is true of the target can be said of no rival."""
    return not any(claim.also(r) for r in rivals)


def both(look: Claim, place: Claim) -> Claim:
    """Two claims in one: "red {}" and "{} on the left" make "red {} on the left"."""
    return Claim(place.of(look.text), lambda r: look.also(r) and place.also(r))


def tell(scene: Scene, noun: str, kinds: Mapping[str, Kind] = KINDS) -> Told:
    """Everything that can be said of a scene's target by one noun.

    Two claims are joined only where neither alone is enough, as people do.

    Args:
        scene: The thing, its rivals (by that noun) and others.
        noun: What to call it.
        kinds: Functions that list claims, by name.
    """
    claims = {kind: list_claims(scene) for kind, list_claims in kinds.items()}
    vague = {kind: [c for c in found if not singles_out(c, scene.rivals)] for kind, found in claims.items()}
    claims[PAIRS] = [
        both(look, place)
        for look in (c for kind in LOOKS for c in vague.get(kind, ()))
        for place in (c for kind in PLACES for c in vague.get(kind, ()))
    ]
    kept = {kind: [c.of(noun) for c in found if singles_out(c, scene.rivals)] for kind, found in claims.items()}
    return Told(noun, {k: len(v) for k, v in claims.items()}, {k: v for k, v in kept.items() if v})


def describe(
    target: Thing,
    things: Sequence[Thing],
    image: np.ndarray,
    rng: np.random.Generator,
    kinds: Mapping[str, Kind] = KINDS,
) -> str | None:
    """Writes one expression that singles `target` out among the things of its name, or None.

    Args:
        target: What to describe; one of `things`.
        things: All annotated objects in the frame.
        image: The frame, H x W x 3 uint8 RGB, before colour jitter.
        rng: Chooses among what can be said.
        kinds: Functions that list claims, by name; tried in random order until one finds something to say.
    """
    noun = category_name(target.category, rng)
    scene, ways = scene_of(target, Frame(image, tuple(things)), noun), list(kinds.values())
    for i in rng.permutation(len(ways)):
        if found := [c.of(noun) for c in ways[i](scene) if singles_out(c, scene.rivals)]:
            return with_article(str(rng.choice(found)), rng)
    return None


def with_article(text: str, rng: np.random.Generator) -> str:
    """One in five starts with "the"."""
    return f"the {text}" if rng.random() < 0.2 else text
