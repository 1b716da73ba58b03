"""Networks as bounds see them: affine maps in float64, an activation after each but the last."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..activations import Activation, read_module
from ..models import known_as
from ..networks import DeepNet, TwoLayerNet
from ..sets.hull import UNIT

KINDS = (TwoLayerNet, DeepNet, nn.Linear, nn.Sequential)  # whose layers are read

# Relative error of one operation where float32 products may be computed in a shorter format.
_SHORT = {"highest": 2.0**-24, "high": 2.0**-11, "medium": 2.0**-8}


@dataclass(frozen=True)
class Layer:
    """z -> s(weight z + bias): ``weight`` (k, j), ``bias`` (k,), ``activation`` s or None.

    ``size`` (k, j + 1) is at least |weight| and |bias|: it says how large the numbers are that the
    model itself adds up, where that is another sum than ours.
    """

    weight: Tensor
    bias: Tensor
    activation: Activation | None
    size: Tensor


@dataclass(frozen=True)
class Layers:
    """f = the last layer after the others, one output; the model computes it in ``dtype``."""

    layers: tuple[Layer, ...]
    dtype: torch.dtype

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
        return 64 + 4 * sum(layer.weight.shape[1] + 8 for layer in self.layers)

    @property
    def unit(self) -> float:
        """The relative error of one operation of the model itself."""
        wide = self.dtype == torch.float64
        return UNIT if wide else _SHORT[torch.get_float32_matmul_precision()]


def read_layers(model: object) -> Layers | None:
    """The layers of a model whose structure is known here, else None.

    Known: ``TwoLayerNet``, ``DeepNet``, ``nn.Linear`` with one output, and ``nn.Sequential`` of
    Flatten, Linear, built-in activations, Identity and Dropout (which does nothing in
    evaluation mode) that ends in one output. One that may compute something else than its class
    says is not known: ``robustlib.models`` decides.
    """
    if known_as(model, KINDS) is None:
        return None
    if isinstance(model, TwoLayerNet):
        return _two_layer(model)
    if isinstance(model, DeepNet):
        return _deep(model)
    assert isinstance(model, nn.Module)
    return _sequential(model)


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
            layer = Layer(weight, bias, layer.activation, size)
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
        merged = [
            Layer(unique[:, :-1], unique[:, -1], hidden.activation, sizes),
            Layer(readout[used][None], out.bias, None, torch.cat([total, out.bias.abs()])[None]),
        ]
    return Layers(tuple(merged), layers.dtype)


def _two_layer(net: TwoLayerNet) -> Layers:
    weight, readout = net.weight.detach().double(), net.readout.double()
    size = weight.abs()  # of every product in z
    if net.symmetric:  # z of the first half is computed as that of its twin plus a difference
        half = net.width // 2
        size = torch.cat([size[:half] + 2 * size[half:], size[half:]])
    first = _lifted(weight, size, net.bias, net.activation)
    out = (readout / math.sqrt(net.width))[None]
    return Layers((first, _plain(out, None)), net.weight.dtype)


def _deep(net: DeepNet) -> Layers:
    root = math.sqrt(net.width)
    first = net.first.double()
    layers = [_lifted(first, first.abs(), net.bias, None)]
    layers += [_plain(w.detach().double() / root, net.activation) for w in net.layers]
    layers.append(_plain((net.readout.double() / root)[None], None))
    return Layers(tuple(layers), net.first.dtype)


def _lifted(weight: Tensor, size: Tensor, bias: bool, activation: Activation | None) -> Layer:
    """x -> weight (x, 1)/sqrt(2), or weight x without ``bias``."""
    if not bias:
        return _plain(weight, activation, size)
    weight, size = weight * math.sqrt(0.5), size * math.sqrt(0.5)
    return Layer(weight[:, :-1], weight[:, -1], activation, size)


def _plain(weight: Tensor, activation: Activation | None, size: Tensor | None = None) -> Layer:
    """x -> weight x."""
    size = functional.pad(weight.abs() if size is None else size, (0, 1))
    return Layer(weight, weight.new_zeros(len(weight)), activation, size)


def _sequential(model: nn.Module) -> Layers | None:
    layers: list[Layer] = []
    last = None
    for module in _flattened(model):
        kind = type(module)
        if kind is nn.Flatten and isinstance(module, nn.Flatten):
            # of each example at the start; of the single column at the end
            if not (module.start_dim == (0 if layers else 1) and module.end_dim == -1):
                return None
        elif kind is nn.Linear and isinstance(module, nn.Linear):
            weight = module.weight.detach().double()
            bias = weight.new_zeros(len(weight)) if module.bias is None else module.bias.detach()
            bias = bias.double()
            layers.append(Layer(weight, bias, None, torch.cat([weight, bias[:, None]], 1).abs()))
            last = module.weight.dtype
        elif (s := read_module(module)) and layers and layers[-1].activation is None:
            old = layers.pop()
            layers.append(Layer(old.weight, old.bias, s, old.size))
        elif kind not in (nn.Identity, nn.Dropout):
            return None
    if not layers or last is None or len(layers[-1].weight) != 1 or layers[-1].activation:
        return None
    return Layers(tuple(layers), last)


def _flattened(model: nn.Module) -> list[nn.Module]:
    if type(model) is nn.Sequential:
        return [inner for module in model for inner in _flattened(module)]
    return [model]
