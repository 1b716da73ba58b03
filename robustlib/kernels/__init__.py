"""Neural tangent kernels: infinitely wide nets, finite nets, their spectra and their solutions."""

from .empirical import RobustGram, empirical_ntk, ntk_by_layer, robust_gram
from .infinite import nngp, ntk
from .regression import KernelFlow, KernelRegression, kernel_flow, kernel_regression
from .spectrum import Spectrum, kernel_spectrum
from .store import Gram, load_gram, store_gram

__all__ = [
    "Gram",
    "KernelFlow",
    "KernelRegression",
    "RobustGram",
    "Spectrum",
    "empirical_ntk",
    "kernel_flow",
    "kernel_regression",
    "kernel_spectrum",
    "load_gram",
    "nngp",
    "ntk",
    "ntk_by_layer",
    "robust_gram",
    "store_gram",
]
