"""The same sets for loops: bound to their examples once, then moved in without a check.

A step of a gradient attack must cost next to nothing beside the model. So these work in the
dtype of the data, without the checks and the detour through float64 of the public methods, and
where the exact answer takes a sort they may stop early: every point is in the set to rounding,
not always the nearest one.
"""

from __future__ import annotations

import copy
from typing import Self

import numpy as np
import torch
from torch import Tensor

from ..numerics import mended, surely
from .base import Length, Perturbation, StepSets
from .projections import unit_rows

_SMALL = 1e-12  # squares of larger numbers are far from underflow, even in float32


class FlatSteps(StepSets):
    """StepSetss that compute on the flattened (n, d) tensors of the data."""

    def __init__(self, sets: Perturbation, x: Tensor) -> None:
        super().__init__(sets, x)
        self.flat, self.eps = self.x.flatten(1), self.radius
        # for what is needed only inside a line: fresh memory costs more than the arithmetic in it
        self.scratch = torch.empty_like(self.flat)

    @property
    def is_point(self) -> bool:
        return self.eps == 0

    def project(self, z: Tensor) -> Tensor:
        return self._near(z.flatten(1)).reshape(z.shape)

    def argmax_linear(self, g: Tensor) -> Tensor:
        return self._up(self.flat, g.flatten(1), self.eps).reshape(g.shape)

    def ascend(self, z: Tensor, g: Tensor, length: Length) -> Tensor:
        if isinstance(length, Tensor):
            length = length.to(z).reshape(-1, 1)
        return self._up(z.flatten(1), g.flatten(1), length).reshape(z.shape)

    def rows(self, places: Tensor) -> Self:
        some = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(some, name, value.index_select(0, places))
        return some

    def contains(self, z: Tensor) -> Tensor:
        flat = z.flatten(1)
        quick = self._surely_inside(flat)
        return quick if bool(quick.all()) else super().contains(z)

    def _surely_inside(self, z: Tensor) -> Tensor:
        raise NotImplementedError

    def _near(self, z: Tensor) -> Tensor:
        raise NotImplementedError

    def _up(self, z: Tensor, g: Tensor, length: Length) -> Tensor:
        raise NotImplementedError


def squares(v: Tensor, scratch: Tensor) -> Tensor:
    """The sum of squares (n, 1) of each row: summed by halves, so exact to rounding in any d."""
    return torch.mul(v, v, out=scratch).sum(1, keepdim=True)


def scaled(v: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """``v`` and its norms ``size`` (n, 1), but unit rows for those too small or too large for them.

    Zero rows stay zero, with norm 1.
    """
    odd = ((size > _SMALL) & (size < 1 / _SMALL)).logical_not().flatten()
    if surely(odd.logical_not()):
        return v, size
    return mended(odd, unit_rows, v, v), mended(odd, torch.ones_like, size, size)


def largest(a: Tensor, k: int) -> Tensor:
    """Places (n, k) of the largest of each row, falling; ``a`` may be overwritten."""
    if a.device.type != "cpu":
        return a.topk(k, dim=1)[1]
    # ten times quicker than torch's, so that many are found sooner one by one
    sizes, rows, places = a.numpy(), np.arange(len(a)), np.empty((len(a), k), np.int64)
    for i in range(k):
        places[:, i] = sizes.argmax(1)
        sizes[rows, places[:, i]] = -1
    return torch.from_numpy(places)


def along(z: Tensor, g: Tensor, length: Length) -> Tensor:
    """z + length g, in the memory of ``g``."""
    if isinstance(length, Tensor):
        return torch.addcmul(z, g, length, out=g)
    return torch.add(z, g, alpha=length, out=g)
