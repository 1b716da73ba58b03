"""Branching on the hidden units of a two-layer ReLU net: exact over every convex set.

Maximise s f(x), s = +-1. Units with s a_r < 0 make s f concave; units with s a_r > 0 make it
convex, and only these need branching, for p relu(z) = max(0, p z): a unit that is "on" is replaced
by p z, one that is "off" by 0, which never exceeds p relu(z), and one that is still free by the
chord over the interval of z, which never falls below it. What remains in a node is concave:

    max over x of  const + sum_r min over kappa_r in [lo_r, hi_r] of kappa_r z_r(x),

kappa_r in [s a_r, 0] for the concave units. Units that are on may also take kappa_r > p, and units
that are off kappa_r < 0: that restricts the node to z_r >= 0 or z_r <= 0, where alone it is needed.
Exchanging max and min, every kappa gives an upper bound, by the support function of the set in
closed form; the best kappa is found by a primal-dual gradient method, started from the parent's.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..bounds.layers import Layer, Layers
from ..bounds.linear import first_interval
from ..bounds.regions import Region, gamma
from .search import Nodes

_STEPS = 40  # of the primal-dual method in an ordinary node
_LAST = 2000  # and in one whose bound is its node's true maximum, where precision counts


def fold(layers: Layers) -> tuple[Layer, Layer] | None:
    """The net as hidden and output layer, where it has one hidden layer of ReLUs; else None.

    Affine maps that follow one another are multiplied out, equal hidden units become one, and
    units with readout 0 go. ``size`` still bounds all that was added up.
    """
    merged: list[Layer] = []
    for layer in layers.layers:
        if merged and merged[-1].activation is None:
            old = merged.pop()
            size = layer.size[:, :-1] @ old.size
            size[:, -1] += layer.size[:, -1]
            weight, bias = layer.weight @ old.weight, layer.weight @ old.bias + layer.bias
            layer = Layer(weight, bias, layer.activation, size)
        merged.append(layer)
    if len(merged) != 2 or merged[0].activation is None or merged[0].activation.name != "relu":
        return None
    hidden, out = merged
    rows = torch.cat([hidden.weight, hidden.bias[:, None]], 1)
    unique, place = torch.unique(rows, dim=0, return_inverse=True)
    readout = torch.zeros_like(unique[:, 0]).index_add(0, place, out.weight[0])
    sizes = torch.zeros_like(unique).scatter_reduce(
        0, place[:, None].expand_as(rows), hidden.size, "amax"
    )
    total = torch.zeros_like(readout).index_add(0, place, out.weight[0].abs())
    used = readout != 0
    readout = readout[used][None]
    return (
        Layer(unique[used, :-1], unique[used, -1], hidden.activation, sizes[used]),
        Layer(readout, out.bias, None, torch.cat([total[used][None], out.bias.abs()[:, None]], 1)),
    )


class UnitTree:
    """The nodes of a two-layer ReLU net, all examples and both signs at once."""

    def __init__(self, hidden: Layer, out: Layer, region: Region) -> None:
        self.region, self.weight = region, hidden.weight
        n, (m, d) = len(region), hidden.weight.shape
        if m:
            self.low, self.high = first_interval(hidden, region)
        else:
            self.low = self.high = region.centre.new_zeros(n, 0)
        self.centre = region.centre @ hidden.weight.T + hidden.bias
        sign = torch.tensor([1.0, -1.0]).to(out.weight).repeat(n)[:, None]
        self.coefficient = sign * out.weight  # (2n, m)
        self.offset = (sign * out.bias)[:, 0]
        self.size = 2 * (region.reach @ hidden.size[:, :-1].T) + hidden.size[:, -1]
        self.total = out.size
        self.roundings = 64 + 8 * (m + d)
        low, high = self._twice(self.low), self._twice(self.high)
        self.mixed = (low < 0) & (high > 0)
        self.convex = self.mixed & (self.coefficient > 0)
        self.chord = torch.where(self.mixed, high / torch.where(self.mixed, high - low, 1.0), 0.0)
        self.norms = torch.linalg.vector_norm(hidden.weight, dim=1).clamp(min=1e-300)
        self.scaled = hidden.weight / self.norms[:, None]
        self.lipschitz = float(torch.linalg.matrix_norm(self.scaled, 2)) if m else 1.0

    def _twice(self, rows: Tensor) -> Tensor:
        return rows.repeat_interleave(2, 0)

    def roots(self) -> Nodes:
        """One node for each problem: nothing split."""
        rows = torch.arange(2 * len(self.region), device=self.weight.device)
        state = torch.zeros(len(rows), len(self.weight), dtype=torch.int8, device=rows.device)
        kappa = self.coefficient * self.chord
        v = self._twice(torch.zeros_like(self.region.centre))
        return Nodes(rows, (state, kappa, v, torch.full_like(rows, -1)))

    def bound(self, nodes: Nodes, *, last: bool = False) -> tuple[Tensor, Tensor, Nodes, Tensor]:
        """Upper bounds (B,) of s f, points (2, B, d), the nodes with the unit to split next, and
        whether that unit makes the bound loose."""
        row, (state, kappa, v, _) = nodes.row, nodes.parts
        example = row // 2
        region = self.region.rows(example)
        a, mixed, chord = self.coefficient[row], self.mixed[row], self.chord[row]
        low, high, zc = self.low[example], self.high[example], self.centre[example]
        fixed = torch.where(low >= 0, a, 0.0)  # of a unit that keeps its sign
        free = self.convex[row] & (state == 0)
        lo = torch.where(mixed, a.clamp(max=0), fixed)
        hi = torch.where(mixed, 0.0, fixed)
        lo, hi = (torch.where(free, a * chord, t) for t in (lo, hi))
        on, off = state > 0, state < 0
        lo = torch.where(on, a, torch.where(off, -math.inf, lo))
        hi = torch.where(on, math.inf, torch.where(off, 0.0, hi))
        const = -torch.where(free, a * chord * low, 0.0)
        start = self.offset[row] + const.sum(1)

        def value(kappa: Tensor) -> tuple[Tensor, Tensor]:
            support, v = region.support(kappa @ self.weight)
            size = (kappa.abs() * self.size[example]).sum(1) + 2 * const.abs().sum(1)
            size = size + (a.abs() * self.size[example]).sum(1) + self.offset[row].abs()
            slack = gamma(self.roundings) * size
            return start + (kappa * zc).sum(1) + support + slack, v

        kappa = kappa.clamp(min=lo, max=hi)
        best, point = value(kappa)
        best_kappa = kappa
        steps = _LAST if last else _STEPS
        # how far v and the scaled kappa have to go, relative to each other
        ratio = region.length / ((a * self.norms).norm(dim=1) + 1e-300)
        tau = (ratio / self.lipschitz)[:, None]
        sigma = 1 / (ratio * self.lipschitz)[:, None] / self.norms**2
        sums, count, check = (torch.zeros_like(kappa), torch.zeros_like(v)), 0, 5
        for step in range(1, steps + 1):
            moved = region.nearest(v + tau * (kappa @ self.weight))
            z = zc + (2 * moved - v) @ self.weight.T
            kappa = (kappa - sigma * z).clamp(min=lo, max=hi)
            v = moved
            sums, count = (sums[0] + kappa, sums[1] + v), count + 1
            if step == check or step == steps:
                mean = sums[0] / count
                for k in (kappa, mean):
                    new, where = value(k)
                    better = new < best
                    best = torch.where(better, new, best)
                    best_kappa = torch.where(better[:, None], k, best_kappa)
                    point = torch.where(better[:, None], where, point)
                # go on from the mean: without this the iterates circle for long
                kappa, v = mean, sums[1] / count
                sums, count = (torch.zeros_like(kappa), torch.zeros_like(v)), 0
                check = min(check + 40, 2 * check)
        z = zc + v @ self.weight.T
        excess = torch.where(free, a * (chord * (z - low) - z.clamp(min=0)), -1.0)
        unit = excess.argmax(1) if excess.shape[1] else torch.full_like(row, -1)
        unit = torch.where(free.any(1), unit, -1)
        loose = excess.amax(1) > 1e-9 if excess.shape[1] else unit >= 0
        points = region.centre + torch.stack([v, point])
        again = Nodes(row, (state, best_kappa, v, unit))
        return best, points, again, (unit >= 0) & (loose | last)

    def split(self, nodes: Nodes) -> tuple[Nodes, Tensor]:
        """Both children of every node: the unit on, the unit off."""
        parent = torch.arange(len(nodes), device=nodes.row.device).repeat_interleave(2)
        twice = nodes.take(parent)
        state, kappa, v, unit = twice.parts
        at = torch.arange(len(state), device=state.device)
        state[at, unit] = (1 - 2 * (at % 2)).to(state.dtype)
        return Nodes(twice.row, (state, kappa, v, unit)), parent
