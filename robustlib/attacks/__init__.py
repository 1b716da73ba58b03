"""Attacks: rules that move examples inside their perturbation sets to raise the loss."""

from .adaptive import APGD
from .base import Attack
from .blackbox import Square
from .exact import GridMax, LinearMax
from .gradient import FGSM, PGD
from .problem import Problem
from .simple import Identity, RandomNoise
from .stale import Stale

__all__ = [
    "APGD",
    "FGSM",
    "PGD",
    "Attack",
    "GridMax",
    "Identity",
    "LinearMax",
    "Problem",
    "RandomNoise",
    "Square",
    "Stale",
]
