"""The executable half of a course on adversarial training in overparametrized networks.

Shapes throughout: points x are (n, d), labels y are (n,) in {-1, +1}, outputs of models are (n,).
"""

from .attacks import FGSM, PGD, Attack, GridMax, Identity, LinearMax, RandomNoise
from .claims import Claim, Control, Evidence, Verdict, assumptions, check, claim, claims, constants
from .explore import PALETTE, STYLE, Explorer, explore
from .losses import Hinge, LogCosh, Logistic, Loss, PseudoHuber
from .networks import DeepNet, LinearizedNet, TwoLayerNet, linearize
from .numerics import budget
from .perturbations import (
    Compatibility,
    Finite,
    L1Ball,
    L2Ball,
    LinfBall,
    Perturbation,
    SphereCap,
    compatible,
)
from .samples import Sample, caps, digits, hexagon, openml, sphere
from .training import adversarial_training
from .trajectory import Trajectory

__all__ = [
    "FGSM",
    "PALETTE",
    "PGD",
    "STYLE",
    "Attack",
    "Claim",
    "Compatibility",
    "Control",
    "DeepNet",
    "Evidence",
    "Explorer",
    "Finite",
    "GridMax",
    "Hinge",
    "Identity",
    "L1Ball",
    "L2Ball",
    "LinearMax",
    "LinearizedNet",
    "LinfBall",
    "LogCosh",
    "Logistic",
    "Loss",
    "Perturbation",
    "PseudoHuber",
    "RandomNoise",
    "Sample",
    "SphereCap",
    "Trajectory",
    "TwoLayerNet",
    "Verdict",
    "adversarial_training",
    "assumptions",
    "budget",
    "caps",
    "check",
    "claim",
    "claims",
    "compatible",
    "constants",
    "digits",
    "explore",
    "hexagon",
    "linearize",
    "openml",
    "sphere",
]
