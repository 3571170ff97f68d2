"""train/evaluation/questions.py on drawn photos."""

import numpy as np
import pytest

from tests.photoref_fixture import make_photoref
from train.data.reader import ReferData
from train.evaluation.questions import Query, center, largest


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return ReferData.open(make_photoref(tmp_path_factory.mktemp("photoref"), photos=12))


def test_center_is_an_ellipse_of_the_mean_size(data):
    image_id = next(iter(data.images))
    [one, two] = center(data)([Query(image_id, (), text, "") for text in ("dog", "cat")])
    assert np.array_equal(one.mask, two.mask) and one.present
    photo = data.images[image_id]
    assert one.mask.shape == (photo.height, photo.width)
    sizes = [(a.area / (photo.width * photo.height)) ** 0.5 for a in data.annotations.values()]
    assert one.mask.mean() == pytest.approx(np.mean(sizes) ** 2, rel=0.1)
    y, x = np.nonzero(one.mask)
    assert (np.mean(x), np.mean(y)) == pytest.approx((photo.width / 2, photo.height / 2), abs=1)
    assert np.ptp(x) / np.ptp(y) == pytest.approx(photo.width / photo.height, rel=0.1)


def test_largest_is_the_largest_annotated_object(data):
    for image_id, ann_ids in data.annotations_of.items():
        [answer] = largest(data)([Query(image_id, (), "anything", "")])
        assert answer.mask.sum() == max(data.mask(ann_id).sum() for ann_id in ann_ids)
