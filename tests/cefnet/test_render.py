from itertools import combinations

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
    rgba = np.dstack([PHOTO, MASK * np.uint8(255)])
    decoded = cv2.imdecode(np.frombuffer(render.png(rgba), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(decoded[..., [2, 1, 0, 3]], rgba)


def test_overlays_give_each_mask_its_colour_and_the_later_lies_above():
    photo = np.full((30, 60, 3), 100, np.uint8)
    left, right = np.zeros((2, 30, 60), bool)
    left[:, :40], right[:, 25:] = True, True
    left[-6:], right[-6:] = False, False
    picture = render.overlays(photo, [left, right], [(200, 0, 0), (0, 0, 200)], opacity=0.5, dim=0.2)
    assert picture[12, 10].tolist() == [150, 50, 50]
    assert picture[12, 50].tolist() == [50, 50, 150]
    assert picture[12, 33].tolist() == [75, 25, 125]  # blue over what red had made of it
    assert picture[28, 30].tolist() == [20, 20, 20]
    assert (photo == 100).all()


def test_overlays_as_outlines_alone_leave_the_inside():
    picture = render.overlays(PHOTO, [MASK], [(0, 200, 0)], fill=False, dim=1.0)
    np.testing.assert_array_equal(picture[14:16, 14:26], PHOTO[14:16, 14:26])
    np.testing.assert_array_equal(picture[:7], PHOTO[:7])
    assert (np.abs(picture[10, 14:26].astype(int) - [0, 200, 0]) <= 60).all()  # anti-aliased


def test_overlays_of_nothing_and_of_more_masks_than_colours():
    nothing = np.zeros_like(MASK)
    for masks in ([], [nothing], [nothing, nothing]):
        np.testing.assert_array_equal(render.overlays(PHOTO, masks), PHOTO)
    other = ~MASK
    other[9:21, 9:31] = False
    same = render.overlays(PHOTO, [MASK, other], [(9, 9, 9), (9, 9, 9)])
    np.testing.assert_array_equal(render.overlays(PHOTO, [MASK, other], [(9, 9, 9)]), same)
    with pytest.raises(ValueError, match="No colours"):
        render.overlays(PHOTO, [MASK], [])


def test_spotlight_keeps_the_mask_to_the_bit_and_dims_the_rest():
    picture = render.spotlight(PHOTO, MASK, dim=0.25)
    np.testing.assert_array_equal(picture[MASK], PHOTO[MASK])
    np.testing.assert_allclose(picture[~MASK], PHOTO[~MASK] * 0.25, atol=0.51)
    blurred = render.spotlight(PHOTO, MASK, dim=1.0, blur=True)
    np.testing.assert_array_equal(blurred[MASK], PHOTO[MASK])
    assert blurred[~MASK].std() < 0.9 * PHOTO[~MASK].std()
    np.testing.assert_array_equal(render.spotlight(PHOTO, MASK & False), PHOTO)


def test_cutout_carries_nothing_of_the_rest():
    picture = render.cutout(PHOTO, MASK)
    assert picture.shape == (30, 40, 4) and picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[MASK][:, :3], PHOTO[MASK])
    assert (picture[MASK][:, 3] == 255).all() and not picture[~MASK].any()


def test_agreement_colours_what_both_and_what_only_one_has():
    photo = np.full((2, 2, 3), 50, np.uint8)
    first, second = np.array([[1, 1], [0, 0]], bool), np.array([[1, 0], [1, 0]], bool)
    picture = render.agreement(photo, first, second, opacity=1.0)
    assert picture.tolist() == [[list(render.BOTH), list(render.FIRST)], [list(render.SECOND), [50, 50, 50]]]
    assert render.agreement(photo, first, second, opacity=0.5)[0, 1].tolist() == [
        25,
        82,
        114,
    ]  # (50 + (0, 114, 178)) / 2


# What is left of linear RGB without one of the three cones (Machado and others 2009, severity 1).
SIGHT = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


@pytest.mark.parametrize("sight", SIGHT)
def test_the_palette_is_told_apart(sight):
    srgb = np.array(render.PALETTE) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4) @ np.array(SIGHT[sight]).T
    linear = linear.clip(0, 1)
    seen = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    lab = cv2.cvtColor(seen.astype(np.float32)[None], cv2.COLOR_RGB2LAB)[0]
    apart = {(a, b): np.linalg.norm(lab[a] - lab[b]) for a, b in combinations(range(8), 2)}
    assert min(apart.values()) > 15  # 2.3 is just noticeable
    assert min(apart[pair] for pair in combinations(range(3), 2)) > 30  # agreement: both, first, second


def test_colour_bar_is_the_scale_of_the_heatmaps():
    bar = render.colour_bar(5, 2)
    assert bar.shape == (2, 5, 3)
    for row in bar:
        np.testing.assert_array_equal(row, render.heatmap(np.array([[0, 1, 2, 3, 4]], np.float32))[0])


def test_mark_rings_the_place_and_leaves_its_middle():
    photo = np.full((120, 90, 3), 128, np.uint8)
    picture = render.mark(photo, y=40, x=20)
    ys, xs = np.nonzero((picture != 128).any(2))
    assert (ys.min() + ys.max(), xs.min() + xs.max()) == (80, 40)
    assert (picture[40, 20] == 128).all() and picture.max() > 250 and picture.min() < 20
    render.mark(photo, 0, 89)  # at the edge: cut off, no fault


@pytest.mark.parametrize(
    "draw",
    [
        render.overlay,
        render.outline,
        render.spotlight,
        render.cutout,
        lambda p, m: render.overlays(p, [MASK, m]),
        lambda p, m: render.agreement(p, m, MASK),
        lambda p, m: render.agreement(p, MASK, m),
        lambda p, m: render.heatmap(m * 1.0, p),
    ],
)
def test_sizes_must_agree(draw):
    with pytest.raises(ValueError, match=r"\(30, 40\), the map \(40, 30\)"):
        draw(PHOTO, MASK.T)
