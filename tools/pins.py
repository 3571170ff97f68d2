"""Prints requirements.txt: what a Space installs, which sees no other file. The versions are those of pyproject.toml.

A lower bound there is the version that is tested; here, where nothing shares the environment, it is pinned.
"""

import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
HEAD = "# What the library, the command line and the app need, for a Space. Made from pyproject.toml by `make lock`.\n"


def requirements() -> str:
    """The library's and the app's packages, a line each, pinned."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["app"]]
    return HEAD + "".join(f"{package.replace('>=', '==')}\n" for package in needed)


if __name__ == "__main__":
    print(requirements(), end="")
