"""Samples: labelled points on the unit sphere, checked once so that nobody checks them again."""

from .base import Labelled, Sample, check_kind, check_labelled, in_dtype
from .builtin import digits, hexagon, openml, sphere, two_caps

__all__ = [
    "Labelled",
    "Sample",
    "check_kind",
    "check_labelled",
    "digits",
    "hexagon",
    "in_dtype",
    "openml",
    "sphere",
    "two_caps",
]
