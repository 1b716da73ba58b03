"""Attacks: rules that move examples inside their perturbation sets to raise the loss.

Here are the contracts, and the attacks that other rooms of the library use; a new attack is one
file and one line in ``robustlib/__init__.pyi``.
"""

from .adaptive import APGD
from .base import Adversary, Attack
from .blackbox import Square
from .exact import GridMax, LinearMax
from .gradient import FGSM, PGD
from .oracle import Oracle
from .reused import Reused
from .simple import NoAttack, RandomNoise

__all__ = [
    "APGD",
    "FGSM",
    "PGD",
    "Adversary",
    "Attack",
    "GridMax",
    "LinearMax",
    "NoAttack",
    "Oracle",
    "RandomNoise",
    "Reused",
    "Square",
]
