"""Generated expressions are true, and of one thing only: all kinds against their plain sense, mirrored and cropped."""

from dataclasses import replace

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_sense import meant
from scenes import SIZE, frames

from train.data import augment
from train.describe.expressions import scene_of, tell
from train.describe.things import Frame, Thing, thing
from train.describe.vocabulary import SYNONYMS


def everything(frame: Frame) -> list[tuple[str, Thing, str]]:
    """All expressions that are kept, by all nouns: (expression, its target, its kind)."""
    return [
        (text, target, kind)
        for target in frame.things
        for noun in (target.category, *SYNONYMS.get(target.category, ()))
        for kind, texts in tell(scene_of(target, frame, noun), noun).kept.items()
        for text in texts
    ]


@settings(max_examples=60, deadline=None)
@given(frames())
def test_every_expression_means_its_target_alone(frame: Frame) -> None:
    for text, target, _ in everything(frame):
        assert meant(text, frame.things, frame.image) == [target], text


@settings(max_examples=40, deadline=None)
@given(frames())
def test_expressions_stay_true_in_the_mirror(frame: Frame) -> None:
    image = np.ascontiguousarray(frame.image[:, ::-1])
    mirrored = [replace(t, **vars(thing(0, "", np.ascontiguousarray(t.mask[:, ::-1])))) for t in frame.things]
    mirrored = [replace(m, ann_id=t.ann_id, category=t.category) for m, t in zip(mirrored, frame.things, strict=True)]
    for text, target, _ in everything(frame):
        assert augment.mirrorable(text)
        found = meant(augment.mirror_text(text), mirrored, image)
        assert [t.ann_id for t in found] == [target.ann_id], augment.mirror_text(text)


@settings(max_examples=40, deadline=None)
@given(frames(), st.integers(0, 10**6))
def test_place_words_stay_true_in_crops(frame: Frame, seed: int) -> None:
    """Crops as `Batches` draws them: free, but mild and around everything annotated where a place is named."""
    rng = np.random.default_rng(seed)
    for text, target, kind in everything(frame):
        strict = augment.names_place(text)
        if not strict and kind != "depths":
            assert kind not in ("positions", "ends", "orders", "columns", "comparisons"), text
            continue
        boxes = [cv2.boundingRect(t.mask) for t in (frame.things if strict else (target,))]
        window = augment.draw_window(SIZE, SIZE, boxes, 0.925 if strict else 0.55, rng)
        cut = [(t, np.ascontiguousarray(window.cut(t.mask))) for t in frame.things]
        things = [thing(t.ann_id, t.category, mask) for t, mask in cut if mask.any()]
        found = meant(text, things, window.cut(frame.image))
        assert [t.ann_id for t in found] == [target.ann_id], text
