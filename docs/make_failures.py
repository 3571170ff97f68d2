"""Writes docs/failures.webp: what cefnet-acm does worst on the example photos. `python docs/make_failures.py DATA`

Asked is every expression that `dev` has about the app's example photos, whose licences allow showing them; drawn are
the worst answers, at most two of a photo.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cefnet import Predictor  # noqa: E402
from train.data.reader import ReferData  # noqa: E402
from train.sheets import PREDICTED, TRUTH, Tile, contact_sheet  # noqa: E402

SHOWN, OF_A_PHOTO = 8, 2


def main(data: ReferData) -> None:
    predictor = Predictor.from_pretrained("cefnet-acm")
    examples = {Path(one["file"]).stem for one in json.loads((ROOT / "app/examples/examples.json").read_text())}
    found: list[tuple[float, int, Tile]] = []
    for ref in data.refs_of("dev"):
        if Path(data.images[ref.image_id].file_name).stem not in examples:
            continue
        pixels, truth = data.photo(ref.image_id), data.union(ref.image_id, ref.ann_ids)
        photo = predictor.encode(pixels)
        for sentence in ref.sentences:
            result = predictor.segment(photo, sentence.sent)
            mask = result.mask & result.present
            iou = float((mask & truth).sum() / (mask | truth).sum())
            said = f"IoU {iou:.2f}" if result.present else "nothing found"
            tile = Tile(pixels, f"{sentence.sent}\n{said}", ((truth, TRUTH), (mask, PREDICTED)))
            found.append((iou, ref.image_id, tile))
    print(f"{len(found)} expressions, {sum(iou >= 0.5 for iou, _, _ in found)} with IoU of at least 0.5")
    drawn: list[Tile] = []
    photos: Counter[int] = Counter()
    for _, image_id, tile in sorted(found, key=lambda one: one[0]):
        if photos[image_id] < OF_A_PHOTO and len(drawn) < SHOWN:
            photos[image_id] += 1
            drawn.append(tile)
    sheet = contact_sheet(drawn, 4, legend={"meant": TRUTH, "found": PREDICTED})
    Image.fromarray(sheet).save(ROOT / "docs" / "failures.webp", quality=82)


if __name__ == "__main__":
    main(ReferData.open(Path(sys.argv[1])))
