"""An attack that sees outputs only."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import check_integer, keep
from ..numerics import choose
from .base import Attack
from .oracle import Oracle

# The share of coordinates that a proposal changes halves at these queries.
_HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
_SHARE = 0.8


@dataclass(frozen=True, kw_only=True)
class Square(Attack):
    """Random search with ``queries`` forward passes and no gradient: one block at a time.

    It starts at a random end of the set. A proposal moves a random block of coordinates from the
    best point so far, by random signs, and is kept where the loss is larger. Blocks are squares of
    the last two axes of an image, the same over channels, and random coordinates of flat examples.
    They shrink from four fifths of all coordinates, and steps with them: in L-infinity a block goes
    to the limits of the set, elsewhere a step is as long as its share of the diameter.

    All random numbers of a call come from one stream, drawn for the batch as a whole: what an
    example gets depends on its place in the batch and on how many there are, though the same call
    gives the same answer. The loss it finds does not fall when ``queries`` grow. Raises
    ``ValueError`` for queries < 1.
    Source: Andriushchenko, Croce, Flammarion and Hein, ECCV 2020, with their schedule of blocks;
    the step for sets other than L-infinity is ours.
    """

    queries: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, queries=check_integer("queries", self.queries, minimum=1))
        keep(self, seed=check_integer("seed", self.seed, minimum=0))

    def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
        region, x = oracle.region, oracle.x
        diameter, cube = 2 * region.radius, region.separable
        best = region.ascend(x, block(x, 1.0, generator), diameter)
        values = oracle.values(best)
        for query in range(1, self.queries):
            share = _SHARE / 2 ** sum(query >= halving for halving in _HALVINGS)
            length = diameter if cube else diameter * share**0.5
            proposal = region.ascend(best, block(x, share, generator), length)
            proposed = oracle.values(proposal)
            better = proposed > values
            best = choose(better, proposal, best)
            values = torch.where(better, proposed, values)


def block(x: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """A direction (n, ...): random signs on a block of about ``share`` of the coordinates, else 0.

    Flat examples have a sign of their own for each coordinate, images one for each channel.
    """
    n, *shape = x.shape
    if len(shape) < 2:
        draw = torch.rand(n, *shape, dtype=torch.float64, generator=generator, device="cpu")
        # at least one coordinate, and no two of the same size: an L1 step goes to one of them
        chosen = draw <= draw.amin(1, keepdim=True).clamp(min=share)
        signs = 2.0 * torch.randint(2, draw.shape, generator=generator, device="cpu") - 1
        return torch.where(chosen, signs * (1 + draw), 0.0).to(x)
    direction = torch.ones(n, *shape[:-2], 1, 1, dtype=torch.float64, device="cpu")
    for axis, size in ((-2, shape[-2]), (-1, shape[-1])):
        side = min(size, max(1, round(share**0.5 * size)))
        draw = torch.rand(n, dtype=torch.float64, generator=generator, device="cpu")
        start = (draw * (size - side + 1)).floor().reshape(n, *[1] * len(shape))
        places = torch.arange(size, dtype=torch.float64, device="cpu")
        places = places.reshape(*[1] * len(shape), size).transpose(-1, axis)
        direction = direction * ((places >= start) & (places < start + side))
    signs = 2.0 * torch.randint(2, (n, *shape[:-2], 1, 1), generator=generator, device="cpu") - 1
    tilt = 1 + torch.rand(n, *shape, dtype=torch.float64, generator=generator, device="cpu")
    return (direction * signs * tilt).to(x)
