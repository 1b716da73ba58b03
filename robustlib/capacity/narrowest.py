"""The narrowest two-layer ReLU net that fits small data, plainly or robustly, with proof."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..checks import check_integer
from ..losses import Hinge
from ..samples import Labelled, check_labelled
from ..sets import Perturbation, check_perturbation, compatible
from ..verification.robust_loss import robust_loss
from .fitting import PATTERNS, Fitter, UndecidedError, most_patterns
from .interpolators import check_points

Array = NDArray[np.float64]
_CUT = 0.5  # margins below 1 - _CUT call for another point


@dataclass(frozen=True, repr=False)
class Narrowest:
    """The least width of sign(sum_r a_r relu(<w_r, x> + b_r) + c) that fits the data.

    ``lower``: every smaller width is proved impossible, by multipliers in whole numbers.
    ``width``: a net of this width, ``net``, was found and proved right on the sets, and in float64
    at the points; None where the search ended before one was found. Closed where both are equal.
    ``linear_programs`` counts them, without those for proofs, and ``reason`` says what was left
    undecided at width ``lower``, where something was.
    """

    lower: int
    width: int | None
    net: nn.Module | None
    linear_programs: int
    perturbation: Perturbation | None
    reason: str

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
        why = f"; at width {self.lower} {self.reason}" if self.reason else ""
        return f"Not closed on {where}: at least {self.lower}, {found}{why} {spent}."


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
    that there is none. What the programs say is checked in rational arithmetic: a net is returned
    only where y f > 0 at all points whatever the rounding, and a case counts as impossible only by
    multipliers that add up to zero exactly. So the answer is that of the points as they are, also
    if their scales are extreme. For sets it starts with the points, and those of each set nearest
    to the points of the other label, as float64 has them; the net found is judged by
    :func:`robustlib.robust_loss`, and points where its margin is too small are added until it is
    proved right everywhere. Each width gets ``linear_programs`` of about 2 ms; a width that they
    do not decide is left for the next, and the answer may be "not closed".

    Raises ``ValueError`` where sets of opposite labels meet, one point has both labels, or the
    points are so many that half spaces may split them in more than 20 000 ways.
    """
    check_labelled(sample)
    check_points(sample.x, sample.y)
    max_width = check_integer("max_width", max_width, minimum=0)
    linear_programs = check_integer("linear_programs", linear_programs, minimum=0)
    x, y = sample.x.detach().double(), sample.y.detach().double()
    near = (torch.cdist(x, x) == 0) & (y[:, None] != y)  # to rounding
    for i, j in near.nonzero().tolist():
        if torch.equal(x[i], x[j]):
            raise ValueError(
                f"sample must not have one point with both labels, got rows {i} and {j}"
            )
    if perturbation is not None:
        check_perturbation(perturbation)
        found = compatible(sample, perturbation)
        if not found:
            raise ValueError(f"perturbation must keep opposite labels apart; {found!r}")
    ways = most_patterns(len(x), x.shape[1] + 1)
    if ways > PATTERNS:
        raise ValueError(
            f"sample must be small: half spaces split {len(x)} points in R^{x.shape[1]} in up to "
            f"{ways} ways, and the search is for at most {PATTERNS}"
        )
    search = _Search(x, y, perturbation)
    lower, reason = None, ""  # the first width that was neither found nor proved impossible
    for width in range(max_width + 1):
        net, why = search.at_width(width, linear_programs)
        if net is not None:
            least = width if lower is None else lower
            return Narrowest(least, width, net, search.programs, perturbation, reason)
        if why and lower is None:
            lower, reason = width, why
    least = max_width + 1 if lower is None else lower
    return Narrowest(least, None, None, search.programs, perturbation, reason)


@dataclass(frozen=True)
class _Judged:
    x: Tensor
    y: Tensor


def _array(t: Tensor) -> Array:
    """Where tensors of any device become numbers for the linear programs."""
    return np.asarray(t.cpu().resolve_neg().numpy(), dtype=np.float64)


class _Search:
    """Points seen so far, which only grow from width to width, and the judge of whole sets."""

    def __init__(self, x: Tensor, y: Tensor, perturbation: Perturbation | None) -> None:
        self.sample, self.perturbation = _Judged(x, y), perturbation
        self.fitter = Fitter(_array(x), _array(y))
        if perturbation is not None:  # where it will be tight: near the opposite points
            for i, j in (y[:, None] != y).nonzero().tolist():
                if most_patterns(len(self.fitter.points) + 1, x.shape[1] + 1) > PATTERNS:
                    break
                near = perturbation.project(x[j : j + 1], x[i : i + 1])
                self.fitter.add(_array(near), _array(y[i : i + 1]))

    @property
    def programs(self) -> int:
        """How many linear programs were solved."""
        return self.fitter.programs

    def at_width(self, width: int, programs: int) -> tuple[nn.Module | None, str]:
        """A net of ``width`` units that is right, if one was found; or why that is undecided."""
        why, end = "", self.programs + programs
        balanced = sorted(range(width + 1), key=lambda plus: abs(2 * plus - width))
        for tried, plus in enumerate(balanced):
            signs = np.array([1.0] * plus + [-1.0] * (width - plus))
            left = math.ceil((end - self.programs) / (width + 1 - tried))
            self.fitter.limit = self.programs + left
            try:
                net = self._with_signs(signs)
            except UndecidedError as undecided:
                why = why or str(undecided)
                continue
            if net is not None:
                return net, ""
        return None, why

    def _with_signs(self, signs: Array) -> nn.Module | None:
        while (net := self.fitter.fit(signs)) is not None:
            net = net.to(self.sample.x)
            wrong, labels = self._wrong(net)
            if not len(wrong):
                return net
            self.fitter.add(wrong, labels)
        return None

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
                chosen = hinge >= _CUT
                return _array(found.points[chosen]), _array(self.sample.y[chosen])
        raise UndecidedError("a net was found that is neither proved right on the sets nor wrong")
