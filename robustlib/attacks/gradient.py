"""Attacks that follow the input gradient: one step (FGSM) and many (PGD)."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ..checks import check_choice, check_integer, check_real, keep
from ..numerics import choose, mended, mostly, surely
from .base import Attack
from .draws import Draws
from .oracle import Oracle

SCHEDULES = ("falling", "fixed")
STARTS = ("natural", "random")
_RUN = 10  # steps after which a new run begins
_LAST = 0.05  # a run's last step over its first
_LOOK = 64  # coordinates that are looked at first to see whether an example moved


@dataclass(frozen=True, kw_only=True)
class FGSM(Attack):
    """The point of the set that maximises the model's linearisation at x.

    For L-infinity balls this is the fast gradient sign method; the same rule serves every set.
    """

    def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
        _, gradient = oracle.values_and_gradient(oracle.x)
        oracle.values(oracle.perturbation.argmax_linear(gradient, oracle.x))


@dataclass(frozen=True, kw_only=True, repr=False)
class PGD(Attack):
    """Projected gradient ascent with ``steps`` steps from each of ``restarts`` starts.

    A step goes to the best point, for the model's linearisation at z, of a set of the same kind
    around z: along the sign of the gradient for L-infinity, its direction for L2, a great circle
    for caps, the steepest coordinates for L1, always minding the box. Then it is projected.

    With ``schedule="fixed"`` that is all, and this is the textbook's method: ``steps`` steps of
    length ``step_size`` from x, or with ``start="random"`` from a point uniform in the set. So
    ``PGD(steps=20, step_size=2 / 255, schedule="fixed", start="random")`` is a paper's "PGD-20 with
    step 2/255" (Madry and others, ICLR 2018); only the answer is the best of all points seen and x,
    where papers take the last. One difference: where a box takes something off a step, L2 and L1
    steps make up for it in the coordinates left.

    The default does more. From x, the first step is that of ``FGSM``. After every tenth step a new
    run begins, at a random point far away. Within a run lengths fall from ``step_size`` (default:
    twice the radius) to a twentieth of it, each by the same factor; with a ``step_size`` it is also
    the first step's. An example that a step leaves where it is (no gradient, or a corner reached)
    goes on from a random point far away in its set. Where the loss is two-sided, the start x also
    tries the other end of the model's linearisation there, for one more forward pass, and goes on
    from that end where it is worse than the first step. Exact for affine models, with one step from
    x, unless it has a ``step_size``.

    The first start is x unless ``start`` is "random", the others are uniform in the set. A restart
    costs at most ``steps`` forward passes with their input gradient and one forward pass.
    The loss it finds does not fall when ``steps`` or ``restarts`` grow: step lengths do not depend
    on ``steps``, and every restart has a random stream of its own. Raises ``ValueError`` for
    steps < 1, restarts < 1, a step size that is not positive, or none where the schedule is fixed.
    """

    steps: int = 20
    restarts: int = 1
    step_size: float | None = None
    seed: int = 0
    schedule: str = "falling"
    start: str = "natural"

    def __post_init__(self) -> None:
        keep(self, steps=check_integer("steps", self.steps, minimum=1))
        keep(self, restarts=check_integer("restarts", self.restarts, minimum=1))
        keep(self, seed=check_integer("seed", self.seed, minimum=0))
        keep(self, schedule=check_choice("schedule", self.schedule, SCHEDULES))
        keep(self, start=check_choice("start", self.start, STARTS))
        if self.step_size is not None:
            keep(self, step_size=check_real("step_size", self.step_size, above=0))
        elif self.schedule == "fixed":
            raise ValueError("step_size must be given where schedule is 'fixed', got None")

    def __repr__(self) -> str:
        # the last two only where they say something
        options = {field.name: getattr(self, field.name) for field in fields(self)}
        shown = [f"{k}={v!r}" for k, v in options.items() if v not in (SCHEDULES[0], STARTS[0])]
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
        draws, x, region = Draws(oracle, generator), oracle.x, oracle.region
        first = 2 * region.radius if self.step_size is None else self.step_size
        for restart in range(self.restarts):
            jumps = Jumps(oracle, draws, restart, 0)
            natural = restart == 0 and self.start == "natural"
            z = x if natural else draws.points(restart)
            if self.schedule == "fixed":
                for _ in range(self.steps):
                    _, gradient = oracle.values_and_gradient(z)
                    z = region.ascend(z, gradient, first)
                oracle.values(z)
                continue
            ends = Ends(oracle) if natural and self.step_size is None else None
            for k in range(self.steps):
                age = k % _RUN
                if k > 0 and age == 0:  # the run is over, no gradient needed
                    oracle.values(z)
                    z = jumps.far(z, k)
                    continue
                values, gradient = oracle.values_and_gradient(z)
                if ends is not None and k == 0:
                    moved = ends.first(gradient)
                else:
                    moved = region.ascend(z, gradient, first * _LAST ** (max(age - 1, 0) / 8))
                if ends is not None and k == 1:
                    moved = ends.second(moved, values)
                z = jumps(z, moved, k)
            oracle.values(z)


class Ends:
    """The first two steps of a run from x: to both ends of the model's linearisation there.

    A convex loss of an affine model is largest at one of them. The one that the loss rises to comes
    first; the other is tried where losses rise on both sides of the label, for one forward pass.
    """

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self._other: Tensor | None = None

    def first(self, gradient: Tensor) -> Tensor:
        """The end (n, ...) to which the loss rises, given the direction in which it does at x."""
        oracle = self._oracle
        if oracle.two_sided:
            self._other = oracle.region.argmax_linear(-gradient)
            self._values = oracle.values(self._other)
        return oracle.region.argmax_linear(gradient)

    def second(self, moved: Tensor, values: Tensor) -> Tensor:
        """``moved`` (n, ...), but the other end where that is worse than ``values`` (n,)."""
        if self._other is None:
            return moved
        return choose(self._values > values, self._other, moved)


class Jumps:
    """Far steps in random directions: to begin anew, and where a step leaves an example in place.

    The ``stream`` and the step decide where they go, not what happened to other examples before.
    """

    def __init__(self, oracle: Oracle, draws: Draws, *stream: int) -> None:
        self._oracle, self._draws, self._stream = oracle, draws, stream

    def __call__(self, z: Tensor, moved: Tensor, k: int) -> Tensor:
        """``moved`` (n, ...), but a random point of the set where it is still at ``z``."""
        old, new = z.flatten(1), moved.flatten(1)
        # few coordinates, side by side in memory, show that almost all have moved
        start = old.shape[1] // 2
        few = slice(start, start + _LOOK)
        still = self._still(old[:, few], new[:, few])
        if surely(still.logical_not()):
            return moved
        still = self._oracle.undecided(still)
        if mostly(still):  # which would be copied first
            still = still & self._still(old, new)
        else:
            still = mended(still, self._still, still, old, new)
        if surely(still.logical_not()):
            return moved
        if self._oracle.region.rows is None:
            return choose(still, self.far(z, k, still), moved)
        places = torch.arange(len(z), device=z.device)
        directions = self._draws.directions(z, *self._stream, k, rows=still)
        return mended(still, self._away, moved, places, z, directions, owned=True)

    def far(self, z: Tensor, k: int, rows: Tensor | None = None) -> Tensor:
        """Random points (n, ...) of the sets, far from ``z``; others at every step ``k``.

        Those outside ``rows`` (n,) need not be random.
        """
        region = self._oracle.region
        directions = self._draws.directions(z, *self._stream, k, rows=rows)
        return region.ascend(z, directions.contiguous(), 2 * region.radius)

    def _away(self, places: Tensor, z: Tensor, directions: Tensor) -> Tensor:
        """Far points (k, ...) of the sets of the examples ``places`` (k,), rising."""
        region = self._oracle.region
        if len(places) < len(region.x):
            region = region.rows(places)
        return region.ascend(z, directions.contiguous(), 2 * region.radius)

    def _still(self, old: Tensor, new: Tensor) -> Tensor:
        # more than rounding, so that the rounding of the model does not decide
        return (new - old).abs_().amax(1) <= 1e-5 * self._oracle.region.radius
