"""A stage of words on whole photos: the fit of `Matching` is the answer, nothing is fused or decoded."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cefnet.model import CEFNet
from cefnet.model.matching import Matching
from train.data.batches import Batch
from train.learner import Lesson, precision
from train.losses import category_loss, level_targets, rival_loss

DROPOUT = 0.1  # of what is seen and of h_T, as in `Align`
_MEAN_OVER = {"contrast": 1, "classes": 2}  # see `losses.COUNTED`; the other terms: samples


@dataclass(frozen=True)
class FitWeights:
    """How much each term counts.

    Attributes:
        places: Of the cross entropy of each place of the fit.
        rivals: Of "which of the photo's objects" (`losses.rival_loss`).
        contrast: Of "which object of all the step's photos", and which expression an object is meant by.
        classes: Of the category of each place, from E_5 by a layer of training's own.
    """

    places: float = 2.0
    rivals: float = 1.0
    contrast: float = 0.5
    classes: float = 0.3


class FitObjective(nn.Module):
    """The weights of the terms, and the head that training alone needs.

    Args:
        weights: Of the terms.
        channels: Of E_5.
        categories: Of the data.
    """

    def __init__(self, weights: FitWeights, channels: int, categories: int) -> None:
        super().__init__()
        self.weights = weights
        self.classifier = nn.Conv2d(channels, categories, 1)


class Grounding(Lesson):
    """The encoder, the text encoder and `Matching`, taught which places an expression means."""

    objective: FitObjective
    unused = True  # all that fuses and decodes

    def __init__(self, model: CEFNet, objective: FitObjective) -> None:
        super().__init__(model, objective)
        if model.matching is None:
            raise ValueError("a stage of kind ground teaches Matching: give the stage model.matching=True")

    def forward(self, batch: Batch, shares: Tensor | None = None) -> dict[str, Tensor]:
        """The loss terms of a batch: scalars by name, `total` and each unweighted term.

        Args:
            batch: On the model's device.
            shares: Where it is a part of a step's batch, its share of all that is `COUNTED`.
        """
        matching = self.model.matching
        assert matching is not None
        images = self.images(batch)
        with precision(images.device):
            e3, e4, e5 = self.model.encoder(self.model.standardise(images))[2:]
            seen = matching.standardised(matching.seen(e3, e4, e5))
            places = matching.w_place(F.dropout(seen, DROPOUT, self.training))
            sentence = F.dropout(self.model.text(batch.ids, batch.token_mask)[1], DROPOUT, self.training)
            fit = matching(places[batch.photo_index], sentence).float()
            categories = self.objective.classifier(e5).float()
        [target] = level_targets(batch.masks[:, None].float(), (fit,))
        terms = {
            "places": F.binary_cross_entropy_with_logits(fit, target),
            "rivals": rival_loss(fit, target, batch.objects),
            "contrast": contrast(matching, places.float(), sentence.float(), target, batch),
            "classes": category_loss(categories, batch.classes),
        }
        if shares is not None:
            terms = {name: value * shares[_MEAN_OVER.get(name, 0)] for name, value in terms.items()}
        weights = self.objective.weights
        total = torch.stack([getattr(weights, name) * value for name, value in terms.items()]).sum()
        return {"total": total, **terms}


def contrast(matching: Matching, places: Tensor, sentence: Tensor, target: Tensor, batch: Batch) -> Tensor:
    """Cross entropy of what an expression means among that and what those of other photos mean; and the reverse.

    Args:
        matching: That finds what fits.
        places: P x 80 x h x w.
        sentence: N x width, h_T.
        target: N x 1 x h x w, the share of each place that is meant.
        batch: Whose expressions they are.
    """
    photo, there = batch.photo_index[batch.present], target[batch.present].flatten(1)
    if not len(photo):
        return places.sum() * 0
    weights = there / there.sum(1, keepdim=True).clamp(min=1e-6)
    meant = torch.einsum("np,ncp->cn", weights, places[photo].flatten(2))[None, :, None]  # a photo of n places
    fit = matching(meant.expand(len(photo), -1, -1, -1), sentence[batch.present]).flatten(1)
    own = torch.arange(len(photo), device=fit.device)
    same_photo = (photo[:, None] == photo) & (own[:, None] != own)
    fit = fit.masked_fill(same_photo, float("-inf"))
    return (F.cross_entropy(fit, own) + F.cross_entropy(fit.T, own)) / 2
