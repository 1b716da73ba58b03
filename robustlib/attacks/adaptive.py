"""A gradient attack that sets its own step lengths, one an example."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import check_integer, keep
from ..numerics import choose, surely
from .base import Attack
from .draws import Draws
from .gradient import Ends, Jumps
from .oracle import Oracle

_PULL = 0.75  # the share of a step that is the gradient's, the rest is momentum
_SHORT = 0.125  # share of the first length that is not halved any more
_RISES = 0.75  # the share of steps that must raise the loss for the length to stay


@dataclass(frozen=True, kw_only=True)
class APGD(Attack):
    """Projected gradient ascent whose steps halve, example by example, where they stop paying.

    The steps are those of ``PGD``, of length twice the radius at first and with a quarter of
    momentum. At checkpoints, which come ever closer, an example goes back to the best point of its
    run and on with half the length if fewer than three in four steps since the last one raised its
    loss, or if neither its length nor its best loss has changed since then. Where the length is
    down to a quarter of the radius already, a new run begins at a random point far away.

    Starts, the first two steps, jumps out of points that a step leaves unchanged and the cost are
    those of ``PGD`` as well. The loss it finds does not fall when ``restarts`` grow; the
    checkpoints depend on ``steps``, so that more of them may find less. Exact for affine models.
    Raises ``ValueError`` for steps < 1 or restarts < 1. Source: Croce and Hein, ICML 2020, section
    3, with their constants; the first two steps and the new runs are ours.
    """

    steps: int = 50
    restarts: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, steps=check_integer("steps", self.steps, minimum=1))
        keep(self, restarts=check_integer("restarts", self.restarts, minimum=1))
        keep(self, seed=check_integer("seed", self.seed, minimum=0))

    def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
        draws, x, region = Draws(oracle, generator), oracle.x, oracle.region
        for restart in range(self.restarts):
            jumps = Jumps(oracle, draws, restart, 0)
            z = x if restart == 0 else draws.points(restart)
            ends = Ends(oracle) if restart == 0 else None
            run = _Run(z, region.radius, checkpoints(self.steps))
            for k in range(self.steps):
                values, gradient = oracle.values_and_gradient(run.z)
                gradient = run.record(values, gradient, k)
                z = run.z
                if ends is not None and k == 0:
                    moved = ends.first(gradient)
                else:
                    moved = region.ascend(z, gradient, run.length)
                if k > 0:
                    # z + pull (moved - z) + (1 - pull) (z - previous), in the memory of moved
                    moved.mul_(_PULL).add_(z, alpha=2 - 2 * _PULL)
                    moved = region.project(moved.sub_(run.previous, alpha=1 - _PULL))
                if ends is not None and k == 1:
                    moved = ends.second(moved, values)
                moved = jumps(z, moved, k)
                if run.over is not None and not surely(run.over.logical_not()):
                    moved = choose(run.over, jumps.far(z, k), moved)
                    z = choose(run.over, moved, z)  # no momentum into a new run
                run.previous, run.z = z, moved
            oracle.values(run.z)


class _Run:
    """Where each example of one restart stands, and where it was best since its run began."""

    def __init__(self, z: Tensor, radius: float, checks: list[int]) -> None:
        n = len(z)
        self.z = self.previous = z
        self._first = 2 * radius
        self.length = z.new_full((n,), self._first)
        self.over: Tensor | None = None  # whose run is over, at checkpoints
        self.best_values = z.new_full((n,), -torch.inf)
        self.best, self.best_gradient = z.clone(), torch.zeros_like(z)
        self._last_values, self._rises = self.best_values, z.new_zeros(n)
        self._checks = dict(zip(checks[1:], checks, strict=False))  # each with the one before
        self._length_then, self._best_then = self.length.clone(), self.best_values

    def record(self, values: Tensor, gradient: Tensor, k: int) -> Tensor:
        """Take in losses and gradients at ``z``; the gradients to go on with, at a new ``z``."""
        self._rises += values > self._last_values
        self._last_values = values
        better = values > self.best_values
        self.best = choose(better, self.z, self.best, owned=True)
        self.best_gradient = choose(better, gradient, self.best_gradient, owned=True)
        self.best_values = torch.maximum(values, self.best_values)
        if k not in self._checks:
            self.over = None
            return gradient
        few = self._rises < _RISES * (k - self._checks[k])
        same = (self.length == self._length_then) & (self.best_values == self._best_then)
        back = few | same
        self.over = back & (self.length <= _SHORT * self._first)
        # not in place: the oracle holds these values too
        self.best_values = torch.where(self.over, -torch.inf, self.best_values)
        self._last_values = torch.where(self.over, -torch.inf, values)
        self._length_then, self._best_then = self.length, self.best_values
        self.length = torch.where(back, self.length / 2, self.length)
        self.length = torch.where(self.over, self._first, self.length)
        self._rises = torch.zeros_like(self._rises)
        self.z = choose(back, self.best, self.z)
        self.previous = choose(back, self.z, self.previous)
        return choose(back, self.best_gradient, gradient)


def checkpoints(steps: int) -> list[int]:
    """0 and the steps after which lengths are looked at: 22 % on, then ever closer, 6 % at last."""
    found, gap, share = [0], 22, 22  # in hundredths: sums of 0.06 would round up a step too far
    while share < 100:
        step = -(-share * steps // 100)
        if step > found[-1]:
            found.append(step)
        gap = max(gap - 3, 6)
        share += gap
    return found
