"""Exact search: branch and bound for the largest loss over every set, with a certified end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ..attacks.best import Best
from ..losses import Loss
from ..sets import Perturbation

_BATCH = 256  # nodes bounded at once
_ROUNDINGS = 256  # of an output of size 1, more than there are errors in practice


class Effort(NamedTuple):
    """How hard to try: restarts of attacks; parts and seconds of exact search for one point."""

    restarts: int
    nodes: int
    seconds: float


EFFORTS = {
    "low": Effort(1, 0, 2.0),
    "medium": Effort(4, 2_000, 2.0),
    "high": Effort(16, 100_000, 8.0),
}


@dataclass(frozen=True)
class Nodes:
    """Parts of the search, one per row of all tensors.

    ``row`` is 2 example for the maximum of f, 2 example + 1 for that of -f; ``parts`` is what the
    tree knows of each node.
    """

    row: Tensor
    parts: tuple[Tensor, ...]

    def __len__(self) -> int:
        return len(self.row)

    def take(self, index: Tensor) -> Nodes:
        """Some of the nodes."""
        return Nodes(self.row[index], tuple(part[index] for part in self.parts))

    def join(self, other: Nodes) -> Nodes:
        """These nodes and then the others."""
        pairs = zip(self.parts, other.parts, strict=True)
        return Nodes(torch.cat([self.row, other.row]), tuple(torch.cat(pair) for pair in pairs))


class Tree(Protocol):
    """A way to cut sets into parts and to bound +-f on a part."""

    def roots(self) -> Nodes:
        """One node for every row: nothing cut."""

    def bound(self, nodes: Nodes, *, last: bool = False) -> tuple[Tensor, Tensor, Nodes, Tensor]:
        """Bounds (B,) of +-f, points (k, B, d) to try, the nodes as ``split`` wants them, and
        whether splitting them may help (B,). ``last`` asks for all the sharpness there is."""

    def split(self, nodes: Nodes) -> tuple[Nodes, Tensor]:
        """The children, which cover their parents, and the place of the parent of each."""


@dataclass(frozen=True, eq=False, repr=False)
class Search:
    """What a search found for n examples, losses and outputs in float64.

    ``points`` (n, ...) have the losses ``lower`` (n,); no loss in the set exceeds ``upper`` (n,),
    no output leaves ``outputs`` (n, 2). ``closed`` (n,) says where the search ended by itself, and
    ``nodes`` (n,) how many parts it took.
    """

    points: Tensor
    lower: Tensor
    upper: Tensor
    outputs: Tensor
    closed: Tensor
    nodes: Tensor

    def __repr__(self) -> str:
        n, closed = len(self.lower), int(self.closed.sum())
        if not n:
            return "A search of no points."
        gap = float((self.upper - self.lower).max())
        if closed == n:
            return f"Exact search closed at {n} of {n} points, to {gap:.1g} in the loss."
        return f"Exact search closed at {closed} of {n} points; {n - closed} not closed, " + (
            f"with intervals of up to {gap:.3g} in the loss."
        )


def exact_search(
    tree: Tree,
    outputs: Callable[[Tensor], Tensor],
    x: Tensor,
    y: Tensor,
    start: Tensor,
    *,
    perturbation: Perturbation,
    loss: Loss,
    allowance: Tensor,
    tolerance: float,
    nodes: int,
    seconds: float,
) -> Search:
    """Search all examples at once, from the points ``start`` (n, ...) of their sets.

    A part is dropped when no loss on it exceeds the best one found by more than ``tolerance``, and
    the rounding of the model's dtype: ``allowance`` (n,) is a bound of its effect on the output,
    which is added to the ends when the search is over. At most ``nodes`` parts an example, at most
    ``seconds`` times n altogether.
    """
    n, deadline = len(x), time.monotonic() + seconds * len(x)
    offer = _Offers(outputs, x, y, perturbation, loss)
    offer(torch.arange(n, device=x.device), start)
    labels = y.double()
    # the true rounding errors are far smaller than their bound
    usual = allowance.clamp(max=_ROUNDINGS * torch.finfo(x.dtype).eps)
    within = tolerance + loss.lipschitz * usual
    # of the parts that were dropped, and of those that the limits left open
    top = torch.full((2 * n,), -math.inf, dtype=torch.float64, device=x.device)
    closed = torch.ones(n, dtype=torch.bool, device=x.device)
    spent = torch.zeros(n, dtype=torch.long, device=x.device)

    def rising(row: Tensor, value: Tensor) -> Tensor:
        """The loss at output +-value, where it still rises in that direction; else -inf.

        A convex loss is largest at an end of the range of outputs where it rises towards that end,
        or else it is the same on the whole range.
        """
        sign = (1 - 2 * (row % 2)).to(value)
        f, label = sign * value, labels[row // 2]
        rises = sign * loss.derivative(f, label) > 0
        return torch.where(rises, loss(f, label), -math.inf)

    def is_open(row: Tensor, value: Tensor) -> Tensor:
        example = row // 2
        return rising(row, value) > offer.loss[example] + within[example]

    def drop(row: Tensor, value: Tensor) -> None:
        top.scatter_reduce_(0, row, value, "amax")

    pool, values = tree.roots(), top.new_empty(0)
    fresh, ceiling = pool, top.new_full((len(pool),), math.inf)
    pool = pool.take(torch.arange(0, device=x.device))
    while n:
        for part in torch.split(torch.arange(len(fresh), device=x.device), _BATCH):
            new, limit = fresh.take(part), ceiling[part]
            value, points, new, useful = tree.bound(new)
            offer((new.row // 2).repeat(len(points)), points.flatten(0, 1))
            value = torch.minimum(value, limit)
            stuck = (is_open(new.row, value) & ~useful).nonzero()[:, 0]
            if len(stuck):
                sharp, points, again, useful = tree.bound(new.take(stuck), last=True)
                offer((again.row // 2).repeat(len(points)), points.flatten(0, 1))
                value[stuck] = torch.minimum(value[stuck], sharp)
                final = stuck[is_open(again.row, value[stuck]) & ~useful]
                closed[new.row[final] // 2] = False
                kept = torch.ones_like(value, dtype=torch.bool)
                kept[final] = False
                drop(new.row[final], value[final])
                new, value = new.take(kept.nonzero()[:, 0]), value[kept]
            pool, values = pool.join(new), torch.cat([values, value])
        still = is_open(pool.row, values)
        drop(pool.row[~still], values[~still])
        pool, values = pool.take(still.nonzero()[:, 0]), values[still]
        tired = spent[pool.row // 2] >= nodes
        if time.monotonic() > deadline:
            tired = torch.ones_like(tired)
        closed[pool.row[tired] // 2] = False
        drop(pool.row[tired], values[tired])
        pool, values = pool.take((~tired).nonzero()[:, 0]), values[~tired]
        if not len(pool):
            break
        gain = rising(pool.row, values) - offer.loss[pool.row // 2]
        chosen = _largest(pool.row // 2, gain)
        fresh, parent = tree.split(pool.take(chosen))
        ceiling = values[chosen][parent]
        spent.index_add_(0, fresh.row // 2, torch.ones_like(fresh.row))
        rest = torch.ones_like(values, dtype=torch.bool)
        rest[chosen] = False
        pool, values = pool.take(rest.nonzero()[:, 0]), values[rest]
    # where numbers overflow nothing is proved, whatever a loss makes of infinity
    ends = (top + allowance.repeat_interleave(2)).nan_to_num(math.inf, math.inf, math.inf)
    proved = ends.isfinite().reshape(n, 2).all(1)
    rows = torch.arange(2 * n, device=x.device)
    worst = rising(rows, ends).reshape(n, 2).amax(1)
    # what the model's own dtype makes of the loss
    unit = 8 * torch.finfo(x.dtype).eps
    rounded = worst + unit * (1 + worst.abs() + ends.reshape(n, 2).abs().amax(1))
    worst = torch.where(worst > -math.inf, rounded, offer.loss)  # a loss that rises nowhere is flat
    worst = torch.where(proved, worst, math.inf)
    low, high = -ends[1::2], ends[::2]
    return Search(
        offer.best.points(),
        offer.loss,
        torch.maximum(worst, offer.loss),
        torch.stack([low, high], 1),
        closed & proved,
        spent,
    )


class _Offers:
    """Takes points of any examples, in any number, and keeps the best of each."""

    def __init__(
        self,
        outputs: Callable[[Tensor], Tensor],
        x: Tensor,
        y: Tensor,
        perturbation: Perturbation,
        loss: Loss,
    ) -> None:
        self.outputs, self.x, self.y = outputs, x, y
        self.perturbation, self.of = perturbation, loss
        self.best = Best(x, torch.float64)

    @property
    def loss(self) -> Tensor:
        """The largest loss seen (n,)."""
        return self.best.values

    def __call__(self, example: Tensor, z: Tensor) -> None:
        """Points ``z`` (k, ...) for examples (k,), brought into their sets if they are not."""
        z = z.to(self.x.dtype).reshape(-1, *self.x.shape[1:])
        z = self.perturbation.project(z, self.x[example])
        loss = self.of(self.outputs(z), self.y[example]).double()
        most = self.loss.scatter_reduce(0, example, loss, "amax")
        # the first of those that reach it
        place = torch.arange(len(z), device=z.device)
        place = torch.where(loss == most[example], place, len(z))
        first = torch.full_like(example[:1].expand(len(most)), len(z))
        first = first.scatter_reduce(0, example, place, "amin")
        better = ((most > self.loss) & (first < len(z))).nonzero()[:, 0]
        self.best.offer(z[first[better]], most[better], better)


def _largest(example: Tensor, gain: Tensor) -> Tensor:
    """The places of the nodes with the largest gain, as many for every example."""
    order = gain.argsort(descending=True, stable=True)
    order = order[example[order].argsort(stable=True)]
    sorted_ = example[order]
    rank = torch.arange(len(order), device=order.device) - torch.searchsorted(sorted_, sorted_)
    quota = max(1, _BATCH // 2 // int((torch.bincount(example) > 0).sum()))
    return order[rank < quota]
