"""Attacks that follow the input gradient: one step (FGSM) and many (PGD)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .. import numerics
from ..numerics import check_integer, check_real
from .base import Attack
from .problem import Problem


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
    for caps, the steepest coordinates for L1, always minding the box. Then it is projected. The
    first step has length ``step_size`` (default: the radius), the k-th after it 4/(k + 4) of that.

    The first start is x, the others are uniform in the set. An example that a step leaves where it
    is (no gradient, or a corner reached) goes on from a random point far away in its set. A restart
    costs ``steps`` forward passes with their input gradient and one forward pass. Where the loss
    is two-sided, the first also tries the other end of the model's linearisation at x, for one
    more forward pass, and goes on from there where that end is worse than its first step.

    The loss it finds does not fall when ``steps`` or ``restarts`` grow: step lengths do not depend
    on ``steps``, and every restart has a random stream of its own. Exact for affine models, up to
    the convergence of the steps. Raises ``ValueError`` for steps < 1, restarts < 1 or a
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
        first = region.radius if self.step_size is None else self.step_size
        for restart in range(self.restarts):
            jumps = Jumps(problem, numerics.generator(seed, restart, 0))
            z = x if restart == 0 else sets.random(x, numerics.generator(seed, restart))
            other = OtherEnd(problem) if restart == 0 else None
            for k in range(self.steps):
                values, gradient = problem.values_and_gradient(z)
                moved = region.ascend(z, gradient, first * 4 / (k + 4))
                if other is not None:
                    moved = other(moved, values, gradient, k)
                z = jumps(z, moved, k)
            problem.values(z)


class OtherEnd:
    """The other end of the linearisation at x: where a loss that rises on both sides may be worse.

    Asked at the first two steps of a run from x; one forward pass, none for one-sided losses.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem

    def __call__(self, moved: Tensor, values: Tensor, gradient: Tensor, k: int) -> Tensor:
        """``moved`` (n, ...), but after step 1 the other end where it is worse than that step."""
        problem = self._problem
        if not problem.two_sided or k > 1:
            return moved
        if k == 0:
            self._end = problem.perturbation.argmax_linear(-gradient, problem.x)
            self._values = problem.values(self._end)
            return moved
        return torch.where(numerics.per_row(self._values > values, moved), self._end, moved)


class Jumps:
    """What frees examples that a step leaves where they are: a far step in a random direction.

    The directions are drawn once, when the first is needed, and rolled from one step to the next:
    a draw at every step would cost as much as a small model.
    """

    def __init__(self, problem: Problem, generator: torch.Generator) -> None:
        self._problem, self._generator = problem, generator
        self._directions: Tensor | None = None
        self._scratch = torch.empty_like(problem.x)

    def __call__(self, z: Tensor, moved: Tensor, k: int) -> Tensor:
        """``moved`` (n, ...), but a random point of the set where it is still at ``z``."""
        lengths = torch.sub(moved, z, out=self._scratch).abs_().flatten(1).amax(1)
        # more than rounding, so that the rounding of the model does not decide
        stuck = self._problem.left(lengths <= 1e-5 * self._problem.region.radius)
        if not bool(stuck.any()):
            return moved
        x, region = self._problem.x, self._problem.region
        if self._directions is None:
            draws = torch.rand(x.flatten(1).shape, dtype=torch.float64, generator=self._generator)
            self._directions = (2 * draws - 1).to(x)
        turned = self._directions.roll(7 * k, 1).reshape(x.shape) * (-1) ** k
        elsewhere = region.ascend(z, turned, 2 * self._problem.region.radius)
        rows = stuck.nonzero().flatten()
        moved = moved.clone()
        moved[rows] = elsewhere[rows]
        return moved
