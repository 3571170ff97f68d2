"""The paper's losses: binary cross entropy on every mask, boundary and STN output, and named departures."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cefnet.config import ModelConfig
from cefnet.model import Output

# What the terms are means over: in these proportions the parts of a batch make the whole.
COUNTED = ("samples", "present ones", "annotated places")
_MEAN_OVER = {"dice": 1, "several": 1, "classes": 2}  # the other terms: samples
CONTOUR_DISTANCE = 2  # pixels: boundary target = places within it of the mask's contour (authors' code)


@dataclass(frozen=True)
class LossWeights:
    """How much each term counts; the defaults are the paper's.

    Attributes:
        mask: Of SM_1..SM_4.
        boundary: Of every BM.
        body: Of every STN output's mask.
        dice: Of 1 - Dice of SM_1..SM_4, in the proportions of `mask` (departure).
        presence: Of "is it there at all" (departure).
        classes: Of the dense category prediction from D_5 (departure, training only).
        rivals: Of "which of the photo's objects" (`rival_loss`) at SM_1..SM_4, in the proportions of `mask`
            (departure).
        alignment: Of masks predicted from each M_i of Eq. 1 by one linear layer and, in models that have it, of the fit
            of `Matching`: cross entropy of their places, and `rival_loss` (departure, training only).
        right: Of "the mask is right", i.e. SM_1, cut at `mask_threshold`, has an IoU of 0.5 or more with the target
            (departure).
        several: Of "more than one thing is meant", over the samples that mean something (departure).
        mask_threshold: Not a weight: at which probability `right` cuts the mask; that of the model as it is used.
    """

    mask: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    boundary: float = 1.0
    body: float = 1.0
    dice: float = 0.0
    presence: float = 0.0
    classes: float = 0.0
    rivals: float = 0.0
    alignment: float = 0.0
    right: float = 0.0
    several: float = 0.0
    mask_threshold: float = 0.5


def contour(masks: Tensor, distance: int = CONTOUR_DISTANCE) -> Tensor:
    """Places within `distance` pixels of the contour, on either side of it.

    Args:
        masks: N x 1 x H x W, 0 or 1.
        distance: Euclidean, in pixels.

    Returns:
        N x 1 x H x W, 0 or 1. The photo's border is no contour.
    """
    span = torch.arange(-distance, distance + 1, device=masks.device)
    disc = (span[:, None] ** 2 + span[None, :] ** 2 <= distance**2).to(masks.dtype)[None, None]
    near_inside = F.conv2d(masks, disc, padding=distance) > 0.5
    near_outside = F.conv2d(1 - masks, disc, padding=distance) > 0.5
    return (near_inside & near_outside).to(masks.dtype)


def dice_loss(logits: Tensor, targets: Tensor, present: Tensor) -> Tensor:
    """1 - Dice, mean over the samples whose object is there (an empty target has no overlap to measure)."""
    if not present.any():
        return logits.sum() * 0
    p, t = logits.sigmoid()[present].flatten(1), targets[present].flatten(1)
    return (1 - (2 * (p * t).sum(1) + 1) / (p.sum(1) + t.sum(1) + 1)).mean()


def rival_loss(logits: Tensor, targets: Tensor, objects: Tensor) -> Tensor:
    """Which of a photo's annotated objects an expression means, and which of its expressions means an object.

    The mean of an expression's logits on an object is its vote for it. Cross entropy over the votes counts every object
    alike, whatever its size, where the pixels' own losses hardly notice a small wrong one.

    Args:
        logits: N x 1 x h x w, of N expressions; those of a photo together, as many for each.
        targets: N x 1 x h x w in 0..1, their masks.
        objects: P x H x W, the number of the object at each place, 0 = none.

    Returns:
        The mean over all N; 0 for those without a target or without a rival (an object that the target hardly touches).
    """
    photos, each = len(objects), len(logits) // len(objects)
    places = F.interpolate(objects[:, None].float(), logits.shape[-2:], mode="nearest-exact")
    numbers = torch.arange(1, int(objects.max()) + 1, device=logits.device)
    on = (places == numbers[:, None, None]).flatten(2).float().repeat_interleave(each, dim=0)  # N x objects x places
    area = on.sum(2)
    votes, inside = ((on @ x.flatten(1)[:, :, None]).squeeze(2) / area.clamp(min=1) for x in (logits, targets))
    same, rival = inside > 0.5, (inside < 0.1) & (area > 0)
    of_photo = [x.view(photos, each, -1).transpose(1, 2).flatten(0, 1) for x in (votes, same, rival)]
    return (_choice(votes, same, rival) + _choice(*of_photo)) / (2 * len(logits))


def _choice(votes: Tensor, right: Tensor, wrong: Tensor) -> Tensor:
    """Cross entropy of any of the right ones against the wrong ones, summed over the rows that have both."""
    both = right.any(1) & wrong.any(1)
    votes, right, wrong = votes[both], right[both], wrong[both]
    among = votes.masked_fill(~(right | wrong), float("-inf")).logsumexp(1)
    return (among - votes.masked_fill(~right, float("-inf")).logsumexp(1)).sum()


def level_targets(targets: Tensor, logits: tuple[Tensor, ...]) -> list[Tensor]:
    """The target at each level's own resolution: the share of a cell that the mask covers."""
    return [F.adaptive_avg_pool2d(targets, (level.shape[-2], level.shape[-1])) for level in logits]


@dataclass(frozen=True)
class Target:
    """What N samples should be; what is None has no term.

    Attributes:
        masks: N x H x W, 0 or 1.
        present: N bool, False where the expression names something absent (the mask is empty).
        classes: N x H x W category numbers, 0 = not annotated.
        objects: P x H x W numbers of the photos' objects, 0 = none; `rivals` and `alignment` need it.
        several: N bool, whether the mask is that of several objects.
        meant: N, which of the photo's samples the words mean, -1 = none (see `Batch`); None: each its own.
    """

    masks: Tensor
    present: Tensor
    classes: Tensor | None = None
    objects: Tensor | None = None
    several: Tensor | None = None
    meant: Tensor | None = None


class Objective(nn.Module):
    """The weighted sum of all terms. Holds the heads that training alone needs.

    Args:
        weights: Of the terms.
        config: Of the model: D_5's and M_i's channels.
        categories: Number of categories of the data; used if `weights.classes` > 0.
    """

    def __init__(self, weights: LossWeights, config: ModelConfig, categories: int) -> None:
        super().__init__()
        self.weights = weights
        self.classifier = nn.Conv2d(config.decoder_widths[0], categories, 1) if weights.classes > 0 else None
        heads = range(3 if weights.alignment > 0 else 0)
        self.matchers = nn.ModuleList(nn.Conv2d(config.width, 1, 1) for _ in heads)

    def forward(self, output: Output, target: Target, shares: Tensor | None = None) -> dict[str, Tensor]:
        """Computes the terms.

        Args:
            output: Of N samples.
            target: What they should be.
            shares: Where the N samples are a part of a batch, the part's share of all that is `COUNTED`.

        Returns:
            Scalars by name: `total` and each unweighted term; of a part, what it adds to the batch's.
        """
        w = self.weights
        terms = {**self._of_maps(output, target), **self._of_verdicts(output, target)}
        if shares is not None:
            terms = {name: value * shares[_MEAN_OVER.get(name, 0)] for name, value in terms.items()}
        factors = {"mask": 1.0, "dice": w.dice, "boundary": 4 * w.boundary, "body": 4 * w.body, "presence": w.presence,
                   "right": w.right, "several": w.several, "classes": w.classes, "rivals": w.rivals,
                   "alignment": w.alignment}  # fmt: skip
        total = torch.stack([factors[name] * value for name, value in terms.items()]).sum()
        return {"total": total, **terms}

    def _of_maps(self, output: Output, target: Target) -> dict[str, Tensor]:
        w, masks = self.weights, target.masks[:, None].float()
        levels = level_targets(masks, output.mask_logits)
        pairs = [(a.float(), t) for a, t in zip(output.mask_logits, levels, strict=True)]
        terms = {"mask": sum_weighted(w.mask, [F.binary_cross_entropy_with_logits(a, t) for a, t in pairs])}
        if w.dice:
            terms["dice"] = sum_weighted(w.mask, [dice_loss(a, t, target.present) for a, t in pairs])
        if output.boundary_logits:
            edges = level_targets(contour(masks), output.boundary_logits)
            terms["boundary"] = mean_bce(output.boundary_logits, edges)
            terms["body"] = mean_bce(output.body_logits, level_targets(masks, output.body_logits))
        if self.classifier is not None and target.classes is not None:
            terms["classes"] = category_loss(self.classifier(output.top).float(), target.classes)
        if target.objects is not None:
            if w.rivals:
                terms["rivals"] = sum_weighted(w.mask, [rival_loss(a, t, target.objects) for a, t in pairs])
            if w.alignment:
                terms["alignment"] = self._alignment(output, masks, target.objects, target.meant)
        return terms

    def _of_verdicts(self, output: Output, target: Target) -> dict[str, Tensor]:
        w, terms = self.weights, {}
        if w.presence and output.presence_logit is not None:
            there = target.present.float()
            terms["presence"] = F.binary_cross_entropy_with_logits(output.presence_logit.float(), there)
        if w.right and output.right_logit is not None:
            right = is_right(output.mask_logits[0].float(), target.masks > 0, w.mask_threshold).float()
            terms["right"] = F.binary_cross_entropy_with_logits(output.right_logit.float(), right)
        if w.several and output.several_logit is not None and target.several is not None:
            terms["several"] = several_loss(output.several_logit.float(), target.several, target.present)
        return terms

    def _alignment(self, output: Output, target: Tensor, objects: Tensor, meant: Tensor | None) -> Tensor:
        logits = tuple(matcher(m).float() for matcher, m in zip(self.matchers, output.multimodal, strict=True))
        levels = level_targets(target, logits)
        if output.fit is not None:  # which hears the words alone: it learns what they mean, whatever was clicked
            logits += (output.fit.float(),)
            levels += level_targets(target if meant is None else of_words(target, meant, len(objects)), logits[-1:])
        chosen = [rival_loss(a, t, objects) for a, t in zip(logits, levels, strict=True)]
        return mean_bce(logits, levels) + torch.stack(chosen).mean()


def of_words(target: Tensor, meant: Tensor, photos: int) -> Tensor:
    """The masks that the words mean: N x 1 x H x W, empty where they mean none of the photo's samples.

    Args:
        target: N x 1 x H x W, what is meant by words and clicks together.
        meant: N, as in `Batch`.
        photos: P; the samples of a photo lie together.
    """
    each = len(target) // photos
    first = torch.arange(photos, device=meant.device).repeat_interleave(each) * each
    return target[first + meant.clamp(min=0)] * (meant >= 0)[:, None, None, None]


@torch.no_grad()
def is_right(logits: Tensor, masks: Tensor, threshold: float, least: float = 0.5) -> Tensor:
    """Whether a mask, cut at a probability, has at least the IoU `least` with the target, which is not empty.

    Args:
        logits: N x 1 x h x w.
        masks: N x H x W bool.
        threshold: Probability, 0..1.
        least: IoU, above 0.

    Returns:
        N bool.
    """
    probability = F.interpolate(logits, masks.shape[-2:], mode="bilinear", align_corners=False)[:, 0].sigmoid()
    answer = probability >= threshold
    both, either = (x.flatten(1).sum(1) for x in (answer & masks, answer | masks))
    return (both > 0) & (both >= least * either)


def several_loss(logits: Tensor, several: Tensor, present: Tensor) -> Tensor:
    """Cross entropy of "more than one thing is meant", mean over the samples that mean something."""
    if not present.any():
        return logits.sum() * 0
    return F.binary_cross_entropy_with_logits(logits[present], several[present].float())


def sum_weighted(weights: tuple[float, ...], terms: list[Tensor]) -> Tensor:
    return torch.stack([w * term for w, term in zip(weights, terms, strict=True)]).sum()


def mean_bce(logits: tuple[Tensor, ...], targets: list[Tensor]) -> Tensor:
    """Binary cross entropy, mean over the levels (the paper sums them: `Objective` multiplies by 4)."""
    pairs = zip(logits, targets, strict=True)
    return torch.stack([F.binary_cross_entropy_with_logits(a.float(), t) for a, t in pairs]).mean()


def category_targets(classes: Tensor, size: tuple[int, int]) -> Tensor:
    """N x H x W category numbers (0 = not annotated) -> N x h x w targets, -1 = not annotated."""
    return F.interpolate(classes[:, None].float(), size=size, mode="nearest-exact").squeeze(1).long() - 1


def count(present: Tensor, classes: Tensor, size: tuple[int, int]) -> Tensor:
    """How many of each of `COUNTED` some samples have: 3 floats.

    Args:
        present: N bool.
        classes: N x H x W, 0 = not annotated.
        size: Height and width of D_5, where the categories are predicted.
    """
    places = (category_targets(classes, size) >= 0).sum()
    return torch.stack([torch.full_like(places, len(present)), present.sum(), places]).float()


def category_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Cross entropy of the category of annotated places; the others are unknown, not background.

    Args:
        logits: N x categories x h x w.
        classes: N x H x W, 0 = not annotated, k + 1 = category k.
    """
    target = category_targets(classes, (logits.shape[-2], logits.shape[-1]))
    if not (target >= 0).any():
        return logits.sum() * 0
    return F.cross_entropy(logits, target, ignore_index=-1)
