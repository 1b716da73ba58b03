"""Neural tangent kernels: infinitely wide nets, finite nets, their spectra and their solutions."""

from .empirical import RobustGram, empirical_ntk, robust_gram
from .infinite import nngp, ntk
from .regression import KernelFlow, KernelRegression, kernel_flow, kernel_regression

__all__ = [
    "KernelFlow",
    "KernelRegression",
    "RobustGram",
    "empirical_ntk",
    "kernel_flow",
    "kernel_regression",
    "nngp",
    "ntk",
    "robust_gram",
]
