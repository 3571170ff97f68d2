"""`python -m train align MODEL --data DIR --out FOLDER`: a first `Matching`, and a text encoder for it.

The encoder's features, without language, are averaged over each annotated object once; then every expression is matched
with the object it means, among the photo's others and among those of other photos. That is a hundred times as fast as
training the whole network, so that the text encoder sees every expression many times. Beside the matching a linear map
from the new h_T to MODEL's old one is learned, and folded into the layers that read h_T: the result (FOLDER, for
`run --init`) answers nearly as MODEL did, from a sentence vector that holds more, and has `matching` to go on with.
"""

from __future__ import annotations

import argparse
import copy
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from cefnet.matching import FIT
from cefnet.model import CEFNet
from cefnet.text import Tokenizer
from cefnet.text_encoder import TextEncoder
from cefnet.weights import TOKENIZER, load, save
from train.data.reader import ReferData
from train.data.records import Ref
from train.data.samples import BatchSpec
from train.regions import Regions, regions
from train.start import towards_imagenet

SIZE = 224  # pixels that the encoder sees
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
        model: that gets them; has `matching`. Its word vectors are not trained, because Eq. 2 reads them too.
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


def learn(matcher: Matcher, old: TextEncoder, batches: Iterator[Pairs], steps: int) -> None:
    """Trains the matcher, its text encoder with it, and the way back to the old h_T."""
    moved = [p for p in matcher.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(moved, lr=LEARNING_RATE, weight_decay=0.02)
    bar = tqdm(batches, total=steps, unit="step", desc="matching")
    for step, pairs in enumerate(bar):
        optimiser.param_groups[0]["lr"] = LEARNING_RATE * min(1, (step + 1) / WARMUP) * (1 - step / steps)
        fit, sentence = matcher(pairs)
        with torch.no_grad():
            _, wanted = old(pairs.ids, pairs.mask)
        matched = loss(fit, pairs)
        missed = F.mse_loss(matcher.back(sentence), wanted) / wanted.var()
        optimiser.zero_grad()
        (matched + missed).backward()
        nn.utils.clip_grad_norm_(moved, 1.0)
        optimiser.step()
        bar.set_postfix_str(f"matching {matched.item():.2f}, of the old h_T {1 - missed.item():.1%}")


@torch.no_grad()
def with_matching(model: CEFNet) -> CEFNet:
    """A copy that has `matching`, new where the model has none; Eq. 1 doesn't heed it yet."""
    result = CEFNet(replace(model.config, matching=True)).eval()
    state = result.state_dict()
    for name, value in model.state_dict().items():
        if state[name].shape != value.shape:  # Eq. 1's w_place and the presence output have more inputs
            value = F.pad(value, [0, 0] * (value.ndim - 2) + [0, state[name].shape[1] - value.shape[1]])
        state[name] = value
    result.load_state_dict(state)
    return result


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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="shipped name, weights folder or run folder")
    parser.add_argument("--data", type=Path, required=True, help="data folder")
    parser.add_argument("--out", type=Path, required=True, help="weights folder to write, for `run --init`")
    parser.add_argument("--imagenet", type=float, default=0.0, metavar="SHARE",
                        help="first take the encoder so far back to ImageNet's weights, 0..1 (default: 0)")  # fmt: skip
    parser.add_argument("--steps", type=int, default=3300, help="of 48 photos (default: 3300)")
    parser.add_argument("--photos", type=int, default=48, help="a step (default: 48)")
    parser.add_argument("--split", default="study", help="on which matching is measured at the end (default: study)")
    parser.add_argument("--seed", type=int, default=0)


def main(args: argparse.Namespace) -> None:
    """Learns and writes.

    Raises:
        ValueError: no such model or split, an impossible share, or no ImageNet weights for this encoder.
    """
    data, checkpoint = ReferData.open(args.data), load(args.model, "cpu")
    torch.manual_seed(args.seed)
    model = with_matching(checkpoint.model)
    if args.imagenet:
        towards_imagenet(model, args.imagenet)
    photos = sorted({ref.image_id for split in ("train", args.split) for ref in data.refs_of(split)})
    found = regions(model.to(memory_format=torch.channels_last), data, photos, SIZE)  # type: ignore[call-overload]
    learned, measured = (Split(data, found, checkpoint.tokenizer, split) for split in ("train", args.split))
    matcher = Matcher(model, torch.cat([found[i].features for i in learned.photos]).float())
    learn(matcher, model.text, learned.drawn(args.steps, args.photos, args.seed), args.steps)
    print(f"the right object of a photo, {args.split}: {accuracy(matcher, measured):.3f}")
    fold(model, matcher.text, matcher.back)
    if not checkpoint.config.matching:
        heed(model)
    card = f"`{Path(args.model).name}` after `python -m train align`; see `train/align.py`.\n"
    save(args.out, model, checkpoint.decision, checkpoint.folder / TOKENIZER, checkpoint.words, card)
