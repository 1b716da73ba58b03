"""Eigenvalues of tangent kernels on the sphere, one for each degree of spherical harmonics."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..activations import Activation
from ..checks import check_integer
from .infinite import ntk
from .kind import check_kind

Array = NDArray[np.float64]

_POLYNOMIAL = 1e-12  # residual of a fit that shows a function to be a polynomial
_ZERO = 1e-13  # eigenvalues below it, relative to the greatest, of such a part are 0
_DEGREES = 4  # that such a polynomial may have: parts of kernels have degree 2 at most


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The eigenvalues of a zonal kernel on S^(d-1) under the uniform probability measure.

    ``eigenvalues`` (max_degree + 1,) float64 by degree, each with multiplicity
    ``multiplicities[degree]`` and right to about ``rounding`` (max_degree + 1,) absolutely.
    ``missing_degrees`` are those whose eigenvalue is exactly 0: functions of these degrees are
    orthogonal to the kernel's whole function space. ``universal`` says that no degree is missing,
    up to any order, so that the space is dense in the continuous functions on the sphere.
    ``decay`` is the p in eigenvalue ~ degree^-p, fitted for ReLU and quadratic ReLU;
    ``math.inf`` for analytic activations (faster than any power), None with too few degrees.
    """

    d: int
    eigenvalues: Tensor = field(repr=False)
    multiplicities: tuple[int, ...]
    missing_degrees: tuple[int, ...]
    universal: bool
    decay: float | None
    rounding: Tensor = field(repr=False)

    def __repr__(self) -> str:
        top = len(self.multiplicities) - 1
        if self.missing_degrees:
            shown = ", ".join(map(str, self.missing_degrees[:4]))
            more = ", ..." if len(self.missing_degrees) > 4 else ""
            what = f"not universal, degrees {shown}{more} are missing"
        else:
            what = "universal" if self.universal else f"not universal, yet complete to degree {top}"
        speed = ""
        if self.decay is not None:
            finite = math.isfinite(self.decay)
            power = f"like degree^-{self.decay:.3g}" if finite else "faster than any power"
            speed = f"; eigenvalues decay {power}"
        return f"A spectrum on the unit sphere of R^{self.d} to degree {top}: {what}{speed}."


def kernel_spectrum(
    d: int,
    *,
    activation: str | Activation = "relu",
    bias: bool = True,
    trained: str = "first",
    depth: int = 1,
    max_degree: int = 20,
) -> Spectrum:
    """The spectrum of ``ntk`` (same options) on the unit sphere of R^d, by Funk-Hecke.

    Eigenvalue l is the integral of the kernel against the Gegenbauer polynomial of degree l,
    computed by Gauss quadrature in the angle. Which degrees are missing is decided from the even
    and the odd part of the kernel: a part that is a polynomial leaves all higher degrees of its
    parity out, any other part none. On S^0 (d = 1) there are the degrees 0 and 1 only. Raises
    ``ValueError`` for bad arguments.
    """
    d = check_integer("d", d, minimum=1)
    max_degree = check_integer("max_degree", max_degree, minimum=0)
    kind = check_kind(activation, depth, trained, bias)
    options: dict[str, object] = {"activation": activation, "bias": bias}
    options |= {"trained": trained, "depth": depth}
    count = min(max_degree, 1) + 1 if d == 1 else max_degree + 1
    numbers = tuple(multiplicity(d, degree) for degree in range(count))
    if d == 1:
        plus, minus = _values(np.array([0.0, math.pi]), options)
        values = np.array([(plus + minus) / 2, (plus - minus) / 2])[:count]
        rounding = np.full(count, 1e-15 * plus)
    else:
        values, rounding = _funk_hecke(d, count, options, numbers)
    polynomial = [_is_polynomial(parity, options) for parity in (0, 1)]
    missing = tuple(
        degree
        for degree in range(count)
        if (d == 1 or polynomial[degree % 2])
        and (degree > _DEGREES or values[degree] <= _ZERO * values.max())
    )
    values[list(missing)] = 0.0
    universal = not missing if d == 1 else not any(polynomial)
    if kind.activation.strip is not None:
        decay: float | None = math.inf
    else:
        decay = _decay(d, values, 30 * rounding)
    return Spectrum(
        d,
        torch.from_numpy(np.maximum(values, 0.0)),
        numbers,
        missing,
        universal,
        decay if d > 1 else None,
        torch.from_numpy(rounding),
    )


def multiplicity(d: int, degree: int) -> int:
    """The dimension of the spherical harmonics of this degree on the unit sphere of R^d."""
    if d == 1:
        return 1
    below = math.comb(degree + d - 3, d - 1) if degree >= 2 else 0
    return math.comb(degree + d - 1, d - 1) - below


def _values(angles: Array, options: dict[str, object]) -> Array:
    """The kernel of unit vectors at these angles: it does not depend on the dimension."""
    z = torch.from_numpy(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    row: Array = ntk(z.new_tensor([[1.0, 0.0]]), z, **options)[0].numpy()  # type: ignore[arg-type]
    return row


def _funk_hecke(
    d: int, count: int, options: dict[str, object], numbers: tuple[int, ...]
) -> tuple[Array, Array]:
    # Gauss panels of 64 nodes: a single rule of many nodes has weights right to 1e-14 only
    panels = math.ceil((300 + 2 * count + d) / 64)
    nodes, weights = np.polynomial.legendre.leggauss(64)
    width = math.pi / panels
    angles = (width * (np.arange(panels)[:, None] + (nodes + 1) / 2)).ravel()
    weights = np.tile(width / 2 * weights, panels)
    t, k = np.cos(angles), _values(angles, options)
    # Gamma(d/2) / (sqrt(pi) Gamma((d-1)/2)) makes the measure one of total mass 1
    constant = math.exp(math.lgamma(d / 2) - math.lgamma((d - 1) / 2)) / math.sqrt(math.pi)
    measure = constant * weights * np.sin(angles) ** (d - 2)
    before, p, found = np.zeros_like(t), np.ones_like(t), []
    for degree in range(count):
        found.append(float(np.sum(measure * k * p)))
        following = t if degree == 0 else ((2 * degree + d - 2) * t * p - degree * before)
        before, p = p, following if degree == 0 else following / (degree + d - 2)
    size = float(np.sqrt(np.sum(measure * k * k)))
    rounding = np.array([np.finfo(float).eps * size / math.sqrt(number) for number in numbers])
    return np.array(found), rounding


def _is_polynomial(parity: int, options: dict[str, object]) -> bool:
    """Whether the even (0) or odd (1) part of the kernel is a polynomial of low degree."""
    angles = math.pi * (np.arange(120) + 0.5) / 240
    here, there = _values(angles, options), _values(math.pi - angles, options)
    part = (here - there) / 2 if parity else (here + there) / 2
    t = np.cos(angles)
    powers = np.stack([t**k for k in range(parity, _DEGREES + 1, 2)], axis=1)
    fitted = powers @ np.linalg.lstsq(powers, part, rcond=None)[0]
    return bool(np.abs(part - fitted).max() <= _POLYNOMIAL * np.abs(here).max())


def _decay(d: int, values: Array, rounding: Array) -> float | None:
    """Minus the slope in log-log coordinates over the upper half of what is resolved.

    Degrees count from -(d-2)/2, about which the eigenvalues are symmetric to leading order. Even
    and odd degrees get constants of their own: kinks at both poles add up with signs.
    """
    degrees = np.nonzero(values > rounding)[0]
    degrees = degrees[degrees >= max(2, degrees.max(initial=0) // 2)]
    if len(degrees) < 4:
        return None
    logs = np.log(degrees + (d - 2) / 2)
    columns = [logs] + [(degrees % 2 == parity).astype(float) for parity in (0, 1)]
    solution = np.linalg.lstsq(np.stack(columns, axis=1), np.log(values[degrees]), rcond=None)[0]
    return -float(solution[0])
