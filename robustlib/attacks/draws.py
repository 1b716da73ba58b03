"""Random numbers of an attack: a stream for each group of examples, so that groups may be many."""

from __future__ import annotations

import torch
from torch import Tensor

from ..numerics import generator as stream_of
from .oracle import Oracle


class Draws:
    """Random points for the examples of ``oracle``.

    They are groups of one size, each with a generator of its own, where the oracle has several; a
    group draws what it would draw alone. One seed is drawn from each generator, and numbers are
    those of a numbered stream of it.
    """

    def __init__(self, oracle: Oracle, generator: torch.Generator) -> None:
        self._oracle = oracle
        self._seeds = [
            int(torch.randint(2**62, (), generator=g, device="cpu"))
            for g in oracle.generators or (generator,)
        ]

    def points(self, *stream: int) -> Tensor:
        """Points (n, ...) uniform in the sets."""
        sets, groups = self._oracle.perturbation, self._oracle.x.chunk(len(self._seeds))
        drawn = [
            sets.random(x, stream_of(seed, *stream))
            for seed, x in zip(self._seeds, groups, strict=True)
        ]
        return drawn[0] if len(drawn) == 1 else torch.cat(drawn)

    def directions(self, z: Tensor, *stream: int) -> Tensor:
        """Directions of the shape of ``z`` (n, ...), with coordinates between -1 and 1.

        They may share memory with one another: to be copied before they are changed.
        """
        rows, d = len(z) // len(self._seeds), z[0].numel()
        # row i is i .. i + d of one line: random for each example, and drawn in no time
        lines = [
            torch.rand(
                rows + d, dtype=torch.float64, generator=stream_of(seed, *stream), device="cpu"
            )
            for seed in self._seeds
        ]
        line = (2 * torch.stack(lines) - 1).to(z.dtype).to(z.device, non_blocking=True)
        return line.unfold(1, d, 1)[:, :rows].reshape(z.shape)
