"""Reading models: whose layers are known, and what they are."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..activations import Activation
from ..checks import check_weights
from ..models import departure, known_as
from ..networks import DeepNet, TwoLayerNet
from .affine import Layer, Layers
from .sequential import UnknownLayers, read_sequential

_KINDS = (TwoLayerNet, DeepNet, nn.Linear, nn.Sequential)  # whose layers are read


def read_layers(model: object, x: Tensor | None = None) -> Layers:
    """The layers of a model whose structure is known here, for examples like ``x`` (n, ...).

    Known: ``TwoLayerNet``, ``DeepNet``, ``nn.Linear`` with one output, and ``nn.Sequential`` of
    what ``sequential.py`` knows, in evaluation mode. One that may compute something else than its
    class says is not known (``robustlib.models`` decides): ``UnknownLayers``, a ``TypeError``, says
    why. Raises ``ValueError`` for weights that are not finite, and where ``x`` does not fit.
    """
    if known_as(model, _KINDS) is None:
        raise UnknownLayers(departure(model, _KINDS) or type(model).__name__)
    assert isinstance(model, nn.Module)
    _check_weights(model, x)
    if not isinstance(model, TwoLayerNet | DeepNet):
        return read_sequential(model, x)
    if x is not None and x.shape[1:] != (model.d,):
        got = x.shape[1:].numel()
        if got == model.d:
            raise ValueError(f"x must have shape (n, {model.d}), got {tuple(x.shape)}")
        raise ValueError(f"x must have {model.d} coordinates an example, got {got}")
    return _two_layer(model) if isinstance(model, TwoLayerNet) else _deep(model)


def _check_weights(model: nn.Module, x: Tensor | None) -> None:
    """Raise for weights that are not finite, or not like ``x``."""
    for name, weight in (*model.named_parameters(), *model.named_buffers()):
        if x is None or not weight.is_floating_point():
            continue
        if weight.dtype != x.dtype:
            raise TypeError(f"x is {x.dtype} but the model is {weight.dtype}, in {name}")
        if weight.device != x.device:
            raise ValueError(f"x is on {x.device} but the model is on {weight.device}, in {name}")
    check_weights("model", model)


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
