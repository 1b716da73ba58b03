"""Theorem C as code: a function of the kernel's space as a finite net near its initialisation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..kernels.angles import lift
from ..losses import Loss, check_loss
from ..networks import TwoLayerNet
from .sets import SphereSets
from .zonal import ZonalKernel

_NUMBERS = 2**22  # held at a time
_ARC = 401  # points on every arc where a net is judged


@dataclass(frozen=True, eq=False, repr=False)
class ExplicitNetwork:
    """A two-layer ``net`` at W_*, which copies a function g of norm ``norm``.

    ``distance`` is |W_* - W_0|_F, and ``bound`` (C_0 times the sum of |coefficients|) is never
    less. At ``points`` (n, k, d) of the sets, all of a finite set, 401 along an arc, the centres
    alone for other caps: ``outputs`` (n, k) of the net; ``sampling`` is the largest difference
    between g and the net linearised at W_0, ``curvature`` that between the linearised net and the
    net.
    """

    net: TwoLayerNet
    norm: float
    distance: float
    bound: float
    sampling: float
    curvature: float
    points: Tensor = field(repr=False)
    outputs: Tensor = field(repr=False)
    sets: SphereSets = field(repr=False)

    def robust_loss(self, loss: Loss) -> float:
        """The mean over examples of the largest ``loss`` at ``points``: the exact robust loss.

        Exact for finite sets, up to the grid for arcs. Raises ``ValueError`` for caps in more than
        two dimensions, where ``robust_loss(result.net, ...)`` gives an interval.
        """
        check_loss(loss)
        if self.sets.grid is None:
            raise ValueError(
                f"there is no exact judge for {self.sets.perturbation!r} in {self.sets.sample.d} "
                "dimensions; robust_loss(result.net, ...) gives an interval"
            )
        each = loss(self.outputs, self.sets.y[:, None].expand_as(self.outputs))
        return float(each.amax(1).mean())

    def __repr__(self) -> str:
        return (
            f"A two-layer net of width {self.net.width} at distance {self.distance:.6g} from its "
            f"initialisation, for a function of norm {self.norm:.6g}: sampling error "
            f"{self.sampling:.3g}, curvature error {self.curvature:.3g} on the sets."
        )


def explicit_network(
    g: Callable[[Tensor], Tensor],
    points: Tensor,
    coefficients: Tensor,
    kernel: ZonalKernel,
    norm: float,
    sets: SphereSets,
    width: int,
    seed: int,
) -> ExplicitNetwork:
    """The net at W_* with its errors; see ``RKHSFunction.to_network``."""
    net = TwoLayerNet(
        sets.sample.d, width, activation=kernel.activation, bias=kernel.bias, seed=seed
    ).to(points)
    lifted, slope = lift(points, kernel.bias), net.activation.derivative
    step = torch.empty_like(net.initial)
    rows = max(1, _NUMBERS // max(1, len(points)))
    with torch.no_grad():
        parts = (torch.split(t, rows) for t in (net.initial, net.readout, step))
        for w, a, target in zip(*parts, strict=True):
            c = (slope(w @ lifted.T) * coefficients) @ lifted
            target.copy_(a[:, None] * c / math.sqrt(width))
        net.weight.copy_(net.initial + step)
        where = _where(sets)
        flat = where.flatten(0, 1)
        seen = [
            torch.stack([net(z), net.expand((net.weight - net.initial,), z), g(z)])
            for z in torch.split(flat, max(1, _NUMBERS // width))
        ]
        f, linear, wanted = torch.cat(seen, 1)
    lengths = torch.linalg.vector_norm(lifted, dim=1)
    return ExplicitNetwork(
        net,
        norm,
        net.drift()["weight"],
        net.activation.slope * float((coefficients.abs() * lengths).sum()),
        float((linear - wanted).abs().max()),
        float((f - linear).abs().max()),
        where,
        f.reshape(where.shape[:2]),
        sets,
    )


def _where(sets: SphereSets) -> Tensor:
    if sets.grid is None:
        return sets.x[:, None]
    if sets.finite:
        return sets.grid
    return sets.perturbation.grid(sets.x, _ARC)
