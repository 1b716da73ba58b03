"""The function of least norm in a kernel's space that is right on whole perturbation sets."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch

from ..activations import Activation
from ..checks import check_integer, check_real
from ..kernels.gram import check_gram
from ..samples import Sample
from ..sets import Perturbation, compatible
from ..solvers.shortest_vector import Infeasible, shortest
from .function import RKHSFunction, evaluate, judged
from .report import obstruction
from .sets import SphereSets
from .zonal import ZonalKernel

_WHOLE = 1000  # points of finite sets that are all taken at once
_MISSED = 1e-6, 1e-3  # by how much a bound may be missed: on arcs, on caps in more dimensions
_ROUNDING = 1e-6  # more than that is lost only where the norm is near 1e6
_FAR = 1e100  # margins whose squares are far from where numbers end
_CUTS = 200  # rounds of cutting planes at most


def min_norm_interpolant(
    sample: Sample,
    perturbation: Perturbation,
    *,
    tolerance: float | None = None,
    margin: float | None = None,
    activation: str | Activation = "relu",
    bias: bool = True,
    trained: str = "first",
    depth: int = 1,
    points: int = 1_000,
) -> RKHSFunction:
    """The g of least norm with |g - y| <= ``tolerance``, or y g >= ``margin``, on every B(x_i).

    Exactly one of the two is given. The kernel is that of ``ntk`` with the same options; the sets
    are ``SphereCap``, ``Finite`` or others ``on_sphere``, the unit one. The norm is the R of
    Theorems C and D. Finite sets are solved exactly, to rounding. Caps by cutting planes: solved
    for some points, joined by the points where the solution misses its bounds most, until none
    found is missed by more than 1e-6 (d = 2, where they are sought on a fine grid and refined)
    or 1e-3 (d > 2 and parts of caps, where an attack seeks them: one with other steps has found
    points missed by 0.015). The result says what was found and what is proved. Raises
    ``ValueError`` where no such function exists, with the reason: sets of opposite labels meet,
    harmonics that the labels need are missing, or the norm is beyond float64; and where more
    than ``points`` points have to join, as for a ``tolerance`` that hardly lets the function
    move: the cost grows with the cube of their number.
    """
    low, high = _band(tolerance, margin)
    points = check_integer("points", points, minimum=1)
    kernel = ZonalKernel(activation, bias, trained, depth)
    sets = SphereSets(sample, perturbation)
    apart = compatible(sample, perturbation)
    if apart.pair is not None:
        i, j = apart.pair
        raise ValueError(
            f"perturbation must keep opposite labels apart, but the sets of examples {i} and {j} "
            "meet: no function has both labels at one point; choose smaller sets"
        )
    reason = obstruction(sets, kernel, low, high)
    if reason is not None:
        raise ValueError(f"no function of this kernel has these labels: {reason}")
    name, given = ("margin", margin) if tolerance is None else ("tolerance", tolerance)
    assert given is not None  # one of them is: _band has seen to it
    asked = f"{name}={float(given):g}"
    return _cut(sets, kernel, low, high, points, asked)


def _band(tolerance: float | None, margin: float | None) -> tuple[float, float]:
    """The interval in which y g is to lie."""
    if margin is not None and tolerance is None:
        least = check_real("margin", margin, above=0)
        if not 1 / _FAR <= least <= _FAR:
            raise ValueError(f"margin must be from {1 / _FAR:g} to {_FAR:g}, got {least:g}")
        return least, math.inf
    if tolerance is None or margin is not None:
        raise ValueError(
            "give exactly one of tolerance and margin, got "
            f"tolerance={tolerance} and margin={margin}"
        )
    width = check_real("tolerance", tolerance)
    if width <= 0:
        raise ValueError(
            f"tolerance must be greater than 0, got {width:g}: g would have to equal its label at "
            "every point of a set, and a function of a smooth kernel that is constant on a cap is "
            "constant everywhere; ask for a small tolerance or for margin=1"
        )
    return 1 - width, 1 + width


def _cut(
    sets: SphereSets, kernel: ZonalKernel, low: float, high: float, most: int, asked: str
) -> RKHSFunction:
    points, rows = sets.x, torch.arange(sets.sample.n, device=sets.x.device)
    if sets.grid is not None and sets.finite and sets.grid[..., 0].numel() <= _WHOLE:
        points, rows = sets.grid.flatten(0, 1), rows.repeat_interleave(sets.grid.shape[1])
    first = len(rows)
    allowed = 0.0 if sets.finite else _MISSED[sets.grid is None]
    multipliers = np.zeros(0)
    check_gram(f"the matrix of {kernel}", kernel(points))
    for _ in range(_CUTS):
        y = sets.y[rows]
        gram = (kernel(points) * y[:, None] * y).cpu().numpy()
        start = np.pad(multipliers, (0, len(y) - len(multipliers)))
        bounds = np.full(len(y), low), np.full(len(y), high)
        try:
            solved = shortest(gram, *bounds, start)
        except Infeasible as no:
            raise ValueError(_beyond(rows[no.rows].tolist(), no.square, kernel)) from None
        if solved.violation > _ROUNDING:
            active = rows[torch.from_numpy(np.nonzero(solved.multipliers)[0]).to(rows.device)]
            raise ValueError(_beyond(active.tolist(), solved.dual, kernel))
        multipliers = solved.multipliers
        used = torch.from_numpy(np.nonzero(multipliers)[0]).to(points.device)
        coefficients = torch.from_numpy(multipliers).to(points.device)[used] * y[used]
        g = functools.partial(evaluate, kernel, points[used], coefficients)
        for quick in (True, False):
            seen = sets.extremes(g, upper=math.isfinite(high) or not quick, quick=quick)
            missed = torch.maximum(low - seen.values, seen.values - high)
            new = missed > max(allowed, 10 * solved.violation)
            if bool(new.any()):
                break
        else:
            break
        points = torch.cat([points, seen.points[new]])
        rows = torch.cat([rows, seen.rows[new]])
        if len(rows) > first + most:
            raise ValueError(
                f"{asked} takes more than points={most} points of the sets to be met to "
                f"{allowed:g}: ask for less, or allow more points"
            )
    found = float(seen.values.min()), float(seen.values.max())
    return judged(
        sets, kernel, g.args[1], coefficients, wanted=(low, high), found=found, dual=solved.dual
    )


def _beyond(rows: list[int], square: float, kernel: ZonalKernel) -> str:
    examples = sorted(set(rows))
    shown = ", ".join(map(str, examples[:6])) + (", ..." if len(examples) > 6 else "")
    norm = math.sqrt(max(0.0, square))
    return (
        f"no function of {kernel} within the reach of float64 meets the bounds on the sets of "
        f"examples {shown}: its norm would be near or above {norm:.2g}; choose smaller sets, a "
        "larger tolerance or a smaller margin, or a kernel whose eigenvalues fall more slowly, "
        "such as relu"
    )
