"""Activations with their derivatives and the two constants that Theorem B asks for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Activation:
    """A scalar function s with its derivative.

    ``slope`` is C_0 = sup |s'|, ``curvature`` is C_1 = sup |s''|; ``math.inf`` where there is no
    bound. ``homogeneous`` says that s(cz) = c s(z) for c > 0, on which the scaling of a deep
    net's initial weights depends.
    """

    name: str
    function: Callable[[Tensor], Tensor]
    derivative: Callable[[Tensor], Tensor]
    slope: float
    curvature: float
    homogeneous: bool = False


def _step(z: Tensor) -> Tensor:
    # four times as fast as (z > 0).to(z.dtype), whose conversion is slow on the CPU
    return torch.relu(z.detach()).sign()


def _quadratic_relu(z: Tensor) -> Tensor:
    return torch.relu(z) ** 2 / 2


def _softplus(z: Tensor) -> Tensor:
    # torch's own threshold of 20 returns z itself from there on: wrong by 2e-9 in float64
    return functional.softplus(z, threshold=40.0)


def _gelu_slope(z: Tensor) -> Tensor:
    density = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return (1 + torch.erf(z / math.sqrt(2))) / 2 + z * density


def _erf_slope(z: Tensor) -> Tensor:
    return torch.exp(-z * z) * (2 / math.sqrt(math.pi))


def _tanh_slope(z: Tensor) -> Tensor:
    return 1 - torch.tanh(z) ** 2


def _silu_slope(z: Tensor) -> Tensor:
    gate = torch.sigmoid(z)
    return gate * (1 + z * (1 - gate))


# Where the sup is attained: gelu s' at sqrt 2, s'' at 0; erf s'' at 1/sqrt 2; tanh s'' where
# tanh = 1/sqrt 3; silu s' where z tanh(z/2) = 2, s'' at 0.
ACTIVATIONS: dict[str, Activation] = {
    a.name: a
    for a in (
        Activation("relu", torch.relu, _step, 1.0, math.inf, homogeneous=True),
        Activation("quadratic_relu", _quadratic_relu, torch.relu, math.inf, 1.0),
        Activation("softplus", _softplus, torch.sigmoid, 1.0, 0.25),
        Activation(
            "gelu",
            functional.gelu,
            _gelu_slope,
            (1 + math.erf(1)) / 2 + math.exp(-1) / math.sqrt(math.pi),
            math.sqrt(2 / math.pi),
        ),
        Activation(
            "erf",
            torch.erf,
            _erf_slope,
            2 / math.sqrt(math.pi),
            4 / math.sqrt(2 * math.pi * math.e),
        ),
        Activation("tanh", torch.tanh, _tanh_slope, 1.0, 4 / (3 * math.sqrt(3))),
        Activation("silu", functional.silu, _silu_slope, 1.0998393201288669, 0.5),
    )
}
