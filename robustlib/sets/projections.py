"""The numerics behind the perturbation balls: one norm at a time, in the nonnegative orthant.

A ball cut by a box that holds its centre is, around that centre, the same problem in every
orthant: the answer never changes the sign of a coordinate. So each function here takes sizes
``a`` (n, d) >= 0 and the ``room`` (n, d) >= 0 that each coordinate has before it meets the box
(infinite without one), both float64, and answers with 0 <= v <= room, |v|_p <= eps, eps > 0.

``nearest_*`` is the Euclidean projection of ``a``; ``furthest_*`` maximises <a, v> and leaves
v_i = 0 where a_i = 0. Sorting makes all of them exact: no iteration, no tolerance.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from ..numerics import mended

ROUNDING = 4  # roundings of a point that is in its set
# Squares of numbers above this are normal floats; next to 1, numbers below it are nothing.
_TINY = 1e-150


def nearest_linf(a: Tensor, room: Tensor, eps: float) -> Tensor:
    """The projection onto the cut cube: every coordinate on its own."""
    return torch.minimum(a, room).clamp(max=eps)


def furthest_linf(a: Tensor, room: Tensor, eps: float) -> Tensor:
    """The corner that ``a`` points to."""
    return torch.where(a > 0, room.clamp(max=eps), 0.0)


def nearest_l2(a: Tensor, room: Tensor, eps: float) -> Tensor:
    """The projection onto the cut Euclidean ball.

    The multiplier of the ball shrinks ``a``: v = min(s a, room) with the largest s <= 1 that
    keeps |v| <= eps. Where s = 1 does not, s is the one at which |v| = eps, as in furthest_l2.
    """
    boxed = torch.minimum(a, room)
    return torch.where(_safe_norm(boxed) <= eps, boxed, furthest_l2(a, room, eps))


def furthest_l2(a: Tensor, room: Tensor, eps: float) -> Tensor:
    """min(s a, room) with |v| = eps, or every room filled where that does not reach eps."""
    boxed = (room < eps).any(1)  # others have no box within reach, so no need to sort
    return mended(boxed, partial(_furthest_boxed_l2, eps=eps), eps * unit_rows(a), a, room)


def _furthest_boxed_l2(a: Tensor, room: Tensor, eps: float) -> Tensor:
    # in units where eps = max a = 1 no square over- or underflows that matters
    top = a.amax(1, keepdim=True)
    direction = a / torch.where(top > 0, top, 1.0)
    direction = torch.where(direction < _TINY, 0.0, direction)
    cut = (room / eps).clamp(max=2.0)  # |v_i| <= eps anyhow
    # coordinate i meets the box at s = meets_i; sorted, a prefix of them has met it
    meets_at = torch.where(direction > 0, cut / direction, torch.inf)
    meets, order = meets_at.sort(dim=1)
    full = cut.gather(1, order).square().cumsum(1)
    free = direction.gather(1, order).square().flip(1).cumsum(1).flip(1)
    before = torch.nn.functional.pad(full, (1, 0))[:, :-1]
    at_meeting = torch.where(meets.isinf(), torch.inf, before + meets.square() * free)
    count = (at_meeting < 1).sum(1, keepdim=True)  # how many coordinates the box holds
    last = count.clamp(max=a.shape[1] - 1)
    left, still_free = (1 - before.gather(1, last)).clamp(min=0), free.gather(1, last)
    bounded = (count < a.shape[1]) & (still_free > 0)
    s = torch.where(bounded, (left / torch.where(bounded, still_free, 1.0)).sqrt(), torch.inf)
    moved = torch.minimum(torch.where(direction > 0, s * direction, 0.0) * eps, room)
    return torch.where((direction > 0) & (s >= meets_at), room, moved)


def nearest_l1(a: Tensor, room: Tensor, eps: float) -> Tensor:
    """The projection onto the cut cross-polytope: v = clamp(a - t, 0, room) for one t >= 0."""
    cut = room.clamp(max=eps)  # v_i <= eps anyhow
    # The first threshold is good to the rounding of a, which may be more than all of v. What is
    # left of ``a`` above it is exact, so the second is good to the rounding of v.
    above = a - _threshold(a, cut, eps)
    shrunk = torch.minimum((above - _threshold(above, cut, eps)).clamp(min=0), cut)
    boxed = torch.minimum(a, room)
    return torch.where(boxed.sum(1, keepdim=True) <= eps, boxed, shrunk)


def _threshold(a: Tensor, cut: Tensor, eps: float) -> Tensor:
    """t (n, 1) with sum clamp(a - t, 0, cut) = eps; rows of any sign, sum of cut at least eps.

    The sum grows piecewise linearly as t falls, with kinks where a coordinate leaves zero
    (t = a_i) and where it meets the box (t = a_i - cut_i).
    """
    change, lost = torch.ones_like(a), torch.zeros_like(a)
    kinks = a
    if bool((cut < eps).any()):
        meets = a - cut
        # what rounding took off the way between the two kinks: all of it, for cut << a
        lost = torch.cat([lost, cut - (a - meets)], 1)
        change = torch.cat([change, -change], 1)
        kinks = torch.cat([a, meets], 1)
    kinks, order = kinks.sort(dim=1, descending=True, stable=True)
    slope = change.gather(1, order).cumsum(1)
    # summing nonnegative pieces from the largest kink down cancels nothing
    pieces = slope[:, :-1] * (kinks[:, :-1] - kinks[:, 1:]) + lost.gather(1, order)[:, 1:]
    total = torch.nn.functional.pad(pieces, (1, 0)).cumsum(1)
    at = (total < eps).sum(1, keepdim=True) - 1
    return kinks.gather(1, at) - (eps - total.gather(1, at)) / slope.gather(1, at).clamp(min=1)


def furthest_l1(a: Tensor, room: Tensor, eps: float) -> Tensor:
    """Greedy: the largest coordinates of ``a`` take all the room they have, until eps is spent."""
    sizes, order = a.sort(dim=1, descending=True, stable=True)
    wanted = torch.where(sizes > 0, room.gather(1, order).clamp(max=eps), 0.0)
    spent = torch.nn.functional.pad(wanted.cumsum(1), (1, 0))[:, :-1]
    taken = torch.minimum(wanted, (eps - spent).clamp(min=0))
    return torch.zeros_like(a).scatter(1, order, taken)


def _safe_norm(v: Tensor) -> Tensor:
    """The Euclidean norm (n, 1) without over- or underflow of the squares."""
    top = v.abs().amax(1, keepdim=True)
    top = torch.where(top > 0, top, 1.0)
    norms: Tensor = torch.linalg.vector_norm(v / top, dim=1, keepdim=True) * top
    return norms


def unit_rows(v: Tensor) -> Tensor:
    """``v`` (n, d) divided row by row by its norm; rows of zeros stay zero."""
    top = v.abs().amax(1, keepdim=True)
    scaled = v / torch.where(top > 0, top, 1.0)
    norms = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
    return scaled / torch.where(norms > 0, norms, 1.0)


def distances(a: Tensor, b: Tensor, p: float) -> Tensor:
    """All p-norm distances between rows, by differences: exact near 0, where products are not."""
    return torch.cdist(a, b, p=p, compute_mode="donot_use_mm_for_euclid_dist")
