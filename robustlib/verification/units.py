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

import numpy as np
import torch
from scipy.optimize import linprog
from torch import Tensor

from ..sets.hull import Hull, Polytope, gamma
from .affine import Layer
from .relaxation import first_interval
from .search import Nodes

_STEPS = 40  # of the primal-dual method in an ordinary node
_WIDEST = 2**12  # units among which twins are looked for
_LAST = 2000  # and in one whose bound is its node's true maximum, where precision counts


class UnitTree:
    """The nodes of a two-layer ReLU net, all examples and both signs at once."""

    def __init__(self, hidden: Layer, out: Layer, hull: Hull) -> None:
        self.hull, self.weight = hull, hidden.weight
        n, m = len(hull), len(hidden.weight)
        self.low, self.high = first_interval(hidden, hull)
        self.centre = hull.centre @ hidden.weight.T + hidden.bias
        sign = torch.tensor([1.0, -1.0], device="cpu").to(out.weight).repeat(n)[:, None]
        self.coefficient = sign * out.weight  # (2n, m)
        self.offset = (sign * out.bias)[:, 0]
        self.size = 2 * (hull.reach @ hidden.size[:, :-1].T) + hidden.size[:, -1]
        self.roundings = 64 + 8 * (hidden.terms + out.terms)
        low, high = self._twice(self.low), self._twice(self.high)
        self.mixed = (low < 0) & (high > 0)
        self.convex = self.mixed & (self.coefficient > 0)
        self.slope, self.lift = _chord(low, high)
        norms = torch.linalg.vector_norm(hidden.weight, dim=1)
        self.norms = torch.where(norms > 0, norms, 1.0)
        scaled = hidden.weight / self.norms[:, None]
        self.lipschitz = max(1.0, float(torch.linalg.matrix_norm(scaled, 2))) if m else 1.0
        # twins: p (relu(z) - relu(z')) <= p relu(z - z'), whose chord is far lower than that of
        # p relu(z) where z - z' has a small range, as for symmetric nets near their start
        self.twin = twins(hidden, out)
        here = (self.twin >= 0).nonzero()[:, 0]
        other = self.twin[here]
        self.twinned = torch.zeros_like(self.convex)
        if len(here):
            apart = Layer(
                hidden.weight[here] - hidden.weight[other],
                hidden.bias[here] - hidden.bias[other],
                None,
                hidden.size[here] + hidden.size[other],
                hidden.operations,
            )
            low, high = (self._twice(t) for t in first_interval(apart, hull))
            slope, lift = _chord(low, high)
            near = torch.maximum(-low, high) < self.lift[:, here]
            near &= self.convex[:, here]
            self.twinned[:, here] = near
            self.slope[:, here] = torch.where(near, slope, self.slope[:, here])
            self.lift[:, here] = torch.where(near, lift, self.lift[:, here])

    def _twice(self, rows: Tensor) -> Tensor:
        return rows.repeat_interleave(2, 0)

    def roots(self) -> Nodes:
        """One node for each problem: nothing split."""
        rows = torch.arange(2 * len(self.hull), device=self.weight.device)
        state = torch.zeros(len(rows), len(self.weight), dtype=torch.int8, device=rows.device)
        kappa = self.coefficient * self.slope
        v = self._twice(torch.zeros_like(self.hull.centre))
        return Nodes(rows, (state, kappa, v, torch.full_like(rows, -1)))

    def bound(self, nodes: Nodes, *, last: bool = False) -> tuple[Tensor, Tensor, Nodes, Tensor]:
        """Upper bounds (B,) of s f, points (2, B, d), the nodes with the unit to split next, and
        whether that unit makes the bound loose."""
        row, (state, kappa, v, _) = nodes.row, nodes.parts
        example = row // 2
        hull = self.hull.rows(example)
        a, mixed, slope = self.coefficient[row], self.mixed[row], self.slope[row]
        low, zc = self.low[example], self.centre[example]
        fixed = torch.where(low >= 0, a, 0.0)  # of a unit that keeps its sign
        free = self.convex[row] & (state == 0)
        lo = torch.where(mixed, a.clamp(max=0), fixed)
        hi = torch.where(mixed, 0.0, fixed)
        lo, hi = (torch.where(free, a * slope, t) for t in (lo, hi))
        on, off = state > 0, state < 0
        lo = torch.where(on, a, torch.where(off, -math.inf, lo))
        hi = torch.where(on, math.inf, torch.where(off, 0.0, hi))
        pair = free & self.twinned[row]  # the twin of such a unit goes with it
        of_twin = pair[:, self.twin] & (self.twin >= 0)
        lo, hi = (torch.where(of_twin, (-a * slope)[:, self.twin], t) for t in (lo, hi))
        const = torch.where(free, a * self.lift[row], 0.0)
        start = self.offset[row] + const.sum(1)

        def value(kappa: Tensor) -> tuple[Tensor, Tensor]:
            gain, v = hull.support_function(kappa @ self.weight)
            size = (kappa.abs() * self.size[example]).sum(1) + 2 * const.abs().sum(1)
            size = size + (a.abs() * self.size[example]).sum(1) + self.offset[row].abs()
            slack = gamma(self.roundings) * size
            return start + (kappa * zc).sum(1) + gain + slack, v

        kappa = kappa.clamp(min=lo, max=hi)
        best, point = value(kappa)
        best_kappa = kappa
        steps = _LAST if last else _STEPS
        # how far v and the scaled kappa have to go, relative to each other
        ratio = (hull.length / ((a * self.norms).norm(dim=1) + 1e-300)).clamp(1e-12, 1e12)
        tau = (ratio / self.lipschitz)[:, None]
        sigma = 1 / (ratio * self.lipschitz)[:, None] / self.norms**2
        sums, count, check = (torch.zeros_like(kappa), torch.zeros_like(v)), 0, 5
        for step in range(1, steps + 1):
            moved = hull.project(v + tau * (kappa @ self.weight))
            z = zc + (2 * moved - v) @ self.weight.T
            kappa = (kappa - sigma * z).clamp(min=lo, max=hi)
            v = moved
            sums, count = (sums[0] + kappa, sums[1] + v), count + 1
            if step in (check, steps):
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
        shapes = [hull.rows(row.new_tensor([i])).polytope() for i in range(last * len(row))]
        if any(shapes):
            # a linear program: to the last digit by the simplex method
            for i, shape in enumerate(shapes):
                if shape is None:
                    continue
                k, where = _vertex(shape, self.weight, zc[i], lo[i], hi[i])
                kappa[i], v[i] = k.clamp(min=lo[i], max=hi[i]), where
            new, point = value(kappa)
            best_kappa = torch.where((new < best)[:, None], kappa, best_kappa)
            best = torch.minimum(new, best)
        z = zc + v @ self.weight.T
        relu = z.clamp(min=0)
        linear = slope * torch.where(pair, z - z[:, self.twin], z) + self.lift[row]
        true = torch.where(pair, relu - relu[:, self.twin], relu)
        excess = torch.where(free, a * (linear - true), -1.0)
        unit = excess.argmax(1) if excess.shape[1] else torch.full_like(row, -1)
        unit = torch.where(free.any(1), unit, -1)
        loose = excess.amax(1) > 1e-9 if excess.shape[1] else unit >= 0
        points = hull.centre + torch.stack([v, point])
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


def twins(hidden: Layer, out: Layer) -> Tensor:
    """The unit (m,) nearest to each among those of opposite readout, if that is mutual; else -1."""
    rows = torch.cat([hidden.weight, hidden.bias[:, None]], 1)
    if not 0 < len(rows) <= _WIDEST:  # all pairs are looked at, for sharper bounds alone
        return torch.full((len(rows),), -1, device=rows.device)
    apart = torch.cdist(rows, rows)
    apart = torch.where(-out.weight == out.weight.T, apart, math.inf)
    nearest, other = apart.min(1)
    place = torch.arange(len(rows), device=rows.device)
    return torch.where((other[other] == place) & nearest.isfinite(), other, -1)


def _chord(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Slope and lift of the line above relu on [low, high]: its chord; relu itself on one side."""
    mixed = (low < 0) & (high > 0)
    slope = torch.where(mixed, high / torch.where(mixed, high - low, 1.0), (low >= 0).to(low))
    return slope, torch.where(mixed, -slope * low, 0.0)


def _vertex(
    shape: Polytope, weight: Tensor, centre: Tensor, lo: Tensor, hi: Tensor
) -> tuple[Tensor, Tensor]:
    """The best kappa (m,) and v (d,) of one node, by scipy's HiGHS, on a set that is a polytope.

    Split units are taken as linear, on or off, with no restriction to their half-space: the node
    is then never empty, and its maximum still never exceeds that of f. Units with an interval
    of kappa on one side of 0 become variables t >= 0, t >= z.
    """
    kink = (lo < hi) & lo.isfinite() & hi.isfinite()
    fixed = torch.where(lo.isfinite() & ~kink, lo, torch.where(hi.isfinite(), hi, 0.0))
    fixed = torch.where(kink, 0.0, fixed)
    w, c, cost = (t.cpu().numpy() for t in (weight[kink], centre[kink], -lo[kink]))
    g = (fixed @ weight).cpu().numpy()
    d, k = len(shape.low), len(c)
    if shape.mirrored:
        g, w = np.concatenate([g, -g]), np.concatenate([w, -w], 1)
    rows = np.concatenate([shape.rows, np.zeros((len(shape.rows), k))], 1)
    answer = linprog(
        np.concatenate([-g, cost]),
        A_ub=np.concatenate([np.concatenate([w, -np.eye(k)], 1), rows]),
        b_ub=np.concatenate([-c, shape.limit]),
        bounds=[*zip(shape.low, shape.high, strict=True), *[(0, None)] * k],
        method="highs",
    )
    kappa = fixed.clone()
    if answer.status != 0:
        return kappa, torch.zeros_like(weight[0])
    kappa[kink] = torch.from_numpy(answer.ineqlin.marginals[:k]).to(kappa)
    v = answer.x[: d // 2] - answer.x[d // 2 : d] if shape.mirrored else answer.x[:d]
    return kappa, torch.from_numpy(v).to(kappa)
