"""Bounds of f(x') over B(x): intervals, and one linear function above and one below (CROWN).

All bounds are of two parts. The first bounds the exact function over the exact set; it is computed
in float64 and carries ``gamma(N)`` times the sum of the absolute values of all that was added up,
N more than the operations on any way through the net. The second, ``rounding_error``, bounds how
far the model's own output, in its own dtype, at a tensor that ``contains`` accepts, can be from the
exact function at the nearest point of the exact set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..activations import Activation
from ..sets.hull import UNIT, Hull, gamma
from .affine import Layer, Layers

_NUMBERS = 2**22  # held at once
_SAMPLES = 33  # points at which a smooth activation is compared with a line


@dataclass(frozen=True)
class LinearRelaxation:
    """below[0] z + below[1] <= s(z) <= above[0] z + above[1] on the intervals, each (n, k).

    ``slope`` bounds |s'|, ``height`` bounds |s(z)| + |z| there.
    """

    below: tuple[Tensor, Tensor]
    above: tuple[Tensor, Tensor]
    slope: Tensor
    height: Tensor


def first_interval(layer: Layer, hull: Hull) -> tuple[Tensor, Tensor]:
    """The exact range (n, k) of every output of the first layer, outward by its rounding."""
    middle = hull.centre @ layer.weight.T + layer.bias
    size = 2 * (hull.reach @ layer.size[:, :-1].T) + layer.size[:, -1]
    slack = gamma(4 * layer.terms + 64) * size
    up, down = (torch.empty_like(middle) for _ in range(2))
    # some rows at a time: the support function says for every one where it is reached
    block = max(1, _NUMBERS // max(1, hull.centre.numel()))
    for k in range(0, len(layer.weight), block):
        rows = layer.weight[k : k + block].expand(len(hull), -1, -1)
        up[:, k : k + block] = hull.support_function(rows)[0]
        down[:, k : k + block] = hull.support_function(-rows)[0]
    return middle - down - slack, middle + up + slack


def interval_step(layer: Layer, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """The range of every output of ``layer`` for inputs in the box, outward by its rounding."""
    middle, half = (low + high) / 2, (high - low) / 2
    centre = middle @ layer.weight.T + layer.bias
    spread = half @ layer.weight.abs().T
    size = torch.maximum(low.abs(), high.abs()) @ layer.size[:, :-1].T + layer.size[:, -1]
    spread = spread + gamma(2 * layer.terms + 64) * size
    return centre - spread, centre + spread


def lines(activation: Activation | None, low: Tensor, high: Tensor) -> LinearRelaxation:
    """Lines above and below s on the intervals ``low`` <= z <= ``high``."""
    one, zero = torch.ones_like(low), torch.zeros_like(low)
    most = torch.maximum(low.abs(), high.abs())
    if activation is None:
        return LinearRelaxation((one, zero), (one, zero), one, 2 * most)
    if activation.degree == 1:
        return _two_lines(activation, low, high)
    if not activation.smooth:
        return _level(activation, low, high)
    step = (high - low) / (_SAMPLES - 1)
    z = torch.stack([low + i * step for i in range(_SAMPLES - 1)] + [high])
    s = activation.function(z)
    slope = torch.where(
        high - low > 1e-4,
        (s[-1] - s[0]) / torch.where(high > low, high - low, one),
        activation.derivative((low + high) / 2),
    )
    away = s - slope * z
    height = s.abs().amax(0) + activation.curvature * step * step + most
    # between two samples s - slope z stays within curvature step^2 / 8 of their chord; the grid's
    # own rounding moves its points by a few units
    bulge = activation.curvature * step * step / 8 * (1 + 1e-9) + 32 * UNIT * (
        height + slope.abs() * most
    )
    bound = activation.derivative(z).abs().amax(0) + activation.curvature * step
    return LinearRelaxation(
        (slope, away.amin(0) - bulge), (slope, away.amax(0) + bulge), bound, height
    )


def _two_lines(activation: Activation, low: Tensor, high: Tensor) -> LinearRelaxation:
    """Lines for s of degree 1, which has one slope on either side of 0."""
    assert activation.sides is not None
    left, right = -activation.sides[0], activation.sides[1]
    to_left, to_right = low.new_tensor(left), low.new_tensor(right)
    steep = max(abs(left), abs(right))
    most = torch.maximum(low.abs(), high.abs())
    on, up = low >= 0, high > 0
    mixed = up & ~on
    side = torch.where((high > -low).logical_or_(on), to_right, to_left)
    rise = high if right == 1 else right * high
    chord = torch.where(mixed, (rise - left * low if left else rise) / (high - low), side)
    # through both ends, and off by more than its own rounding
    room = (16 if right >= left else -16) * UNIT * steep * most
    lift = left * low - chord * low + room if left else room.sub_(chord * low)
    slope = up.to(low).mul_(abs(right))
    if left:
        slope = torch.maximum(slope, (low < 0).to(low).mul_(abs(left)))
    zero = torch.zeros_like(low)
    beside, across = (side, zero), (chord, torch.where(mixed, lift, zero))
    below, above = (beside, across) if right >= left else (across, beside)
    return LinearRelaxation(below, above, slope, most.mul_(1 + steep))


def _level(activation: Activation, low: Tensor, high: Tensor) -> LinearRelaxation:
    """Constants above and below s, where no more is known than its range and its slope."""
    if activation.unbounded is not None:
        raise ValueError(f"there are no bounds for {activation.unbounded}")
    down, up = _ends(activation, low, high)
    height = torch.maximum(down.abs(), up.abs()) + torch.maximum(low.abs(), high.abs())
    room, zero = 32 * UNIT * height, torch.zeros_like(low)
    steep = torch.full_like(low, activation.slope)
    return LinearRelaxation((zero, down - room), (zero, up + room), steep, height)


def _ends(activation: Activation, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the greatest value of s on the intervals, where it gives its range or never
    falls.
    """
    if activation.range is not None:
        return activation.range(low, high)
    return activation.function(low), activation.function(high)


def backward(
    layers: tuple[Layer, ...],
    relaxed: list[LinearRelaxation],
    hull: Hull,
    weight: Tensor,
    roundings: int,
) -> tuple[Tensor, Tensor]:
    """An upper bound (n, r) of ``weight`` (n, r, k) times the outputs of the last of ``layers``.

    The outputs are before that layer's activation; ``relaxed`` has the lines of those before it.
    Also where (n, r, d), as offset from the centre, the linear function above is largest.
    """
    const = torch.zeros_like(weight[..., 0])
    size = torch.zeros_like(const)
    reach = hull.reach
    for k in range(len(layers) - 1, -1, -1):
        layer = layers[k]
        inputs = relaxed[k - 1].height if k else reach
        product = inputs @ layer.size[:, :-1].T + layer.size[:, -1]
        const = const + weight @ layer.bias
        size = size + (weight.abs() @ product[..., None])[..., 0]
        weight = weight @ layer.weight
        if k:
            up, down = weight.clamp(min=0), weight.clamp(max=0)
            above, below = relaxed[k - 1].above, relaxed[k - 1].below
            offset = up @ above[1][..., None] + down @ below[1][..., None]
            extent = up @ above[1].abs()[..., None] - down @ below[1].abs()[..., None]
            const, size = const + offset[..., 0], size + extent[..., 0]
            weight = up * above[0][:, None] + down * below[0][:, None]
    value, v = hull.support_function(weight)
    at_centre = (weight @ hull.centre[..., None])[..., 0]
    size = size + 2 * (weight.abs() @ reach[..., None])[..., 0]
    return const + at_centre + value + gamma(roundings) * size, v


@dataclass(frozen=True)
class Relaxed:
    """Relaxations of all layers but the last, bounds low <= f <= high (n,) of the exact f.

    ``lowest`` and ``highest`` (n, d) are offsets where the linear functions have those values;
    zeros for intervals.
    """

    lines: list[LinearRelaxation]
    low: Tensor
    high: Tensor
    lowest: Tensor
    highest: Tensor


def relax(layers: Layers, hull: Hull, *, linear: bool) -> Relaxed:
    """Bounds through the net: by intervals alone, or by linear functions at every layer."""
    relaxed: list[LinearRelaxation] = []
    low, high = first_interval(layers.layers[0], hull)
    lowest = highest = torch.zeros_like(hull.centre)
    for k, layer in enumerate(layers.layers):
        if k:
            s = layers.layers[k - 1].activation
            ends = (low, high) if s is None else activation_range(s, low, high, relaxed[-1])
            low, high = interval_step(layer, *ends)
        last = k + 1 == len(layers.layers)
        if linear and (k or last):  # the first layer's own range is exact
            eye = torch.eye(len(layer.weight), dtype=low.dtype, device=low.device)
            eye = eye.expand(len(hull), -1, -1)
            upto = layers.layers[: k + 1]
            above, up = backward(upto, relaxed, hull, eye, layers.roundings)
            below, down = backward(upto, relaxed, hull, -eye, layers.roundings)
            low, high = torch.maximum(low, -below), torch.minimum(high, above)
            lowest, highest = down[:, 0], up[:, 0]
        if k + 1 < len(layers.layers):
            relaxed.append(lines(layer.activation, low, high))
    return Relaxed(relaxed, low[:, 0], high[:, 0], lowest, highest)


def activation_range(
    activation: Activation, low: Tensor, high: Tensor, relaxed: LinearRelaxation
) -> tuple[Tensor, Tensor]:
    """An interval that holds s(z) for every ``low`` <= z <= ``high``."""
    if activation.monotone or activation.range is not None:
        down, up = _ends(activation, low, high)
    else:  # the lines' own ends
        down = torch.minimum(relaxed.below[0] * low, relaxed.below[0] * high) + relaxed.below[1]
        up = torch.maximum(relaxed.above[0] * low, relaxed.above[0] * high) + relaxed.above[1]
    slack = 32 * UNIT * relaxed.height
    return down - slack, up + slack


def rounding_error(layers: Layers, hull: Hull) -> Tensor:
    """How far (n,) the model's output, as computed, may be from the exact f in the exact set.

    The standard running error analysis, with the unit of rounding of the model's dtype: layer by
    layer, old errors times |weights| plus gamma times the sum of absolute products. To this adds
    what a point may lie outside the set times a Lipschitz constant in the set's norm. Slopes are
    bounded on intervals widened by both: rounding may switch a unit on that is off in the set.
    """
    size = hull.reach
    error = torch.zeros_like(size)
    unit, last, limits = layers.unit, layers.layers[-1], torch.finfo(layers.dtype)
    steep: Tensor | None = None  # a bound of |df/dx'|, entry by entry
    slope = error
    low, high = first_interval(layers.layers[0], hull)
    for layer in layers.layers:
        terms, offset = layer.size[:, :-1], layer.size[:, -1]
        total = (size + error) @ terms.T + offset
        error = error @ terms.T + gamma(layer.roundings, unit) * total
        # what underflows is lost in whole, and what overflows says nothing any more
        error = torch.where(total + error < limits.max, error, math.inf)
        error = error + layer.roundings * limits.tiny
        weight = layer.weight.abs()
        steep = weight[None] if steep is None else (weight * slope[:, None]) @ steep
        outside = hull.slack[:, None] * hull.dual_norm(steep) * (1 + gamma(layers.roundings))
        if layer is last:
            error = error + 4 * unit * total
            break
        if layer is not layers.layers[0]:
            low, high = interval_step(layer, low, high)
        low, high = low - error - outside, high + error + outside
        near = lines(layer.activation, low, high)
        size = near.height
        error = near.slope * error + 16 * unit * (size + error) + 16 * limits.tiny
        slope = near.slope
        if layer.activation is not None:
            low, high = activation_range(layer.activation, low, high, near)
    result: Tensor = (error + outside)[:, 0]
    return result
