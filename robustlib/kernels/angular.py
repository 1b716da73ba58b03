"""Kernels of homogeneous activations: one scalar function of the angle, whatever the depth.

A net whose activation has degree 1 (ReLU, say) or 2 (quadratic ReLU) satisfies
f(W, cx) = c^p f(W, x) for c > 0, so that its kernels are (|x||z|)^p f(angle) with f analytic on
[0, pi]. Here f is computed by the depth's recursion at Chebyshev nodes once, and becomes one
polynomial. What vanishes is kept as a factor, so that values near a zero of f are relatively exact
too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import ClassVar

import numpy as np
import torch
from numpy.polynomial import chebyshev, polynomial
from torch import Tensor

from ..activations import Activation
from .angles import Angles
from .chebyshev import Array, clenshaw, coefficients
from .kind import Kind

_TERMS = 18  # of the series below, which are used for arguments up to 1.5
_NODES = range(64, 80, 2)
_FACTORS = [(1, 1.0, 0)] + [
    (sign, shift + (0 if sign > 0 else math.pi), power)
    for sign in (1, -1)
    for shift in (1.0, 1.5, 2.0, 3.0, 4.0)
    for power in (1, 2)
]
_TAIL = 1e-8  # of the Chebyshev series left out for float32, relative to the least |g|
_NOISE = 4e-16  # Chebyshev coefficients below it are rounding errors
_DEEP = 20  # layers from which a polynomial of so few terms is no longer right to rounding
_CALM = 3.2  # growth of rounding errors that needs no remedy
FLOAT32_ERRORS = 8.0  # roundings that float32 results can bear


def _series(y: Array, coefficient: Callable[[int], float]) -> Array:
    """sum over j >= 1 of (-1)^(j+1) coefficient(j) y^(2j+1) / (2j+1)!."""
    total = np.zeros_like(y)
    for j in range(_TERMS, 0, -1):
        total = -total * y * y + coefficient(j) / math.factorial(2 * j + 1)
    return np.asarray(total * y**3)


def _either(y: Array, small: Array, large: Array) -> Array:
    return np.where(np.abs(y) < 1.5, small, large)


def kappa1(theta: Array, coangle: Array) -> tuple[Array, Array]:
    """The arc-cosine kernel of degree 1 and 1 minus it; ``coangle`` is pi - ``theta``.

    The kernel is relatively exact down to coangle = 0, 1 minus it absolutely.
    """
    large = np.sin(coangle) - coangle * np.cos(coangle)
    value = _either(coangle, _series(np.minimum(coangle, 1.5), lambda j: 2.0 * j), large) / math.pi
    return value, (2 * coangle * np.sin(theta / 2) ** 2 + theta - np.sin(theta)) / math.pi


def kappa2(theta: Array, coangle: Array) -> tuple[Array, Array]:
    """The arc-cosine kernel of degree 2 and 1 minus it; ``coangle`` is pi - ``theta``."""
    y = 2 * coangle
    large = y / 2 * (2 + np.cos(y)) - 1.5 * np.sin(y)
    small = _series(np.minimum(y, 1.5), lambda j: float(1 - j))
    one_minus = (1.5 * (2 * theta - np.sin(2 * theta)) + 2 * coangle * np.sin(theta) ** 2) / (
        3 * math.pi
    )
    return _either(y, small, large) / (3 * math.pi), one_minus


class _Sides:
    """E[s s] and E[s' s'] of Gaussians of variance q at angle theta, for homogeneous s.

    s is a multiple of z^p for z > 0 and another of |z|^p for z < 0. Pairs of one sign are at the
    angle, pairs of opposite signs at the coangle.
    """

    def __init__(self, activation: Activation) -> None:
        assert activation.sides is not None
        left, right = activation.sides
        self.degree = activation.degree
        self.size, self.mixed = left * left + right * right, 2 * left * right
        self.kappa = kappa1 if self.degree == 1 else kappa2

    def second(self, q: float, theta: Array, coangle: Array) -> tuple[float, Array, Array]:
        """E[s(u)^2], E[s(u)s(v)] over it, and 1 minus that."""
        square = self.size * q / 2 if self.degree == 1 else self.size * 3 * q * q / 2
        same, gap = self.kappa(theta, coangle)
        if not self.mixed:
            return square, same, gap
        share = self.mixed / self.size
        across, beyond = self.kappa(coangle, theta)
        near, far = gap - share * across, 1 - share + share * beyond - same
        return square, same + share * across, np.where(theta < coangle, near, far)

    def slope(self, q: float, theta: Array, coangle: Array) -> Array:
        """E[s'(u)s'(v)]."""
        if self.degree == 1:
            total = self.size * coangle
            return (total - self.mixed * theta if self.mixed else total) / (2 * math.pi)
        total = 4 * self.size * q * kappa1(theta, coangle)[0]
        if self.mixed:
            total = total - 4 * self.mixed * q * kappa1(coangle, theta)[0]
        return total / 2


def by_recursion(kind: Kind, theta: Array, coangle: Array) -> Array:
    """f at angles ``theta`` = pi - ``coangle`` of unit vectors, layer by layer."""
    s, trained = _Sides(kind.activation), kind.trained
    cosine = np.where(theta < coangle, np.cos(theta), -np.cos(coangle))
    if trained == "first":
        q, value, _ = s.second(1.0, theta, coangle)
        return cosine * s.slope(1.0, theta, coangle) if kind.tangent else q * value
    gain = 2.0 if trained == "all" else kind.activation.gain
    # q cosine: covariance of the layer's values, normalised per unit; tangent kernel so far
    q = gain
    total = q * cosine if trained == "all" else np.zeros_like(cosine)
    for _ in range(kind.depth):
        if trained == "all":
            slope, before = s.slope(q, theta, coangle), total
            q, cosine, gap = s.second(q, theta, coangle)
            q *= gain
            total = q * cosine + gain * slope * before
        else:
            slope = s.slope(gain * q, theta, coangle)
            total = slope * (q * cosine + gain * total)
            q, cosine, gap = s.second(gain * q, theta, coangle)
        theta = 2 * np.arcsin(np.sqrt(np.clip(gap, 0, 2) / 2))
        coangle = math.pi - theta
    return total if kind.tangent else q * cosine


@dataclass(frozen=True)
class AngleFunction:
    """f = coangle^order (shift + sign coangle)^power prod(cosine - zero) g(z).

    z = 2 coangle/pi - 1; coangle is pi minus the angle.
    """

    order: int
    sign: int
    shift: float
    power: int
    zeros: tuple[float, ...]
    coefficients: tuple[float, ...]  # of g, constant term first
    growth: float  # by how much Horner's rule may enlarge rounding errors

    def evaluate(self, angles: Angles) -> Tensor:
        """f at all pairs of ``angles``, in its scratch memory."""
        z, spare, out = angles.scaled, angles.spare, angles.result
        terms = torch.tensor(self.coefficients, dtype=z.dtype, device=z.device).unbind()
        out.copy_(terms[-1].expand_as(out))
        for a in reversed(terms[:-1]):
            torch.addcmul(a, out, z, out=out)
        for zero in self.zeros:
            # the difference in float64, then rounded
            out.mul_(torch.sub(angles.cosine, zero, out=spare) if zero else angles.cos)
        if self.power:
            middle = z.new_tensor(self.shift + self.sign * math.pi / 2)
            torch.add(middle, z, alpha=self.sign * math.pi / 2, out=spare)
        for _ in range(self.power):
            out.mul_(spare)
        for _ in range(self.order):
            out.mul_(angles.coangle)
        return out

    @property
    def errors(self) -> float:
        """Roundings that add up in ``evaluate``, in units of the last digit."""
        return self.growth + 1.3 * self.order + self.power + len(self.zeros)


@dataclass(frozen=True)
class Recursion:
    """f where layers are so many that its polynomial would be too long: layer by layer."""

    kind: Kind
    order: ClassVar[int] = 0
    errors: ClassVar[float] = math.inf  # asks for float64 angles

    def evaluate(self, angles: Angles) -> Tensor:
        """f at all pairs of ``angles``, which are float64."""
        theta = (1 - angles.scaled.cpu().numpy()) * (math.pi / 2)
        values = by_recursion(self.kind, theta, math.pi - theta)
        return angles.result.copy_(torch.from_numpy(np.asarray(values)))


def _resolved(c: Array) -> int:
    """How many Chebyshev coefficients stand out of the rounding errors of all the others."""
    sizes = np.abs(c)
    floor = max(_NOISE * sizes.max(), 8 * float(np.median(sizes[3 * len(c) // 4 :])))
    return int(np.nonzero(sizes > floor)[0][-1]) + 1


def _polynomial(g: Array, dtype: torch.dtype) -> tuple[Array, float]:
    """Monomial coefficients of g from its values at the nodes, and Horner's growth."""
    c = coefficients(g)
    if dtype == torch.float32:
        tails = np.cumsum(np.abs(c[::-1]))[::-1]
        keep = int((tails > _TAIL * np.abs(g).min()).sum())
    else:
        keep = _resolved(c)
    terms = np.asarray(chebyshev.cheb2poly(c[: max(1, keep)]))
    z = np.linspace(-1, 1, 401)
    largest = polynomial.polyval(np.abs(z), np.abs(terms))
    # where f touches 0 without a change of sign, as with |z|, no relative accuracy is to be had
    floor = np.maximum(_NOISE * largest, np.finfo(float).tiny)
    least = np.maximum(np.abs(polynomial.polyval(z, terms)), floor)
    return terms, float((largest / least).max())


@lru_cache(maxsize=256)
def fit(kind: Kind, dtype: torch.dtype) -> AngleFunction | Recursion:
    """``by_recursion`` in a form that is quick and right to the rounding of ``dtype``."""
    if kind.depth > _DEEP:
        return Recursion(kind)

    def f(coangle: Array) -> Array:
        return by_recursion(kind, math.pi - coangle, coangle)

    order, zeros = _order_at_pi(f), zeros_of(f)
    coangle = max((_coangles(n) for n in _NODES), key=lambda at: _distance(at, zeros))
    g = f(coangle) / coangle**order
    for zero in zeros:
        g = g / (-np.cos(coangle) - zero)
    # f may change tenfold between 0 and pi: a factor that does too keeps errors relative
    found: list[tuple[float, int, AngleFunction]] = []
    for sign, shift, power in _FACTORS:
        found_, growth = _polynomial(g / (shift + sign * coangle) ** power, dtype)
        terms = tuple(map(float, found_))
        candidate = AngleFunction(order, sign, shift, power, zeros, terms, round(growth, 2))
        found.append((max(growth, _CALM), len(terms) + power, candidate))
    return min(found, key=lambda item: item[:2])[2]


def _coangles(n: int) -> Array:
    return np.asarray(math.pi / 2 * (1 + np.cos((np.arange(n) + 0.5) * math.pi / n)))


def _distance(at: Array, zeros: tuple[float, ...]) -> float:
    """How far the nodes keep from the zeros of f: there g is 0/0."""
    return min((float(np.abs(np.cos(at) + c).min()) for c in zeros), default=1.0)


def _order_at_pi(f: Callable[[Array], Array]) -> int:
    near, nearer = np.abs(f(np.array([2e-3, 1e-3])))
    return round(math.log2(near / nearer)) if nearer > 0 else 0


def zeros_of(f: Callable[[Array], Array]) -> tuple[float, ...]:
    """The cosines strictly inside (-1, 1) where f changes sign: 64 times closer each round."""
    grid = np.linspace(1e-3, math.pi, 2001)
    values = f(grid)
    zeros = []
    for i in np.nonzero(values[:-1] * values[1:] < 0)[0]:
        low, high = grid[i], grid[i + 1]
        for _ in range(10):
            between = np.linspace(low, high, 65)
            # the ends have opposite signs, which rounding must not take from them
            same = np.append(f(between[1:-1]) * values[i] > 0, False)
            first = int(same.argmin())
            low, high = between[first], between[first + 1]
        cosine = -math.cos((low + high) / 2)
        zeros.append(cosine if abs(cosine) > 1e-15 else 0.0)
    return tuple(zeros)


@lru_cache(maxsize=256)
def _slope_coefficients(kind: Kind) -> tuple[float, ...]:
    coangle = _coangles(max(_NODES))
    c = coefficients(by_recursion(kind, math.pi - coangle, coangle))
    return tuple(map(float, chebyshev.chebder(c[: _resolved(c)], scl=2 / math.pi)))


def slope(kind: Kind) -> Callable[[Tensor], Tensor]:
    """The derivative of f in coangle, as a function of float64 z = 2 coangle/pi - 1."""
    if kind.depth > _DEEP:
        raise ValueError(
            f"depth must be at most {_DEEP} for gradients of a kernel, got {kind.depth}"
        )
    return partial(clenshaw, _slope_coefficients(kind))
