"""The narrowest two-layer ReLU net that fits small data, plainly or robustly, with proof."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linprog
from torch import Tensor, nn

from ..checks import check_integer
from ..losses import Hinge
from ..samples import Labelled, check_labelled
from ..sets import Perturbation, check_perturbation, compatible
from ..verification.robust_loss import robust_loss
from .interpolators import check_points, two_layer
from .patterns import Node, activity_patterns, extend_patterns

Array = NDArray[np.float64]
_TOLERANCE = 1e-7  # the solver's
_CUT = 0.5  # margins below 1 - _CUT call for another point
_PATTERNS = 20_000  # the most activity patterns of a unit that are kept


@dataclass(frozen=True, repr=False)
class Narrowest:
    """The least width of sign(sum_r a_r relu(<w_r, x> + b_r) + c) that fits the data.

    ``lower``: every smaller width is proved impossible (linear programs, to their tolerance 1e-7).
    ``width``: a net of this width, ``net``, was found and proved right on the sets; None where the
    search ended before one was found. Closed where both are equal.
    ``linear_programs`` were solved.
    """

    lower: int
    width: int | None
    net: nn.Module | None
    linear_programs: int
    perturbation: Perturbation | None

    @property
    def closed(self) -> bool:
        """Whether the least width is known."""
        return self.width == self.lower

    def __repr__(self) -> str:
        where = "the points" if self.perturbation is None else f"{self.perturbation!r}"
        spent = f"({self.linear_programs} LPs)"
        if self.closed:
            return f"Narrowest net on {where}: width {self.width}, proved {spent}."
        found = "none found" if self.width is None else f"width {self.width} found"
        return f"Not closed on {where}: at least {self.lower}, {found} {spent}."


def narrowest_net(
    sample: Labelled,
    *,
    perturbation: Perturbation | None = None,
    max_width: int = 6,
    linear_programs: int = 20_000,
) -> Narrowest:
    """The narrowest two-layer ReLU net with biases that is right on ``sample``: y f > 0.

    With ``perturbation``: right on the whole set of every point. Exact for few points: given which
    units are active where, the net is linear in its weights, so that a search over the activities
    that half spaces allow, by linear programs, finds a net right at finitely many points or proves
    that there is none. For sets it starts with the points, and those of each set nearest to the
    points of the other label; the net found is judged by :func:`robustlib.robust_loss`, and points
    where its margin is too small are added until it is proved right everywhere. Each width gets
    ``linear_programs`` of about 2 ms; a width that they do not decide is left for the
    next, and the answer may be "not closed".

    Raises ``ValueError`` where sets of opposite labels meet, one point has both labels, or the
    points are so many that half spaces may split them in more than 20 000 ways.
    """
    check_labelled(sample)
    check_points(sample.x, sample.y)
    check_integer("max_width", max_width, minimum=0)
    check_integer("linear_programs", linear_programs, minimum=0)
    x, y = sample.x.double(), sample.y.double()
    same = (torch.cdist(x, x) == 0) & (y[:, None] != y)
    if bool(same.any()):
        i, j = (int(k) for k in same.nonzero()[0])
        raise ValueError(f"sample must not have one point with both labels, got rows {i} and {j}")
    if perturbation is not None:
        check_perturbation(perturbation)
        found = compatible(sample, perturbation)
        if not found:
            raise ValueError(f"perturbation must keep opposite labels apart; {found!r}")
    ways = _most_patterns(len(x), x.shape[1] + 1)
    if ways > _PATTERNS:
        raise ValueError(
            f"sample must be small: half spaces split {len(x)} points in R^{x.shape[1]} in up to "
            f"{ways} ways, and the search is for at most {_PATTERNS}"
        )
    search = _Search(x, y, perturbation)
    lower = None  # the first width that was neither found nor proved impossible
    for width in range(max_width + 1):
        net, decided = search.at_width(width, linear_programs)
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
        self.cells = activity_patterns(self.points)
        self.programs = self.limit = 0
        if perturbation is not None:  # where it will be tight: near the opposite points
            for i, j in (y[:, None] != y).nonzero().tolist():
                if _most_patterns(len(self.points) + 1, x.shape[1] + 1) > _PATTERNS:
                    break
                near = perturbation.project(x[j : j + 1], x[i : i + 1])
                self._add(near.numpy(), self.labels[i : i + 1])

    def _add(self, points: Array, labels: Array) -> None:
        for point, y in zip(points, labels, strict=True):
            if _most_patterns(len(self.points) + 1, self.points.shape[1]) > _PATTERNS:
                raise _UndecidedError
            self.points = np.vstack([self.points, [*point, 1.0]])
            self.labels = np.append(self.labels, y)
            self.cells = extend_patterns(self.cells, self.points)

    def at_width(self, width: int, programs: int) -> tuple[nn.Module | None, bool]:
        """A net of ``width`` units that is right, if one was found; whether that is decided."""
        decided, end = True, self.programs + programs
        balanced = sorted(range(width + 1), key=lambda plus: abs(2 * plus - width))
        for tried, plus in enumerate(balanced):
            signs = np.array([1.0] * plus + [-1.0] * (width - plus))
            self.limit = self.programs + math.ceil((end - self.programs) / (width + 1 - tried))
            try:
                net = self._with_signs(signs)
            except _UndecidedError:
                decided = False
                continue
            if net is not None:
                return net, True
        return None, decided

    def _with_signs(self, signs: Array) -> nn.Module | None:
        while (solution := self._fit(signs, Node.root(signs, self.cells))) is not None:
            net = _as_module(signs, solution, self.sample.x.shape[1])
            wrong, labels = self._wrong(net)
            if not len(wrong):
                return net
            self._add(wrong, labels)
        return None

    def _fit(self, signs: Array, node: Node) -> Array | None:
        """Weights right at all points with activities of ``node``, or None where there are none.

        Depth first: the program knows the points where all activities are fixed; of the points
        where its solution is wrong, the one with the fewest choices gets each of them in turn.
        """
        solution = self._program(signs, node)
        if solution is None:
            return None
        inputs = self.points @ solution[:-1].reshape(len(signs), self.points.shape[1]).T
        margins = self.labels * (np.maximum(inputs, 0) @ signs + solution[-1])
        wrong = np.flatnonzero(margins < 1 - 10 * _TOLERANCE * (1 + np.abs(solution).max()))
        if not len(wrong):
            return solution
        worst = min(wrong.tolist(), key=lambda i: (int(node.open[:, i].sum()), float(margins[i])))
        if not node.open[:, worst].any():  # the solver's tolerance, magnified: cannot tell
            raise _UndecidedError
        for child in node.children(worst, inputs[worst] > 0):
            found = self._fit(signs, child)
            if found is not None:
                return found
        return None

    def _program(self, signs: Array, node: Node) -> Array | None:
        """The smallest weights (sum of absolute values) in ``node``, margins >= 1 where fixed."""
        if self.programs >= self.limit:
            raise _UndecidedError
        self.programs += 1
        lifted = self.points.shape[1]
        size = len(signs) * lifted + 1
        rows, bounds = [], []
        for point in np.flatnonzero(~node.open.any(0)).tolist():
            z, y, active = self.points[point], self.labels[point], node.active[:, point]
            rows.append(-y * np.append(np.outer(signs * active, z).ravel(), 1.0))
            bounds.append(-1.0)
        for point in node.history:  # the activities of all other points follow from these
            for unit, active in enumerate(node.active[:, point]):
                row = np.zeros(size)
                sign = -1 if active else 1
                row[unit * lifted : (unit + 1) * lifted] = sign * self.points[point]
                rows.append(row)
                bounds.append(0.0)
        if not rows:
            return np.zeros(size)
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

    def _wrong(self, net: nn.Module) -> tuple[Array, Array]:
        """Points of the sets where ``net`` has too small a margin; none where it is proved right.

        All points of the sets may be asked for the margin 1, since a net may be scaled up.
        """
        if self.perturbation is None:
            return np.zeros((0, 0)), np.zeros(0)
        for effort in ("low", "high"):
            found = robust_loss(
                net, self.sample, perturbation=self.perturbation, loss=Hinge(), effort=effort
            )
            if found.accuracy[0] == 1:
                return np.zeros((0, 0)), np.zeros(0)
            hinge = found.per_example[:, 0]
            if float(hinge.max()) >= 1:
                chosen = (hinge >= _CUT).numpy()
                return found.points.numpy()[chosen], self.sample.y.numpy()[chosen]
        raise _UndecidedError  # neither proved right nor wrong


def _most_patterns(count: int, dimension: int) -> int:
    return 2 * sum(math.comb(count - 1, i) for i in range(dimension))


def _as_module(signs: Array, solution: Array, d: int) -> nn.Module:
    units, bias = torch.from_numpy(solution[:-1].reshape(len(signs), d + 1)), float(solution[-1])
    return two_layer(units[:, :d], units[:, d], torch.from_numpy(signs), bias)
