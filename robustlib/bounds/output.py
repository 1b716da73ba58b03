"""Certified bounds of a model's outputs over perturbation sets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..numerics import check_choice
from ..perturbations import Finite, Perturbation
from .layers import read_layers
from .linear import allowance, relax
from .regions import region

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
    ReLU, Tanh, SiLU and GELU with one output: ``TypeError`` for others, and for ``Finite`` sets,
    which are enumerated instead. The model is taken in evaluation mode.
    """
    check_choice("method", method, METHODS)
    layers = read_layers(model)
    if layers is None:
        raise TypeError(
            "model must be a TwoLayerNet, a DeepNet or an nn.Sequential of known layers with one "
            f"output, got {type(model).__name__}"
        )
    if isinstance(perturbation, Finite):
        raise TypeError("perturbation must not be Finite: enumerate it, GridMax() does")
    whole = region(perturbation, x)
    if whole is None:
        raise TypeError(f"perturbation must be a cap or a ball, got {perturbation!r}")
    d = layers.layers[0].weight.shape[1]
    if whole.centre.shape[1] != d:
        raise ValueError(f"x must have {d} coordinates an example, got {whole.centre.shape[1]}")
    if layers.dtype != x.dtype:
        raise TypeError(f"x is {x.dtype} but the model is {layers.dtype}")
    width = max(len(layer.weight) for layer in layers.layers)
    block = max(1, _NUMBERS // (width * max(width, d)))
    parts = []
    for rows in torch.arange(len(x), device=x.device).split(block):
        part = whole.rows(rows)
        found = relax(layers, part, linear=method == "linear")
        room = allowance(layers, part, found.lines)
        parts.append(torch.stack([found.low - room, found.high + room]))
    both = torch.cat(parts, 1) if parts else x.new_zeros(2, 0, dtype=torch.float64)
    return OutputBounds(both[0], both[1], method)
