"""Uniform points of the perturbation sets: float64, on the CPU, every draw from one generator."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .great_circle import step_on_sphere
from .projections import unit_rows

# Proposals per example before the walk takes over, and sweeps of the walk over all coordinates.
ROUNDS, SWEEPS = 16, 24


def cap_point(x: Tensor, rho: float, generator: torch.Generator) -> Tensor:
    """Uniform on the cap of chordal radius ``rho`` < 2 round each unit row of ``x`` (n, d).

    Exact, by rejection from a law that is accepted at least about one time in three whatever
    ``d`` and ``rho``.
    """
    n, d = x.shape
    height = 1 - rho**2 / 2  # cosine of the cap's angle
    if d == 1 or height * math.sqrt(d) <= 1:
        return _reject_from_sphere(x, rho, generator)
    # v = sin^2(angle) has density v^((d-3)/2) (1-v)^(-1/2) on [0, largest]; the first factor is
    # a power of a uniform number, the second is nearly constant where that power concentrates
    largest = rho**2 * (1 - rho**2 / 4)
    v = x.new_zeros(n, 1)
    todo = torch.arange(n, device="cpu")
    while len(todo):
        draw, coin = torch.rand(2, len(todo), 1, dtype=x.dtype, generator=generator, device="cpu")
        proposal = largest * draw ** (2 / (d - 1))
        accept = coin.square() * (1 - proposal) <= 1 - largest
        v[todo[accept[:, 0]]] = proposal[accept[:, 0]]
        todo = todo[~accept[:, 0]]
    half_sine = (v / (2 * (1 + (1 - v).sqrt()))).sqrt()
    tangent = torch.randn(n, d, dtype=x.dtype, generator=generator, device="cpu")
    for _ in range(2):  # twice: a draw almost along x loses digits in the first subtraction
        tangent = unit_rows(tangent - (tangent * x).sum(1, keepdim=True) * x)
    return step_on_sphere(x, tangent, half_sine)


def _reject_from_sphere(x: Tensor, rho: float, generator: torch.Generator) -> Tensor:
    """Uniform on a cap that is not much less than a hemisphere."""
    result = torch.empty_like(x)
    todo = torch.arange(len(x), device="cpu")
    while len(todo):
        near = x[todo]
        draw = unit_rows(torch.randn(near.shape, dtype=x.dtype, generator=generator, device="cpu"))
        if rho**2 < 2:  # inside the hemisphere of x: fold the other one over
            draw = torch.where((draw * near).sum(1, keepdim=True) < 0, -draw, draw)
        accept = (draw - near).norm(dim=1) <= rho
        result[todo[accept]] = draw[accept]
        todo = todo[~accept]
    return result


def ball_offset(p: float, n: int, d: int, eps: float, generator: torch.Generator) -> Tensor:
    """Uniform (n, d) in the ball |v|_p <= eps round 0, p one of 1, 2, inf."""
    if p == math.inf:
        return eps * (
            2 * torch.rand(n, d, dtype=torch.float64, generator=generator, device="cpu") - 1
        )
    if p == 2:
        direction = unit_rows(
            torch.randn(n, d, dtype=torch.float64, generator=generator, device="cpu")
        )
        draw = torch.rand(n, 1, dtype=torch.float64, generator=generator, device="cpu")
        return eps * direction * draw ** (1 / d)
    # d + 1 exponentials over their sum are uniform in the simplex; random signs do the rest
    waits = torch.empty(n, d + 1, dtype=torch.float64, device="cpu").exponential_(
        generator=generator
    )
    sizes = waits[:, :d] / waits.sum(1, keepdim=True)
    signs = 2.0 * torch.randint(2, (n, d), generator=generator, device="cpu") - 1
    return eps * sizes * signs  # in this order all is float64, whatever the default dtype


def cut_ball_offset(
    p: float, low: Tensor, high: Tensor, eps: float, generator: torch.Generator
) -> Tensor:
    """Uniform in {|v|_p <= eps, low <= v <= high} where low <= 0 <= high, low < high (n, d).

    Exact by rejection for every example accepted within ROUNDS proposals, from the smaller of
    two sets: the cut cube, or the ball folded into the sides that have room. The rest walk
    from such a folded point by SWEEPS sweeps of Gibbs sampling, stationary at the uniform law.
    """
    n, d = low.shape
    low, high = low.clamp(min=-eps), high.clamp(max=eps)
    if p == math.inf:
        return low + (high - low) * torch.rand(
            n, d, dtype=low.dtype, generator=generator, device="cpu"
        )
    sides = (low < 0).to(low.dtype) + (high > 0).to(low.dtype)
    log_cube = (high - low).log().sum(1)
    log_ball = _log_orthant_volume(p, d) + d * math.log(eps) + sides.log().sum(1)
    from_cube = log_cube < log_ball
    result = torch.zeros_like(low)
    todo = torch.arange(n, device="cpu")
    for _ in range(ROUNDS):
        if not len(todo):
            return result
        lo, hi = low[todo], high[todo]
        m = len(todo)
        cube = lo + (hi - lo) * torch.rand(m, d, dtype=low.dtype, generator=generator, device="cpu")
        # A size drawn from the ball is allowed on 0, 1 or 2 of the sides that have room: keep it
        # with the matching probability, then choose among the allowed sides.
        sizes = ball_offset(p, m, d, eps, generator).abs()
        up, down = sizes <= hi, sizes <= -lo
        share = ((up.to(low.dtype) + down.to(low.dtype)) / sides[todo]).clamp(max=1).prod(1)
        coins = torch.randint(2, (m, d), generator=generator, dtype=torch.bool, device="cpu")
        folded = torch.where(up & (coins | ~down), sizes, -sizes)
        keep_folded = torch.rand(m, dtype=low.dtype, generator=generator, device="cpu") < share
        keep_cube = torch.linalg.vector_norm(cube, ord=p, dim=1) <= eps
        accept = torch.where(from_cube[todo], keep_cube, keep_folded)
        chosen = torch.where(from_cube[todo][:, None], cube, folded)
        result[todo[accept]] = chosen[accept]
        todo = todo[~accept]
    if len(todo):
        lo, hi = low[todo], high[todo]
        sizes = ball_offset(p, len(todo), d, eps, generator).abs()
        start = torch.where(
            (sizes <= hi) | (hi > -lo), torch.minimum(sizes, hi), lo.clamp(min=-sizes)
        )
        result[todo] = _gibbs(p, start, lo, hi, eps, generator)
    return result


def _log_orthant_volume(p: float, d: int) -> float:
    """Log volume of the unit p-ball's part in one orthant, p one of 1, 2."""
    if p == 1:
        return -math.lgamma(d + 1)
    return d * math.log(math.sqrt(math.pi) / 2) - math.lgamma(d / 2 + 1)


def _gibbs(
    p: float, start: Tensor, low: Tensor, high: Tensor, eps: float, generator: torch.Generator
) -> Tensor:
    """SWEEPS passes that redraw each coordinate uniformly from its section of the set."""
    v, low, high = ((t / eps).T.contiguous() for t in (start, low, high))
    for _ in range(SWEEPS):
        total = v.abs().pow(p).sum(0)
        draws = torch.rand(v.shape, dtype=v.dtype, generator=generator, device="cpu")
        for i in range(len(v)):
            others = total - v[i].abs().pow(p)
            reach = (1 - others).clamp(min=0).pow(1 / p)
            lo, hi = torch.maximum(low[i], -reach), torch.minimum(high[i], reach)
            v[i] = lo + (hi - lo) * draws[i]
            total = others + v[i].abs().pow(p)
    return eps * v.T
