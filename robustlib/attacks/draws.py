"""Random numbers of an attack: a stream for each group of examples, so that groups may be many."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from ..numerics import generator as stream_of
from .oracle import Oracle


class Draws:
    """Random points for the examples of ``oracle``.

    They are groups of one size, each with a generator of its own, where the oracle has several; a
    group draws what it would draw alone. One seed is drawn from each generator, and numbers are
    those of a numbered stream of it. Where there are groups, that waits until somebody asks, since
    it takes as long as a step of theirs.
    """

    def __init__(self, oracle: Oracle, generator: torch.Generator) -> None:
        self._oracle = oracle
        self._groups = len(oracle.generators) or 1
        if not oracle.generators:
            self._seeds = [_seed(generator)]

    @functools.cached_property
    def _seeds(self) -> list[int]:
        return [_seed(make()) for make in self._oracle.generators]

    def points(self, *stream: int) -> Tensor:
        """Points (n, ...) uniform in the sets."""
        sets, groups = self._oracle.perturbation, self._oracle.x.chunk(self._groups)
        drawn = [
            sets.random(x, stream_of(seed, *stream))
            for seed, x in zip(self._seeds, groups, strict=True)
        ]
        return drawn[0] if len(drawn) == 1 else torch.cat(drawn)

    def directions(self, z: Tensor, *stream: int, rows: Tensor | None = None) -> Tensor:
        """Directions of the shape of ``z`` (n, ...), with coordinates between -1 and 1.

        Groups none of whose examples are in ``rows`` (n,) may have others, not random. They may
        share memory with one another: to be copied before they are changed.
        """
        groups = self._groups
        n, d = len(z) // groups, z[0].numel()
        drawn: Sequence[int] = range(groups)
        if rows is not None and groups > 1:
            drawn = rows.view(groups, n).any(1).nonzero().flatten().tolist()
        # row i is i .. i + d of one line: random for each example, and drawn in no time
        lines = torch.zeros(groups, n + d, dtype=torch.float64, device="cpu")
        for k in drawn:
            lines[k].uniform_(generator=stream_of(self._seeds[k], *stream))
        line = (2 * lines - 1).to(z.dtype).to(z.device, non_blocking=True)
        return line.unfold(1, d, 1)[:, :n].reshape(z.shape)


def _seed(generator: torch.Generator) -> int:
    return int(torch.randint(2**62, (), generator=generator, device="cpu"))
