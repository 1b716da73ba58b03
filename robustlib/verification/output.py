"""Certified bounds of a model's outputs over perturbation sets."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import check_choice, check_floats
from ..numerics import down, up
from ..sets import Perturbation, check_perturbation
from ..sets.hull import Hull
from .affine import Layers, simplified
from .layers import read_layers
from .relaxation import relax, rounding_error
from .sequential import UnknownLayers

METHODS = ("interval", "linear")
_NUMBERS = 2**23  # held at once: larger samples are bounded in blocks of examples


@dataclass(frozen=True, eq=False, repr=False)
class OutputBounds:
    """lower <= f(x') <= upper for every x' of every set, each (n,) float64."""

    lower: Tensor
    upper: Tensor
    method: str

    def __repr__(self) -> str:
        if not len(self.lower):
            return "Bounds of no outputs."
        width = float((self.upper - self.lower).mean())
        low, high = down(float(self.lower.min()), 4), up(float(self.upper.max()), 4)
        return (
            f"Bounds of {len(self.lower)} output{'s' * (len(self.lower) > 1)} by the {self.method} "
            f"method: between {low} and {high}, on average {width:.4g} apart."
        )


def output_bounds(
    model: object, x: Tensor, *, perturbation: Perturbation, method: str = "linear"
) -> OutputBounds:
    """Bounds of f(x') over the set of every example of ``x`` (n, ...), by one pass over the net.

    ``"interval"`` propagates intervals, ``"linear"`` linear functions (CROWN), which is never
    worse. Both hold for the outputs as the model computes them, in its own dtype, at every tensor
    that ``perturbation.contains``. Exact for affine models, up to rounding.

    The model must be a ``TwoLayerNet``, a ``DeepNet``, or an ``nn.Sequential``, nested or not, of
    Linear, Conv1d and Conv2d (padded with zeros), BatchNorm, AvgPool, Flatten, Unflatten, Dropout,
    Identity, ReLU, Tanh, SiLU and GELU, with one output an example; it is taken in evaluation
    mode. ``TypeError`` names the layer that is none of these and its place; it is raised for other
    models, for ``Finite`` sets, which are enumerated instead, and for a set without a support
    function. ``ValueError`` for weights that are not finite, and where numbers overflow.

    A layer of k outputs and j inputs is a matrix of k j numbers, convolutions too. An example costs
    as many operations as weights, and with ``"linear"`` k times the weights before for each layer
    between the first and the last.
    """
    method = check_choice("method", method, METHODS)
    check_floats("x", x, min_dim=2)
    try:
        layers = read_layers(model, x.detach())
    except UnknownLayers as unknown:
        raise TypeError(
            "model must be a TwoLayerNet, a DeepNet or an nn.Sequential of known layers with one "
            f"output, got {unknown}"
        ) from None
    check_perturbation(perturbation)
    if perturbation.finite:
        kind = type(perturbation).__name__
        raise TypeError(f"perturbation must not be {kind}: enumerate it, GridMax() does")
    whole = perturbation.hull(x)
    low, high, _ = ranges(layers, whole, linear=method == "linear")
    if not bool((low.isfinite() & high.isfinite()).all()):
        largest = max(float(layer.size.max()) for layer in layers.layers if layer.size.numel())
        raise ValueError(
            f"there are no finite bounds of the outputs in {_name(layers.dtype)}, for entries of x "
            f"of up to {float(x.abs().max()):.1g} and weights of up to {largest:.1g}"
        )
    return OutputBounds(low, high, method)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def ranges(layers: Layers, whole: Hull, *, linear: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Bounds (n,) and (n,) of the outputs as computed, and two points (2, n, d) to try: where the
    linear functions below and above f are smallest and largest.
    """
    simple, parts, points = simplified(layers), [], []
    block = max(1, _NUMBERS // max(_held(layers), _held(simple)))
    for rows in torch.split(torch.arange(len(whole), device=whole.centre.device), block):
        part = whole.rows(rows)
        found = relax(simple, part, linear=linear)
        room = rounding_error(layers, part)
        parts.append(torch.stack([found.low - room, found.high + room]))
        points.append(part.centre + torch.stack([found.lowest, found.highest]))
    both = torch.cat(parts, 1)
    # where numbers overflow nothing is proved
    low, high = (
        both[0].nan_to_num(-math.inf, math.inf, -math.inf),
        both[1].nan_to_num(math.inf, math.inf, -math.inf),
    )
    return low, high, torch.cat(points, 1)


def _held(layers: Layers) -> int:
    """How many numbers one example needs at once."""
    first, *rest = (len(layer.weight) for layer in layers.layers)
    wide = max(first, layers.layers[0].weight.shape[1], *rest)
    return max([first * layers.layers[0].weight.shape[1], *(k * wide for k in rest)])
