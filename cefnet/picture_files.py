"""Picture files, checked before they are decoded: a few kilobytes can ask for gigabytes or minutes."""

import contextlib
import io
import os
import re

from PIL import Image, UnidentifiedImageError

from cefnet.arguments import LONGEST_PATH, check_pointer, described, from_base64, home_of, is_data_url, shortened

# Others that Pillow knows are no photos, and some are programs for an interpreter (EPS).
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
MAX_PIXELS = 50_400_000  # 8192 x 6144, a telephone's 50 megapixels; read within 500 MB, whatever the file
MAX_HEAVY = MAX_PIXELS // 2  # of WebP and progressive CMYK, whose decoders hold several copies at once
MAX_AVIF = 20_000_000  # of AVIF, which may have 12 bits a colour and transparency besides
MAX_BYTES = 100_000_000
MAX_READS = 200_000  # steps of Pillow's readers in Python; a file of nothing but tiny chunks takes millions
MAX_STRIP = 200_000_000  # bytes; a TIFF's tiles and strips are unpacked whole, however small the picture
MAX_SCANS = 64  # passes over all pixels of a progressive JPEG, which usually has ten; a few bytes make one

BitsPerSample, RowsPerStrip, TileWidth, TileLength = 258, 278, 322, 323  # tags of a TIFF
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
    try:
        image = Image.open(_Counted(data), formats=FORMATS)
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
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"):
        return "a HEIC photo, which can't be read"
    if b"<svg" in data[:1000].lower():
        return "a drawing (SVG), not a photo"
    return "empty" if not data else "not a picture that can be read"


def check_size(image: Image.Image, name: str) -> None:
    """Refuses, with a ValueError, what has no pixels or too many to be decoded."""
    heavy = image.format == "WEBP" or (image.mode == "CMYK" and "progressive" in image.info)
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
    return ValueError(f"{name} is damaged or cut off and can't be read ({error}).")


def megapixels(pixels: int) -> str:
    return f"{pixels // 10**6} megapixels"
