"""What a kernel's space can express on whole perturbation sets, at what norm, and as which net."""

from .explicit import ExplicitNetwork
from .function import RKHSFunction
from .interpolant import min_norm_interpolant
from .report import Expressiveness, expressiveness

__all__ = [
    "ExplicitNetwork",
    "Expressiveness",
    "RKHSFunction",
    "expressiveness",
    "min_norm_interpolant",
]
