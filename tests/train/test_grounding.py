"""A stage that teaches the fit alone: the contrast by hand, what it moves, that it learns, that it resumes."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from photoref_fixture import make_photoref
from torch import nn

from cefnet.model.matching import Matching
from cefnet.weights import load
from train import fit
from train.data.batches import Batches
from train.data.reader import ReferData
from train.grounding import FitObjective, FitWeights, Grounding, contrast
from train.optim import Schedule
from train.recipes import Align, Ground, Recipe, change, find
from train.start import begin_with

WORDS = Align("words", steps=2, photos=6, size=64)
GROUND = Ground(
    "ground", steps=8, sizes=((0.0, 64),), learning_rate=3e-3, pretrained_rate=0.1, schedule=Schedule("constant", 2),
    frozen_stages=3, frozen_statistics=True, ema=0.5,
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photoref(tmp_path_factory.mktemp("data"), photos=18)


def recipe(ground: Ground, start: Path) -> Recipe:
    stage = replace(ground, data=replace(ground.data, photos=6, expressions=3))
    return Recipe("grounding", str(start), (WORDS, stage), checkpoint_every=3)


class Given(nn.Module):
    """In Matching's place: an expression's vector times a place's."""

    def forward(self, places: torch.Tensor, sentence: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nchw,nc->nhw", places, sentence)[:, None]


def test_the_contrast_by_hand() -> None:
    """Three expressions of two photos and one of nothing; what they mean are places of 1, 2 and 3 along one axis."""
    places = torch.tensor([[[[1.0, 2.0]]], [[[3.0, 9.0]]]])  # 2 photos x 1 channel x 1 x 2
    target = torch.tensor([[[[1.0, 0.0]]], [[[0.0, 0.5]]], [[[0.25, 0.0]]], [[[0.0, 0.0]]]])
    batch = SimpleNamespace(
        photo_index=torch.tensor([0, 0, 1, 1]), present=torch.tensor([True, True, True, False]),
    )  # fmt: skip
    said = torch.tensor([[1.0], [0.5], [2.0], [7.0]])
    found = contrast(Given(), places, said, target, batch)  # type: ignore[arg-type]
    fit = [[a * b for b in (1, 2, 3)] for a in (1, 0.5, 2)]
    choice = lambda right, *others: math.log(1 + sum(math.exp(o - right) for o in others))  # noqa: E731
    objects = choice(fit[0][0], fit[0][2]) + choice(fit[1][1], fit[1][2]) + choice(fit[2][2], fit[2][0], fit[2][1])
    said_of = choice(fit[0][0], fit[2][0]) + choice(fit[1][1], fit[2][1]) + choice(fit[2][2], fit[0][2], fit[1][2])
    assert found.item() == pytest.approx((objects + said_of) / 6, rel=1e-5)


def test_nothing_that_is_there_is_no_contrast() -> None:
    batch = SimpleNamespace(photo_index=torch.tensor([0]), present=torch.tensor([False]))
    places = torch.ones(1, 80, 2, 2)
    assert contrast(Matching(9, 4), places, torch.ones(1, 4), torch.zeros(1, 1, 2, 2), batch) == 0  # type: ignore[arg-type]


def test_parts_of_a_batch_add_up_but_for_the_contrast(data: Path, tiny_checkpoint: Path) -> None:
    """The contrast is among the photos of a part."""
    checkpoint, tables = load(tiny_checkpoint, "cpu"), ReferData.open(data)
    spec = replace(GROUND.data, photos=4, expressions=3)
    batch = Batches(tables, checkpoint.tokenizer, spec, 64, 0)[0]
    model = begin_with(str(tiny_checkpoint), {"matching": True}, ()).model
    lesson = Grounding(model, FitObjective(FitWeights(contrast=0.0), model.encoder.channels[-1], 4)).eval()
    parts = batch.split(2)
    counts = [lesson.count(part) for part in parts]
    torch.manual_seed(0)
    whole = lesson(batch)
    halves = [
        lesson(part, count / torch.stack(counts).sum(0).clamp(min=1)) for part, count in zip(parts, counts, strict=True)
    ]
    for name in ("places", "rivals", "classes"):
        assert sum(half[name].item() for half in halves) == pytest.approx(whole[name].item(), rel=0.05, abs=0.02), name


def loss_of(folder: Path, data: Path) -> float:
    """Of which object is meant, over some batches that were not drawn in training."""
    checkpoint, tables = load(folder, "cpu"), ReferData.open(data)
    model = checkpoint.model
    lesson = Grounding(model, FitObjective(FitWeights(), model.encoder.channels[-1], 4)).eval()
    batches = Batches(tables, checkpoint.tokenizer, replace(GROUND.data, photos=6), 64, seed=99)
    with torch.inference_mode():
        return sum(lesson(batches[i])["rivals"].item() for i in range(4)) / 4


def test_the_fit_is_learned_and_nothing_else_moves(data: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    longer = replace(recipe(replace(GROUND, steps=60), tiny_checkpoint), checkpoint_every=100)
    run = fit(longer, data, tmp_path / "run", device="cpu", workers=0)
    first, last = (loss_of(folder, data) for folder in (run / "1-words", run))
    assert last < 0.8 * first, (first, last)
    before, after = (load(folder, "cpu").model.state_dict() for folder in (run / "1-words", run))
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"encoder", "text", "matching"}
    assert not any(torch.equal(before[f"text.{n}"], after[f"text.{n}"]) for n in ("gru.weight_ih_l0",))
    assert "ground" in (run / "README.md").read_text()


def test_it_resumes_bit_for_bit(data: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    chosen = recipe(GROUND, tiny_checkpoint)
    whole = fit(chosen, data, tmp_path / "whole", device="cpu", workers=0)
    parts = fit(chosen, data, tmp_path / "parts", device="cpu", workers=0, stop=5)
    fit(chosen, data, parts, device="cpu", workers=0, resume=True)
    one, other = (load(folder, "cpu").model.state_dict() for folder in (whole, parts))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_model_without_matching_is_refused(data: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    alone = Recipe("alone", str(tiny_checkpoint), (replace(GROUND, data=replace(GROUND.data, photos=6)),))
    with pytest.raises(ValueError, match=r"model\.matching=True"):
        fit(alone, data, tmp_path / "run", device="cpu", workers=0)


def test_a_setting_goes_to_the_stages_that_have_it() -> None:
    masks = change(find("smoke"), ["model.vocabulary=400"]).stages[0]
    both = Recipe("both", "m", (GROUND, masks))
    changed = change(both, ["losses.contrast=0.25"]).stages
    assert changed[0].losses.contrast == 0.25 and changed[1] == masks  # type: ignore[union-attr]
    assert [s.losses.rivals for s in change(both, ["losses.rivals=0.5"]).stages] == [0.5, 0.5]  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="no such key"):
        change(both, ["losses.loudness=1.0"])
