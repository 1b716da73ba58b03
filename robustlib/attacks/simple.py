"""Attacks that look at no gradient: none at all, and random search."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..checks import check_integer, keep
from .base import Attack
from .oracle import Oracle


@dataclass(frozen=True, kw_only=True)
class NoAttack(Attack):
    """x' = x: training against it is ordinary training, its surrogate loss the clean loss."""

    def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
        oracle.values(oracle.x)  # so that a model that cannot be attacked is still found out


@dataclass(frozen=True, kw_only=True)
class RandomNoise(Attack):
    """The best of ``samples`` points drawn uniformly from the set, and of x itself.

    The loss it finds does not fall when ``samples`` grows. Raises ``ValueError`` for samples < 1.
    """

    samples: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, samples=check_integer("samples", self.samples, minimum=1))
        keep(self, seed=check_integer("seed", self.seed, minimum=0))

    def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
        for _ in range(self.samples):
            oracle.values(oracle.perturbation.random(oracle.x, generator))
