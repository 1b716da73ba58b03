"""Certified bounds of a model's outputs over perturbation sets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import check_choice
from ..models import departure
from ..sets import Perturbation, check_perturbation
from ..sets.hull import Hull
from .layers import KINDS, Layers, read_layers, simplified
from .relaxation import relax, rounding_error

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
        return (
            f"Bounds of {len(self.lower)} output{'s' * (len(self.lower) > 1)} by the {self.method} "
            f"method: between {float(self.lower.min()):.4g} and {float(self.upper.max()):.4g}, "
            f"on average {width:.4g} apart."
        )


def output_bounds(
    model: object, x: Tensor, *, perturbation: Perturbation, method: str = "linear"
) -> OutputBounds:
    """Bounds of f(x') over the set of every example of ``x`` (n, ...), by one pass over the net.

    ``"interval"`` propagates intervals, ``"linear"`` linear functions (CROWN), which is never
    worse. Both hold for the outputs as the model computes them, in its own dtype, at every tensor
    that ``perturbation.contains``. Exact for affine models, up to rounding.

    The model must be a ``TwoLayerNet``, a ``DeepNet``, or an ``nn.Sequential`` of Linear, Flatten,
    ReLU, Tanh, SiLU and GELU with one output: ``TypeError`` for others, for ``Finite`` sets,
    which are enumerated instead, and for a set without a support function. The model is taken in
    evaluation mode.
    """
    check_choice("method", method, METHODS)
    layers = read_layers(model)
    if layers is None:
        raise TypeError(
            "model must be a TwoLayerNet, a DeepNet or an nn.Sequential of known layers with one "
            f"output, got {departure(model, KINDS) or type(model).__name__}"
        )
    check_perturbation(perturbation)
    if perturbation.finite:
        kind = type(perturbation).__name__
        raise TypeError(f"perturbation must not be {kind}: enumerate it, GridMax() does")
    whole = perturbation.hull(x)
    check_fits(layers, x)
    low, high, _ = ranges(layers, whole, linear=method == "linear")
    return OutputBounds(low, high, method)


def check_fits(layers: Layers, x: Tensor) -> None:
    """Raise where the model takes inputs of another size, dtype or device than ``x``."""
    weight = layers.layers[0].weight
    d = x[:1].numel() if len(x) else x.shape[1:].numel()
    if d != weight.shape[1]:
        raise ValueError(f"x must have {weight.shape[1]} coordinates an example, got {d}")
    if layers.dtype != x.dtype:
        raise TypeError(f"x is {x.dtype} but the model is {layers.dtype}")
    if weight.device != x.device:
        raise ValueError(f"x is on {x.device} but the model is on {weight.device}")


def ranges(layers: Layers, whole: Hull, *, linear: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Bounds (n,) and (n,) of the outputs as computed, and two points (2, n, d) to try: where the
    linear functions below and above f are smallest and largest.
    """
    width = max(len(layer.weight) for layer in layers.layers)
    block = max(1, _NUMBERS // (width * max(width, whole.centre.shape[1])))
    simple, parts, points = simplified(layers), [], []
    for rows in torch.split(torch.arange(len(whole), device=whole.centre.device), block):
        part = whole.rows(rows)
        found = relax(simple, part, linear=linear)
        room = rounding_error(layers, part)
        parts.append(torch.stack([found.low - room, found.high + room]))
        points.append(part.centre + torch.stack([found.lowest, found.highest]))
    both = torch.cat(parts, 1)
    return both[0], both[1], torch.cat(points, 1)
