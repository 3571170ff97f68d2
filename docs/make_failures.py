"""Writes docs/failures.webp: what cefnet-acm does worst on the example photos. `python docs/make_failures.py DATA`

Asked is every expression that `dev` has about the app's example photos, whose licences allow showing them; drawn is
the worst answer about each.
"""

import json
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cefnet import Predictor  # noqa: E402
from train.data.reader import ReferData  # noqa: E402
from train.evaluation.command import measure  # noqa: E402
from train.evaluation.questions import ask, queries  # noqa: E402
from train.evaluation.sheets import LEGEND, contact_sheet, extremes, iou_of, tile  # noqa: E402


def main(data: ReferData) -> None:
    examples = {Path(one["file"]).stem for one in json.loads((ROOT / "app/examples/examples.json").read_text())}
    asked = [q for q in queries(data, "dev") if Path(data.images[q[0].image_id].file_name).stem in examples]
    answers = ask(Predictor.from_pretrained("cefnet-acm"), data)
    records = measure(answers, data, asked)
    found = [iou_of(record) for record in records if record.ann_ids]
    print(f"{len(found)} expressions, {sum(iou >= 0.5 for iou in found)} with IoU of at least 0.5")
    worst, _ = extremes(records)
    sheet = contact_sheet([tile(record, answers, data) for record in worst], 3, legend=LEGEND)
    Image.fromarray(sheet).save(ROOT / "docs" / "failures.webp", quality=82)


if __name__ == "__main__":
    main(ReferData.open(Path(sys.argv[1])))
