import cv2
import numpy as np
import pytest

from cefnet import render

PHOTO = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
MASK = np.zeros((30, 40), bool)
MASK[10:20, 10:30] = True


def test_overlay_tints_outlines_and_dims():
    picture = render.overlay(PHOTO, MASK, colour=(100, 0, 200), opacity=0.5, dim=0.5)
    assert picture.dtype == np.uint8 and picture.shape == PHOTO.shape
    np.testing.assert_allclose(picture[15, 20], PHOTO[15, 20] * 0.5 + np.array([50, 0, 100]), atol=0.51)
    np.testing.assert_allclose(picture[2, 2], PHOTO[2, 2] * 0.5, atol=0.51)
    assert picture[10, 20].min() > 200  # the outline, white


def test_an_empty_mask_leaves_the_photo():
    picture = render.overlay(PHOTO, np.zeros_like(MASK))
    np.testing.assert_array_equal(picture, PHOTO)
    assert picture is not PHOTO


def test_outline_is_a_line_in_the_colour_asked_for():
    black = np.zeros_like(PHOTO)
    picture = render.outline(black, MASK, colour=(250, 0, 100), thickness=1)
    np.testing.assert_allclose(picture[10, 10:30], [[250, 0, 100]] * 20, atol=50)  # anti-aliased
    assert not picture[13:17, 13:27].any() and not black.any()


def test_heatmap_rises_evenly_in_lightness():
    ramp = np.linspace(0, 2, 64, dtype=np.float32)[None]
    colours = render.heatmap(ramp)
    lightness = cv2.cvtColor(colours, cv2.COLOR_RGB2LAB)[0, :, 0].astype(int)
    assert (np.diff(lightness) >= 0).all() and lightness[0] < 5 and lightness[-1] > 240
    assert colours[0, -1, 0] > 200 > colours[0, -1, 2]  # yellow, so RGB and not BGR


def test_heatmaps_compare_on_one_scale_and_lie_on_the_greyed_photo():
    values = np.full((30, 40), 0.5, np.float32)
    np.testing.assert_array_equal(render.heatmap(values, top=1.0), render.heatmap(values * 2, top=2.0))
    assert (render.heatmap(values) != render.heatmap(values, top=1.0)).any()
    black = render.heatmap(np.zeros_like(values), PHOTO, opacity=0.5)  # no value, no fault
    assert (black[..., 0].astype(int) - black[..., 1]).max() <= 4


def test_grey_and_png_are_lossless():
    assert render.grey(np.array([[0, 0.5, 1]])).tolist() == [[0, 128, 255]]
    assert set(np.unique(render.grey(MASK))) == {0, 255}
    decoded = cv2.imdecode(np.frombuffer(render.png(PHOTO), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(decoded[..., ::-1], PHOTO)


@pytest.mark.parametrize("draw", [render.overlay, render.outline, lambda p, m: render.heatmap(m * 1.0, p)])
def test_sizes_must_agree(draw):
    with pytest.raises(ValueError, match=r"\(30, 40\), the map \(40, 30\)"):
        draw(PHOTO, MASK.T)
