"""train/evaluation/sheets.py: which answers are worst and best."""

from tests.train.test_metrics import record
from train.evaluation.sheets import extremes


def test_worst_and_best_are_one_of_each_photo_larger_objects_first() -> None:
    records = [
        record(10, 10, 0, image_id=1),
        record(90, 10, 0, image_id=2),  # as bad, and larger
        record(10, 10, 10, image_id=2),
        record(10, 10, 10, image_id=3, present=False),  # refused: an empty mask
        record(8, 10, 8, image_id=1),
        record(10, 10, 0, image_id=4, ann_ids=()),  # of an absent thing
    ]
    worst, best = extremes(records)
    assert [(r.image_id, r.truth) for r in worst] == [(2, 90), (1, 10), (3, 10)]
    assert [(r.image_id, r.truth) for r in best] == [(2, 10), (1, 8), (3, 10)]
    assert [r.image_id for r in extremes(records, count=1)[0]] == [2]
