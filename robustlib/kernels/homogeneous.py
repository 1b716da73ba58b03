"""Grams of homogeneous activations from the angles of all pairs, with their gradient."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from . import angular
from .angles import Angles, unit_rows
from .kind import Kind
from .tiles import place, tile_size, tiles


def by_angle(
    x: Tensor, z: Tensor | None, kind: Kind, *, dtype: torch.dtype, differentiable: bool
) -> Tensor:
    """The kernel of lifted float64 points, in ``dtype``; ``kind`` as for ``angular.fit``."""
    if not differentiable:
        return _gram(x, z, kind, dtype)
    other = x if z is None else z
    gram: Tensor = _AngleKernel.apply(x, other, kind, dtype, z is None)  # type: ignore[no-untyped-call]
    return gram


def _gram(x: Tensor, z: Tensor | None, kind: Kind, dtype: torch.dtype) -> Tensor:
    f, work = angular.fit(kind, dtype), dtype
    if dtype == torch.float32 and f.errors > angular.FLOAT32_ERRORS:
        f, work = angular.fit(kind, torch.float64), torch.float64
    degree = kind.degree
    u, length = unit_rows(x)
    v, other = (u, length) if z is None else unit_rows(z)
    _check_range(length, other, degree, dtype)
    row_scale, column_scale = (length**degree).to(work)[:, None], (other**degree).to(work)
    gram = torch.empty(len(u), len(v), dtype=dtype, device=x.device)
    size = tile_size(x.device)
    angles = Angles(
        min(size, len(u)), min(size, len(v)), dtype=work, device=x.device, ends=f.order > 0
    )
    for r, c in tiles(len(u), len(v), size, symmetric=z is None):
        angles.between(u[r], v[c])
        block = f.evaluate(angles)
        block.mul_(row_scale[r]).mul_(column_scale[c])
        place(gram, block, r, c, symmetric=z is None)
    return gram


def _check_range(length: Tensor, other: Tensor, degree: int, dtype: torch.dtype) -> None:
    largest = max((float(norm.max()) for norm in (length, other) if len(norm)), default=0.0)
    # the factor allows for what f itself and its growth with depth may add
    if largest > 1 and 2 * degree * math.log(largest) > math.log(torch.finfo(dtype).max) - 40:
        kind = str(dtype).removeprefix("torch.")
        raise ValueError(
            f"x and z must have shorter rows, got norm {largest:.4g}: the kernel grows with "
            f"degree {degree} in each argument and would leave the range of {kind}"
        )


class _AngleKernel(torch.autograd.Function):
    """The kernel of lifted points with its gradient, block by block in both directions."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, z: Tensor, kind: Kind, dtype: torch.dtype, same: bool
    ) -> Tensor:
        gram = _gram(x, None if same else z, kind, dtype)
        ctx.save_for_backward(x, z, gram)
        ctx.kind = kind
        return gram

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        x, z, gram = ctx.saved_tensors
        slope = angular.slope(ctx.kind)
        degree = ctx.kind.degree
        (u, length), (v, other) = unit_rows(x), unit_rows(z)
        grad_x, grad_z = torch.zeros_like(x), torch.zeros_like(z)
        size = tile_size(x.device)
        room = min(size, len(u)), min(size, len(v))
        angles = Angles(*room, dtype=torch.float64, device=x.device, ends=False)
        for r, c in tiles(len(u), len(v), size, symmetric=False):
            angles.between(u[r], v[c])
            weight = upstream[r, c].double()
            radial = weight * gram[r, c] * degree
            # By the cosine: f'(coangle)/sin(coangle). Points that coincide have no direction
            # between them, and the mean over all directions is 0.
            sine = angles.sine2.clamp(min=0).sqrt()
            turn = weight * (length[r] ** degree)[:, None] * other[c] ** degree
            turn *= torch.where(sine > 1e-14, slope(angles.scaled) / sine.clamp(min=1e-14), 0)
            along = turn * angles.cosine
            grad_x[r] += turn @ v[c] + (radial - along).sum(1, keepdim=True) * u[r]
            grad_z[c] += turn.T @ u[r] + (radial - along).sum(0)[:, None] * v[c]
        for grad, norm in ((grad_x, length), (grad_z, other)):
            grad *= torch.where(norm > 0, 1 / norm, 0)[:, None]
        return grad_x, grad_z, None, None, None
