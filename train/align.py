"""A stage of words: a first `Matching` and a text encoder for it, on objects whose features are pooled once."""

from __future__ import annotations

import copy
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from cefnet.model import CEFNet
from cefnet.model.matching import FIT, Matching
from cefnet.model.text import TextEncoder
from cefnet.photos import squash
from cefnet.text import Tokenizer
from train.data.reader import Damaged, ReferData
from train.data.records import Ref
from train.data.samples import BatchSpec
from train.recipes.recipe import Align
from train.start import towards_imagenet

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
        model: Whose encoder looks; its language plays no part.
        data: The data set.
        image_ids: Which photos.
        size: Side of the square that the encoder sees, a multiple of 32.
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


LEARNING_RATE, WARMUP = 1.5e-3, 100
LONGEST = 20  # pieces; what is beyond is cut


@dataclass
class Pairs:
    """N expressions and the K objects of their photos."""

    ids: Tensor  # N x T pieces
    mask: Tensor  # N x T
    target: Tensor  # N: which object
    of_expression: Tensor  # N: which photo
    objects: Tensor  # K x D
    of_object: Tensor  # K: which photo


class Split:
    """The photos of a split with their objects and the expressions of single ones."""

    def __init__(self, data: ReferData, found: dict[int, Regions], tokenizer: Tokenizer, split: str) -> None:
        self.found, self.tokenizer = found, tokenizer
        self.refs: dict[int, list[Ref]] = defaultdict(list)
        for ref in data.refs_of(split):
            if len(ref.ann_ids) == 1 and ref.image_id in found and ref.ann_ids[0] in found[ref.image_id].ann_ids:
                self.refs[ref.image_id].append(ref)
        if not self.refs:
            raise ValueError(f"split {split!r} has no expression of an annotated object")
        self.photos = list(self.refs)

    def pairs(self, photos: list[int], rng: random.Random | None) -> Pairs:
        """All expressions about some photos, or one of each object drawn by `rng`."""
        said, target, of_expression, objects, of_object = [], [], [], [], []
        count = 0
        for p, image_id in enumerate(photos):
            found = self.found[image_id]
            for ref in self.refs[image_id]:
                sentences = [rng.choice(ref.sentences)] if rng else ref.sentences
                said += [s.sent for s in sentences]
                target += [count + found.ann_ids.index(ref.ann_ids[0])] * len(sentences)
                of_expression += [p] * len(sentences)
            objects.append(found.features.float())
            of_object += [p] * len(found.ann_ids)
            count += len(found.ann_ids)
        ids, mask = map(torch.from_numpy, self.tokenizer.batch(said, LONGEST, truncate=True))
        return Pairs(
            ids, mask, torch.tensor(target), torch.tensor(of_expression), torch.cat(objects), torch.tensor(of_object)
        )

    def drawn(self, steps: int, photos: int, seed: int) -> Iterator[Pairs]:
        rng = random.Random(seed)
        weights = [BatchSpec.several_weight if len(self.refs[i]) > 1 else 1.0 for i in self.photos]
        for _ in range(steps):
            yield self.pairs(rng.choices(self.photos, weights, k=photos), rng)


class Matcher(nn.Module):
    """The model's `Matching` on whole objects, its text encoder, and a map from the new h_T to the old one.

    Args:
        model: That gets them; has `matching`. Its word vectors are not trained, because Eq. 2 reads them too.
        features: K x D objects of the training split, to standardise by.
    """

    def __init__(self, model: CEFNet, features: Tensor) -> None:
        super().__init__()
        assert model.matching is not None
        self.text, self.matching = copy.deepcopy(model.text), model.matching
        self.text.embedding.requires_grad_(False)
        norm, width = self.matching.norm, model.config.text_width
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.copy_(features[:, : norm.num_features].mean(0))
        norm.running_var.copy_(features[:, : norm.num_features].var(0))
        self.back = nn.Linear(width, width)
        nn.init.eye_(self.back.weight)
        nn.init.zeros_(self.back.bias)
        self.drop = nn.Dropout(0.1)

    def train(self, mode: bool = True) -> Matcher:
        super().train(mode)
        self.matching.norm.eval()  # few objects a step: the statistics are those of all
        return self

    def forward(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """How well each expression fits each object, N x K, and h_T, N x width."""
        _, sentence = self.text(pairs.ids, pairs.mask)
        objects = self.drop(self.matching.standardised(pairs.objects.T[None, :, :, None]))  # a photo of K places
        places = self.matching.w_place(objects).expand(len(sentence), -1, -1, -1)
        return self.matching(places, self.drop(sentence)).flatten(1), sentence


def loss(fit: Tensor, pairs: Pairs) -> Tensor:
    """Cross entropy of the object among its photo's and among all, and of the expression among its photo's."""
    elsewhere = pairs.of_expression[:, None] != pairs.of_object
    other_photo = pairs.of_expression[:, None] != pairs.of_expression
    among_photo = F.cross_entropy(fit.masked_fill(elsewhere, float("-inf")), pairs.target)
    expressions = fit.T[pairs.target].masked_fill(other_photo, float("-inf"))
    own = torch.arange(len(expressions))
    return among_photo + 0.5 * F.cross_entropy(fit, pairs.target) + 0.5 * F.cross_entropy(expressions, own)


@torch.inference_mode()
def accuracy(matcher: Matcher, split: Split) -> float:
    """How often an expression fits its own object best, among all annotated ones of its photo."""
    matcher.eval()
    right: list[Tensor] = []
    for first in range(0, len(split.photos), 32):
        pairs = split.pairs(split.photos[first : first + 32], None)
        fit, _ = matcher(pairs)
        elsewhere = pairs.of_expression[:, None] != pairs.of_object
        right.append(fit.masked_fill(elsewhere, float("-inf")).argmax(1) == pairs.target)
    matcher.train()
    return torch.cat(right).float().mean().item()


def learn(
    matcher: Matcher,
    old: TextEncoder | None,
    batches: Iterator[Pairs],
    steps: int,
    log: Callable[[dict[str, float], int], None],
) -> None:
    """Trains the matcher and its text encoder with it.

    Args:
        matcher: Is trained.
        old: The text encoder to whose h_T a way back is learned; None: there is nothing to keep.
        batches: What it is trained on.
        steps: How many of them.
        log: Gets every step's losses and learning rate, and how many expressions it had.
    """
    moved = [p for p in matcher.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(moved, lr=LEARNING_RATE, weight_decay=0.02)
    for step, pairs in zip(range(steps), batches, strict=False):
        rate = LEARNING_RATE * min(1, (step + 1) / WARMUP) * (1 - step / steps)
        optimiser.param_groups[0]["lr"] = rate
        fit, sentence = matcher(pairs)
        terms = {"matching": loss(fit, pairs)}
        if old is not None:
            with torch.no_grad():
                _, wanted = old(pairs.ids, pairs.mask)
            terms["way_back"] = F.mse_loss(matcher.back(sentence), wanted) / wanted.var()
        total = torch.stack(list(terms.values())).sum()
        optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(moved, 1.0)
        optimiser.step()
        values = {name: term.item() for name, term in {"total": total, **terms}.items()}
        log({**values, "learning_rate": rate}, len(pairs.ids))


@torch.no_grad()
def fold(model: CEFNet, text: TextEncoder, back: nn.Linear) -> None:
    """Gives a model a new text encoder; whatever reads h_T reads back(h_T) from now on."""
    model.text.load_state_dict(text.state_dict())
    for reader in readers(model):
        reader.bias.add_(reader.weight @ back.bias)
        reader.weight.copy_(reader.weight @ back.weight)


@torch.no_grad()
def heed(model: CEFNet) -> None:
    """Makes the masks lean on the fit before training finds its own way: a deviation above the photo's mean counts 1.

    That alone took a model from 0.415 to 0.441 overall IoU (250 expressions of `study`).
    """
    assert model.matching is not None
    for layer in model.matching.lean_on:
        assert isinstance(layer, nn.Conv2d) and layer.bias is not None
        layer.weight[:, :FIT] = torch.tensor([0.0, 2.0]).view(1, FIT, 1, 1)  # `relative` halves deviations
        layer.bias.fill_(-1.0)


def readers(model: CEFNet) -> list[nn.Linear]:
    """The layers that take h_T: Eq. 1's in every fusion with its gate, and those of the verdicts."""
    parts = [*model.fusions.values(), model.presence, model.right, model.several]
    found = [getattr(part, name, None) for part in parts for name in ("w_sentence", "gate")]
    return [layer for layer in found if isinstance(layer, nn.Linear)]


def align(
    model: CEFNet,
    data: ReferData,
    tokenizer: Tokenizer,
    stage: Align,
    new: Collection[str],
    seed: int,
    log: Callable[[dict[str, float], int], None],
    backbone: str | None = None,
) -> float | None:
    """Does an `Align` stage.

    Args:
        model: Of the stage's architecture, with the weights that it starts from, on the device whose encoder looks.
        data: Whose `train` split teaches.
        tokenizer: The model's.
        stage: What to do.
        new: Names of the model's tensors that nobody has trained. Where h_T is read by such alone, no way back to the
            old h_T is learned; a new `Matching` is heeded at once.
        seed: Of the order of the data.
        log: Gets every step's losses and learning rate, and how many expressions it had.
        backbone: ImageNet weights of this encoder, a file or Hub id, for a stage that goes back to them; None: those of
            EfficientNet-Lite2.

    Returns:
        How often the right object of a photo is chosen on the stage's split; None if that is not measured.

    Raises:
        ValueError: No expression of an annotated object, or no ImageNet weights for this encoder.
    """
    if stage.imagenet:
        towards_imagenet(model, stage.imagenet, backbone)
    measures = stage.split if any(ref.split == stage.split for ref in data.refs) else ""
    splits = [split for split in ("train", measures) if split]
    photos = sorted({ref.image_id for split in splits for ref in data.refs_of(split)})
    found = regions(model.to(memory_format=torch.channels_last), data, photos, stage.size)  # type: ignore[call-overload]
    model.cpu()  # whole objects are few numbers
    learned, *measured = (Split(data, found, tokenizer, split) for split in splits)
    matcher = Matcher(model, torch.cat([found[i].features for i in learned.photos]).float())
    old = None if "text.gru.weight_ih_l0" in new else model.text
    learn(matcher, old, learned.drawn(stage.steps, stage.photos, seed), stage.steps, log)
    chosen = accuracy(matcher, measured[0]) if measured else None
    if old is None:
        model.text.load_state_dict(matcher.text.state_dict())
    else:
        fold(model, matcher.text, matcher.back)
    if "matching.sharpness" in new:
        heed(model)
    return chosen
