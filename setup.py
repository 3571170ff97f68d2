"""What pyproject.toml can't say: all packages of the tree, and weights/, which is installed as cefnet/shipped/."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["cefnet*", "train*", "app*"]), "cefnet.shipped"],
    package_dir={"cefnet.shipped": "weights"},
)
