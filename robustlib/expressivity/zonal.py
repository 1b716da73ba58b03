"""A tangent kernel on the unit sphere, and how far its functions change over a small angle."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..activations import Activation, activation_of
from ..checks import keep
from ..kernels import ntk
from ..kernels.kind import check_kind

_FINE = 8  # steps of the table per angle asked for: the bound is at most 1/8 above the truth
_MOST = 2**20  # steps of the table at most
_TRAINED = {"first": "first layer", "all": "all layers", "hidden": "hidden layers"}


@dataclass(frozen=True)
class ZonalKernel:
    """The kernel ``ntk`` with these options: k(<x, z>) at points of the unit sphere."""

    activation: str | Activation
    bias: bool
    trained: str
    depth: int

    def __post_init__(self) -> None:
        kind = check_kind(self.activation, self.depth, self.trained, self.bias)
        keep(self, depth=kind.depth, trained=kind.trained)

    def __call__(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """The kernel (n, m) at ``x`` (n, d) and ``z`` (m, d), in float64."""
        return ntk(
            x.double(),
            None if z is None else z.double(),
            activation=self.activation,
            depth=self.depth,
            trained=self.trained,
            bias=self.bias,
        )

    def __str__(self) -> str:
        bias = "" if self.bias else " without bias"
        depth = f" in depth {self.depth}" if self.depth > 1 else ""
        name = activation_of(self.activation).name
        return f"{name}{bias}, {_TRAINED[self.trained]} trained{depth}"

    def at(self, angles: Tensor) -> Tensor:
        """k(cos angle) (n,) at ``angles`` (n,)."""
        z = torch.stack([angles.cos(), angles.sin()], 1)
        return self(z.new_tensor([[1.0, 0.0]]), z)[0]

    def distance(self, angle: float) -> float:
        """The largest |K_x - K_z| at angles up to this: |g(x) - g(z)| is at most |g| times it.

        k has a power series with coefficients >= 0, as it is positive definite on spheres of every
        dimension. So it falls from 0 to pi/2, and beyond that it is at least -k(0).
        """
        one, there = self.at(torch.tensor([0.0, angle], dtype=torch.float64, device="cpu")).tolist()
        return math.sqrt(max(0.0, 2 * (one - (there if angle <= math.pi / 2 else -one))))

    def variation(self, angle: float) -> float:
        """A bound on |k(cos a) - k(cos b)| for |a - b| <= ``angle``.

        As its coefficients are >= 0, k' grows on [0, 1] and bounds |k'| at the mirrored points of
        [-1, 0]. So k(cos a), mirrored beyond pi/2, falls, and bounds all variation.
        """
        steps = min(_MOST, max(64, math.ceil(_FINE * math.pi / angle)))
        table = torch.linspace(0, math.pi, steps + 1, dtype=torch.float64, device="cpu")
        near = self.at(torch.minimum(table, math.pi - table))
        middle = float(self.at(table.new_tensor([math.pi / 2])))
        falling = torch.where(table <= math.pi / 2, near, 2 * middle - near)
        reach = min(steps, math.ceil(angle * steps / math.pi) + 1)
        return float((falling[:-reach] - falling[reach:]).max())
