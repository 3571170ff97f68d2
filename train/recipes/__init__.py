"""How each model is trained, a file each: `python -m train run NAME`; `python -m train recipes` lists the names.

Every recipe is a function; its docstring says what to type, how long it took on which machine, and what it reached.
Those of a family differ in a word or two, so a small function makes all of them, docstring included.
"""

from __future__ import annotations

import argparse
import inspect
import json
from collections.abc import Callable

from train.recipes.ablation import ablations
from train.recipes.cefnet_acm import cefnet_acm
from train.recipes.cefnet_vcm import cefnet_vcm
from train.recipes.fine_tune import fine_tune
from train.recipes.paper import authors, paper, published_models
from train.recipes.recipe import Align, Ground, Masks, New, Recipe, change
from train.recipes.smoke import smoke

__all__ = ["RECIPES", "Align", "Ground", "Masks", "New", "Recipe", "change", "find"]

RECIPES: dict[str, Callable[[], Recipe]] = {
    make().name: make
    for make in (
        fine_tune,
        cefnet_acm,
        cefnet_vcm,
        *published_models(paper, "The paper's model", "timm/resnet101.tv_in1k"),
        *published_models(authors, "The model of the authors' code", "timm/wide_resnet101_2.tv_in1k"),
        *ablations(),
        smoke,
    )
}


def find(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        ValueError: Unknown name; the message lists the known ones.
    """
    return _function(name)()


def _function(name: str) -> Callable[[], Recipe]:
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}; the recipes are: {', '.join(RECIPES)}")
    return RECIPES[name]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="show this recipe whole; without it: list all")


def main(args: argparse.Namespace) -> None:
    """Lists the recipes, or shows one: what to type, how long it takes, what it reaches, every value.

    Raises:
        ValueError: Unknown recipe.
    """
    if args.name:
        make = _function(args.name)
        print(f"{make().name}: {inspect.getdoc(make)}\n\n{json.dumps(make().to_dict(), indent=1)}")
    else:
        titles = {name: (inspect.getdoc(make) or "").splitlines()[0] for name, make in RECIPES.items()}
        print("\n".join(f"{name:22}{title}" for name, title in titles.items()))
