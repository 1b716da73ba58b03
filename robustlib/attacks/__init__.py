"""Attacks: rules that move examples inside their perturbation sets to raise the loss."""

from .base import Attack, Problem
from .exact import GridMax, LinearMax
from .gradient import FGSM, PGD
from .simple import Identity, RandomNoise

__all__ = [
    "FGSM",
    "PGD",
    "Attack",
    "GridMax",
    "Identity",
    "LinearMax",
    "Problem",
    "RandomNoise",
]
