import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageFile

from cefnet import photos
from cefnet import photos as picture_files
from cefnet.photos import layout, read_photo, squash, squash_mask

RAMP = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def test_path_bytes_file_image_and_array_are_the_same_photo(tmp_path):
    path = tmp_path / "фото 🐕.png"
    path.write_bytes(encoded(Image.fromarray(RAMP)))
    for source in (
        path,
        str(path),
        path.read_bytes(),
        io.BytesIO(path.read_bytes()),
        Image.fromarray(RAMP),
        RAMP,
    ):
        photo = read_photo(source)
        assert photo.dtype == np.uint8 and photo.flags.c_contiguous
        np.testing.assert_array_equal(photo, RAMP)


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [(1, RAMP), (2, RAMP[:, ::-1]), (3, RAMP[::-1, ::-1]), (4, RAMP[::-1]), (5, RAMP.transpose(1, 0, 2)),
     (6, np.rot90(RAMP)), (7, RAMP[::-1, ::-1].transpose(1, 0, 2)), (8, np.rot90(RAMP, -1))],
)  # fmt: skip
def test_exif_orientation_is_undone(orientation, stored):
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(read_photo(encoded(Image.fromarray(stored.copy()), exif=exif.tobytes())), RAMP)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 8), hnp.array_shapes(min_dims=2, max_dims=2, max_side=9))
def test_what_was_drawn_on_stored_pixels_turns_with_the_photo(orientation, shape):
    stored = np.arange(np.prod(shape) * 3, dtype=np.uint16).astype(np.uint8).reshape(*shape, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(Image.fromarray(stored), exif=exif.tobytes())
    upright, lies = read_photo(content), layout(content)
    np.testing.assert_array_equal(lies.turned(stored), upright)
    np.testing.assert_array_equal(lies.turned(stored[:, :, 0]), upright[:, :, 0])  # a mask
    assert lies.stored == shape[::-1] and lies.upright == upright.shape[1::-1]


def test_a_photo_that_its_labels_do_not_fit_is_refused_before_it_is_decoded(monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(Image.fromarray(RAMP), exif=exif.tobytes())  # 6 x 4 as stored, 4 x 6 upright
    assert read_photo(content, labelled=(4, 6)).shape == (6, 4, 3)
    assert read_photo(RAMP, labelled=(6, 4)).shape == (4, 6, 3)
    with pytest.raises(ValueError, match="The photo array is 6 x 4 pixels, but its labels say 4 x 6"):
        read_photo(RAMP, labelled=(4, 6))
    with pytest.raises(ValueError, match=r"photo a is 4 x 6 pixels \(EXIF orientation 6 .*labels say 6 x 4"):
        read_photo(content, "photo a", labelled=(6, 4))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("decoded"))
    with pytest.raises(ValueError, match="6 x 4 pixels, but its labels say 7 x 4"):
        read_photo(content, labelled=(7, 4))


def test_transparency_lies_on_white():
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 3] = 0, 128, 255
    expected = [255, 127, 0]
    assert read_photo(rgba)[0, :, 0].tolist() == expected
    assert read_photo(encoded(Image.fromarray(rgba)))[0, :, 0].tolist() == expected
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "L").convert("P")
    assert read_photo(encoded(palette, transparency=0))[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "I;16"])
def test_every_mode_becomes_rgb(mode):
    if mode.startswith("I"):  # 16-bit grey: 257 steps a step of 8 bits
        image = Image.fromarray(np.full((4, 6), 100 * 257, np.int32 if mode == "I" else np.uint16))
    else:
        image = Image.new("RGB", (6, 4), (100, 100, 100)).convert(mode)
    photo = read_photo(image)
    assert photo.shape == (4, 6, 3) and photo.dtype == np.uint8
    if mode != "1":
        assert abs(photo.astype(int) - 100).max() <= 2


def test_first_frame_of_an_animation():
    frames = [Image.new("RGB", (3, 2), colour) for colour in ("white", "black")]
    assert read_photo(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])).min() == 255


@pytest.mark.parametrize(
    ("array", "value"),
    [(np.full((2, 3), 100, np.uint8), 100), (np.full((2, 3, 1), 100 * 257, np.uint16), 100),
     (np.full((2, 3, 3), 1.0), 255), (np.full((2, 3, 3), 0.5, np.float16), 128),
     (np.ones((2, 3), bool), 255)],
)  # fmt: skip
def test_arrays_of_other_kinds(array, value):
    np.testing.assert_array_equal(read_photo(array), np.full((2, 3, 3), value))


@pytest.mark.parametrize(
    ("array", "message"),
    [(np.zeros((2, 3, 2), np.uint8), "shape"), (np.zeros((0, 3, 3), np.uint8), "shape"),
     (np.zeros(5), "shape"),
     (np.full((2, 3, 3), 200.0), "outside 0..1"), (np.full((2, 3, 3), np.nan), "outside 0..1"),
     (np.zeros((2, 3, 3), np.int64), "int64"), (np.zeros((2, 3, 3), complex), "complex128"),
     (np.array([["a"]]), "<U1")],
)  # fmt: skip
def test_arrays_that_are_no_photo_are_refused(array, message):
    with pytest.raises(ValueError, match=message):
        read_photo(array)


def test_files_that_are_no_photo_are_refused(tmp_path):
    whole = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)), "JPEG")
    cases = {
        "empty.jpg": (b"", "is empty"),
        "text.png": (b"hello", "not a picture"),
        "cut.jpg": (whole[: len(whole) // 2], "damaged or cut off"),
        "cut.png": (encoded(Image.fromarray(RAMP))[:50], "damaged or cut off"),
    }
    for name, (content, message) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message) as error:
            read_photo(tmp_path / name)
        assert name in str(error.value)
    with pytest.raises(ValueError, match="can't be read"):
        read_photo(tmp_path)
    with pytest.raises(ValueError, match="can't be read"):
        read_photo("nul\0.png")
    with pytest.raises(ValueError, match="no file.*Download it first"):
        read_photo("https://example.org/dog.jpg")


def test_too_many_pixels_are_refused_before_decoding(monkeypatch):
    bomb = encoded(Image.new("1", (20000, 10000)))  # 200 megapixels in a few kilobytes
    assert len(bomb) < 100_000
    with pytest.raises(ValueError, match="limit is 50 megapixels"):
        read_photo(bomb)
    for module in (photos, picture_files):
        monkeypatch.setattr(module, "MAX_PIXELS", 23)
    for source in (RAMP, Image.fromarray(RAMP), encoded(Image.fromarray(RAMP))):
        with pytest.raises(ValueError, match="limit"):
            read_photo(source)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=64) | st.integers(0, 60).map(lambda n: encoded(Image.fromarray(RAMP))[:n]))
def test_any_bytes_are_a_photo_or_a_clear_error(content):
    try:
        assert read_photo(content).ndim == 3
    except ValueError as error:
        assert str(error).startswith("The photo")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("flip", range(8))
def test_a_broken_exif_block_costs_nothing(flip):
    exif = Image.Exif()
    exif[0x0112] = 6
    block = bytearray(exif.tobytes())
    block[6 + flip] ^= 0xFF
    content = encoded(Image.new("RGB", (6, 4), "red"), "JPEG", exif=bytes(block))
    assert read_photo(content).shape in ((4, 6, 3), (6, 4, 3))


def test_squash_averages_areas_where_it_shrinks_and_interpolates_where_it_grows():
    photo = np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8)
    blocks = photo.reshape(8, 4, 8, 6, 3).mean((1, 3))  # 8 x 8 means of 4 x 6 pixels
    np.testing.assert_allclose(squash(photo, 8), blocks, atol=0.51)
    np.testing.assert_array_equal(squash(photo[:16, :16], 64), cv2.resize(photo[:16, :16], (64, 64)))
    np.testing.assert_array_equal(squash(photo[:, :32], 32), photo[:, :32])
    tall = squash(photo[:, :2], 8)  # 32 high shrinks, 2 wide grows
    np.testing.assert_allclose(tall[:, 0], photo[:, 0].reshape(8, 4, 3).mean(1), atol=0.51)


@settings(max_examples=40, deadline=None)
@given(hnp.array_shapes(min_dims=2, max_dims=2, max_side=70), st.sampled_from([16, 32]), st.integers(0, 255))
def test_squash_keeps_a_plain_colour(shape, size, value):
    squashed = squash(np.full((*shape, 3), value, np.uint8), size)
    assert squashed.shape == (size, size, 3) and (squashed == value).all()


def test_a_size_may_be_no_square():
    photo = np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8)
    blocks = photo.reshape(8, 4, 8, 6, 3).mean((1, 3))
    np.testing.assert_allclose(squash(photo, (8, 8)), blocks, atol=0.51)
    assert squash(photo, (12, 4)).shape == (4, 12, 3)


def test_squashed_mask_is_the_majority():
    mask = np.zeros((4, 8), np.uint8)
    mask[:2, :4] = 1
    mask[2:, 4:7] = 1  # three quarters
    mask[2, 0] = 1  # one eighth
    assert squash_mask(mask, 2).tolist() == [[1, 0], [0, 1]]
    assert squash_mask(mask, (4, 2)).tolist() == [[1, 1, 0, 0], [0, 0, 1, 1]]  # a half counts


def test_a_thin_mask_survives_squashing():
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 33] = 1
    small = squash_mask(mask, 8)
    assert small.sum() == 8 and small[:, 4].all()


@settings(max_examples=40, deadline=None)
@given(hnp.array_shapes(min_dims=2, max_dims=2, min_side=20, max_side=70), st.integers(0, 99))
def test_masks_are_squashed_where_their_photo_is(shape, seed):
    """Else a mask and its photo drift apart in photos far from square."""
    mask = np.zeros(shape, np.uint8)
    y, x = np.random.default_rng(seed).integers(0, np.array(shape) // 2)
    mask[y : y + shape[0] // 2, x : x + shape[1] // 2] = 1
    photo = squash(mask * np.uint8(255), 16)
    np.testing.assert_array_equal(squash_mask(mask, 16), photo > 127)
