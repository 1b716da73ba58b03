"""Perturbation sets B(x): where an example may be moved, with exact projections."""

from .base import Perturbation, StepSets, check_perturbation
from .compatibility import Compatibility, compatible
from .finite import Finite
from .hull import Hull
from .l1 import L1Ball
from .l2 import L2Ball
from .linf import LinfBall
from .sphere import SphereCap

__all__ = [
    "Compatibility",
    "Finite",
    "Hull",
    "L1Ball",
    "L2Ball",
    "LinfBall",
    "Perturbation",
    "SphereCap",
    "StepSets",
    "check_perturbation",
    "compatible",
]
