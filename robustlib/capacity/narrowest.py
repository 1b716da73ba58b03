"""The narrowest two-layer ReLU net that fits small data, plainly or robustly, with proof."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linprog
from torch import Tensor, nn

from ..losses import Hinge
from ..numerics import check_integer
from ..perturbations import Perturbation, compatible
from ..robust_loss import robust_loss
from .interpolators import check_points, two_layer

Array = NDArray[np.float64]
_TOLERANCE = 1e-7  # the solver's


@dataclass(frozen=True, repr=False)
class Narrowest:
    """The least width of sign(sum_r a_r relu(<w_r, x> + b_r) + c) that fits the data.

    ``lower``: every smaller width is proved impossible (linear programs, to their tolerance 1e-7).
    ``width``: a net of this width, ``net``, was found and proved right on the sets; None where the
    search ended before one was found. Closed where both are equal. ``programs`` counts the linear
    programs.
    """

    lower: int
    width: int | None
    net: nn.Module | None
    programs: int
    perturbation: Perturbation | None

    @property
    def closed(self) -> bool:
        """Whether the least width is known."""
        return self.width == self.lower

    def __repr__(self) -> str:
        where = "the points" if self.perturbation is None else f"{self.perturbation!r}"
        if self.closed:
            return f"Narrowest net on {where}: width {self.width}, proved ({self.programs} LPs)."
        found = "none found" if self.width is None else f"width {self.width} found"
        return f"Not closed on {where}: at least {self.lower}, {found} ({self.programs} LPs)."


class Labelled(Protocol):
    """Anything with points ``x`` (n, d) and labels ``y`` (n,)."""

    @property
    def x(self) -> Tensor: ...
    @property
    def y(self) -> Tensor: ...


def narrowest_net(
    sample: Labelled,
    *,
    perturbation: Perturbation | None = None,
    max_width: int = 6,
    programs: int = 20_000,
) -> Narrowest:
    """The narrowest two-layer ReLU net with biases that is right on ``sample``: y f > 0.

    With ``perturbation``: right on the whole set of every point. Exact for few points: given the
    output signs, the net is linear on every pattern of active units, so that a search over the
    patterns, by linear programs, finds a net right at finitely many points or proves that there
    is none. For sets it starts with the points themselves; the net found is judged by
    :func:`robustlib.robust_loss` at effort "high", and points where it is wrong are added until it
    is proved right everywhere. Each width gets ``programs`` linear programs of about 2 ms; a width
    that they do not decide is left for the next, and the answer may be "not closed".

    Raises ``ValueError`` where sets of opposite labels meet, or one point has both labels.
    """
    if not hasattr(sample, "x") or not hasattr(sample, "y"):
        raise TypeError(f"sample must have points x and labels y, got {type(sample).__name__}")
    check_points(sample.x, sample.y)
    check_integer("max_width", max_width, minimum=0)
    check_integer("programs", programs, minimum=0)
    x, y = sample.x.double(), sample.y.double()
    same = (torch.cdist(x, x) == 0) & (y[:, None] != y)
    if bool(same.any()):
        i, j = (int(k) for k in same.nonzero()[0])
        raise ValueError(f"sample must not have one point with both labels, got rows {i} and {j}")
    if perturbation is not None:
        found = compatible(sample, perturbation)
        if not found:
            raise ValueError(f"perturbation must keep opposite labels apart; {found!r}")
    search = _Search(x, y, perturbation)
    lower = None  # the first width that was neither found nor proved impossible
    for width in range(max_width + 1):
        net, decided = search.at_width(width, programs)
        if net is not None:
            least = width if lower is None else lower
            return Narrowest(least, width, net, search.programs, perturbation)
        if not decided and lower is None:
            lower = width
    least = max_width + 1 if lower is None else lower
    return Narrowest(least, None, None, search.programs, perturbation)


class _UndecidedError(Exception):
    """The programs are used up, or rounding hides the answer."""


@dataclass(frozen=True)
class _Judged:
    x: Tensor
    y: Tensor


class _Search:
    """Points seen so far (they only grow, from width to width) and the programs solved."""

    def __init__(self, x: Tensor, y: Tensor, perturbation: Perturbation | None) -> None:
        self.sample, self.perturbation = _Judged(x, y), perturbation
        self.points: Array = np.hstack([x.numpy(), np.ones((len(x), 1))])
        self.labels: Array = y.numpy()
        self.programs = self.limit = 0

    def at_width(self, width: int, programs: int) -> tuple[nn.Module | None, bool]:
        """A net of ``width`` units that is right, if one was found; whether that is decided."""
        decided = True
        for plus in sorted(range(width + 1), key=lambda plus: abs(2 * plus - width)):
            signs = np.array([1.0] * plus + [-1.0] * (width - plus))
            self.limit = self.programs + math.ceil(programs / (width + 1))
            try:
                net = self._with_signs(signs)
            except _UndecidedError:
                decided = False
                continue
            if net is not None:
                return net, True
        return None, decided

    def _with_signs(self, signs: Array) -> nn.Module | None:
        while (solution := self._fit(signs, {})) is not None:
            net = _as_module(signs, solution, self.sample.x.shape[1])
            wrong = self._wrong(net)
            if wrong is None:
                return net
            self.points = np.vstack([self.points, wrong[0]])
            self.labels = np.append(self.labels, wrong[1])
        return None

    def _fit(self, signs: Array, patterns: dict[int, tuple[bool, ...]]) -> Array | None:
        """Weights right at all points and with ``patterns`` at some of them, or None.

        Depth first: the program knows the points with a pattern; the point where its solution is
        most wrong gets each pattern in turn.
        """
        solution = self._program(signs, patterns)
        if solution is None:
            return None
        units, bias = solution[:-1].reshape(len(signs), self.points.shape[1]), solution[-1]
        values = np.maximum(self.points @ units.T, 0) @ signs + bias
        margins = self.labels * values
        worst = int(margins.argmin())
        if margins[worst] >= 1 - 10 * _TOLERANCE * (1 + np.abs(solution).max()):
            return solution
        if worst in patterns:  # the solver's tolerance, magnified: cannot tell
            raise _UndecidedError
        own = tuple(bool(z > 0) for z in self.points[worst] @ units.T)
        for pattern in self._patterns(signs, own, first=not patterns):
            found = self._fit(signs, {**patterns, worst: pattern})
            if found is not None:
                return found
        return None

    def _patterns(
        self, signs: Array, own: tuple[bool, ...], *, first: bool
    ) -> list[tuple[bool, ...]]:
        """All patterns, those near ``own`` first; at the first point up to exchanging units."""
        every = list(itertools.product((True, False), repeat=len(signs)))
        if first:  # units of one sign are alike: those active at this point may come first
            plus = int((signs > 0).sum())
            every = [
                p
                for p in every
                if list(p[:plus]) == sorted(p[:plus], reverse=True)
                and list(p[plus:]) == sorted(p[plus:], reverse=True)
            ]
        return sorted(every, key=lambda p: sum(a != b for a, b in zip(p, own, strict=True)))

    def _program(self, signs: Array, patterns: dict[int, tuple[bool, ...]]) -> Array | None:
        """The smallest weights (sum of absolute values) with these patterns and margins >= 1."""
        if self.programs >= self.limit:
            raise _UndecidedError
        self.programs += 1
        width, lifted = len(signs), self.points.shape[1]
        size = width * lifted + 1
        if not patterns:
            return np.zeros(size)
        rows, bounds = [], []
        for point, pattern in patterns.items():
            z, y = self.points[point], self.labels[point]
            margin = np.append(np.outer(signs * np.array(pattern), z).ravel(), 1.0)
            rows.append(-y * margin)
            bounds.append(-1.0)
            for unit, active in enumerate(pattern):
                row = np.zeros(size)
                row[unit * lifted : (unit + 1) * lifted] = -z if active else z
                rows.append(row)
                bounds.append(0.0)
        a = np.array(rows)
        for method in ("highs", "highs-ipm"):  # the second where the first cannot tell
            answer = linprog(  # weights as differences of two non-negative numbers each
                np.ones(2 * size), A_ub=np.hstack([a, -a]), b_ub=np.array(bounds), method=method
            )
            if answer.status == 0:
                weights: Array = answer.x[:size] - answer.x[size:]
                return weights
            if answer.status == 2:
                return None
        raise _UndecidedError

    def _wrong(self, net: nn.Module) -> tuple[Array, float] | None:
        """A point of some set where ``net`` is wrong, with its label; None: proved right."""
        if self.perturbation is None:
            return None
        found = robust_loss(
            net, self.sample, perturbation=self.perturbation, loss=Hinge(), effort="high"
        )
        if found.accuracy[0] == 1:
            return None
        worst = int(found.per_example[:, 0].argmax())
        if float(found.per_example[worst, 0]) <= 1e-6:
            raise _UndecidedError  # neither proved right nor wrong
        return np.append(found.points[worst].numpy(), 1.0), float(self.sample.y[worst])


def _as_module(signs: Array, solution: Array, d: int) -> nn.Module:
    units, bias = torch.from_numpy(solution[:-1].reshape(len(signs), d + 1)), float(solution[-1])
    return two_layer(units[:, :d], units[:, d], torch.from_numpy(signs), bias)
