"""Facts of an activation of one's own, compared with its function on a grid: never a proof."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from ..checks import calling
from .base import Activation

_LOOSE = 1e-3  # of difference quotients and integrals
_TIGHT = 1e-9  # of what holds to rounding
_STEP = 1e-5


@lru_cache(maxsize=256)
def check_facts(s: Activation) -> None:
    """Raise ``ValueError`` where the function of ``s`` contradicts one of the facts given."""
    # no kink is hit, and 0 is not among them
    z = torch.linspace(-8.0137, 8.0291, 402, dtype=torch.float64, device="cpu")
    value, slope = _values(s, "function", z), _values(s, "derivative", z)
    quotient = (s.function(z + _STEP) - s.function(z - _STEP)) / (2 * _STEP)
    top = float(slope.abs().max())
    _agrees(s, "derivative", (quotient - slope).abs(), _LOOSE * (1 + top))
    rest = 1 + _TIGHT
    _agrees(s, f"slope={s.slope:g}", slope.abs(), s.slope * rest)
    bend = slope.diff().abs() / z.diff()
    _agrees(s, f"curvature={s.curvature:g}", bend, s.curvature * rest + _TIGHT * top)
    turn = slope.diff().diff().abs() / z.diff()[1:] ** 2
    _agrees(s, f"third={s.third:g}", turn, s.third * rest + 1e4 * _TIGHT * top)
    if s.monotone:
        _agrees(s, "monotone=True", -slope, _TIGHT * top)
    size = _TIGHT * (1 + value.abs())
    if s.degree is not None:
        _agrees(s, f"degree={s.degree}", (s.function(2 * z) - 2.0**s.degree * value).abs(), size)
        if s.sides == (0.0, 0.0):
            raise ValueError(f"activation {s.name!r} must not be 0 everywhere")
    if s.jet is not None:
        _check_jet(s, z, value, slope)
    if s.parity is not None:
        sign = 1 if s.parity.kind == "odd" else -1
        rest_ = value + sign * s.function(-z)  # twice c z^power
        if s.parity.power is not None:
            power = z**s.parity.power
            rest_ = rest_ - power * (rest_ @ power) / (power @ power)
        _agrees(s, f"parity={s.parity!r}", rest_.abs(), size)
    if s.sharpest is not None and s.smooth:
        at = torch.tensor(
            [s.sharpest - _STEP, s.sharpest + _STEP], dtype=torch.float64, device="cpu"
        )
        found = float(s.derivative(at).diff().abs()) / (2 * _STEP)
        _agrees(s, f"sharpest={s.sharpest:g}", abs(found - s.curvature), _LOOSE * s.curvature)
    if s.range is not None:
        _check_range(s, z, value)
    if s.dual is not None:
        _check_dual(s)


def _values(s: Activation, which: str, z: Tensor) -> Tensor:
    with calling(f"the {which} of activation {s.name!r}"):
        found = getattr(s, which)(z)
    if not isinstance(found, Tensor) or found.shape != z.shape or found.dtype != z.dtype:
        raise ValueError(
            f"activation {s.name!r} must have a {which} that maps tensors entry by entry in their "
            "own dtype"
        )
    if not bool(torch.isfinite(found).all()):
        raise ValueError(f"activation {s.name!r} must have a finite {which}, got NaN or infinity")
    return found.detach()


def _agrees(s: Activation, fact: str, size: Tensor | float, limit: Tensor | float) -> None:
    if not bool(torch.as_tensor(size <= limit, device="cpu").all()):
        raise ValueError(f"activation {s.name!r} must have the facts it gives: {fact} is not true")


def _check_range(s: Activation, z: Tensor, value: Tensor) -> None:
    assert s.range is not None
    for k in (1, 2, 7, 30, 401):  # intervals of k steps of the grid
        windows = value.unfold(0, k + 1, 1)
        low, high = s.range(z[: len(windows)], z[k:])
        over = torch.maximum(low - windows.amin(1), windows.amax(1) - high)
        _agrees(s, "range", over, _TIGHT * (1 + value.abs().max()))


def _check_jet(s: Activation, z: Tensor, value: Tensor, slope: Tensor) -> None:
    with calling(f"the jet of activation {s.name!r}"):
        pair = s.both(z.clone())
    if not isinstance(pair, tuple) or [getattr(t, "shape", None) for t in pair] != [z.shape] * 2:
        raise ValueError(f"activation {s.name!r} must have a jet that maps z to a pair like z")
    for name, known, found in zip(("function", "derivative"), (value, slope), pair, strict=True):
        size = _TIGHT * (1 + known.abs().max())
        _agrees(s, f"jet, with the {name},", (found - known).abs(), size)


def _check_dual(s: Activation) -> None:
    """E[s(Z)^2] and E[s'(Z)^2] by the trapezoidal rule."""
    assert s.dual is not None
    z = torch.linspace(-13, 13, 2602, dtype=torch.float64, device="cpu")
    weight = torch.exp(-z * z / 2) * (float(z[1] - z[0]) / math.sqrt(2 * math.pi))
    one = torch.ones(1, dtype=torch.float64, device="cpu")
    for flag, of in ((False, s.function), (True, s.derivative)):
        expected = float(weight @ of(z) ** 2)
        found = float(s.dual(one, one, one, flag))
        _agrees(s, "dual", abs(found - expected), _LOOSE * expected)
