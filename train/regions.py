"""What an object looks like to an encoder: what `Matching` sees of places, averaged over the object's mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from cefnet.matching import Matching
from cefnet.model import CEFNet
from cefnet.photos import squash
from train.data.reader import Damaged, ReferData

PHOTOS = 16  # at a time


@dataclass(frozen=True)
class Regions:
    """The annotated objects of one photo.

    Attributes:
        ann_ids: K annotations.
        features: K x (channels + 8) float16, as `Matching.seen` orders them.
    """

    ann_ids: tuple[int, ...]
    features: Tensor


@torch.inference_mode()
def regions(model: CEFNet, data: ReferData, image_ids: Sequence[int], size: int) -> dict[int, Regions]:
    """Features of all annotated objects of some photos; photos without any, or damaged ones, are left out.

    Args:
        model: whose encoder looks; its language plays no part.
        data: the data set.
        image_ids: which photos.
        size: side of the square that the encoder sees, a multiple of 32.
    """
    device = next(model.parameters()).device
    found: dict[int, Regions] = {}
    for first in tqdm(range(0, len(image_ids), PHOTOS), unit="batch", desc="features"):
        looked = {}
        for image_id in image_ids[first : first + PHOTOS]:
            try:
                looked[image_id] = squash(data.photo(image_id), size), _masks(data, image_id, size // 4)
            except Damaged:
                continue
        if not looked:
            continue
        images = torch.from_numpy(np.stack([image for image, _ in looked.values()])).to(device)
        seen = Matching.seen(*model.encoder(model.standardise(images.permute(0, 3, 1, 2).float() / 255))[2:])
        for places, (image_id, (_, masks)) in zip(seen, looked.items(), strict=True):
            if masks:
                found[image_id] = Regions(tuple(masks), _means(places, list(masks.values())).half().cpu())
    return found


def _masks(data: ReferData, image_id: int, side: int) -> dict[int, np.ndarray]:
    """The share of each of side x side cells that an object covers, by annotation."""
    kept = [a for a in data.annotations_of[image_id] if not data.annotations[a].iscrowd]
    return {a: cv2.resize(data.mask(a).astype(np.float32), (side, side), interpolation=cv2.INTER_AREA) for a in kept}


def _means(places: Tensor, masks: list[np.ndarray]) -> Tensor:
    """D x h x w and K masks of any size -> K x D."""
    on = torch.from_numpy(np.stack(masks)).to(places.device)
    weights = F.adaptive_avg_pool2d(on[:, None], (places.shape[-2], places.shape[-1])).flatten(1)
    return weights / weights.sum(1, keepdim=True).clamp(min=1e-6) @ places.flatten(1).T
