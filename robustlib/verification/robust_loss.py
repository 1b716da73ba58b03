"""The robust loss as an interval: below what attacks found, above what was proved."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..attacks import APGD, PGD, Attack
from ..attacks.best import Best
from ..attacks.fitted import fitted
from ..attacks.oracle import outputs
from ..checks import all_finite, check_choice, check_integer
from ..losses import Logistic, Loss
from ..models import Model, undisturbed
from ..numerics import down, steady, up
from ..samples import Labelled
from ..sets import Perturbation
from ..sets.hull import UnknownHull
from .branch_and_bound import search_known
from .layers import read_layers
from .output import ranges
from .search import EFFORTS
from .sequential import UnknownLayers

_MEET = 1e-6  # ends this close count as one number
_FAR = 100.0  # an output where a one-sided loss no longer rises


@dataclass(frozen=True, eq=False, repr=False)
class RobustLoss:
    """lower <= mean over examples of the largest loss in the set <= upper.

    ``per_example`` (n, 2) has both ends for every example, float64, and ``how`` a few words each
    on where they come from; ``points`` (n, ...) have the losses ``per_example[:, 0]``.
    ``accuracy`` bounds the robust accuracy, the share of examples with y f > 0 on the whole set.
    Infinity as upper end says that nothing was proved. In float32 ends rarely meet, since the upper
    one allows for the worst rounding of the model: use ``net.double()`` for exact numbers.
    """

    lower: float
    upper: float
    per_example: Tensor
    accuracy: tuple[float, float]
    how: tuple[str, ...]
    points: Tensor = field(repr=False)

    @property
    def gap(self) -> float:
        """How far apart the ends are."""
        return self.upper - self.lower

    @property
    def exact(self) -> bool:
        """Whether the ends of every example meet, to 1e-6."""
        return all(words.startswith("exact") for words in self.how)

    def __repr__(self) -> str:
        n, exact = len(self.how), sum(words.startswith("exact") for words in self.how)
        points = f"{n} point{'s' * (n > 1)}"
        low, high = self.accuracy
        if low == high:
            accuracy = f"robust accuracy {low:.3g}"
        else:
            accuracy = f"robust accuracy between {down(low, 3)} and {up(high, 3)}"
        if exact == n:
            return f"Robust loss {self.lower:.6g}, exact at {points}; {accuracy}."
        if math.isinf(self.upper):
            open_ = int(self.per_example[:, 1].isinf().sum())
            return (
                f"Robust loss at least {down(self.lower, 6)}, nothing proved from above "
                f"({open_} of {points} without a bound); {accuracy}."
            )
        return (
            f"Robust loss between {down(self.lower, 6)} and {up(self.upper, 6)} "
            f"({exact} of {points} exact); {accuracy}."
        )


@steady()
def robust_loss(
    model: Model,
    sample: Labelled,
    *,
    perturbation: Perturbation,
    loss: Loss,
    effort: str = "medium",
    seed: int = 0,
) -> RobustLoss:
    """An interval for the robust loss: the mean over the sample of the largest loss in each set.

    The lower end is the loss at points that PGD, APGD or a search found, as the model has it. The
    upper end is proved, for the model as computed in its own dtype at every tensor that
    ``perturbation.contains``, whatever the order of its sums: in closed form where the model is
    affine, by linear bounds and exact search where it is a net that ``output_bounds`` knows, by
    looking at all candidates where the set is ``Finite``. For all other models it is infinity:
    ``how`` says so.

    ``effort`` is "low" (one run of each, bounds of the whole set), "medium" (4 restarts, search up
    to 2000 parts or 2 s a point) or "high" (16 restarts, 100 000 parts or 8 s a point). Where a
    limit by time was met, the interval depends on the machine.

    Raises ``TypeError`` and ``ValueError`` as attacks do, and for an empty sample.
    """
    restarts, nodes, seconds = EFFORTS[check_choice("effort", effort, EFFORTS)]
    seed = check_integer("seed", seed, minimum=0)
    sample = fitted(sample, model)
    x, y = sample.x, sample.y
    attacks: tuple[Attack, ...] = (
        PGD(restarts=restarts, seed=seed),
        APGD(restarts=restarts, seed=seed),
    )
    found = _Found(model, x, y, loss)
    starts = [attack(model, x, y, perturbation=perturbation, loss=loss) for attack in attacks]
    for z in (x, *starts):  # the attacks have checked all arguments
        found.offer(z)
    if bool((loss.derivative(_FAR * y, y) * y > 0).any()):
        # a loss that rises on both sides of its label does not ask for the smallest margin
        found.offer(attacks[0](model, x, y, perturbation=perturbation, loss=Logistic()))
    with undisturbed(model, x.device):
        if perturbation.finite:
            return _enumerated(found, perturbation)
        try:
            layers = read_layers(model, x.detach())
            if layers.unbounded is not None:
                return _from_below(found, perturbation, layers.unbounded)
            sets = perturbation.hull(x)
        except UnknownLayers as unknown:
            return _from_below(found, perturbation, str(unknown))
        except UnknownHull as unknown:
            return _from_below(found, perturbation, str(unknown))
        low, high, points = ranges(layers, sets, linear=True)
        for z in points:
            z = z.to(x.dtype).reshape(x.shape)
            found.offer(perturbation.project(z, x))
        upper = largest_loss(loss, low, high, y)
        way = "in closed form" if layers.affine else "by linear bounds"
        how = [way] * len(x)
        rest = (upper - found.loss > _MEET).nonzero()[:, 0]
        search = None
        if len(rest) and not layers.affine:
            search = search_known(
                layers,
                sets.rows(rest),
                model,
                x[rest],
                y[rest],
                found.points[rest],
                perturbation=perturbation,
                loss=loss,
                nodes=nodes,
                seconds=seconds,
            )
        if search is not None:
            found.offer(found.points.index_copy(0, rest, search.points))
            upper[rest] = torch.minimum(upper[rest], search.upper)
            low[rest] = torch.maximum(low[rest], search.outputs[:, 0])
            high[rest] = torch.minimum(high[rest], search.outputs[:, 1])
            for i, closed in zip(rest.tolist(), search.closed.tolist(), strict=True):
                how[i] = "by search" if closed else "by search, not closed"
        safe = torch.where(y > 0, low, -high) > 0
        met = (upper - found.loss <= _MEET).tolist()
        ends = tuple(f"exact {w}" if m else w for w, m in zip(how, met, strict=True))
        return found.result(upper, ends, safe)


def largest_loss(loss: Loss, low: Tensor, high: Tensor, y: Tensor) -> Tensor:
    """An upper bound (n,) of the loss at outputs in [low, high], as the dtype of ``y`` has it.

    A convex loss is largest at an end.
    """
    ends = torch.maximum(loss(low, y.double()), loss(high, y.double()))
    size = 1 + ends.abs() + torch.maximum(low.abs(), high.abs())
    top = ends + 8 * torch.finfo(y.dtype).eps * size
    return top.nan_to_num(math.inf, math.inf, math.inf)  # where outputs overflow nothing is proved


class _Found:
    """The largest loss and the smallest margin seen for every example."""

    def __init__(self, model: Model, x: Tensor, y: Tensor, loss: Loss) -> None:
        self.model, self.x, self.y, self.of = model, x.detach(), y.detach(), loss
        self._best = Best(self.x, torch.float64)
        self.margin = torch.full_like(self._best.values, math.inf)

    @property
    def loss(self) -> Tensor:
        """The largest losses (n,)."""
        return self._best.values

    @property
    def points(self) -> Tensor:
        """Where they are reached (n, ...); not to be changed."""
        return self._best.points()

    def offer(self, z: Tensor) -> None:
        """Points ``z`` (n, ...), one an example."""
        with undisturbed(self.model, z.device), torch.no_grad():
            f = outputs(self.model, z)
            values = self.of(f, self.y).double()
        if not all_finite(values):
            bad = values[~values.isfinite()][0]
            raise ValueError(
                f"loss must be finite at the model's outputs, got {float(bad)} from {self.of!r}"
            )
        self._best.offer(z.detach(), values)
        self.margin = torch.minimum(self.margin, (f * self.y).double())

    def result(self, upper: Tensor, how: tuple[str, ...], safe: Tensor | None = None) -> RobustLoss:
        """The interval; ``safe`` (n,) says which examples are proved right on their whole set."""
        upper = torch.maximum(upper, self.loss)
        proved = 0.0 if safe is None else float(safe.double().mean())
        return RobustLoss(
            lower=float(self.loss.mean()),
            upper=float(upper.mean()),
            per_example=torch.stack([self.loss, upper], 1),
            accuracy=(proved, float((self.margin > 0).double().mean())),
            how=how,
            points=self.points.clone(),
        )


def _enumerated(found: _Found, sets: Perturbation) -> RobustLoss:
    """All candidates, each through the model."""
    grid = sets.grid(found.x, 1)
    for z in grid.unbind(1):
        found.offer(z)
    words = f"exact by looking at {grid.shape[1]} candidates"
    return found.result(found.loss, (words,) * len(grid), found.margin > 0)


def _from_below(found: _Found, sets: Perturbation, reason: str) -> RobustLoss:
    """What was found, without a bound from above, unless there is only one point."""
    if sets.radius == 0:
        words = "exact, the only point of its set"
        return found.result(found.loss, (words,) * len(found.x), found.margin > 0)
    top = torch.full_like(found.loss, math.inf)
    words = f"no bounds for {reason}: from below only"
    return found.result(top, (words,) * len(found.x))
