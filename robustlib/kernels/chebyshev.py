"""Chebyshev series: their coefficients from values at nodes, and their sum by Clenshaw's rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, zeros_like

Array = NDArray[Any]


def coefficients(values: Any, library: Any = np) -> Any:
    """Chebyshev coefficients (n,) of the polynomial through ``values`` (n,) at the cosines of
    (j + 1/2) pi/n, j = 0 .. n - 1: arrays of numpy, or tensors of ``library`` torch.
    """
    n = len(values)
    k = library.arange(n, dtype=library.float64)
    # k (2j + 1) is reduced as an integer, exactly: cosines of large arguments would lose digits
    turns = library.outer(k, 2 * k + 1) % (4 * n)
    found = 2 / n * library.cos(turns * (math.pi / (2 * n))) @ values
    found[0] /= 2
    return found


def clenshaw(terms: Sequence[float], t: Tensor) -> Tensor:
    """The series with these coefficients at ``t``, in memory used again: not differentiable."""
    twice, later, last = 2 * t, zeros_like(t), zeros_like(t)
    for a in reversed(terms[1:]):
        later.neg_().addcmul_(twice, last).add_(a)
        later, last = last, later
    return later.neg_().addcmul_(t, last).add_(terms[0])
