"""train/evaluation/questions.py: which expressions are asked, and how shuffling deals them."""

import pytest

from tests.photoref_fixture import make_photoref
from train.data.reader import ReferData
from train.evaluation.questions import Query, queries, reworded, shuffled


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return ReferData.open(make_photoref(tmp_path_factory.mktemp("photoref"), photos=12))


@pytest.mark.parametrize("seed", range(5))
def test_shuffling_deals_every_expression_to_another_object_of_its_photo(data, seed):
    photos = queries(data, "train")
    dealt = {photo[0].image_id: photo for photo in shuffled(photos, seed)}
    for photo in photos:
        present = [query for query in photo if query.ann_ids]
        objects = {query.ann_ids for query in present}
        if len(objects) == 1:
            assert photo[0].image_id not in dealt
            continue
        after = dealt[photo[0].image_id]
        assert [query.expression for query in after] == [query.expression for query in present]
        assert all(old.ann_ids != new.ann_ids for old, new in zip(present, after, strict=True))
        assert {query.ann_ids for query in after} == objects


def test_nothing_to_shuffle():
    with pytest.raises(ValueError, match="two objects"):
        shuffled([[Query(1, (1,), "dog", "free"), Query(1, (), "cat", "absent")]])


def test_limit_counts_expressions_of_present_objects(data):
    for limit in (1, 4, 10):
        photos = queries(data, "train", limit)
        assert sum(bool(query.ann_ids) for photo in photos for query in photo) == limit
        assert photos == queries(data, "train", limit)
    everything = queries(data, "train")
    assert len({photo[0].image_id for photo in everything}) == len(everything)
    assert sum(not q.ann_ids for p in everything for q in p) == sum(a.split == "train" for a in data.absent)
    with pytest.raises(ValueError, match="at least 1"):
        queries(data, "train", 0)


def test_clicks_go_with_right_words_none_or_those_of_another_object() -> None:
    photo = [
        Query(1, (1,), "dog", ""),
        Query(1, (1,), "brown dog", ""),
        Query(1, (2,), "cat", ""),
        Query(1, (), "cow", ""),
    ]
    alone = [Query(2, (3,), "car", "")]

    def texts(words: str) -> list[list[str]]:
        return [[query.expression for query in some] for some in reworded([photo, alone], words)]

    assert texts("right") == [["dog", "brown dog", "cat"], ["car"]]  # nobody clicks on what is absent
    assert texts("empty") == [["", "", ""], [""]]
    assert texts("other") == [["cat", "cat", "dog"], [""]]
    assert [q.ann_ids for q in reworded([photo], "other")[0]] == [(1,), (1,), (2,)]
    with pytest.raises(ValueError, match="right, empty, other"):
        reworded([photo], "wrong")
    with pytest.raises(ValueError, match="nothing to click on"):
        reworded([photo[3:]], "right")
