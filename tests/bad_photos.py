"""Photos as they come, and worse: every case that the readers are tested with, made from nothing.

`python tests/bad_photos.py FOLDER` writes them, to look at or to try on another program.
"""

from __future__ import annotations

import io
import struct
import sys
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import heic
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

SECONDS = 2.0  # of processor time that a refusal may take
MEGABYTES = 500  # that reading may take over idle

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """A file.

    Attributes:
        name: Of the file.
        make: Its content.
        says: A part of the refusal; empty where it is to be read.
        photo: H x W x 3 RGB as people see it, where it is to be read.
        off: By how much values may differ (converted); more than 2 means compressed: then a tenth may differ more.
    """

    name: str
    make: Callable[[], bytes]
    says: str = ""
    photo: Pixels | None = None
    off: int = 0

    def looks(self, photo: Pixels) -> bool:
        """Whether `photo` is what people see."""
        if self.photo is None or photo.shape != self.photo.shape or photo.dtype != np.uint8:
            return False
        apart = np.abs(photo.astype(np.int16) - self.photo)
        return bool((np.quantile(apart, 0.9) if self.off > 2 else apart.max()) <= self.off)


def quarters(height: int = 32, width: int = 48) -> Pixels:
    """Red, green / blue, white: no two of the eight ways to lay it look alike."""
    photo = np.zeros((height, width, 3), np.uint8)
    photo[: height // 2, : width // 2, 0] = 255
    photo[: height // 2, width // 2 :, 1] = 255
    photo[height // 2 :, : width // 2, 2] = 255
    photo[height // 2 :, width // 2 :] = 255
    return photo


def on_white(photo: Pixels) -> Pixels:
    """`quarters()` where the red one is transparent."""
    seen = photo.copy()
    seen[: len(photo) // 2, : photo.shape[1] // 2] = 255
    return seen


def encoded(image: Image.Image | NDArray, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, kind, **options)
    return file.getvalue()


def cases() -> Iterator[Case]:
    """All of them, small ones; `large_photos.py` has the others."""
    yield from refused()
    yield from bombs()
    yield from tiffs()
    yield from formats()
    yield from shapes()
    yield from turned()
    yield from colours()


# Refused


def refused() -> Iterator[Case]:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    jpeg, no_picture = encoded(noise, "JPEG"), "not a picture that can be read"
    yield Case("empty.jpg", lambda: b"", "empty")
    yield Case("garbage.png", lambda: noise.tobytes(), no_picture)
    yield Case("text.jpg", lambda: b"dear diary\n" * 500, no_picture)
    yield Case("zeros.webp", lambda: bytes(10_000), no_picture)
    yield Case("page.gif", lambda: b"<!doctype html><script>alert(1)</script>", no_picture)
    yield Case("archive.jpg", lambda: b"PK\3\4" + bytes(500), no_picture)
    yield Case("program.eps", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n{} loop\n", no_picture)
    yield Case("drawing.svg", lambda: b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "SVG")
    yield Case("drawing.png", lambda: b'<?xml version="1.0"?><svg width="9"/>', "SVG")
    yield Case("broken.heic", lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "read")
    yield Case("half.heic", lambda: b64decode(heic.PLAIN)[:500], "read")
    yield Case("magic.jpg", lambda: b"\xff\xd8\xff\xe0", "read")
    yield Case("half.jpg", lambda: jpeg[: len(jpeg) // 2], "damaged or cut off")
    for kind in ("png", "webp", "gif", "tiff", "avif", "bmp"):
        whole = encoded(noise, kind.upper())
        yield Case(f"half.{kind}", lambda whole=whole: whole[: len(whole) // 2], "read")


def png(width: int, height: int, colour: int, rows: Iterator[bytes], more: bytes = b"", bits: int = 1) -> bytes:
    """A PNG of any claimed size; `rows` are bytes to compress, `more` whole chunks before them."""
    packer = zlib.compressobj(9)
    data = b"".join(map(packer.compress, rows)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bombs() -> Iterator[Case]:
    """Small files that unpack to gigabytes, or take minutes."""
    for side in (13_000, 20_000):
        rows = partial(lambda side: (bytes((side + 7) // 8 + 1) for _ in range(side)), side)
        yield Case(f"bomb-{side}.png", lambda side=side, rows=rows: png(side, side, 0, rows()), "50 megapixels")
    yield Case("claims.png", lambda: png(60_000, 60_000, 2, iter([bytes(99)]), bits=8), "50 megapixels")
    wide = struct.pack("<HH", 65_535, 65_535)
    yield Case("claims.gif", lambda: b"GIF89a" + wide + bytes(3) + b"," + bytes(4) + wide + b"\0\x08", "50 megapixels")
    yield Case("claims.bmp", lambda: resized_bmp(30_000, 30_000), "50 megapixels")
    yield Case("scans.jpg", scans, "scans")
    yield Case("segments.jpg", lambda: b"\xff\xd8" + b"\xff\xe0\0\2" * 2_000_000, "parts")
    dull = chunk(b"duLl", b"")
    yield Case("chunks.png", lambda: png(9, 9, 0, iter([bytes(99)]), dull * 1_000_000), "parts")
    gif = encoded(quarters(), "GIF")
    cut = 13 + 3 * 2 ** ((gif[10] & 7) + 1)  # behind header and palette
    yield Case("comments.gif", lambda: gif[:cut] + b"!\xfe\1a\0" * 1_000_000 + gif[cut:], "parts")
    yield Case("comment.gif", lambda: gif[:cut] + b"!\xfe" + b"\1a" * 1_000_000 + b"\0" + gif[cut:], "parts")
    yield Case("profile.png", lambda: png(9, 9, 0, iter([bytes(99)]), chunk(b"iCCP", b"a\0\0" + zeros(10**8))), "large")


def resized_bmp(width: int, height: int) -> bytes:
    content = bytearray(encoded(quarters(), "BMP"))
    content[18:26] = struct.pack("<ii", width, height)
    return bytes(content)


def scans() -> bytes:
    """A progressive JPEG that goes over its 36 megapixels five hundred times."""
    plain = encoded(Image.new("RGB", (6000, 6000), "red"), "JPEG", progressive=True, subsampling=0)
    last = plain[plain.rindex(b"\xff\xc4") : -2]  # its Huffman table, and the scan
    return plain[:-2] + last * 500 + b"\xff\xd9"


def zeros(count: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(10**6)) for _ in range(count // 10**6)) + packer.flush()


# TIFF


def tiff(data: bytes, **changes: int) -> bytes:
    """A grey TIFF of 16 x 16, deflated, in one tile or strip that `data` unpacks to."""
    tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1} | {int(tag[1:]): value for tag, value in changes.items()}
    place, count = (324, 325) if 322 in tags else (273, 279)
    tags |= {place: 8 + 2 + 12 * (len(tags) + 2) + 4, count: len(data)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data


def tiffs() -> Iterator[Case]:
    """The kinds of numbers and compression that only TIFF has."""
    photo, ramp = quarters(), np.linspace(0, 1, 64, dtype=np.float32).reshape(4, 16)
    grey = np.repeat((ramp * 255 + 0.5).astype(np.uint8)[:, :, None], 3, 2)
    hole = ramp.copy()
    hole[2, 3] = np.nan
    yield Case("tile.tif", lambda: tiff(zeros(9 * 10**8), t322=30_000, t323=30_000), "parts")
    black, strip = np.zeros((16, 16, 3), np.uint8), zlib.compress(bytes(256))
    yield Case("endless-strip.tif", lambda: tiff(strip, t278=2**32 - 1), "", black)
    yield Case("nan.tif", lambda: encoded(hole, "TIFF"), "outside 0..1")
    yield Case("infinite.tif", lambda: encoded(np.full((4, 4), np.inf, np.float32), "TIFF"), "outside 0..1")
    yield Case("degrees.tif", lambda: encoded(ramp * 300, "TIFF"), "outside 0..1")
    yield Case("float.tif", lambda: encoded(ramp, "TIFF"), "", grey)
    yield Case("32-bit.tif", lambda: encoded((ramp * 2e9).astype(np.int32), "TIFF"), "outside 0..65535")
    yield Case("16-bit.tif", lambda: encoded((ramp * 65535).astype(np.uint16), "TIFF"), "", grey, 1)
    for compression in ("tiff_lzw", "tiff_deflate", "packbits", "raw"):
        options = partial(encoded, photo, "TIFF", compression=compression)
        yield Case(f"{compression}.tif", options, "", photo)
    pages = [Image.fromarray(photo[::-1].copy())] * 3
    yield Case("pages.tif", lambda: encoded(photo, "TIFF", save_all=True, append_images=pages), "", photo)


# Read


def formats() -> Iterator[Case]:
    photo = quarters()
    dark = [Image.new("RGB", (48, 32))] * 2
    jpeg = encoded(photo, "JPEG", quality=95, subsampling=0)
    yield Case("png-named.jpg", lambda: encoded(photo, "PNG"), "", photo)
    yield Case("progressive.jpg", lambda: encoded(photo, "JPEG", progressive=True, subsampling=0), "", photo, 24)
    yield Case("bytes-behind.jpg", lambda: jpeg + b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 999, "", photo, 24)
    yield Case("two-in-one.jpg", lambda: encoded(photo, "MPO", save_all=True, append_images=dark), "", photo, 24)
    yield Case("lossless.webp", lambda: encoded(photo, "WEBP", lossless=True), "", photo)
    yield Case("lossy.webp", lambda: encoded(photo, "WEBP", quality=90), "", photo, 24)
    yield Case("photo.avif", lambda: encoded(photo, "AVIF", quality=95, subsampling="4:4:4"), "", photo, 24)
    yield Case("photo.heic", lambda: b64decode(heic.PLAIN), "", photo, 24)
    yield Case("transparent.heic", lambda: b64decode(heic.CLEAR), "", on_white(photo), 24)
    yield Case("photo.bmp", lambda: encoded(photo, "BMP"), "", photo)
    for kind in ("gif", "webp", "png", "avif"):
        options = {"lossless": True} if kind == "webp" else {"quality": 95, "subsampling": "4:4:4"}
        make = partial(encoded, photo, kind.upper(), save_all=True, append_images=dark, **options)
        yield Case(f"animated.{kind}", make, "", photo, 24 if kind == "avif" else 0)


def shapes() -> Iterator[Case]:
    for height, width in ((1, 1), (1, 5000), (5000, 1), (1, 60_000), (2, 3), (40_000, 3)):
        photo = np.zeros((height, width, 3), np.uint8)
        photo[:, :, 0] = 200
        yield Case(f"{height}-high-{width}-wide.png", partial(encoded, photo, "PNG"), "", photo)


def turned() -> Iterator[Case]:
    photo = quarters()
    ways = {1: photo, 2: photo[:, ::-1], 3: photo[::-1, ::-1], 4: photo[::-1], 5: photo.transpose(1, 0, 2),
            6: np.rot90(photo), 7: photo[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(photo, -1)}  # fmt: skip
    for orientation, stored in ways.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        make = partial(encoded, np.ascontiguousarray(stored), exif=exif.tobytes(), quality=95)
        yield Case(f"exif-{orientation}.jpg", partial(make, "JPEG", subsampling=0), "", photo, 24)
        yield Case(f"exif-{orientation}.png", partial(make, "PNG"), "", photo)
        yield Case(f"exif-{orientation}.webp", partial(make, "WEBP", lossless=True), "", photo)
        yield Case(f"exif-{orientation}.tif", partial(make, "TIFF", tiffinfo={274: orientation}), "", photo)
        yield Case(f"exif-{orientation}.avif", partial(make, "AVIF", subsampling="4:4:4"), "", photo, 24)
    yield Case("turned.heic", lambda: b64decode(heic.TURNED), "", photo, 24)
    six = np.ascontiguousarray(ways[6])
    yield Case("exif-half-broken.png", partial(encoded, six, "PNG", exif=odd_exif()), "", photo)
    yield Case("exif-out-of-range.png", partial(encoded, photo, "PNG", exif=one_tag(0x0112, 9)), "", photo)
    yield Case("exif-garbage.png", lambda: encoded(photo, "PNG", exif=b"Exif\0\0" + bytes(range(99))), "", photo)
    large = Image.Exif()
    large[0x0112], large[0x010E] = 6, "x" * 20_000_000
    yield Case("exif-20-MB.png", lambda: encoded(six, "PNG", exif=large.tobytes()), "", photo)


def one_tag(tag: int, value: int) -> bytes:
    return b"Exif\0\0II*\0" + struct.pack("<IHHHIIi", 8, 1, tag, 3, 1, value, 0)


def odd_exif() -> bytes:
    """Orientation 6, and a second directory that Pillow reads but can't write."""
    entries = [(0x0112, 3, 1, 6), (0x8769, 4, 1, 8), (0x8825, 4, 1, 2**31)]  # Exif in itself, GPS beyond the end
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(4)


def colours() -> Iterator[Case]:
    photo = quarters()
    image = Image.fromarray(photo)
    ramp = np.linspace(0, 65535, 48).astype(np.uint16)[None].repeat(32, 0)
    grey = np.repeat((ramp / 257 + 0.5).astype(np.uint8)[:, :, None], 3, 2)
    yield Case("16-bit-grey.png", lambda: encoded(ramp, "PNG"), "", grey, 1)
    deep = (photo.astype(np.uint16) * 257).astype(">u2")
    rows = [b"\0" + row.tobytes() for row in deep]
    yield Case("16-bit-rgb.png", lambda: png(48, 32, 2, iter(rows), bits=16), "", photo)
    black = np.where(photo.min(2, keepdims=True) == 255, 255, 0).astype(np.uint8).repeat(3, 2)
    yield Case("1-bit.png", lambda: encoded(Image.fromarray(black).convert("1"), "PNG"), "", black)
    yield Case("grey.jpg", lambda: encoded(Image.fromarray(black).convert("L"), "JPEG"), "", black, 24)
    yield Case("cmyk.jpg", lambda: encoded(image.convert("CMYK"), "JPEG", quality=95), "", photo, 24)
    yield Case("palette.png", lambda: encoded(image.quantize(4), "PNG"), "", photo)
    clear = np.dstack([photo, np.full((32, 48), 255, np.uint8)])
    clear[16:, 24:] = 0, 0, 0, 0  # the white quarter is transparent black
    clear[:16, 24:] = 0, 0, 0, 128
    seen = photo.copy()
    seen[:16, 24:] = 127
    for kind in ("png", "webp", "tiff", "avif"):
        options = {"lossless": True, "exact": True} if kind == "webp" else {"quality": 100, "subsampling": "4:4:4"}
        make = partial(encoded, clear, kind.upper(), **({} if kind == "tiff" else options))
        yield Case(f"transparent.{kind}", make, "", seen, 24 if kind == "avif" else 1)
    white = image.quantize(4)
    index = white.getpixel((47, 31))
    yield Case("transparent-palette.gif", lambda: encoded(white, "GIF", transparency=index), "", photo)
    for name, profile, look in (("swapped", profile_of("wRGB", swap=True), photo[:, :, ::-1]),
                                ("srgb", profile_of("sRGB"), photo), ("broken", b"\0" * 200, photo),
                                ("of-grey", profile_of("wRGB").replace(b"RGB XYZ", b"GRAYXYZ"), photo)):  # fmt: skip
        yield Case(f"profile-{name}.png", partial(encoded, photo, "PNG", icc_profile=profile), "", look, 2)
    swapped = profile_of("wRGB", swap=True)
    yield Case("profile-alpha.png", lambda: encoded(clear, "PNG", icc_profile=swapped), "", seen[:, :, ::-1], 2)


def profile_of(name: str, swap: bool = False) -> bytes:
    """sRGB by another name; or with red and blue swapped, which nobody who looks at the photo would miss."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace("sRGB".encode("utf-16-be"), name.encode("utf-16-be"))
    return profile.replace(b"rXYZ", b"?XYZ").replace(b"bXYZ", b"rXYZ").replace(b"?XYZ", b"bXYZ") if swap else profile


def write(folder: Path) -> None:
    """All cases as files."""
    folder.mkdir(parents=True, exist_ok=True)
    for case in cases():
        (folder / case.name).write_bytes(case.make())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
