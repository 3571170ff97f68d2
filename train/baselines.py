"""What a number is worth: masks that ignore the words."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from train.answers import Answer, Answers
from train.data.reader import ReferData
from train.queries import Query


def center(data: ReferData) -> Answers:
    """An ellipse in the middle of the photo, of the mean size of an annotated object.

    An object's size is the square root of its share of the photo's area; the ellipse has the photo's aspect,
    and the mean of all annotations' sizes as its own.
    """
    shares = [
        a.area / (data.images[a.image_id].width * data.images[a.image_id].height) for a in data.annotations.values()
    ]
    # An ellipse with axes as long as the photo's sides has pi / 4 of its area.
    axes = float(np.mean(np.sqrt(shares)) * (4 / np.pi) ** 0.5)

    def answers(asked: Sequence[Query]) -> list[Answer]:
        photo = data.images[asked[0].image_id]
        mask = np.zeros((photo.height, photo.width), np.uint8)
        box = ((photo.width / 2, photo.height / 2), (axes * photo.width, axes * photo.height), 0.0)
        cv2.ellipse(mask, box, color=1, thickness=-1)
        return [Answer(mask.astype(bool))] * len(asked)

    return answers


def largest(data: ReferData) -> Answers:
    """The photo's largest annotated object, with the annotations in hand, whatever is asked."""

    def answers(asked: Sequence[Query]) -> list[Answer]:
        masks = [data.mask(ann_id) for ann_id in data.annotations_of[asked[0].image_id]]
        return [Answer(max(masks, key=np.count_nonzero))] * len(asked)

    return answers


BASELINES: dict[str, Callable[[ReferData], Answers]] = {"center": center, "largest": largest}
