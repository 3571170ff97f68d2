"""Contact sheets show every tile: photo, outlines, text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageFont

from train.evaluation import sheets
from train.evaluation.sheets import INK, PAPER, PREDICTED, TRUTH, Tile, contact_sheet

GREY = np.full((60, 80, 3), 128, np.uint8)


def square(y: int = 20, x: int = 30, side: int = 20) -> np.ndarray:
    mask = np.zeros((60, 80), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def has(page: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((page == np.array(colour)).all(axis=-1).any())


def test_layout() -> None:
    one = contact_sheet([Tile(GREY, "dog")], columns=1, width=80)
    row = contact_sheet([Tile(GREY, "dog")] * 3, columns=3, width=80)
    rows = contact_sheet([Tile(GREY, "dog")] * 4, columns=3, width=80)
    assert one.dtype == np.uint8 and one.shape[1] == 80 + 16 and row.shape[1] == 3 * 88 + 8
    assert row.shape[0] == one.shape[0] and rows.shape[0] == 2 * (one.shape[0] - 8) + 8
    assert np.array_equal(row[:, 88 : 88 + 96], one)
    assert (rows[one.shape[0] :, 96:] == PAPER).all()  # the places left over are empty
    assert contact_sheet([Tile(GREY, "")], columns=9, width=80).shape == one.shape


def test_outlines_lie_on_the_masks_edge() -> None:
    page = contact_sheet([Tile(GREY, "", ((square(), TRUTH), (square(5, 5), PREDICTED)))], 1, width=80)
    photo = page[8 : 8 + 60, 8 : 8 + 80]
    for mask, colour in ((square(), TRUTH), (square(5, 5), PREDICTED)):
        drawn = np.argwhere((np.abs(photo.astype(int) - colour) < 40).all(axis=-1))
        inside = np.argwhere(mask)
        assert len(drawn) > 40
        assert np.abs(drawn.min(0) - inside.min(0)).max() <= 2 and np.abs(drawn.max(0) - inside.max(0)).max() <= 2
    assert (photo[40, 70] == 128).all() and (photo[30, 40] == 128).all()  # away from lines the photo is itself


def test_photos_are_fitted_not_cut() -> None:
    tall = np.zeros((300, 30, 3), np.uint8)
    tall[:10], tall[-10:] = (255, 0, 0), (0, 0, 255)
    page = contact_sheet([Tile(tall, "")], 1, width=80)
    assert has(page, (255, 0, 0)) and has(page, (0, 0, 255)) and (page[30, 10] == PAPER).all()


def test_a_thin_mask_is_seen_and_an_empty_one_is_no_error() -> None:
    large = np.full((600, 800, 3), 128, np.uint8)
    thin = np.zeros((600, 800), bool)
    thin[:, 400] = True
    assert has(contact_sheet([Tile(large, "", ((thin, TRUTH),))], 1, width=80), TRUTH)
    assert not has(contact_sheet([Tile(large, "", ((thin & False, TRUTH),))], 1, width=80), TRUTH)


def test_text_and_legend_are_written() -> None:
    bare, told = (contact_sheet([Tile(GREY, text)], 1, width=80) for text in ("", "dog"))
    assert (bare[70:] == PAPER).all() and (told[70:].astype(int).sum(axis=-1) < 300).any()
    keyed = contact_sheet([Tile(GREY, "dog")], 1, width=120, legend={"truth": TRUTH, "predicted": PREDICTED})
    assert has(keyed[:24], TRUTH) and has(keyed[:24], PREDICTED) and has(keyed[:24], INK)


@settings(deadline=None)
@given(st.text("abc w\n…é", max_size=80), st.integers(20, 120), st.integers(1, 4))
def test_wrapped_text_fits_and_keeps_its_words(text: str, width: int, lines: int) -> None:
    font = ImageFont.load_default(14)
    wrapped = sheets._wrap(text, width, lines, font)
    assert 1 <= len(wrapped) <= lines and all(font.getlength(line) <= width for line in wrapped)
    whole = sheets._wrap(text, width, 10_000, font)
    assert "".join("".join(whole).split()) == "".join(text.split())
    assert len(whole) > lines or wrapped == whole


@pytest.mark.parametrize("change", [{"columns": 0}, {"tiles": []}, {"width": 4}, {"lines": 0}])
def test_impossible_sheets_are_refused(change: dict) -> None:
    with pytest.raises(ValueError, match="needs a tile, a column"):
        contact_sheet(**({"tiles": [Tile(GREY, "dog")], "columns": 1} | change))


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"mask is \(60, 80\), its photo \(30, 80\)"):
        contact_sheet([Tile(GREY[:30], "", ((square(), TRUTH),))], 1)
