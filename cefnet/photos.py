"""Any picture file or array -> an upright RGB array, or an error in plain words, in bounded time and memory."""

import contextlib
import io
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from pi_heif import register_heif_opener
from PIL import Image, ImageCms, UnidentifiedImageError

from cefnet.arguments import LONGEST_PATH, check_pointer, described, from_base64, home_of, is_data_url, shortened

# Others that Pillow knows are no photos, and some are programs for an interpreter (EPS).
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")  # and HEIF, which a library adds
MAX_PIXELS = 50_400_000  # 8192 x 6144, a telephone's 50 megapixels; read within 500 MB, whatever the file
MAX_HEAVY = MAX_PIXELS // 2  # of WebP, HEIC and progressive CMYK, whose decoders hold several copies at once
MAX_AVIF = 20_000_000  # of AVIF, which may have 12 bits a colour and transparency besides
MAX_BYTES = 100_000_000
MAX_READS = 200_000  # steps of Pillow's readers in Python; a file of nothing but tiny chunks takes millions
MAX_STRIP = 200_000_000  # bytes; a TIFF's tiles and strips are unpacked whole, however small the picture
MAX_SCANS = 64  # passes over all pixels of a progressive JPEG, which usually has ten; a few bytes make one

BitsPerSample, RowsPerStrip, TileWidth, TileLength = 258, 278, 322, 323  # tags of a TIFF
HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")  # brands, behind a file's `ftyp`
MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")  # of a JPEG's segments: those that state their length


def contents(source: object, name: str) -> bytes:
    """What a photo's file holds, at most one byte more than `MAX_BYTES`: a device has no end.

    Args:
        source: Path, bytes of any kind, binary file, or a `data:` URL.
        name: What errors call what is no path.

    Raises:
        ValueError: If there is no such file, or it is nothing that a photo can come from; says what it is.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    if isinstance(source, str) and is_data_url(source):
        return from_base64(source, name)
    if isinstance(source, (str, os.PathLike)):
        return _of_path(source)
    if not hasattr(source, "read"):
        raise ValueError(f"{name} is {described(source)}; {_instead(source)}")
    with contextlib.suppress(AttributeError, OSError):  # a pipe can't go back
        source.seek(0)  # type: ignore[attr-defined]
    data = source.read(MAX_BYTES + 1)
    if not isinstance(data, bytes):
        raise ValueError(f"{name} is a file that was opened as text; open it with mode 'rb'.")
    return data


def _of_path(source: str | os.PathLike[str]) -> bytes:
    shown = shortened(str(source), LONGEST_PATH)
    try:
        with home_of(source).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        hint = " Download it first." if str(source).startswith(("http:", "https:")) else ""
        raise ValueError(f"There is no file '{shown}'.{hint}") from error
    except (OSError, ValueError) as error:  # a folder, no permission, a NUL in the name
        raise ValueError(f"'{shown}' can't be read: {getattr(error, 'strerror', None) or error}.") from error


def _instead(source: object) -> str:
    """How to make a photo of what is none."""
    if source is None:
        return "cv2.imread gives that where it can't read a file: check its path."
    if hasattr(source, "detach"):
        return "make an array of height x width x 3 of it: tensor.permute(1, 2, 0).cpu().numpy()."
    if isinstance(source, (list, tuple)):
        return "give one photo at a time, as a file or an array of height x width x 3."
    return "give a path, bytes, an open file, a Pillow image or an array of height x width x 3."


class _Endless(Exception):
    """A file in far more pieces than photos have."""


class _Counted(io.BytesIO):
    """A file that gives up after `MAX_READS` reads."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > MAX_READS:
            raise _Endless(f"it has more than {MAX_READS:,} parts")
        return super().read(size)


def identify(data: bytes, name: str) -> Image.Image:
    """The picture in a file, not decoded yet.

    Raises:
        ValueError: It is no photo, too large, or made to take long; begins with `name`.
    """
    is_heic = data[4:8] == b"ftyp" and data[8:12] in HEIC
    if is_heic:
        register_heif_opener(thumbnails=False)  # here, so that an import changes nothing
    try:
        image = Image.open(_Counted(data), formats=("HEIF",) if is_heic else FORMATS)
        _check_work(image, data)
    except UnidentifiedImageError as error:
        check_pointer(data, name)
        raise ValueError(f"{name} is {_kind(data)}; use JPEG, PNG or WebP.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"{name} is too large; the limit is {megapixels(MAX_PIXELS)}.") from error
    except Exception as error:  # noqa: BLE001
        raise damaged(name, error) from error
    check_size(image, name)
    return image


def _kind(data: bytes) -> str:
    """What a file is that is no photo."""
    if b"<svg" in data[:1000].lower():
        return "a drawing (SVG), not a photo"
    return "empty" if not data else "not a picture that can be read"


def check_size(image: Image.Image, name: str) -> None:
    """Refuses, with a ValueError, what has no pixels or too many to be decoded."""
    heavy = image.format in ("WEBP", "HEIF") or (image.mode == "CMYK" and "progressive" in image.info)
    most = MAX_AVIF if image.format == "AVIF" else MAX_HEAVY if heavy else MAX_PIXELS
    kind = f" for this kind of {image.format}" if most < MAX_PIXELS else ""
    if image.width == 0 or image.height == 0:
        raise ValueError(f"{name} is empty ({image.width} x {image.height} pixels).")
    if image.width * image.height > most:
        raise ValueError(f"{name} has {image.width} x {image.height} pixels; the limit{kind} is {megapixels(most)}.")


def _check_work(image: Image.Image, data: bytes) -> None:
    """Refuses small files that take a decoder minutes or gigabytes, however few pixels come of it."""
    if image.format in ("JPEG", "MPO") and _scans(data) > MAX_SCANS:
        raise _Endless(f"it has more than {MAX_SCANS} scans")
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        strip = image.width * min(image.height, tags.get(RowsPerStrip, image.height))
        tile = tags.get(TileWidth, 0) * tags.get(TileLength, 0)
        if max(strip, tile) * sum(tags.get(BitsPerSample, (1,))) > 8 * MAX_STRIP:
            raise _Endless(f"its parts unpack to more than {MAX_STRIP // 10**6} MB")


def _scans(data: bytes) -> int:
    """How often a JPEG goes over its pixels; counts no further than `MAX_SCANS` + 1 and the first picture's end."""
    place = scans = 0
    while scans <= MAX_SCANS and (found := MARKER.search(data, place)) is not None:
        marker, place = data[found.end() - 1], found.end()
        if marker == 0xD9:  # end of image; telephones put a film behind it
            break
        if marker != 0xD8:
            place += int.from_bytes(data[place : place + 2], "big")
        scans += marker == 0xDA
    return scans


def damaged(name: str, error: Exception) -> ValueError:
    """Pillow's decoders raise almost anything on damaged files, from OSError to AttributeError."""
    return ValueError(f"{name} is damaged or cut off and can't be read ({' '.join(str(error).split())}).")


def megapixels(pixels: int) -> str:
    return f"{pixels // 10**6} megapixels"


BAND = 2**20  # pixels converted at a time
STORED: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {  # EXIF orientation -> how an upright photo lies
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}
BACK = {6: 8, 8: 6}  # the orientation that undoes another; all others undo themselves
TIFF_WIDTH, TIFF_HEIGHT, ORIENTATION = 0x100, 0x101, 0x112  # tags of TIFF and EXIF

File = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
Source = File | Image.Image | NDArray[np.generic]


@dataclass(frozen=True)
class Layout:
    """How a photo's pixels lie in its file, and how people see them.

    Attributes:
        width: Of the pixels as stored.
        height: Of the pixels as stored.
        orientation: EXIF's number for how they are to be turned: 1 (not at all) to 8.
    """

    width: int
    height: int
    orientation: int = 1

    @property
    def stored(self) -> tuple[int, int]:
        """Width and height of the pixels as stored."""
        return self.width, self.height

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height of what `read_photo` returns."""
        return (self.height, self.width) if self.orientation > 4 else (self.width, self.height)

    def turned(self, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Pixels or a mask that lie as stored (H x W or H x W x C), upright; a view."""
        return STORED[BACK.get(self.orientation, self.orientation)](stored)


def read_photo(source: Source, name: str | None = None, labelled: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Reads a photo as people see it: upright by its EXIF tag, in sRGB by its profile, transparency on white.

    Args:
        source: Path, bytes, binary file or `data:` URL (base64) of `FORMATS` or HEIC (of an animation the first
            frame) of at most `MAX_BYTES` and `MAX_PIXELS` (`MAX_HEAVY` for WebP and HEIC, `MAX_AVIF` for AVIF); a
            Pillow image; or an array H x W, H x W x 1, 3 (RGB) or 4 (RGBA) of uint8, uint16, bool, or floats in 0..1.
        name: What errors call it; its path, where it has one, if None.
        labelled: Width and height of the upright photo that its labels are for; one of another size is refused, and
            as far as the file's head tells, before it is decoded.

    Returns:
        H x W x 3 uint8 RGB.

    Raises:
        ValueError: If it is missing, no photo, damaged, empty, too large, not as `labelled`, or an array of another
            kind; where it is nothing of these, says what it is and how to make a photo of it.
    """
    if isinstance(source, np.ndarray):
        photo = _from_array(source, name := name or "The photo array")
        height, width = photo.shape[:2]
        if labelled is not None and labelled != (width, height):
            raise _misfit(name, Layout(width, height), labelled)
        return photo
    if isinstance(source, Image.Image):
        return _from_image(source, name or "The image", labelled)
    with _opened(source, name := name or _name(source)) as image:
        return _from_image(image, name, labelled)


def layout(source: File, name: str | None = None) -> Layout:
    """How a photo lies in its file, by its head.

    Args:
        source: As `read_photo` takes it, in a file.
        name: What errors call it; its path, where it has one, if None.

    Raises:
        ValueError: As `read_photo`; damage behind the head may go unnoticed.
    """
    with _opened(source, name := name or _name(source)) as image:
        if image.format == "TIFF":  # Pillow's own size is the upright one
            tags = image.tag_v2  # type: ignore[attr-defined]
            orientation = tags.get(ORIENTATION)
            return Layout(tags[TIFF_WIDTH], tags[TIFF_HEIGHT], orientation if orientation in STORED else 1)
        return Layout(*image.size, _orientation(image))


def squash(photo: NDArray[np.uint8], size: int | tuple[int, int]) -> NDArray[np.uint8]:
    """Resizes a photo whatever its aspect: a side that shrinks is averaged, one that grows is interpolated.

    Predicting and training both call it, so that training sees what the predictor shows.

    Args:
        photo: H x W x C or H x W, uint8.
        size: Side of the square in pixels, or (width, height).

    Returns:
        Height x width x C or height x width, uint8.
    """
    height, width = photo.shape[:2]
    wide, high = (size, size) if isinstance(size, int) else size
    shrunk = cv2.resize(photo, (min(width, wide), min(height, high)), interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, (wide, high), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


def squash_mask(mask: NDArray[np.uint8], size: int | tuple[int, int]) -> NDArray[np.uint8]:
    """Resizes a mask as `squash` does its photo: a pixel belongs to it where at least half of it does.

    Args:
        mask: H x W uint8, 0 or 1.
        size: Side of the square in pixels, or (width, height).

    Returns:
        Height x width uint8, 0 or 1. A mask too thin for any pixel keeps all that it touches.
    """
    shares = squash(mask * np.uint8(255), size)
    small = (shares > 127).astype(np.uint8)
    return small if small.any() else (shares > 0).astype(np.uint8)


# Pictures


def _name(source: Source) -> str:
    is_path = isinstance(source, os.PathLike) or (isinstance(source, str) and not is_data_url(source))
    return f"'{shortened(str(source), LONGEST_PATH)}'" if is_path else "The photo"


def _opened(source: File, name: str) -> Image.Image:
    """The picture in a file, not decoded yet."""
    data = contents(source, name)
    if len(data) > MAX_BYTES:
        raise ValueError(f"{name} is larger than {MAX_BYTES // 10**6} MB, the limit.")
    return identify(data, name)


def _from_image(image: Image.Image, name: str, labelled: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Decodes into the upright array, a band of rows at a time: Pillow's own copies would take several times that."""
    check_size(image, name)
    if labelled is not None and sorted(labelled) != sorted(image.size):
        raise _misfit(name, Layout(*image.size), labelled)
    try:
        image.load()
    except Exception as error:  # noqa: BLE001
        raise damaged(name, error) from error
    width, height = image.size  # a TIFF has turned by now
    orientation, to_srgb = _orientation(image), _to_srgb(image)
    lies = Layout(width, height, orientation)
    if labelled is not None and labelled != lies.upright:
        raise _misfit(name, lies, labelled)
    upright = np.empty((*lies.upright[::-1], 3), np.uint8)
    stored = STORED[orientation](upright)
    rows = max(1, BAND // width)
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        stored[top : top + rows] = _from_array(_pixels(band, to_srgb, name), name)
    return upright


def _misfit(name: str, lies: Layout, labelled: tuple[int, int]) -> ValueError:
    seen, said = (f"{width} x {height}" for width, height in (lies.upright, labelled))
    turned = f" (EXIF orientation {lies.orientation} turns it so)" if lies.orientation > 1 else ""
    return ValueError(f"{name} is {seen} pixels{turned}, but its labels say {said}: they won't fit.")


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ORIENTATION)
        return int(value) if value in STORED else 1
    except Exception:  # noqa: BLE001
        return 1  # a broken EXIF block raises almost anything, and the picture is fine without it


def _to_srgb(image: Image.Image) -> Callable[[Image.Image], Image.Image] | None:
    """What makes an image's colours, RGB(A) or CMYK, those of sRGB; None where there is no telling or no need."""
    profile, mode = image.info.get("icc_profile"), "CMYK" if image.mode == "CMYK" else "RGB"
    if not profile:
        return None
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if given.profile.xcolor_space.strip() != mode or "srgb" in (given.profile.profile_description or "").lower():
            return None
        ours = ImageCms.createProfile("sRGB")
        kinds = (("CMYK", "RGB"),) if mode == "CMYK" else (("RGB", "RGB"), ("RGBA", "RGBA"))
        change = {kind: ImageCms.buildTransform(given, ours, kind, to) for kind, to in kinds}
    except Exception:  # noqa: BLE001
        return None  # as with EXIF: without it the picture is fine
    return lambda band: change[band.mode].apply(band)


def _pixels(image: Image.Image, to_srgb: Callable[[Image.Image], Image.Image] | None, name: str) -> NDArray[np.generic]:
    if image.mode == "F":
        return np.asarray(image)
    if image.mode.startswith("I"):  # 16 bits; Pillow's own conversion cuts them off at 255
        numbers = np.asarray(image)
        if numbers.min() < 0 or numbers.max() > 65535:
            raise ValueError(f"{name} holds numbers outside 0..65535; save it with 8 or 16 bits.")
        return numbers.astype(np.uint16)
    if image.mode != "CMYK" or to_srgb is None:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return np.asarray(image if to_srgb is None else to_srgb(image))


# Arrays


def _from_array(array: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}; it must be height x width x 3 (RGB).")
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise ValueError(f"{name} has shape {array.shape}; the limit is {megapixels(MAX_PIXELS)}.")
    pixels = _to_bytes(array, name)
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    if pixels.shape[2] == 4:
        opacity = pixels[:, :, 3:].astype(np.float32) / 255
        pixels = (pixels[:, :, :3] * opacity + 255 * (1 - opacity) + 0.5).astype(np.uint8)
    return np.ascontiguousarray(pixels)


def _to_bytes(array: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
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
        raise ValueError(f"{name} holds {array.dtype} outside 0..1; scale it or convert it to uint8.")
    raise ValueError(f"{name} holds {array.dtype}; convert it to uint8.")
