"""Pictures of results: numpy and OpenCV only. Photos are H x W x 3 uint8 RGB; nothing is changed in place."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Photo = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Colour = tuple[int, int, int]

ACCENT: Colour = (255, 64, 110)  # rare in photos, visible on light and dark
WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)

# Told apart by colour-blind people too: Okabe and Ito's colours, with violet in place of black; the first are the
# furthest apart.
PALETTE: tuple[Colour, ...] = (
    (213, 94, 0),  # vermilion
    (0, 114, 178),  # blue
    (240, 228, 66),  # yellow
    (0, 158, 115),  # bluish green
    (204, 121, 167),  # reddish purple
    (86, 180, 233),  # sky blue
    (130, 0, 240),  # violet
    (230, 159, 0),  # orange
)
BOTH, FIRST, SECOND = PALETTE[2], PALETTE[1], PALETTE[0]  # the colours of `agreement`


def overlay(photo: Photo, mask: Mask, colour: Colour = ACCENT, opacity: float = 0.45, dim: float = 0.45) -> Photo:
    """Tints the mask, outlines it and darkens the rest.

    Args:
        photo: H x W x 3 uint8 RGB.
        mask: H x W bool. If it is empty the photo comes back as it is.
        colour: RGB of the tint.
        opacity: 0..1, of the tint.
        dim: 0..1, brightness of what is not in the mask (1 leaves it).

    Raises:
        ValueError: If photo and mask are of different sizes.
    """
    _same_size(photo, mask)
    if not mask.any():
        return photo.copy()
    tinted = photo * (1 - opacity) + np.array(colour, np.float32) * opacity
    picture = np.where(mask[..., None], tinted, photo * np.float32(dim)).round().astype(np.uint8)
    return outline(picture, mask)


def overlays(
    photo: Photo,
    masks: Sequence[Mask],
    colours: Sequence[Colour] = PALETTE,
    opacity: float = 0.45,
    fill: bool = True,
    dim: float = 0.6,
) -> Photo:
    """Tints and outlines several masks, each in its own colour, and darkens what is in none.

    Args:
        photo: H x W x 3 uint8 RGB.
        masks: H x W bool each. Where they overlap, the later lies above the earlier. Empty ones draw nothing; if all
            are, the photo comes back as it is.
        colours: RGB, one a mask; they start again if there are more masks.
        opacity: 0..1, of the tints.
        fill: False draws the outlines alone.
        dim: 0..1, brightness of what is in no mask (1 leaves it).

    Raises:
        ValueError: If the photo and a mask are of different sizes, or there is no colour.
    """
    if not colours:
        raise ValueError("No colours were given; pass one for each mask.")
    for mask in masks:
        _same_size(photo, mask)
    if not any(mask.any() for mask in masks):
        return photo.copy()
    pairs = [(mask, colours[n % len(colours)]) for n, mask in enumerate(masks)]
    anywhere = np.logical_or.reduce(masks)
    picture = np.where(anywhere[..., None], photo, photo * np.float32(dim))
    for mask, colour in pairs if fill else []:
        picture[mask] = picture[mask] * (1 - opacity) + np.array(colour, np.float32) * opacity
    picture = picture.round().astype(np.uint8)
    line = _line_width(photo)
    for mask, colour in pairs:
        picture = outline(outline(picture, mask, BLACK, line + 2), mask, colour, line)  # seen on any ground
    return picture


def spotlight(photo: Photo, mask: Mask, dim: float = 0.25, blur: bool = False) -> Photo:
    """Leaves the mask as it is and darkens the rest.

    Args:
        photo: H x W x 3 uint8 RGB.
        mask: H x W bool. If it is empty the photo comes back as it is.
        dim: 0..1, brightness of the rest (1 leaves it).
        blur: Whether the rest is blurred too.

    Raises:
        ValueError: If photo and mask are of different sizes.
    """
    _same_size(photo, mask)
    if not mask.any():
        return photo.copy()
    rest = cv2.GaussianBlur(photo, (0, 0), max(photo.shape) / 100) if blur else photo
    return np.where(mask[..., None], photo, (rest * np.float32(dim)).round().astype(np.uint8))


def cutout(photo: Photo, mask: Mask, soft: bool = False) -> NDArray[np.uint8]:
    """The mask's part of the photo, the rest transparent (and black, so that the file does not carry it).

    Args:
        photo: H x W x 3 uint8 RGB.
        mask: H x W bool.
        soft: Whether the edge fades over about a pixel to either side.

    Returns:
        H x W x 4 uint8 RGBA; alpha is 255 in the mask and 0 outside, but for a soft edge.

    Raises:
        ValueError: If photo and mask are of different sizes.
    """
    _same_size(photo, mask)
    hard = mask.astype(np.uint8) * np.uint8(255)
    alpha = cv2.GaussianBlur(hard, (0, 0), 0.7) if soft else hard
    picture = np.zeros((*mask.shape, 4), np.uint8)
    cv2.copyTo(np.dstack([photo, alpha]), (alpha > 0).astype(np.uint8), picture)
    return picture


def agreement(photo: Photo, first: Mask, second: Mask, opacity: float = 0.6) -> Photo:
    """Two masks over the greyed photo: `BOTH`, `FIRST` alone and `SECOND` alone are the colours.

    Args:
        photo: H x W x 3 uint8 RGB.
        first: H x W bool.
        second: H x W bool.
        opacity: 0..1, of the colours.

    Raises:
        ValueError: If photo and masks are of different sizes.
    """
    _same_size(photo, first)
    _same_size(photo, second)
    picture = np.repeat(_grey_photo(photo), 3, axis=2)
    for mask, colour in ((first & second, BOTH), (first & ~second, FIRST), (second & ~first, SECOND)):
        picture[mask] = picture[mask] * (1 - opacity) + np.array(colour, np.float32) * opacity
    return picture.round().astype(np.uint8)


def outline(photo: Photo, mask: Mask, colour: Colour = WHITE, thickness: int | None = None) -> Photo:
    """Draws the mask's contour.

    Args:
        photo: H x W x 3 uint8 RGB.
        mask: H x W bool.
        colour: RGB of the line.
        thickness: In pixels; by default 1/300 of the longer side.

    Raises:
        ValueError: If photo and mask are of different sizes.
    """
    _same_size(photo, mask)
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    width = thickness or _line_width(photo)
    return cv2.drawContours(photo.copy(), contours, -1, colour, width, cv2.LINE_AA)  # type: ignore[return-value]


def heatmap(
    values: NDArray[np.floating | np.integer],
    photo: Photo | None = None,
    top: float | None = None,
    opacity: float = 0.7,
) -> Photo:
    """Shows a map in a perceptually uniform colour scale (inferno: black, purple, orange, yellow).

    Args:
        values: H x W, 0 or above.
        photo: H x W x 3 uint8 RGB to lay the map over (greyed, so that colour means the map alone).
        top: The value shown brightest; by default the map's maximum. Pass one to compare several maps.
        opacity: 0..1, of the map over the photo.

    Raises:
        ValueError: If photo and map are of different sizes.
    """
    top = float(values.max()) if top is None else top
    level = np.clip(values / top if top > 0 else values * 0, 0, 1)
    colours = cv2.applyColorMap((level * 255).round().astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    if photo is None:
        return np.ascontiguousarray(colours)
    _same_size(photo, values)
    return (_grey_photo(photo) * (1 - opacity) + colours * np.float32(opacity)).round().astype(np.uint8)


def colour_bar(width: int = 256, height: int = 12) -> Photo:
    """The scale of `heatmap`: height x width x 3 uint8, from 0 on the left to the top value on the right."""
    return heatmap(np.repeat(np.linspace(0, 1, width, dtype=np.float32)[None], height, axis=0), top=1.0)


def mark(photo: Photo, y: float, x: float) -> Photo:
    """Rings the place `y`, `x` (photo pixels) in white and black, which is seen on any ground."""
    centre, radius, line = (round(x), round(y)), max(4, round(max(photo.shape) / 60)), _line_width(photo)
    picture = cv2.circle(photo.copy(), centre, radius, BLACK, 2 * line + 2, cv2.LINE_AA)
    return cv2.circle(picture, centre, radius, WHITE, line + 1, cv2.LINE_AA)  # type: ignore[return-value]


def grey(values: NDArray[np.floating] | NDArray[np.bool_]) -> NDArray[np.uint8]:
    """H x W of 0..1 (or bool) to a grey picture, H x W uint8 of 0..255."""
    return (np.clip(values, 0, 1) * np.float32(255)).round().astype(np.uint8)


def png(picture: NDArray[np.uint8]) -> bytes:
    """H x W, H x W x 3 RGB or H x W x 4 RGBA uint8 as a lossless PNG file."""
    ordered = picture if picture.ndim == 2 else picture[..., [2, 1, 0, 3][: picture.shape[2]]]  # OpenCV writes BGR(A)
    return cv2.imencode(".png", np.ascontiguousarray(ordered))[1].tobytes()


def _grey_photo(photo: Photo) -> NDArray[np.float32]:
    return cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)


def _line_width(photo: Photo) -> int:
    return max(1, round(max(photo.shape) / 300))


def _same_size(photo: Photo, other: NDArray[np.generic]) -> None:
    if photo.shape[:2] != other.shape[:2]:
        raise ValueError(f"The photo is {photo.shape[:2]}, the map {other.shape[:2]} (height, width).")
