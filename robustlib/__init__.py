"""The executable half of a course on adversarial training in overparametrized networks.

Shapes throughout: points x are (n, d), labels y are (n,) in {-1, +1}, outputs of models are (n,).
"""

from .attacks import (
    APGD,
    FGSM,
    PGD,
    Attack,
    BranchAndBound,
    GridMax,
    Identity,
    LinearMax,
    RandomNoise,
    Square,
    Stale,
)
from .bounds import OutputBounds, output_bounds
from .claims import Claim, Control, Evidence, Verdict, assumptions, check, claim, claims, constants
from .diagnose import Diagnosis, diagnose
from .explore import PALETTE, STYLE, Explorer, explore
from .kernels import (
    Gram,
    KernelFlow,
    KernelRegression,
    RobustGram,
    Spectrum,
    empirical_ntk,
    kernel_flow,
    kernel_regression,
    load_gram,
    nngp,
    ntk,
    robust_gram,
    spectrum,
    store_gram,
)
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
from .robust_loss import RobustLoss, robust_loss
from .samples import Sample, caps, digits, hexagon, openml, sphere
from .training import adversarial_training
from .trajectory import Trajectory

__all__ = [
    "APGD",
    "FGSM",
    "PALETTE",
    "PGD",
    "STYLE",
    "Attack",
    "BranchAndBound",
    "Claim",
    "Compatibility",
    "Control",
    "DeepNet",
    "Diagnosis",
    "Evidence",
    "Explorer",
    "Finite",
    "Gram",
    "GridMax",
    "Hinge",
    "Identity",
    "KernelFlow",
    "KernelRegression",
    "L1Ball",
    "L2Ball",
    "LinearMax",
    "LinearizedNet",
    "LinfBall",
    "LogCosh",
    "Logistic",
    "Loss",
    "OutputBounds",
    "Perturbation",
    "PseudoHuber",
    "RandomNoise",
    "RobustGram",
    "RobustLoss",
    "Sample",
    "Spectrum",
    "SphereCap",
    "Square",
    "Stale",
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
    "diagnose",
    "digits",
    "empirical_ntk",
    "explore",
    "hexagon",
    "kernel_flow",
    "kernel_regression",
    "linearize",
    "load_gram",
    "nngp",
    "ntk",
    "openml",
    "output_bounds",
    "robust_gram",
    "robust_loss",
    "spectrum",
    "sphere",
    "store_gram",
]
