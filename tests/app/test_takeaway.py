"""What can be taken away: files of a kept answer."""

import io
import json
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from app_fixture import NAMES, WAIT, noise
from PIL import Image
from pycocotools.coco import COCO
from tab_fixture import with_results

from app import exports, figure, strings
from app.picture import picture_from
from app.service import Answer, Focus, Service, Session
from train.data.masks import decode_mask
from train.preparation.coco import read_coco
from train.preparation.photos import found, layouts
from train.preparation.tables import own_tables


@pytest.fixture(scope="module")
def answer(app_service: Service, tall_photo: Path) -> Answer:
    return app_service.ask(Session(), picture_from(tall_photo), ["red dog", "ß", "Red  dog!"])


@pytest.fixture(scope="module")
def now(answer: Answer) -> Focus:
    """The first expression by the first model, at a threshold that about half of its pixels reach."""
    return Focus(answer.decided(float(np.median(answer.results[NAMES[0]][0].probability))), NAMES[0], 0)


def absent(answer: Answer, *which: tuple[str, int]) -> Answer:
    """The answer, with some of its results saying that nothing matches."""
    results = {
        model: tuple(
            one.decided(presence_threshold=1.0) if (model, n) in which else one for n, one in enumerate(results)
        )
        for model, results in answer.results.items()
    }
    return with_results(answer, results)


def read(png: bytes, mode: str) -> np.ndarray:
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.mode) == ("PNG", mode)
    return np.array(image)


def test_mask_and_cutout_are_of_the_photos_own_pixels(now: Focus, app_service: Service, tall_photo: Path) -> None:
    predictor = app_service.predictors[NAMES[0]]
    result = predictor.segment_many(predictor.encode(tall_photo), now.answer.expressions)[0]
    expected = result.probability >= now.result.decision.mask_threshold
    assert 0.2 < expected.mean() < 0.8
    assert np.array_equal(read(exports.mask_png(now), "L"), expected * np.uint8(255))
    cutout = read(exports.whole_cutout_png(now), "RGBA")
    assert cutout.shape == (1200, 140, 4)
    assert np.array_equal(cutout[..., 3], expected * np.uint8(255))
    assert np.array_equal(cutout[expected][:, :3], noise(1200, 140)[expected])
    assert not cutout[~expected].any()


def test_a_cutout_is_cropped_and_its_edge_a_pixel_soft() -> None:
    photo, mask = noise(50, 60), np.zeros((50, 60), bool)
    mask[20:30, 0:15] = True
    cut = read(exports.cropped(photo, mask), "RGBA")
    assert cut.shape == (10 + 2 * exports.MARGIN, 15 + exports.MARGIN, 4)  # the photo ends at its left
    assert np.array_equal(cut[..., 3] > 127, mask[18:32, :17])
    assert np.array_equal(cut[5:9, 3:10, :3], photo[23:27, 3:10]) and (cut[5:9, :10, 3] == 255).all()
    assert 0 < cut[1, 5, 3] < cut[2, 5, 3] < 255 and cut[0, 5, 3] < 20
    assert read(exports.cropped(photo, mask & False), "RGBA").shape == (1, 1, 4)


def test_nothing_found_is_an_empty_mask(answer: Answer, now: Focus) -> None:
    nothing = replace(now, answer=absent(answer, (NAMES[0], 0)).decided(0.0))
    assert not read(exports.mask_png(nothing), "L").any()
    assert not read(exports.cutout_png(nothing), "RGBA").any()
    assert not read(exports.whole_cutout_png(nothing), "RGBA").any()


def test_a_photo_whose_file_is_gone_is_cut_out_as_it_was_shown(answer: Answer, now: Focus) -> None:
    gone = replace(answer, picture=replace(answer.picture, path="/nowhere/photo.png"))
    assert read(exports.whole_cutout_png(replace(now, answer=gone)), "RGBA").shape == (1024, 119, 4)
    assert read(exports.mask_png(replace(now, answer=gone)), "L").shape == (1200, 140)


def test_coco_json_is_read_by_pycocotools(answer: Answer, now: Focus, tmp_path: Path) -> None:
    answer = absent(now.answer, (NAMES[0], 1))
    file = tmp_path / "coco.json"
    file.write_bytes(exports.coco_json(answer, NAMES[0]))
    data = COCO(str(file))
    assert [one["name"] for one in data.loadCats(data.getCatIds())] == ["red dog", "ß", "Red  dog!"]
    (image,) = data.loadImgs(data.getImgIds())
    assert (image["height"], image["width"], image["file_name"]) == (1200, 140, """my "photo", it's; 1.png""")
    masks = data.loadAnns(data.getAnnIds())
    assert [(one["id"], one["model"], one["expression"]) for one in masks] == [
        (1, NAMES[0], "red dog"),
        (2, NAMES[0], "Red  dog!"),
    ]
    assert [one["category_id"] for one in data.dataset["absent"]] == [2]  # not there
    other = exports.coco(answer, NAMES[1])
    assert other["info"]["model"] == NAMES[1] and {one["model"] for one in other["absent"]} == {NAMES[1]}
    assert [one["category_id"] for one in other["absent"]] == [1, 2, 3]  # no pixel reaches it, or not there
    mask = read(exports.mask_png(now), "L") > 0
    assert np.array_equal(data.annToMask(masks[0]), mask)
    ys, xs = np.nonzero(mask)
    assert masks[0]["bbox"] == [xs.min(), ys.min(), xs.max() + 1 - xs.min(), ys.max() + 1 - ys.min()]
    assert masks[0]["area"] == mask.sum() and masks[0]["score"] == answer.results[NAMES[0]][0].score
    assert str(tmp_path) not in file.read_text()


def test_coco_json_of_a_photo_on_its_side_comes_back_as_labels(now: Focus, tall_photo: Path, tmp_path: Path) -> None:
    file, photos = tmp_path / "coco.json", tall_photo.parent
    file.write_bytes(exports.coco_json(now.answer, now.model))
    labels = found(read_coco([file]), photos)
    own = own_tables(labels, *layouts(photos, {n: photo.name for n, photo in labels.photos.items()}), "upright")
    first = own.tables["annotations"][0]
    assert (first["source"], own.labels.skipped, own.doubtful) == ("predicted", [], [])
    assert np.array_equal(decode_mask(first["segmentation"], 1200, 140) > 0, read(exports.mask_png(now), "L") > 0)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("dog on the left", "dog-on-the-left"),
        ("  Café/../Ünïcode.PNG  ", "cafe-unicode-png"),
        ('a\\b:c*?"<>|\n\x00d', "a-b-c-d"),
        ("ß", ""),
        ("x" * 300, "x" * 40),
        ("a " * 300, ("a-" * 20)[:-1]),
    ],
)
def test_names_are_safe_everywhere(text: str, name: str) -> None:
    assert exports.slug(text) == name


def test_a_name_says_what_it_is_even_of_an_expression_without_letters(answer: Answer) -> None:
    assert exports.file_name("mask", Focus(answer, NAMES[1], 0), ".png") == "mask-red-dog-cefnet-acm.png"
    assert exports.file_name("mask", Focus(answer, NAMES[1], 1), ".png") == "mask-expression-2-cefnet-acm.png"


def test_the_zip_holds_everything_and_says_what_it_is(answer: Answer, now: Focus) -> None:
    answer = absent(now.answer, (NAMES[1], 2))
    archive = zipfile.ZipFile(io.BytesIO(everything(replace(now, answer=answer), "cefnet-vcm, SHA-256: abc")))
    expected = {"README.txt", *(f"annotations-{model}.json" for model in NAMES)}
    for folder in ("1-red-dog", "2", "3-red-dog"):
        expected.add(f"{folder}/figure.png")
        expected |= {f"{folder}/{model}/{file}.png" for model in NAMES for file in ("mask", "cutout", "boundary")}
    drawn = {(n, model): answer.results[model][n].found.any() for n in range(3) for model in NAMES}
    assert len(set(drawn.values())) == 2
    for (n, model), there in drawn.items():
        if not there:
            expected.remove(f"{('1-red-dog', '2', '3-red-dog')[n]}/{model}/cutout.png")
    assert set(archive.namelist()) == expected
    readme = archive.read("README.txt").decode()
    assert "SHA-256: abc" in readme and "2/: ß" in readme and "it's; 1.png" in readme
    assert archive.read("1-red-dog/cefnet-vcm/mask.png") == exports.mask_png(now)
    boundary = read(archive.read("2/cefnet-acm/boundary.png"), "L")
    assert boundary.shape == (1024, 119)
    assert not read(archive.read("3-red-dog/cefnet-acm/mask.png"), "L").any()


def everything(now: Focus, models: str) -> bytes:
    *steps, file = exports.everything(now, models)
    assert steps == [(n + 1) / len(now.answer.items) for n in range(len(now.answer.items))]
    assert isinstance(file, bytes)
    return file


@pytest.mark.usefixtures("two_regions")
def test_one_region_or_all_in_every_file(app_service: Service) -> None:
    answer = app_service.ask(Session(), picture_from(noise(60, 90)), ["red dog"])
    every, best = (Focus(answer.decided(0.5, regions), NAMES[0], 0) for regions in ("all", "one"))
    for now, regions in ((every, "all"), (best, "one")):
        two = regions == "all"
        archive = zipfile.ZipFile(io.BytesIO(everything(now, "")))
        assert strings.REGIONS_NOTE[regions] in archive.read("README.txt").decode()
        for model in NAMES:
            mask = read(archive.read(f"1-red-dog/{model}/mask.png"), "L") > 0
            assert (mask[0, 0], mask[-1, -1]) == (True, two)
            [told] = json.loads(archive.read(f"annotations-{model}.json"))["annotations"]
            assert (told["regions"], told["bbox"][2] == 90) == (regions, two)
    two_masks, one_mask = (exports.paper_figure(now).axes[1].images[0].get_array() for now in (every, best))
    assert np.array_equal(two_masks[0, 0], one_mask[0, 0]) and not np.array_equal(two_masks[-1, -1], one_mask[-1, -1])


# The figure


def texts(drawn: figure.Figure) -> list[str]:
    return [axes.get_title() for axes in drawn.axes] + [text.get_text() for text in drawn.texts]


def test_the_figure_shows_photo_models_boundary_and_words(answer: Answer, now: Focus) -> None:
    drawn = exports.paper_figure(replace(now, answer=absent(now.answer, (NAMES[1], 0))))
    score = answer.results[NAMES[0]][0].score
    assert texts(drawn) == [
        *("Photo", f"VCM: {score:.2f}", "ACM: nothing found", "Boundary, by VCM"),
        *("“red”", "“dog”"),
        "",
        "“red dog”",
    ]
    shown = [axes.images[0].get_array() for axes in drawn.axes if axes.images]
    assert np.array_equal(shown[0], shown[2]) and not np.array_equal(shown[0], shown[1])


def test_the_figure_is_a_png_or_a_pdf_and_leaves_no_global_state(now: Focus) -> None:
    drawn = exports.paper_figure(now)
    image = Image.open(io.BytesIO(figure.save(drawn, "png")))
    assert (image.format, image.width) == ("PNG", round(figure.DPI * drawn.get_figwidth()))
    pdf = figure.save(drawn, "pdf")
    assert pdf.startswith(b"%PDF") and b"CreationDate" not in pdf
    loaded = "import sys, app.figure; print('matplotlib.pyplot' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", loaded], text=True).strip() == "False"


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("expression", ["$x^2", r"$\frac{1}{0}$", "a\n\x00\x1bb" + "c" * 200, "犬 \u202e"])
def test_the_figure_takes_any_expression_as_it_is(expression: str) -> None:
    panel = noise(40, 60)
    drawn = figure.draw(expression, [("Photo", panel)], [(expression, panel)])
    assert figure.save(drawn, "png") and figure.save(drawn, "pdf")
    shown = "".join(drawn.texts[0].get_text().split())
    assert shown == "“" + "".join(letter for letter in expression if letter.isprintable() and letter != " ") + "”"
    assert all(len(text) <= figure.CAPTION_LETTERS for text in texts(drawn)[:-1])


def test_panels_keep_their_shape_and_stay_within_the_figure() -> None:
    for height, width in ((60, 40), (40, 60), (10, 300), (300, 10)):
        panel = noise(height, width)
        drawn = figure.draw("dog", [("a", panel)] * 5, [("b", panel)] * 6)
        drawn.canvas.draw()
        for axes in drawn.axes:
            box = axes.get_position()
            assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= 1 and box.y1 <= 1
            assert not axes.images or axes.get_aspect() == 1


# On the page


def test_files_are_made_on_a_click_and_every_click_makes_a_new_one(app: SimpleNamespace, visit: Any) -> None:
    page = visit()
    page.locator("#take button").first.click()
    page.locator("#adjust button").first.click()
    page.locator("#take-code-client", has_text=app.url.rstrip("/")).wait_for()
    assert not list(app.folder.rglob("*.pdf"))
    kinds = {
        "whole": b"\x89PNG",
        "png": b"\x89PNG",
        "pdf": b"%PDF",
        "zip": b"PK",
        "coco": b"{",
        "labelme": b"{",
        "yolo": b"PK",
        "mask": b"\x89PNG",
        "cutout": b"\x89PNG",
    }
    for what, begins in kinds.items():
        assert take(page, what).startswith(begins), what
    before = np.array(Image.open(io.BytesIO(take(page, "mask"))))
    field = page.locator("#threshold input[type=number]")
    field.fill("0.95")
    field.press("Enter")
    page.locator("#asked li.now", has_text=strings.CERTAINTY["nothing"]).wait_for()
    page.locator("#take-code-client", has_text="0.95").wait_for()
    after = np.array(Image.open(io.BytesIO(take(page, "mask"))))
    assert before.shape == after.shape and not after.any()
    made = {str(file) for kind in ("pdf", "zip", "json") for file in app.folder.rglob(f"*.{kind}")}
    assert made and made <= set().union(*app.blocks.temp_file_sets)  # what `delete_cache` forgets in time


def take(page: Any, what: str) -> bytes:
    with page.expect_download(timeout=WAIT) as started:
        page.locator(f"#take-{what}").click()
    assert not re.search("[^a-z0-9.-]", started.value.suggested_filename)
    return Path(started.value.path()).read_bytes()
