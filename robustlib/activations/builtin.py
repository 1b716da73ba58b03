"""The built-in activations, each with all that is known of it. To add one, add it here."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..checks import check_choice
from .base import Activation, Parity
from .facts import check_facts

_HALF = Parity("even", 1)  # s(z) - z/2 is even


def _step(z: Tensor) -> Tensor:
    # four times as fast as (z > 0).to(z.dtype), whose conversion is slow on the CPU
    return torch.relu(z.detach()).sign()


def _relu_jet(z: Tensor) -> tuple[Tensor, Tensor]:
    return torch.relu(z), torch.gt(z, 0, out=z)


def _quadratic_relu(z: Tensor) -> Tensor:
    return torch.relu(z) ** 2 / 2


def _softplus(z: Tensor) -> Tensor:
    # torch's own threshold of 20 returns z itself from there on: wrong by 2e-9 in float64
    return functional.softplus(z, threshold=40.0)


def _gelu_slope(z: Tensor) -> Tensor:
    density = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return (1 + torch.erf(z / math.sqrt(2))) / 2 + z * density


def _gelu_jet(z: Tensor) -> tuple[Tensor, Tensor]:
    # one pass instead of eleven
    return functional.gelu(z), torch.ops.aten.gelu_backward(torch.ones_like(z), z)


def _gelu_dual(q: Tensor, p: Tensor, c: Tensor, slope: bool) -> Tensor:
    one_q, one_p = 1 + q, 1 + p
    root = torch.rsqrt(one_q * one_p - c * c)
    arc = torch.asin(c * torch.rsqrt(one_q * one_p))
    if slope:
        sides = c * root * (1 / one_q + 1 / one_p + root * root)
        return 0.25 + (arc + sides) / (2 * math.pi)
    sides = root * (q * p - c * c * q / one_q + c * c / one_p)
    return c / 4 + (c * arc + sides) / (2 * math.pi)


def _gelu_third() -> float:
    # s''' = (z^3 - 4z) phi(z), largest where z^4 - 7z^2 + 4 = 0
    peak = math.sqrt((7 - math.sqrt(33)) / 2)
    return (4 * peak - peak**3) * math.exp(-(peak**2) / 2) / math.sqrt(2 * math.pi)


def _erf_slope(z: Tensor) -> Tensor:
    return torch.exp(-z * z) * (2 / math.sqrt(math.pi))


def _erf_dual(q: Tensor, p: Tensor, c: Tensor, slope: bool) -> Tensor:
    if slope:  # with a determinant that is 0 on the diagonal, and no less beside it
        sides = (q * p - c * c).clamp(min=0)
        return 4 / math.pi * torch.rsqrt(1 + 2 * (q + p) + 4 * sides)
    return 2 / math.pi * torch.asin(2 * c * torch.rsqrt((1 + 2 * q) * (1 + 2 * p)))


def _tanh_slope(z: Tensor) -> Tensor:
    return 1 - torch.tanh(z) ** 2


def _tanh_jet(z: Tensor) -> tuple[Tensor, Tensor]:
    value = torch.tanh(z)
    return value, 1 - value**2


def _silu_slope(z: Tensor) -> Tensor:
    gate = torch.sigmoid(z)
    return gate * (1 + z * (1 - gate))


def _is(kind: type[nn.Module], module: nn.Module) -> bool:
    return type(module) is kind  # a subclass may compute something else


def _is_gelu(module: nn.Module) -> bool:
    return type(module) is nn.GELU and module.approximate == "none"


# Where a sup is attained that ``sharpest`` does not name: gelu s' at sqrt 2; silu s' where
# z tanh(z/2) = 2, s''' at 1.0319...; softplus s''' where the gate is (1 + 1/sqrt 3)/2.
ACTIVATIONS: dict[str, Activation] = {
    a.name: a
    for a in (
        Activation(
            "relu",
            torch.relu,
            _step,
            slope=1.0,
            monotone=True,
            degree=1,
            parity=_HALF,
            module=partial(_is, nn.ReLU),
            jet=_relu_jet,
        ),
        Activation(
            "quadratic_relu",
            _quadratic_relu,
            torch.relu,
            curvature=1.0,
            sharpest=1.0,
            monotone=True,
            degree=2,
            parity=Parity("odd", 2),
        ),
        Activation(
            "softplus",
            _softplus,
            torch.sigmoid,
            slope=1.0,
            curvature=0.25,
            third=1 / (6 * math.sqrt(3)),
            sharpest=0.0,
            monotone=True,
            parity=_HALF,
            strip=math.pi,
        ),
        Activation(
            "gelu",
            functional.gelu,
            _gelu_slope,
            slope=(1 + math.erf(1)) / 2 + math.exp(-1) / math.sqrt(math.pi),
            curvature=math.sqrt(2 / math.pi),
            third=_gelu_third(),
            sharpest=0.0,
            parity=_HALF,
            strip=math.inf,
            dual=_gelu_dual,
            module=_is_gelu,
            jet=_gelu_jet,
        ),
        Activation(
            "erf",
            torch.erf,
            _erf_slope,
            slope=2 / math.sqrt(math.pi),
            curvature=4 / math.sqrt(2 * math.pi * math.e),
            third=4 / math.sqrt(math.pi),
            sharpest=math.sqrt(0.5),
            monotone=True,
            parity=Parity("odd"),
            strip=math.inf,
            dual=_erf_dual,
        ),
        Activation(
            "tanh",
            torch.tanh,
            _tanh_slope,
            slope=1.0,
            curvature=4 / (3 * math.sqrt(3)),
            third=2.0,
            sharpest=math.atanh(math.sqrt(1 / 3)),
            monotone=True,
            parity=Parity("odd"),
            strip=math.pi / 2,
            module=partial(_is, nn.Tanh),
            jet=_tanh_jet,
        ),
        Activation(
            "silu",
            functional.silu,
            _silu_slope,
            slope=1.0998393201288669,
            curvature=0.5,
            third=0.3081815157964965,
            sharpest=0.0,
            parity=_HALF,
            strip=math.pi,
            module=partial(_is, nn.SiLU),
        ),
    )
}


def activation_of(value: object) -> Activation:
    """The built-in activation of this name, or ``value`` itself where it is an ``Activation``.

    Raises ``ValueError`` for an unknown name and for facts that its function contradicts.
    """
    if isinstance(value, Activation):
        check_facts(value)
        return value
    return ACTIVATIONS[check_choice("activation", value, ACTIVATIONS)]


def read_module(module: nn.Module) -> Activation | None:
    """The built-in activation that ``module`` computes, None where there is none."""
    return next((a for a in ACTIVATIONS.values() if a.module and a.module(module)), None)
