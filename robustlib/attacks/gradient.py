"""Attacks that follow the input gradient: one step (FGSM) and many (PGD)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .. import numerics
from ..numerics import check_integer, check_real
from ..perturbations import Finite
from .base import Attack, Problem


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
    is (no gradient, or a corner reached) goes on from a random point of its set. A restart costs
    ``steps`` forward passes with their input gradient and one forward pass.

    The loss it finds does not fall when ``steps`` or ``restarts`` grow: step lengths do not depend
    on ``steps``, and every restart has a random stream of its own. Exact for affine models where
    the loss is monotone in the output. Raises ``ValueError`` for steps < 1, restarts < 1 or a
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
        sets, x = problem.perturbation, problem.x
        for restart in range(self.restarts):
            z = x if restart == 0 else sets.random(x, numerics.generator(seed, restart))
            for k in range(self.steps):
                _, gradient = problem.values_and_gradient(z)
                moved = self._step(problem, z, gradient, k)
                stuck = (moved == z).flatten(1).all(1)
                if bool(stuck.any()):
                    elsewhere = sets.random(x, numerics.generator(seed, restart, k))
                    moved = torch.where(numerics.per_row(stuck, z), elsewhere, moved)
                z = moved
            problem.values(z)

    def _step(self, problem: Problem, z: Tensor, gradient: Tensor, k: int) -> Tensor:
        """The iterate (n, ...) after step ``k``, in the set."""
        sets = problem.perturbation
        if isinstance(sets, Finite):  # no smaller sets around a candidate: jump to the best one
            return sets.argmax_linear(gradient, problem.x)
        first = sets.radius if self.step_size is None else self.step_size
        around = sets.with_radius(first * 4 / (k + 4))
        return sets.project(around.argmax_linear(gradient, z), problem.x)
