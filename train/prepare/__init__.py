"""Data sets in our one layout: `prepare_official` for the public ones, `prepare_own` for anyone's own labels."""

from train.prepare.official import prepare_official
from train.prepare.own import prepare_own

__all__ = ["prepare_official", "prepare_own"]
