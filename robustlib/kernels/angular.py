"""Kernels of homogeneous activations: one scalar function of the angle, whatever the depth.

A net with ReLU (degree 1) or quadratic ReLU (degree 2) satisfies f(W, cx) = c^p f(W, x) for c > 0,
so that its kernels are (|x||z|)^p f(angle) with f analytic on [0, pi]. Here f is computed by the
depth's recursion at Chebyshev nodes once, and becomes one polynomial. What vanishes is kept as a
factor, so that values near a zero of f are relatively exact too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.polynomial import chebyshev, polynomial
from numpy.typing import NDArray
from torch import Tensor

from .angles import Angles

Array = NDArray[Any]

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


def kappa1(theta: Array, psi: Array) -> tuple[Array, Array]:
    """The arc-cosine kernel of degree 1 and 1 minus it; ``psi`` is pi - ``theta``.

    The kernel is relatively exact down to psi = 0, 1 minus it absolutely.
    """
    large = np.sin(psi) - psi * np.cos(psi)
    value = _either(psi, _series(np.minimum(psi, 1.5), lambda j: 2.0 * j), large) / math.pi
    return value, (2 * psi * np.sin(theta / 2) ** 2 + theta - np.sin(theta)) / math.pi


def kappa2(theta: Array, psi: Array) -> tuple[Array, Array]:
    """The arc-cosine kernel of degree 2 and 1 minus it; ``psi`` is pi - ``theta``."""
    y = 2 * psi
    large = y / 2 * (2 + np.cos(y)) - 1.5 * np.sin(y)
    small = _series(np.minimum(y, 1.5), lambda j: float(1 - j))
    one_minus = (1.5 * (2 * theta - np.sin(2 * theta)) + 2 * psi * np.sin(theta) ** 2) / (
        3 * math.pi
    )
    return _either(y, small, large) / (3 * math.pi), one_minus


@dataclass(frozen=True)
class _Angular:
    """E[s s] and E[s' s'] of Gaussians with variance q and angle theta, for homogeneous s."""

    degree: int
    gain: float  # of the weights' variance in a net of the paper's kind

    def second(self, q: float, theta: Array, psi: Array) -> tuple[float, Array, Array]:
        """E[s(u)^2], E[s(u)s(v)] over it, and 1 minus that."""
        if self.degree == 1:
            return (q / 2, *kappa1(theta, psi))
        return (3 * q * q / 8, *kappa2(theta, psi))

    def slope(self, q: float, theta: Array, psi: Array) -> Array:
        """E[s'(u)s'(v)]."""
        return psi / (2 * math.pi) if self.degree == 1 else q * kappa1(theta, psi)[0] / 2


_KINDS = {"relu": _Angular(1, 2.0), "quadratic_relu": _Angular(2, 1.0)}


def is_angular(activation: str) -> bool:
    """Whether the activation's kernels are functions of the angle alone, up to the norms."""
    return activation in _KINDS


def homogeneity(activation: str, depth: int) -> int:
    """The p in K(cx, z) = c^p K(x, z) for c > 0."""
    degree: int = _KINDS[activation].degree ** depth
    return degree


def profile(
    activation: str, depth: int, layers: str, tangent: bool, theta: Array, psi: Array
) -> Array:
    """f(theta), the kernel of unit vectors at angle ``theta`` = pi - ``psi``, by recursion."""
    kind = _KINDS[activation]
    cosine = np.where(theta < psi, np.cos(theta), -np.cos(psi))
    if layers == "first":
        q, value, _ = kind.second(1.0, theta, psi)
        return cosine * kind.slope(1.0, theta, psi) if tangent else q * value
    gain = 2.0 if layers == "all" else kind.gain
    # q cosine: covariance of the layer's values, normalised per unit; tangent kernel so far
    q = gain
    total = q * cosine if layers == "all" else np.zeros_like(cosine)
    for _ in range(depth):
        if layers == "all":
            slope, before = kind.slope(q, theta, psi), total
            q, cosine, gap = kind.second(q, theta, psi)
            q *= gain
            total = q * cosine + gain * slope * before
        else:
            slope = kind.slope(gain * q, theta, psi)
            total = slope * (q * cosine + gain * total)
            q, cosine, gap = kind.second(gain * q, theta, psi)
        theta = 2 * np.arcsin(np.sqrt(np.clip(gap, 0, 2) / 2))
        psi = math.pi - theta
    return total if tangent else q * cosine


@dataclass(frozen=True)
class Profile:
    """f = psi^order (shift + sign psi)^power prod(cosine - zero) g(z).

    z = 2 psi/pi - 1; psi is pi minus the angle.
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
        z, spare, out = angles.tilt, angles.spare, angles.result
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
            out.mul_(angles.psi)
        return out

    @property
    def errors(self) -> float:
        """Roundings that add up in ``evaluate``, in units of the last digit."""
        return self.growth + 1.3 * self.order + self.power + len(self.zeros)


@dataclass(frozen=True)
class Recursion:
    """f where layers are so many that its polynomial would be too long: layer by layer."""

    kind: tuple[str, int, str, bool]
    order: ClassVar[int] = 0
    errors: ClassVar[float] = math.inf  # asks for float64 angles

    def evaluate(self, angles: Angles) -> Tensor:
        """f at all pairs of ``angles``, which are float64."""
        theta = (1 - angles.tilt.cpu().numpy()) * (math.pi / 2)
        values = profile(*self.kind, theta, math.pi - theta)
        return angles.result.copy_(torch.from_numpy(np.asarray(values)))


def _chebyshev(values: Array) -> Array:
    """Chebyshev coefficients of the polynomial through ``values`` at the first-kind nodes."""
    n = len(values)
    # k (2j + 1) is reduced as an integer: cosines of large arguments would lose digits
    turns = np.outer(np.arange(n), 2 * np.arange(n) + 1) % (4 * n)
    coefficients = 2 / n * np.cos(turns * (math.pi / (2 * n))) @ values
    coefficients[0] /= 2
    return np.asarray(coefficients)


def _resolved(c: Array) -> int:
    """How many Chebyshev coefficients stand out of the rounding errors of all the others."""
    sizes = np.abs(c)
    floor = max(_NOISE * sizes.max(), 8 * float(np.median(sizes[3 * len(c) // 4 :])))
    return int(np.nonzero(sizes > floor)[0][-1]) + 1


def _polynomial(g: Array, dtype: torch.dtype) -> tuple[Array, float]:
    """Monomial coefficients of g from its values at the nodes, and Horner's growth."""
    c = _chebyshev(g)
    if dtype == torch.float32:
        tails = np.cumsum(np.abs(c[::-1]))[::-1]
        keep = int((tails > _TAIL * np.abs(g).min()).sum())
    else:
        keep = _resolved(c)
    coefficients = np.asarray(chebyshev.cheb2poly(c[: max(1, keep)]))
    z = np.linspace(-1, 1, 401)
    largest = polynomial.polyval(np.abs(z), np.abs(coefficients))
    return coefficients, float((largest / np.abs(polynomial.polyval(z, coefficients))).max())


@lru_cache(maxsize=256)
def fit(
    activation: str, depth: int, layers: str, tangent: bool, dtype: torch.dtype
) -> Profile | Recursion:
    """``profile`` in a form that is quick and right to the rounding of ``dtype``."""
    if depth > _DEEP:
        return Recursion((activation, depth, layers, tangent))

    def f(psi: Array) -> Array:
        return profile(activation, depth, layers, tangent, math.pi - psi, psi)

    order, zeros = _order_at_pi(f), _zeros(f)
    psi = max((_nodes(n) for n in _NODES), key=lambda nodes: _distance(nodes, zeros))
    g = f(psi) / psi**order
    for zero in zeros:
        g = g / (-np.cos(psi) - zero)
    # f may change tenfold between 0 and pi: a factor that does too keeps errors relative
    found: list[tuple[float, int, Profile]] = []
    for sign, shift, power in _FACTORS:
        coefficients, growth = _polynomial(g / (shift + sign * psi) ** power, dtype)
        terms = tuple(map(float, coefficients))
        candidate = Profile(order, sign, shift, power, zeros, terms, round(growth, 2))
        found.append((max(growth, _CALM), len(terms) + power, candidate))
    return min(found, key=lambda item: item[:2])[2]


def _nodes(n: int) -> Array:
    return np.asarray(math.pi / 2 * (1 + np.cos((np.arange(n) + 0.5) * math.pi / n)))


def _distance(nodes: Array, zeros: tuple[float, ...]) -> float:
    """How far the nodes keep from the zeros of f: there g is 0/0."""
    return min((float(np.abs(np.cos(nodes) + c).min()) for c in zeros), default=1.0)


def _order_at_pi(f: Callable[[Array], Array]) -> int:
    near, nearer = np.abs(f(np.array([2e-3, 1e-3])))
    return round(math.log2(near / nearer)) if nearer > 0 else 0


def _zeros(f: Callable[[Array], Array]) -> tuple[float, ...]:
    """The cosines strictly inside (-1, 1) where f changes sign, by bisection."""
    grid = np.linspace(1e-3, math.pi, 2001)
    values = f(grid)
    zeros = []
    for i in np.nonzero(values[:-1] * values[1:] < 0)[0]:
        low, high = grid[i], grid[i + 1]
        for _ in range(60):
            middle = (low + high) / 2
            same = f(np.array([middle]))[0] * values[i] > 0
            low, high = (middle, high) if same else (low, middle)
        cosine = -math.cos((low + high) / 2)
        zeros.append(cosine if abs(cosine) > 1e-15 else 0.0)
    return tuple(zeros)


@lru_cache(maxsize=256)
def _slope_coefficients(
    activation: str, depth: int, layers: str, tangent: bool
) -> tuple[float, ...]:
    psi = _nodes(max(_NODES))
    values = profile(activation, depth, layers, tangent, math.pi - psi, psi)
    c = _chebyshev(values)
    return tuple(map(float, chebyshev.chebder(c[: _resolved(c)], scl=2 / math.pi)))


def slope(activation: str, depth: int, layers: str, tangent: bool) -> Callable[[Tensor], Tensor]:
    """The derivative of f in psi, as a function of float64 z = 2 psi/pi - 1."""
    if depth > _DEEP:
        raise ValueError(f"depth must be at most {_DEEP} for gradients of a kernel, got {depth}")
    coefficients = _slope_coefficients(activation, depth, layers, tangent)

    def derivative(z: Tensor) -> Tensor:
        later, last = torch.zeros_like(z), torch.zeros_like(z)
        for a in reversed(coefficients[1:]):  # Clenshaw's rule
            later, last = last, 2 * z * last - later + a
        return z * last - later + coefficients[0]

    return derivative
