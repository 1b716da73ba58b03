"""Attacks: rules that move examples inside their perturbation sets to raise the loss."""

from .base import Attack
from .exact import GridMax, LinearMax
from .gradient import FGSM, PGD
from .problem import Problem
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
