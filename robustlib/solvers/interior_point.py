"""A minimum of the mean of maxima over a ball, by an interior-point method with its own proof."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

_STEPS = 150  # Newton steps
_TO_THE_EDGE = 0.99  # how much of the way to the edge of its domain a step may take
_STALLED = 12  # steps without a smaller gap after which rounding has won
_ROUNDING = 64 * torch.finfo(torch.float64).eps


@dataclass(frozen=True)
class MinMaxProgram:
    """min over |v_h| <= radius of the mean over groups i of the max over its elements e of psi_e.

    Element e belongs to group ``group[e]`` and has the output f_e = base_e + sum_h <L_h[e], v_h>,
    with L_h the ``factors`` (N, r_h), one an own ball. ``functions`` maps outputs (N,) to psi_e
    and its first two derivatives; psi_e is convex, and every one of the ``groups`` has an element.
    """

    group: Tensor
    groups: int
    base: Tensor
    factors: tuple[Tensor, ...]
    radius: float
    functions: Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]

    @cached_property
    def factor(self) -> Tensor:
        """All factors side by side."""
        return torch.cat(self.factors, 1)

    @cached_property
    def sizes(self) -> list[int]:
        """The number of coordinates in every ball."""
        return [factor.shape[1] for factor in self.factors]

    def outputs(self, v: Tensor) -> Tensor:
        """f (N,) at ``v``, all its parts one after another."""
        return self.base + self.factor @ v

    def inner(self, v: Tensor, w: Tensor) -> Tensor:
        """<v_h, w_h> for every ball."""
        return torch.stack([part.sum() for part in torch.split(v * w, self.sizes)])

    def rooms(self, v: Tensor) -> Tensor:
        """radius^2 - |v_h|^2 for every ball."""
        return self.radius**2 - self.inner(v, v)

    def spread(self, values: Tensor) -> Tensor:
        """One value a ball as one value a coordinate."""
        sizes = torch.tensor(self.sizes, device=values.device)
        return values.repeat_interleave(sizes)

    def tops(self, values: Tensor) -> Tensor:
        """The largest of ``values`` (N,) in every group."""
        lowest = values.new_full((self.groups,), -math.inf)
        return lowest.scatter_reduce(0, self.group, values, "amax")

    def sums(self, values: Tensor) -> Tensor:
        """The sum of ``values`` (N,) in every group."""
        return values.new_zeros(self.groups).index_add(0, self.group, values)

    def lower_bound(self, f: Tensor, weights: Tensor) -> float:
        """A number below the minimum, for any outputs ``f`` and any positive ``weights`` (N,).

        A maximum is at least every average, and a convex function is above its tangents; what is
        left is affine in v, and its minimum over the balls is known.
        """
        share = weights / self.sums(weights)[self.group] / self.groups
        psi, slope, _ = self.functions(f)
        pull = share * slope
        value = float((share * psi - pull * (f - self.base)).sum())
        # Norms are rounded up, so that the bound stays one.
        size = float(pull.abs().sum())
        for factor in self.factors:
            top = float(factor.square().sum(1).max()) if factor.numel() else 0.0
            squared = float((factor.T @ pull).square().sum())
            value -= self.radius * math.sqrt(squared + _ROUNDING * size * size * top)
        return value


@dataclass(frozen=True)
class Solution:
    """``v`` inside the balls, its ``value``, a ``lower_bound``, and the ``shares`` (N,).

    ``shares`` are the weights of the lower bound: they add up to 1 in every group, and are next
    to nothing for elements that do not matter.
    """

    v: Tensor
    value: float
    lower_bound: float
    shares: Tensor


def solve(
    program: MinMaxProgram,
    *,
    gap: float,
    start: Tensor | None = None,
    shares: Tensor | None = None,
) -> Solution:
    """Primal-dual Newton steps, until value and bound are within ``gap`` or rounding stops them.

    ``start`` (r_1 + r_2 + ...,) must be strictly inside the balls, by default their centre;
    ``shares`` (N,) > 0 guesses the weights of the lower bound.
    """
    state = _State.begin(program, start, shares)
    best: Solution | None = None
    stalled, pull_in = 0, 0.1
    for _ in range(_STEPS):
        value = float(program.tops(state.psi).mean())
        bound = program.lower_bound(state.f, state.z)
        before = math.inf if best is None else best.value - best.lower_bound
        if best is None or value <= best.value:
            shares = state.z / program.sums(state.z)[program.group]
            best = Solution(state.v, value, max(bound, best.lower_bound if best else bound), shares)
        elif bound > best.lower_bound:
            best = replace(best, lower_bound=bound)
        now = best.value - best.lower_bound
        stalled = 0 if now < 0.99 * before else stalled + 1
        if now <= gap or stalled == _STALLED:
            break
        moved, length = state.moved(pull_in)
        if moved is None:
            break
        state, pull_in = moved, 0.1 if length > 0.3 else 0.5
    assert best is not None
    return best


@dataclass(frozen=True)
class _State:
    """A point strictly inside, (v, t), with multipliers z > 0 of elements and y > 0 of balls."""

    program: MinMaxProgram
    v: Tensor
    t: Tensor
    z: Tensor
    y: Tensor
    f: Tensor
    psi: Tensor
    slope: Tensor
    curve: Tensor

    @classmethod
    def at(cls, program: MinMaxProgram, v: Tensor, t: Tensor, z: Tensor, y: Tensor) -> _State:
        f = program.outputs(v)
        return cls(program, v, t, z, y, f, *program.functions(f))

    @classmethod
    def begin(cls, program: MinMaxProgram, start: Tensor | None, shares: Tensor | None) -> _State:
        base, group = program.base, program.group
        v = base.new_zeros(sum(f.shape[1] for f in program.factors)) if start is None else start
        shares = torch.ones_like(base) if shares is None else shares
        z = shares / program.sums(shares)[group] / program.groups
        psi, _, _ = program.functions(program.outputs(v))
        bound = program.lower_bound(program.outputs(v), z)
        tops = program.tops(psi)
        spread = max(float(tops.mean()) - bound, 1e-3 * float(psi.abs().mean()), 1e-12)
        room = program.rooms(v)
        return cls.at(program, v, tops + spread, z, spread / len(room) / room)

    @property
    def slack(self) -> Tensor:
        return self.t[self.program.group] - self.psi

    @property
    def room(self) -> Tensor:
        return self.program.rooms(self.v)

    def inside(self) -> bool:
        return bool((self.slack > 0).all()) and bool((self.room > 0).all())

    def residual(self, mu: float) -> float:
        """How far from the point of the central path with products ``mu``."""
        program = self.program
        dual = program.factor.T @ (self.z * self.slope) + 2 * program.spread(self.y) * self.v
        share = 1 / program.groups - program.sums(self.z)
        parts = [dual, share, self.z * self.slack - mu, self.y * self.room - mu]
        return math.sqrt(sum(float(part.square().sum()) for part in parts))

    def moved(self, pull_in: float) -> tuple[_State | None, float]:
        """After a Newton step to a point with products ``pull_in`` as large; and its length."""
        program, group, z, y, v = self.program, self.program.group, self.z, self.y, self.v
        factor, slack, room = program.factor, self.slack, self.room
        products = float((z * slack).sum() + (y * room).sum())
        mu = pull_in * products / (len(z) + len(y))
        ratio, aim = z / slack, mu / slack
        total = program.sums(ratio)
        grad_t = 1 / program.groups - program.sums(aim)
        # t is eliminated: what stays is a matrix in f alone, with blocks for the groups
        row = ratio * self.slope / total[group].sqrt()
        middle = torch.where(group[:, None] == group, -row[:, None] * row, 0.0)
        left = 1 - ratio / total[group]
        middle.diagonal().copy_(z * self.curve + ratio * self.slope.square() * left)
        hessian = factor.T @ (middle @ factor)
        gradient = factor.T @ (self.slope * (aim + ratio * (grad_t / total)[group]))
        gradient += 2 * program.spread(mu / room) * v
        hessian.diagonal().add_(2 * program.spread(y))
        position = 0
        for h, size in enumerate(program.sizes):
            part = v[position : position + size]
            block = hessian[position : position + size, position : position + size]
            block.addr_(part, part, alpha=float(4 * y[h] / room[h]))
            position += size
        step = _solve(hessian, -gradient)
        along = self.slope * (factor @ step)
        step_t = -(grad_t - program.sums(ratio * along)) / total
        step_z = aim - z - ratio * (step_t[group] - along)
        step_y = mu / room - y + 2 * y / room * program.inner(v, step)
        length = min(_edge(z, step_z), _edge(y, step_y))
        here = self.residual(mu)
        while length > 1e-12:
            there = _State.at(
                program,
                v + length * step,
                self.t + length * step_t,
                z + length * step_z,
                y + length * step_y,
            )
            if there.inside() and there.residual(mu) <= (1 - 0.01 * length) * here:
                return there, length
            length /= 2
        return None, 0.0


def _edge(values: Tensor, step: Tensor) -> float:
    """The longest step, at most 1, that keeps ``values`` positive with something to spare."""
    down = step < 0
    if not bool(down.any()):
        return 1.0
    return min(1.0, _TO_THE_EDGE * float((-values[down] / step[down]).min()))


def _solve(matrix: Tensor, right: Tensor) -> Tensor:
    """matrix^-1 right for a positive definite matrix, helped a little where rounding broke it."""
    if not len(matrix):
        return right
    scale = matrix.diagonal().clamp(min=1e-300).rsqrt()
    scaled, shift = scale[:, None] * matrix * scale, 0.0
    while True:
        regular = scaled.clone()
        regular.diagonal().add_(shift)
        lower, failed = torch.linalg.cholesky_ex(regular)
        if not int(failed):
            return scale * torch.cholesky_solve((scale * right)[:, None], lower).squeeze(1)
        shift = max(10 * shift, 1e-15)
