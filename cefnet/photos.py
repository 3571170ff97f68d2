"""Any picture file or array -> an upright RGB array, or an error in plain words."""

import io
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 89_000_000  # more is refused before it is decoded: a small file can unpack to gigabytes
LIMIT = f"{MAX_PIXELS // 10**6} megapixels"

Source = str | Path | bytes | BinaryIO | Image.Image | NDArray[np.generic]


def read_photo(source: Source) -> NDArray[np.uint8]:
    """Reads a photo as people see it: turned upright by its EXIF tag, transparency on white, 8 bits, RGB.

    Args:
        source: Path, bytes or binary file of any format that Pillow reads (the first frame of an animation);
            a Pillow image; or an array H x W, H x W x 1, 3 (RGB) or 4 (RGBA) of uint8, uint16, bool, or
            floats in 0..1.

    Returns:
        H x W x 3 uint8 RGB.

    Raises:
        ValueError: If it is missing, no picture, damaged, empty, larger than `MAX_PIXELS`, or an array of
            another kind.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _from_image(source, "The image")
    name = f"'{source}'" if isinstance(source, (str, Path)) else "The photo"
    file: BinaryIO
    if isinstance(source, (str, Path)):
        file = _open(source)
    else:
        file = io.BytesIO(source) if isinstance(source, bytes) else source
    with _identify(file, name) as image:
        return _from_image(image, name)


def squash(photo: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resizes H x W x C to size x size, whatever the aspect: area means to shrink, linear to grow."""
    height, width = photo.shape[:2]
    shrunk = cv2.resize(photo, (min(width, size), min(height, size)), interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, (size, size), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


def _open(path: str | Path) -> io.BytesIO:
    try:
        return io.BytesIO(Path(path).read_bytes())
    except FileNotFoundError as error:
        hint = " Download it first." if str(path).startswith(("http:", "https:")) else ""
        raise ValueError(f"There is no file '{path}'.{hint}") from error
    except (OSError, ValueError) as error:  # a folder, no permission, a NUL in the name
        raise ValueError(f"'{path}' can't be read: {getattr(error, 'strerror', None) or error}.") from error


def _identify(file: BinaryIO, name: str) -> Image.Image:
    try:
        return Image.open(file)
    except UnidentifiedImageError as error:
        raise ValueError(f"{name} is not a picture that can be read; use JPEG, PNG or WebP.") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name} is too large; the limit is {LIMIT}.") from error
    except Exception as error:  # noqa: BLE001
        raise _damaged(name, error) from error


def _from_image(image: Image.Image, name: str) -> NDArray[np.uint8]:
    width, height = image.size
    if width == 0 or height == 0:
        raise ValueError(f"{name} is empty ({width} x {height} pixels).")
    if width * height > MAX_PIXELS:
        raise ValueError(f"{name} has {width} x {height} pixels; the limit is {LIMIT}.")
    try:
        image.load()
        return _from_array(_pixels(_upright(image)))
    except Exception as error:  # noqa: BLE001
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> ValueError:
    """Pillow's decoders raise almost anything on damaged files, from OSError to AttributeError."""
    return ValueError(f"{name} is damaged or cut off and can't be read ({error}).")


def _pixels(image: Image.Image) -> NDArray[np.generic]:
    if image.mode == "F":
        return np.asarray(image)
    if image.mode.startswith("I"):  # 16 bits; Pillow's own conversion cuts them off at 255
        return np.asarray(image).clip(0, 65535).astype(np.uint16)
    return np.array(image.convert("RGBA" if image.has_transparency_data else "RGB"))


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001
        return image  # a broken EXIF block raises almost anything, and the picture is fine without it


def _from_array(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or array.size == 0:
        raise ValueError(f"The photo array has shape {array.shape}; it must be height x width x 3 (RGB).")
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise ValueError(f"The photo array has shape {array.shape}; the limit is {LIMIT}.")
    pixels = _to_bytes(array)
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    if pixels.shape[2] == 4:
        opacity = pixels[:, :, 3:].astype(np.float32) / 255
        pixels = (pixels[:, :, :3] * opacity + 255 * (1 - opacity) + 0.5).astype(np.uint8)
    return np.ascontiguousarray(pixels)


def _to_bytes(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Any supported kind of number to 0..255."""
    if array.dtype == np.uint8:
        return array  # type: ignore[return-value]
    if array.dtype == np.uint16:
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "f":
        if array.min() >= 0 and array.max() <= 1:  # false for NaN
            return (array.astype(np.float32) * 255 + 0.5).astype(np.uint8)
        raise ValueError(
            f"The photo array holds {array.dtype} outside 0..1; scale it or convert it to uint8."
        )
    raise ValueError(f"The photo array holds {array.dtype}; convert it to uint8.")
