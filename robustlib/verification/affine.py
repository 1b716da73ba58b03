"""Networks as bounds see them: affine maps in float64, an activation after each but the last."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..activations import Activation
from ..sets.hull import UNIT
from .precision import float32_unit


@dataclass(frozen=True)
class Layer:
    """z -> s(weight z + bias): ``weight`` (k, j), ``bias`` (k,), ``activation`` s or None.

    ``size`` (k, j + 1) is at least |weight| and |bias|: it says how large the numbers are that the
    model itself adds up, where that is another sum than ours. ``operations`` is more than the
    roundings on any way through the layer as the model has it; None where it is one plain product.
    """

    weight: Tensor
    bias: Tensor
    activation: Activation | None
    size: Tensor
    operations: int | None = None

    @property
    def roundings(self) -> int:
        """More than the roundings of the model itself on any way through the layer."""
        return self.weight.shape[1] + 8 if self.operations is None else self.operations

    @property
    def terms(self) -> int:
        """What one of our own products with ``weight`` adds up, and what made its entries."""
        return self.weight.shape[1] + (self.operations or 0)


@dataclass(frozen=True)
class Scaling:
    """z -> scale z + shift, entry by entry; ``extent`` is at least what made up |shift|."""

    scale: Tensor
    shift: Tensor
    extent: Tensor
    operations: int

    def matrix(self) -> Layer:
        """The same as a matrix."""
        size = torch.cat([torch.diag(self.scale.abs()), self.extent[:, None]], 1)
        return Layer(torch.diag(self.scale), self.shift, None, size, self.operations)

    def after(self, old: Layer) -> Layer:
        """What ``old`` does, then this."""
        size = self.scale.abs()[:, None] * old.size
        size[:, -1] += self.extent
        weight, bias = self.scale[:, None] * old.weight, self.scale * old.bias + self.shift
        return Layer(weight, bias, None, size, old.roundings + self.operations)


@dataclass(frozen=True)
class Layers:
    """f = the last layer after the others, one output; the model computes it in ``dtype``.

    ``convolved`` says that the model has convolutions, whose precision is set on its own.
    """

    layers: tuple[Layer, ...]
    dtype: torch.dtype
    convolved: bool = False

    @property
    def affine(self) -> bool:
        """Whether f is affine in its input."""
        return all(layer.activation is None for layer in self.layers)

    @property
    def unbounded(self) -> str | None:
        """The first activation that says too little for bounds, in words; None where all do."""
        said = (layer.activation.unbounded for layer in self.layers if layer.activation)
        return next((words for words in said if words is not None), None)

    @property
    def roundings(self) -> int:
        """More than the operations on any way through the net: what ``gamma`` is asked for."""
        return 64 + 4 * sum(layer.terms + 8 for layer in self.layers)

    @property
    def unit(self) -> float:
        """The relative error of one operation of the model itself."""
        if self.dtype == torch.float64:
            return UNIT
        return float32_unit(self.layers[0].weight.device, convolved=self.convolved)


def simplified(layers: Layers) -> Layers:
    """The same function with fewer layers and units, for bounds of its exact values.

    Affine maps that follow one another are multiplied out. Where one hidden layer is left, equal
    units become one, and units of readout 0 go: a symmetric net at its start has none. ``size``
    still bounds all that was added up.
    """
    merged: list[Layer] = []
    for layer in layers.layers:
        if merged and merged[-1].activation is None:
            old = merged.pop()
            size = layer.size[:, :-1] @ old.size
            size[:, -1] += layer.size[:, -1]
            weight, bias = layer.weight @ old.weight, layer.weight @ old.bias + layer.bias
            operations = old.roundings + layer.roundings
            layer = Layer(weight, bias, layer.activation, size, operations)
        merged.append(layer)
    if len(merged) == 2:
        hidden, out = merged
        rows = torch.cat([hidden.weight, hidden.bias[:, None]], 1)
        unique, place = torch.unique(rows, dim=0, return_inverse=True)
        readout = torch.zeros_like(unique[:, 0]).index_add(0, place, out.weight[0])
        at = place[:, None].expand_as(rows)
        sizes = torch.zeros_like(unique).scatter_reduce(0, at, hidden.size, "amax")
        used = readout != 0
        unique, sizes = unique[used], sizes[used]
        # what equal units of opposite signs add up to is lost in ``out``, but was added up exactly
        total = torch.zeros_like(readout).index_add(0, place, out.weight[0].abs())[used]
        last = torch.cat([total, out.bias.abs()])[None]
        merged = [
            Layer(unique[:, :-1], unique[:, -1], hidden.activation, sizes, hidden.operations),
            Layer(readout[used][None], out.bias, None, last, out.roundings),
        ]
    return Layers(tuple(merged), layers.dtype, layers.convolved)
