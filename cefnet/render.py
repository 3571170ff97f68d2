"""Pictures of results: numpy and OpenCV only. Photos are H x W x 3 uint8 RGB; nothing is changed in place."""

import cv2
import numpy as np
from numpy.typing import NDArray

Photo = NDArray[np.uint8]
Colour = tuple[int, int, int]

ACCENT: Colour = (255, 64, 110)  # rare in photos, visible on light and dark
WHITE: Colour = (255, 255, 255)


def overlay(
    photo: Photo, mask: NDArray[np.bool_], colour: Colour = ACCENT, opacity: float = 0.45, dim: float = 0.45
) -> Photo:
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


def outline(
    photo: Photo, mask: NDArray[np.bool_], colour: Colour = WHITE, thickness: int | None = None
) -> Photo:
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
    width = thickness or max(1, round(max(mask.shape) / 300))
    return cv2.drawContours(photo.copy(), contours, -1, colour, width, cv2.LINE_AA)  # type: ignore[return-value]


def heatmap(
    values: NDArray[np.floating], photo: Photo | None = None, top: float | None = None, opacity: float = 0.7
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
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    return (grey * (1 - opacity) + colours * np.float32(opacity)).round().astype(np.uint8)


def grey(values: NDArray[np.floating] | NDArray[np.bool_]) -> NDArray[np.uint8]:
    """H x W of 0..1 (or bool) to a grey picture, H x W uint8 of 0..255."""
    return (np.clip(values, 0, 1) * np.float32(255)).round().astype(np.uint8)


def png(picture: NDArray[np.uint8]) -> bytes:
    """H x W or H x W x 3 RGB uint8 as a lossless PNG file."""
    ordered = picture[..., ::-1] if picture.ndim == 3 else picture  # OpenCV writes BGR
    return cv2.imencode(".png", np.ascontiguousarray(ordered))[1].tobytes()


def _same_size(photo: Photo, other: NDArray[np.generic]) -> None:
    if photo.shape[:2] != other.shape[:2]:
        raise ValueError(f"The photo is {photo.shape[:2]}, the map {other.shape[:2]} (height, width).")
