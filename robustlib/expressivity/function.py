"""Functions of a kernel's space, with their norm and what is known of them on whole sets."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field

from torch import Tensor

from ..checks import check_alike, check_floats, check_integer
from .explicit import ExplicitNetwork, explicit_network
from .sets import SphereSets
from .zonal import ZonalKernel

Range = tuple[float, float]


@dataclass(frozen=True, eq=False, repr=False)
class RKHSFunction:
    """g = sum_j coefficients[j] K(points[j], .), called as g(x): (n, d) to (n,), differentiable.

    ``points`` (k, d) and ``coefficients`` (k,) are float64; ``norm`` is that of g in the kernel's
    space. ``wanted`` is the interval asked of y g on the sets, ``found`` the lowest and highest
    y g that were found there, and ``proved`` an interval that holds them: the same for finite
    sets, wider by what g can change between grid points for arcs, by what it can change over a
    whole cap for caps in more than two dimensions. ``least`` brackets the norm of the shortest
    function with ``wanted``: its lower end by duality, its upper end (often infinite) by scaling g
    until ``proved`` is good enough.
    """

    points: Tensor
    coefficients: Tensor
    kernel: ZonalKernel
    norm: float
    wanted: Range
    found: Range
    proved: Range
    least: Range
    sets: SphereSets = field(repr=False)

    def __call__(self, x: Tensor) -> Tensor:
        """g (n,) at ``x`` (n, d), in the dtype of ``x``."""
        check_floats("x", x, min_dim=2)
        points = self.points.to(x.device)
        check_alike("x", x.double(), "points", points)
        return evaluate(self.kernel, points, self.coefficients.to(x.device), x)

    @property
    def error(self) -> float:
        """A proved bound on |g - y| on all sets."""
        return max(1 - self.proved[0], self.proved[1] - 1)

    @property
    def margin(self) -> float:
        """A proved lower bound on y g on all sets; negative where nothing better is known."""
        return self.proved[0]

    def to_network(self, width: int, *, seed: int = 0) -> ExplicitNetwork:
        """The two-layer net with weights w_r + a_r c(w_r)/sqrt(width), as in Theorem C.

        Here c(w) = sum_j coefficients[j] x_j s'(<w, x_j>), with x_j lifted where the kernel is. The
        net starts from ``seed`` as ``TwoLayerNet`` does, in float64. Raises ``ValueError`` for an
        odd width, and for kernels of other nets than the one with its first layer trained.
        """
        width = check_integer("width", width, minimum=1)
        if self.kernel.trained != "first":
            raise ValueError(
                'to_network needs the kernel of a two-layer net, trained="first", '
                f"got {self.kernel}"
            )
        return explicit_network(
            self, self.points, self.coefficients, self.kernel, self.norm, self.sets, width, seed
        )

    def __repr__(self) -> str:
        low, high = self.wanted
        asked = f"y g >= {low:g}" if math.isinf(high) else f"|g - y| <= {1 - low:.4g}"
        n = self.sets.sample.n
        ends = f"y g from {self.found[0]:.6g} to {self.found[1]:.6g} there"
        if self.sets.grid is None:  # what attacks find is no more than that
            asked, ends = f"{asked} wanted", f"attacks find {ends[:-6]}"
        proof = "exactly"
        if not self.sets.finite:
            proof = f"proved from {self.proved[0]:.4g} to {self.proved[1]:.4g}"
        return (
            f"A function of norm {self.norm:.6g} ({self.kernel}; {len(self.points)} terms) with "
            f"{asked} on the sets of {n} examples: {ends}, {proof}. "
            f"None has a norm below {self.least[0]:.6g}."
        )


def evaluate(kernel: ZonalKernel, points: Tensor, coefficients: Tensor, x: Tensor) -> Tensor:
    """sum_j coefficients[j] K(points[j], x) (n,) at ``x`` (n, d), in the dtype of ``x``."""
    return (kernel(x, points) @ coefficients).to(x.dtype)


def judged(
    sets: SphereSets,
    kernel: ZonalKernel,
    points: Tensor,
    coefficients: Tensor,
    *,
    wanted: Range,
    found: Range,
    dual: float,
) -> RKHSFunction:
    """The record of one function; ``dual`` bounds from below the squares of all norms wanted.

    ``found`` holds the values at all points of a grid.
    """
    norm = math.sqrt(max(0.0, float(coefficients @ kernel(points) @ coefficients)))
    proved = found
    if not sets.finite:
        low, high = found
        if sets.grid is None:
            g = functools.partial(evaluate, kernel, points, coefficients)
            values = sets.values(g, sets.x[:, None])
            low, high = float(values.min()), float(values.max())
        total = float(coefficients.abs().sum())
        change = min(norm * kernel.distance(sets.cover), total * kernel.variation(sets.cover))
        ends = low - change, high + change
        proved = min(found[0], ends[0]), max(found[1], ends[1])
    least = math.sqrt(max(0.0, dual)), _scaled(norm, wanted, proved)
    return RKHSFunction(points, coefficients, kernel, norm, wanted, found, proved, least, sets)


def _scaled(norm: float, wanted: Range, proved: Range) -> float:
    """The norm of the shortest multiple of g, at least g itself, that is proved to be as wanted."""
    if wanted[0] <= 0:
        return 0.0
    if proved[0] <= 0:
        return math.inf
    factor = max(1.0, wanted[0] / proved[0])
    return norm * factor if factor * proved[1] <= wanted[1] else math.inf
