"""Adversaries that mean harm to the training rather than to the network.

They are no attacks, which never find less than the loss at x. Every point they return lies in its
set: this is all that the theorems ask.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..attacks import Adversary, Oracle


class Hostile(Adversary):
    """Moves every example to the grid point that ``choose`` prefers, however harmless."""

    def move(self, oracle: Oracle, generator: torch.Generator) -> Tensor:
        """The grid points of the highest scores."""
        grid = oracle.perturbation.grid(oracle.x, 41)
        n, k = grid.shape[:2]
        outputs = oracle.outputs(grid.flatten(0, 1)).reshape(n, k)
        score = self.choose(oracle, grid, outputs, oracle.y[:, None].expand(n, k))
        return grid[torch.arange(n, device=grid.device), score.argmax(1)]

    @abstractmethod
    def choose(self, oracle: Oracle, grid: Tensor, f: Tensor, y: Tensor) -> Tensor:
        """A score (n, k) of the grid points (n, k, d), given their outputs and labels (n, k)."""


@dataclass(frozen=True, kw_only=True)
class Flatterer(Hostile):
    """Moves every point to where its loss is least, so that training finds nothing to correct."""

    def choose(self, oracle: Oracle, grid: Tensor, f: Tensor, y: Tensor) -> Tensor:
        """The negative loss."""
        return -oracle.loss(f, y)


@dataclass(frozen=True, kw_only=True)
class Saboteur(Hostile):
    """Knows W_*, and serves the points whose gradient step leads furthest away from it.

    ``comparator`` gives the outputs of the net at W_*; for affine nets the choice is the best.
    """

    comparator: Callable[[Tensor], Tensor]

    def choose(self, oracle: Oracle, grid: Tensor, f: Tensor, y: Tensor) -> Tensor:
        """Minus the share of a point in <g_t, W_t - W_*>, linearised."""
        with torch.no_grad():
            best = self.comparator(grid.flatten(0, 1)).reshape(f.shape)
        return -oracle.loss.derivative(f, y) * (f - best)


@dataclass(frozen=True, kw_only=True)
class Sleeper(Hostile):
    """Leaves every point where it is until the mean loss is below ``threshold``; then is exact."""

    threshold: float

    def choose(self, oracle: Oracle, grid: Tensor, f: Tensor, y: Tensor) -> Tensor:
        """The loss once awake, before that the place among the candidates: x is the first."""
        if float(oracle.loss(f[:, 0], y[:, 0]).mean()) < self.threshold:
            return oracle.loss(f, y)
        return -torch.arange(f.shape[1], dtype=f.dtype, device=f.device).expand_as(f)


@dataclass(frozen=True, kw_only=True)
class Jumper(Adversary):
    """A random grid point of every set, good or bad."""

    seed: int = 0

    def move(self, oracle: Oracle, generator: torch.Generator) -> Tensor:
        """Grid points, one an example."""
        grid = oracle.perturbation.grid(oracle.x, 41)
        n, k = grid.shape[:2]
        chosen = torch.randint(k, (n,), generator=generator)
        return grid[torch.arange(n), chosen.to(grid.device)]
