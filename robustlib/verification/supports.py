"""Perturbation sets as bounds see them: how large a linear function can get on B(x)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..checks import check_floats
from ..numerics import row_norm
from ..sets import L1Ball, L2Ball, LinfBall, Perturbation, SphereCap
from ..sets.projections import nearest_l1, nearest_l2

UNIT = 2.0**-53  # relative error of one rounded operation in float64
# `contains` forgives 8 units of rounding at the size of the numbers; 12 leaves room for its own.
_FORGIVEN = 12


def gamma(operations: int, unit: float = UNIT) -> float:
    """The relative error that ``operations`` roundings can add up to, twice over.

    A sum of products of n terms, computed in any order, is off by at most n u / (1 - n u) times
    the sum of the absolute values of its products; the factor 2 covers the rounding of the bound.
    """
    return 2 * operations * unit / (1 - operations * unit)


@dataclass(frozen=True)
class Support:
    """Sets of one kind round ``centre`` (n, d): points centre + v, all in float64.

    A ball: |v|_p <= ``radius`` (n,) and ``low`` <= v <= ``high`` (n, d). A cap (``p`` None): unit
    vectors at most ``radius`` from the unit vector ``centre``. ``slack`` (n,) is how far, in the
    set's own norm, a tensor may lie outside and still be accepted by ``contains``.
    """

    p: float | None
    centre: Tensor
    radius: Tensor
    low: Tensor
    high: Tensor
    slack: Tensor

    def __len__(self) -> int:
        return len(self.centre)

    def rows(self, index: Tensor) -> Support:
        """The sets of some of the rows, in the order of ``index``."""
        names = ("centre", "radius", "low", "high", "slack")
        return replace(self, **{name: getattr(self, name)[index] for name in names})

    @property
    def reach(self) -> Tensor:
        """At least as large as |x'_j| for every x' of the set: (n, d)."""
        room = (self.radius + self.slack)[:, None]
        least = torch.maximum(self.low, -room)
        most = torch.minimum(self.high, room)
        reach = torch.maximum(self.centre.abs(), (self.centre + most).abs())
        reach = torch.maximum(reach, (self.centre + least).abs())
        if self.p is None:
            reach = torch.minimum(reach, 1 + self.slack[:, None])
        return reach * (1 + 4 * UNIT)

    @property
    def length(self) -> Tensor:
        """At least as large as the Euclidean norm of every v: (n,)."""
        box = row_norm(torch.maximum(self.low.abs(), self.high.abs()))
        d = self.centre.shape[1]
        ball = self.radius * (math.sqrt(d) if self.p == math.inf else 1.0)
        return torch.minimum(box, ball)

    def dual_norm(self, g: Tensor) -> Tensor:
        """What a step of length 1 in the set's own norm changes <g, .> by at most; last axis d."""
        order = {math.inf: 1.0, 1.0: math.inf}.get(self.p or 2.0, 2.0)
        norms: Tensor = torch.linalg.vector_norm(g, ord=order, dim=-1)
        return norms

    def largest(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """max <g, v> for ``g`` (n, d) or (n, k, d), and a v where it is reached, to rounding.

        The value is computed from a dual formula, which is an upper bound wherever its multiplier
        ends up: nothing depends on the maximiser being right. It carries the rounding of its
        own sums, at most gamma(d + 16) times the largest sum |g_j| |v_j| in the set.
        """
        wide = g.dim() == 3
        centre, low, high = (t[:, None] if wide else t for t in (self.centre, self.low, self.high))
        radius = self.radius[:, None, None] if wide else self.radius[:, None]
        if self.p is None:
            return _cap(g, centre, radius)
        if self.p == math.inf:
            most, least = torch.minimum(high, radius), torch.maximum(low, -radius)
            v = torch.where(g > 0, most, torch.where(g < 0, least, 0.0))
            return (g * v).sum(-1), v
        if bool((-low >= radius).all()) and bool((high >= radius).all()):
            return _whole_ball(g, radius, self.p)
        return _cut_ball(g, low, high, radius, self.p)

    def nearest(self, v: Tensor) -> Tensor:
        """The projection (n, d) of ``v`` (n, d) onto the convex hull of the set, both offsets.

        For sets of one radius whose box holds the centre.
        """
        radius = self.radius[:, None]
        if self.p == math.inf:
            most, least = torch.minimum(self.high, radius), torch.maximum(self.low, -radius)
            return v.clamp(min=least, max=most)
        if self.p is None:
            return _nearest_in_cap_hull(v, self.centre, radius)
        # around a centre inside the box this is the same problem in every orthant
        room = torch.where(v > 0, self.high, -self.low)
        eps = float(self.radius.amax()) if len(v) else 1.0
        if eps == 0:
            return torch.zeros_like(v)
        sizes = (nearest_l1 if self.p == 1 else nearest_l2)(v.abs(), room.clamp(min=0), eps)
        return v.sign() * sizes


def support_of(perturbation: Perturbation, x: Tensor) -> Support | None:
    """The sets round ``x`` (n, ...) in float64; None for kinds that are not known here.

    They hold every tensor of the dtype of ``x`` that ``perturbation.contains``, within ``slack``.
    """
    perturbation.contains(x, x)  # the set's own checks of x
    check_floats("x", x, min_dim=2)
    flat = x.detach().flatten(1).double()
    d = flat.shape[1]
    unit = _FORGIVEN * torch.finfo(x.dtype).eps
    open_ = torch.full_like(flat, math.inf)
    radius = torch.full_like(flat[:, 0], perturbation.radius)
    if type(perturbation) is SphereCap:
        if d == 1 and perturbation.rho < 2:
            radius = torch.zeros_like(radius)
        centre = flat / torch.linalg.vector_norm(flat, dim=1, keepdim=True)
        # x as it was given is in its set, though its norm may be off by more roundings than that
        slack = (2 * row_norm(flat - centre)).clamp(min=unit)
        return Support(None, centre, radius.clamp(max=2.0), -open_, open_, slack)
    if type(perturbation) not in (L1Ball, L2Ball, LinfBall):
        return None
    assert isinstance(perturbation, L1Ball | L2Ball | LinfBall)
    slack = unit * (row_norm(flat, perturbation.p) + perturbation.radius)
    low, high = -open_, open_
    if perturbation.box is not None:
        ends = torch.tensor(perturbation.box, dtype=torch.float64)
        kept = ends.to(x.dtype).double()  # the box that data of this dtype is held to
        low = torch.minimum(ends, kept)[0].to(flat) - flat
        high = torch.maximum(ends, kept)[1].to(flat) - flat
    return Support(perturbation.p, flat, radius, low, high, slack)


def _cap(g: Tensor, centre: Tensor, radius: Tensor) -> tuple[Tensor, Tensor]:
    """Along the great circle from the centre towards g, as far as g or the rim.

    At angle phi, with h = sin(phi/2), the offset from the centre u is -2 h^2 u + 2 h sqrt(1 - h^2)
    times the unit tangent: no cancellation for small caps.
    """
    along = (g * centre).sum(-1, keepdim=True)
    tangent = g - along * centre
    # once more: after cancellation what is left may lean towards the centre
    tangent = tangent - (tangent * centre).sum(-1, keepdim=True) * centre
    across = torch.linalg.vector_norm(tangent, dim=-1, keepdim=True)
    h = torch.minimum((torch.atan2(across, along) / 2).sin(), radius / 2).clamp(max=1.0)
    forth, back = 2 * h * ((1 - h) * (1 + h)).sqrt(), 2 * h * h
    v = forth * tangent / torch.where(across > 0, across, 1.0) - back * centre
    return (forth * across - back * along).squeeze(-1), v


def _whole_ball(g: Tensor, radius: Tensor, p: float) -> tuple[Tensor, Tensor]:
    if p == 2:
        norm = torch.linalg.vector_norm(g, dim=-1, keepdim=True)
        v = g * (radius / torch.where(norm > 0, norm, 1.0))
    else:
        norm, place = g.abs().max(dim=-1, keepdim=True)
        v = torch.zeros_like(g).scatter(-1, place, radius * g.gather(-1, place).sign())
    return (norm * radius).squeeze(-1), v


def _cut_ball(
    g: Tensor, low: Tensor, high: Tensor, radius: Tensor, p: float
) -> tuple[Tensor, Tensor]:
    """Weak duality for the norm: for any multiplier t >= 0 the maximum is at most

    t r + sum_j max_{low <= v <= high} (g_j v - t |v|)        for p = 1, and
    t r^2 / 2 + sum_j max_{low <= v <= high} (g_j v - t v^2/2)  for p = 2,

    least where the inner maximiser has norm r: bisection finds t, and any t is sound.
    """

    def inner(t: Tensor) -> Tensor:
        if p == 2:
            return (g / t).clamp(min=low, max=high)
        zero = torch.zeros_like(g).clamp(min=low, max=high)
        return torch.where(g > t, high, torch.where(g < -t, low, zero)).clamp(-1e300, 1e300)

    norm = torch.linalg.vector_norm(g, ord=p if p == 2 else math.inf, dim=-1, keepdim=True)
    norm = torch.where(norm > 0, norm, 1.0)
    tiny = norm * 1e-18
    # |v(t)| falls with t; at the top it is below the radius wherever box and ball meet inside
    top = 2 * norm if p == 1 else 2 * norm / radius.clamp(min=1e-300)
    least, most = (tiny if p == 1 else 1e-15 * top).expand_as(top), top
    for _ in range(60):
        middle = (least * most).sqrt()
        over = torch.linalg.vector_norm(inner(middle), ord=p, dim=-1, keepdim=True) > radius
        least, most = torch.where(over, middle, least), torch.where(over, most, middle)
    v = inner(most)
    cost = v.abs() if p == 1 else v * v / 2
    budget = radius if p == 1 else radius * radius / 2
    terms = g * v - most * cost
    value = (most * budget).squeeze(-1) + terms.sum(-1)
    size = (most * budget).squeeze(-1) + (g * v).abs().sum(-1) + (most * cost).sum(-1)
    value = value + gamma(g.shape[-1] + 8) * size
    value = torch.where((g == 0).all(-1), 0.0, value)
    if p == 1:  # what the last coordinate gets of the budget
        part = inner(least) - v
        share = (radius - v.abs().sum(-1, keepdim=True)) / part.abs().sum(-1, keepdim=True)
        v = v + part * share.nan_to_num(0.0).clamp(0, 1)
    return value, v


def _nearest_in_cap_hull(v: Tensor, centre: Tensor, radius: Tensor) -> Tensor:
    """Projection onto {|x| <= 1, <x, u> >= 1 - radius^2/2}: the hull of the cap."""
    x = centre + v
    cosine = 1 - radius * radius / 2
    radial = x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp(min=1)
    inside = (radial * centre).sum(-1, keepdim=True) >= cosine
    across = x - (x * centre).sum(-1, keepdim=True) * centre
    norm = torch.linalg.vector_norm(across, dim=-1, keepdim=True)
    sine = ((1 - cosine) * (1 + cosine)).clamp(min=0).sqrt()
    disc = cosine * centre + across * (sine / norm.clamp(min=1e-300)).clamp(max=1)
    return torch.where(inside, radial, disc) - centre
