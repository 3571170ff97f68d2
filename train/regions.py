"""What an object looks like to the ImageNet encoder: features of E_3, E_4 and E_5 averaged over its mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from cefnet.model import CEFNet
from cefnet.photos import squash
from train.data.reader import Damaged, ReferData

PHOTOS = 16  # at a time
BOX = 8  # numbers that tell an object's place and size


@dataclass(frozen=True)
class Regions:
    """The annotated objects of one photo.

    Attributes:
        ann_ids: K annotations.
        features: K x D float16: of the object, of the whole photo (both not yet standardised), and its box: x and y of
            the two corners and of the centre as shares of the photo's sides, its area likewise, width by height.
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
        stages = model.encoder(model.standardise(images.permute(0, 3, 1, 2).float() / 255))[2:]
        for k, (image_id, (_, masks)) in enumerate(looked.items()):
            if masks:
                found[image_id] = _regions(data, image_id, masks, [e[k] for e in stages])
    return found


def _masks(data: ReferData, image_id: int, side: int) -> dict[int, np.ndarray]:
    """The share of each of side x side cells that an object covers, by annotation."""
    kept = [a for a in data.annotations_of[image_id] if not data.annotations[a].iscrowd]
    return {a: cv2.resize(data.mask(a).astype(np.float32), (side, side), interpolation=cv2.INTER_AREA) for a in kept}


def _regions(data: ReferData, image_id: int, masks: dict[int, np.ndarray], stages: list[Tensor]) -> Regions:
    on = torch.from_numpy(np.stack(list(masks.values()))).to(stages[0].device)
    objects, photo = [], []
    for e in stages:
        weights = F.adaptive_avg_pool2d(on[:, None], tuple(e.shape[-2:])).flatten(1)
        objects.append(weights / weights.sum(1, keepdim=True).clamp(min=1e-6) @ e.flatten(1).T)
        photo.append(e.mean((1, 2)))
    record = data.images[image_id]
    boxes = torch.tensor([_box(data.annotations[a].box, record.width, record.height) for a in masks])
    whole = torch.cat(photo).expand(len(masks), -1)
    features = torch.cat([torch.cat(objects, dim=1), whole, boxes.to(whole)], dim=1)
    return Regions(tuple(masks), features.half().cpu())


def _box(box: tuple[float, float, float, float], width: int, height: int) -> list[float]:
    x, y, w, h = box
    left, top, wide, high = x / width, y / height, w / width, h / height
    return [left, top, left + wide, top + high, left + wide / 2, top + high / 2, wide * high, wide / max(high, 1e-6)]
