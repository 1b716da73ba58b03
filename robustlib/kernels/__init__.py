"""Neural tangent kernels: infinitely wide nets, finite nets, their spectra and their solutions."""

from .infinite import nngp, ntk

__all__ = ["nngp", "ntk"]
