"""Attacks that follow the input gradient: one step (FGSM) and many (PGD)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .. import numerics
from ..checks import check_integer, check_real
from .base import Attack
from .problem import Problem

_RUN = 10  # steps after which a new run begins
_LAST = 0.05  # a run's last step over its first
_LOOK = 64  # coordinates that are looked at first to see whether an example moved


@dataclass(frozen=True, kw_only=True)
class FGSM(Attack):
    """The point of the set that maximises the model's linearisation at x.

    For L-infinity balls this is the fast gradient sign method; the same rule serves every set.
    """

    def _search(self, problem: Problem, generator: torch.Generator) -> None:
        _, gradient = problem.values_and_gradient(problem.x)
        problem.values(problem.perturbation.argmax_linear(gradient, problem.x))


@dataclass(frozen=True, kw_only=True)
class PGD(Attack):
    """Projected gradient ascent with ``steps`` steps from each of ``restarts`` starts.

    A step goes to the best point, for the model's linearisation at z, of a set of the same kind
    around z: along the sign of the gradient for L-infinity, its direction for L2, a great circle
    for caps, the steepest coordinates for L1, always minding the box. Then it is projected. From
    x, the first step is that of ``FGSM``. After every tenth step a new run begins, at a random
    point far away. Within a run lengths fall from ``step_size`` (default: twice the radius) to a
    twentieth of it, each by the same factor; with a ``step_size`` it is also the first step's.

    The first start is x, the others are uniform in the set. An example that a step leaves where it
    is (no gradient, or a corner reached) goes on from a random point far away in its set. A restart
    costs at most ``steps`` forward passes with their input gradient and one forward pass. Where the
    loss is two-sided, the first also tries the other end of the model's linearisation at x, for one
    more forward pass, and goes on from there where that end is worse than its first step.

    The loss it finds does not fall when ``steps`` or ``restarts`` grow: step lengths do not depend
    on ``steps``, and every restart has a random stream of its own. Exact for affine models, with
    one step, unless it has a ``step_size``. Raises ``ValueError`` for steps < 1, restarts < 1 or a
    step size that is not positive.
    """

    steps: int = 20
    restarts: int = 1
    step_size: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_integer("steps", self.steps, minimum=1)
        check_integer("restarts", self.restarts, minimum=1)
        check_integer("seed", self.seed, minimum=0)
        if self.step_size is not None:
            check_real("step_size", self.step_size, above=0)

    def _search(self, problem: Problem, generator: torch.Generator) -> None:
        seed = int(torch.randint(2**62, (), generator=generator))
        sets, x, region = problem.perturbation, problem.x, problem.region
        first = 2 * region.radius if self.step_size is None else self.step_size
        for restart in range(self.restarts):
            jumps = Jumps(problem, seed, restart, 0)
            z = x if restart == 0 else sets.random(x, numerics.generator(seed, restart))
            ends = Ends(problem) if restart == 0 and self.step_size is None else None
            for k in range(self.steps):
                age = k % _RUN
                if k > 0 and age == 0:  # the run is over, no gradient needed
                    problem.values(z)
                    z = jumps.far(z, k)
                    continue
                values, gradient = problem.values_and_gradient(z)
                if ends is not None and k == 0:
                    moved = ends.first(gradient)
                else:
                    moved = region.ascend(z, gradient, first * _LAST ** (max(age - 1, 0) / 8))
                if ends is not None and k == 1:
                    moved = ends.second(moved, values)
                z = jumps(z, moved, k)
            problem.values(z)


class Ends:
    """The first two steps of a run from x: to both ends of the model's linearisation there.

    A convex loss of an affine model is largest at one of them. The one that the loss rises to comes
    first; the other is tried where losses rise on both sides of the label, for one forward pass.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._other: Tensor | None = None

    def first(self, gradient: Tensor) -> Tensor:
        """The end (n, ...) to which the loss rises, given the direction in which it does at x."""
        problem = self._problem
        if problem.two_sided:
            self._other = problem.region.argmax_linear(-gradient)
            self._values = problem.values(self._other)
        return problem.region.argmax_linear(gradient)

    def second(self, moved: Tensor, values: Tensor) -> Tensor:
        """``moved`` (n, ...), but the other end where that is worse than ``values`` (n,)."""
        if self._other is None:
            return moved
        return numerics.choose(self._values > values, self._other, moved)


class Jumps:
    """Far steps in random directions: to begin anew, and where a step leaves an example in place.

    ``seed`` and the step decide where they go, not what happened to other examples before.
    """

    def __init__(self, problem: Problem, *seed: int) -> None:
        self._problem, self._seed = problem, seed

    def __call__(self, z: Tensor, moved: Tensor, k: int) -> Tensor:
        """``moved`` (n, ...), but a random point of the set where it is still at ``z``."""
        old, new = z.flatten(1), moved.flatten(1)
        # few coordinates, side by side in memory, show that almost all have moved
        start = old.shape[1] // 2
        few = slice(start, start + _LOOK)
        rows = self._problem.left(self._still(old[:, few], new[:, few])).nonzero()[:, 0]
        if len(rows):
            rows = rows[self._still(old[rows], new[rows])]
        if not len(rows):
            return moved
        return moved.index_copy(0, rows, self.far(z, k).index_select(0, rows))

    def far(self, z: Tensor, k: int) -> Tensor:
        """Random points (n, ...) of the sets, far from ``z``; others at every step ``k``."""
        problem, (n, d) = self._problem, z.flatten(1).shape
        # row i is i .. i + d of one line: random for each example, and drawn in no time
        line = torch.rand(n + d, dtype=torch.float64, generator=numerics.generator(*self._seed, k))
        directions = (2 * line - 1).to(z).unfold(0, d, 1)[:n].contiguous()
        return problem.region.ascend(z, directions.reshape(z.shape), 2 * problem.region.radius)

    def _still(self, old: Tensor, new: Tensor) -> Tensor:
        # more than rounding, so that the rounding of the model does not decide
        return (new - old).abs_().amax(1) <= 1e-5 * self._problem.region.radius
