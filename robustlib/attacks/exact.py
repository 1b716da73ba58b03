"""Attacks that reach the maximum: by enumeration, and in closed form for affine models."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import check_integer, keep
from ..numerics import per_row
from .base import Attack
from .oracle import Oracle

_ROWS = 2**14  # rows of one forward pass: large enough to be fast, small enough for any memory


@dataclass(frozen=True, kw_only=True)
class GridMax(Attack):
    """The best of about ``size`` grid points of every set, for d up to 3; exact for ``Finite``.

    For ``Finite`` it is the true maximum, in any dimension. Otherwise it misses the maximum by at
    most the model's Lipschitz constant times the loss's times the distance to the nearest grid
    point. Raises ``ValueError`` for sets without a grid, and for size < 1.
    """

    size: int = 1000

    def __post_init__(self) -> None:
        keep(self, size=check_integer("size", self.size, minimum=1))

    def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
        grid = oracle.perturbation.grid(oracle.x, self.size)
        for block in torch.split(grid, max(1, _ROWS // len(oracle.x)), dim=1):
            oracle.values(block)


@dataclass(frozen=True, kw_only=True)
class LinearMax(Attack):
    """The true maximum, in closed form, of a model that is affine in its input.

    A convex loss is largest at one end of the range of outputs, so both ends are tried: this is
    right also for losses that are not monotone in the output. The loss it finds does not fall when
    the radius grows. Raises ``ValueError`` where the model is seen not to be affine: its gradient
    or its outputs differ from the prediction at the two ends or at a random point of the set.
    """

    def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
        sets, x = oracle.perturbation, oracle.x
        f, gradient = oracle.outputs_and_gradient(x)
        ends = [sets.argmax_linear(sign * gradient, x) for sign in (1, -1)]
        for z in (*ends, sets.random(x, generator)):
            _check_affine(oracle, f, gradient, z)
        for z in ends:
            oracle.values(z)


def _check_affine(oracle: Oracle, f: Tensor, gradient: Tensor, z: Tensor) -> None:
    """Raise unless outputs and gradients at ``z`` are those of the affine function seen at x."""
    f_z, gradient_z = oracle.outputs_and_gradient(z)
    predicted = f + (gradient * (z - oracle.x)).flatten(1).sum(1)
    tolerance = 1e3 * torch.finfo(f.dtype).eps
    # rounding errors are proportional to the terms of the sum, which may cancel in f itself
    size = (gradient.abs() * (oracle.x.abs() + z.abs())).flatten(1).sum(1) + f.abs()
    off = (f_z - predicted).abs() > tolerance * size
    off |= (
        ((gradient_z - gradient).abs() > tolerance * per_row(_largest(gradient), gradient))
        .flatten(1)
        .any(1)
    )
    if bool(off.any()):
        row = int(off.nonzero()[0])
        raise ValueError(
            f"LinearMax needs a model that is affine in its input; at example {row} the output is "
            f"{float(f_z[row]):.6g} where an affine model has {float(predicted[row]):.6g}, or its "
            "gradient changes; use PGD, or GridMax for d up to 3"
        )


def _largest(gradient: Tensor) -> Tensor:
    return gradient.abs().flatten(1).amax(1)
