"""Perturbation sets B(x): where an example may be moved, with exact projections."""

from .balls import L1Ball, L2Ball, LinfBall
from .base import Perturbation, Region, check_perturbation
from .compatibility import Compatibility, compatible
from .finite import Finite
from .sphere import SphereCap

__all__ = [
    "Compatibility",
    "Finite",
    "L1Ball",
    "L2Ball",
    "LinfBall",
    "Perturbation",
    "Region",
    "SphereCap",
    "check_perturbation",
    "compatible",
]
