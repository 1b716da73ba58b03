"""Reading an ``nn.Sequential``: torch's own layers as affine maps and activations.

A map is pushed through linear layers, one after another, as a batch of its columns: what a layer
does to the columns of a matrix is what it does to the numbers that the matrix makes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..activations import read_module
from .affine import Layer, Layers, Scaling
from .precision import convolution_by_transform

_NUMBERS = 2**26  # of the matrix that a layer is written as
_IDLE = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
# by how many axes an example may have
_NORMS = {nn.BatchNorm1d: (1, 2), nn.BatchNorm2d: (3,), nn.BatchNorm3d: (4,)}
_CONVOLUTIONS = {nn.Conv1d: (2,), nn.Conv2d: (3,)}
_POOLS = {
    nn.AvgPool1d: (1, 2),
    nn.AvgPool2d: (2, 3),
    nn.AdaptiveAvgPool1d: (1, 2),
    nn.AdaptiveAvgPool2d: (2, 3),
}
_KNOWN = (
    "is none of Linear, Conv1d, Conv2d, BatchNorm1d to 3d, AvgPool1d, AvgPool2d and their adaptive "
    "forms, Flatten, Unflatten, Dropout, Identity, ReLU, Tanh, SiLU and GELU; a layer of your own "
    "that computes (x - m)/s is BatchNorm with affine=False, eps=0, running_mean m, running_var s^2"
)


class UnknownLayers(TypeError):
    """A model whose structure is not known here, in words: there are no bounds for it."""


def read_sequential(model: nn.Module, x: Tensor | None) -> Layers:
    """The layers of an ``nn.Sequential`` or ``nn.Linear``, for examples like ``x`` (n, ...).

    Without ``x`` it has to begin with a layer that says how many coordinates there are. Raises
    ``UnknownLayers`` with the place of the first layer that is not known, and ``ValueError`` for
    one that takes no examples like these.
    """
    reader = _Reader(type(model).__name__, x)
    for place, (path, module) in enumerate(_flattened(model, "model"), start=1):
        reader.take(module, f"layer {place} ({path}), {type(module).__name__},")
    return reader.result()


class _Reader:
    """The layers so far, and the map since the last activation; None while that is the identity."""

    def __init__(self, name: str, x: Tensor | None) -> None:
        self.name = name
        self.layers: list[Layer] = []
        self.map: Layer | Scaling | None = None
        self.shape = None if x is None else tuple(x.shape[1:])  # of what an example is by now
        self.dtype = None if x is None else x.dtype
        self.device = torch.device("cpu") if x is None else x.device
        self.where, self.convolved = "the model", False

    def take(self, module: nn.Module, where: str) -> None:
        """One more layer; ``where`` says which, in words."""
        self.where, kind, activation = where, type(module), read_module(module)
        if activation is not None:
            m = self.matrix()
            self.layers.append(Layer(m.weight, m.bias, activation, m.size, m.operations))
            self.map = None
        elif isinstance(module, nn.Flatten | nn.Unflatten) and kind in (nn.Flatten, nn.Unflatten):
            self.reshape(module)
        elif isinstance(module, nn.Linear) and kind is nn.Linear:
            self.linear(module)
        elif isinstance(module, nn.modules.batchnorm._BatchNorm) and kind in _NORMS:
            self.normalise(module, _NORMS[kind])
        elif isinstance(module, nn.Conv1d | nn.Conv2d) and kind in _CONVOLUTIONS:
            self.convolve(module, _CONVOLUTIONS[kind])
        elif kind in _POOLS:
            self.pool(module, _POOLS[kind])
        elif kind not in _IDLE:
            raise self.unknown(_KNOWN)

    def result(self) -> Layers:
        """All layers, after the last."""
        self.where = "the model"
        if self.shape is None or self.dtype is None:
            raise self.unknown("has no layer with weights")
        if math.prod(self.shape) != 1:
            raise self.unknown(f"has {math.prod(self.shape)} outputs an example instead of one")
        if self.map is not None or not self.layers or self.layers[-1].activation is not None:
            self.layers.append(self.matrix())
        return Layers(tuple(self.layers), self.dtype, self.convolved)

    def unknown(self, why: str) -> UnknownLayers:
        """The error for a layer that is not known."""
        return UnknownLayers(f"{self.name}: {self.where} {why}")

    def known_shape(self) -> tuple[int, ...]:
        """The shape of an example by now."""
        if self.shape is None:
            raise self.unknown("does not say what shape the examples have")
        return self.shape

    def checked_shape(self, axes: tuple[int, ...], channels: int | None) -> tuple[int, ...]:
        """The shape, where it has one of these numbers of axes and so many channels."""
        shape = self.known_shape()
        if len(shape) not in axes or channels not in (None, shape[0]):
            count = " or ".join(str(a + 1) for a in axes)
            wanted = (
                f"{count} axes" if channels is None else f"{count} axes and {channels} channels"
            )
            raise ValueError(f"{self.where} takes {wanted}, got examples of shape {(1, *shape)}")
        return shape

    def identity(self) -> Scaling:
        """The map that changes nothing."""
        one = torch.ones(math.prod(self.known_shape()), dtype=torch.float64, device=self.device)
        return Scaling(one, 0 * one, 0 * one, 1)

    def matrix(self) -> Layer:
        """The map since the last activation, as a matrix."""
        if isinstance(self.map, Layer):
            return self.map
        scaling = self.identity() if self.map is None else self.map
        self.check_room(len(scaling.scale), len(scaling.scale))
        return scaling.matrix()

    def check_room(self, rows: int, columns: int) -> None:
        """Raise for a matrix that is too large to be written down."""
        if rows * columns > _NUMBERS:
            raise self.unknown(
                f"makes a matrix of {rows} x {columns} numbers for these examples; up to "
                f"{_NUMBERS} are read"
            )

    def push(
        self,
        layer: Callable[[Tensor], Tensor],
        sizes: Callable[[Tensor], Tensor],
        bias: Tensor | None,
        operations: int,
    ) -> None:
        """Go through a linear ``layer`` of batches, one of ``sizes`` of its weights, and add."""
        old, shape = self.matrix(), self.known_shape()
        try:
            # of one example, for its shape
            ends = layer(old.bias.reshape(1, *shape)).shape[1:]
        except RuntimeError:
            raise ValueError(
                f"{self.where} does not take examples of shape {(1, *shape)}"
            ) from None
        self.check_room(math.prod(ends), old.weight.shape[1])
        columns = torch.cat([old.weight, old.bias[:, None]], 1)
        columns, size = (
            move(c.T.reshape(-1, *shape)).flatten(1).T.contiguous()
            for move, c in ((layer, columns), (sizes, old.size))
        )
        size = size.abs()
        if bias is not None:  # one number a channel
            each = bias.repeat_interleave(len(columns) // len(bias))
            columns[:, -1] += each
            size[:, -1] += each.abs()
        self.shape = tuple(ends)
        self.map = Layer(
            columns[:, :-1].contiguous(), columns[:, -1], None, size, old.roundings + operations
        )

    # --- the kinds of layers --------------------------------------------------------------------

    def reshape(self, module: nn.Flatten | nn.Unflatten) -> None:
        if self.shape is None and isinstance(module, nn.Flatten):
            return  # the next layer says how many coordinates there are
        shape = self.known_shape()
        try:
            like = torch.empty(2, *shape, device="meta")
            after = nn.Module.__call__(module, like).shape
        except (RuntimeError, IndexError, TypeError):
            after = torch.Size()
        if not after or after[0] != 2:
            raise self.unknown(f"does not keep apart examples of shape {(1, *shape)}")
        self.shape = tuple(after[1:])

    def linear(self, module: nn.Linear) -> None:
        weight = module.weight.detach().double()
        bias = weight.new_zeros(len(weight)) if module.bias is None else module.bias.detach()
        bias, (rows, columns) = bias.double(), weight.shape
        shape = (columns,) if self.shape is None else self.shape
        if not shape or shape[-1] != columns:
            if self.map is None and not self.layers:
                got = math.prod(shape)
                raise ValueError(f"x must have {columns} coordinates an example, got {got}")
            raise ValueError(f"{self.where} takes {columns} coordinates, got {(1, *shape)}")
        self.dtype = module.weight.dtype if self.dtype is None else self.dtype
        if len(shape) > 1:
            many = bias.repeat(math.prod(shape[:-1]))
            self.push(
                lambda c: functional.linear(c, weight),
                lambda c: functional.linear(c, weight.abs()),
                many,
                columns + 8,
            )
            return
        size = torch.cat([weight, bias[:, None]], 1).abs()
        done = Layer(weight, bias, None, size)
        if isinstance(self.map, Layer):
            self.layers.append(self.map)
        elif self.map is not None:
            scale, shift, extent = self.map.scale, self.map.shift, self.map.extent
            size = size * torch.cat([scale.abs(), scale.new_ones(1)])
            size[:, -1] += weight.abs() @ extent
            operations = done.roundings + self.map.operations
            done = Layer(weight * scale, weight @ shift + bias, None, size, operations)
        self.map, self.shape = done, (rows,)

    def normalise(self, module: nn.modules.batchnorm._BatchNorm, axes: tuple[int, ...]) -> None:
        mean, variance = module.running_mean, module.running_var
        if mean is None or variance is None:
            raise self.unknown(
                "has no running statistics: its output depends on the whole batch, also in "
                "evaluation mode"
            )
        shape = self.checked_shape(axes, module.num_features)
        numbers, mean, spread = torch.finfo(mean.dtype), mean.double(), variance + module.eps
        scale = (variance.double() + module.eps).rsqrt()
        if module.weight is not None:
            scale = scale * module.weight.detach().double()
        shift = torch.zeros_like(mean) if module.bias is None else module.bias.detach().double()
        extent = shift.abs() + (mean * scale).abs()
        sizes = torch.cat([spread.double(), scale[scale != 0].abs()])
        if not bool((sizes >= numbers.tiny).all() and (sizes + extent.sum() <= numbers.max).all()):
            raise ValueError(
                f"{self.where} has a running variance of {float(variance.min()):g}, and with its "
                f"eps and weight numbers that {numbers.dtype} does not hold"
            )
        times = math.prod(shape[1:])
        scale, shift, extent = (
            t.repeat_interleave(times) for t in (scale, shift - mean * scale, extent)
        )
        new = Scaling(scale, shift, extent, 12)
        if isinstance(self.map, Layer):
            self.map = new.after(self.map)
            return
        old = self.identity() if self.map is None else self.map
        self.map = Scaling(
            new.scale * old.scale,
            new.scale * old.shift + new.shift,
            new.scale.abs() * old.extent + new.extent,
            new.operations + old.operations,
        )

    def convolve(self, module: nn.Conv1d | nn.Conv2d, axes: tuple[int, ...]) -> None:
        self.checked_shape(axes, module.in_channels)
        if module.padding_mode != "zeros":
            raise self.unknown(f"has padding_mode={module.padding_mode!r}; 'zeros' alone is known")
        why = convolution_by_transform(self.device, module.weight.dtype)
        if why is not None:
            raise self.unknown(why)
        rule = functional.conv1d if isinstance(module, nn.Conv1d) else functional.conv2d
        weight = module.weight.detach().double()

        def moved(c: Tensor, kernel: Tensor) -> Tensor:
            found: Tensor = rule(
                c, kernel, None, module.stride, module.padding, module.dilation, module.groups
            )
            return found

        self.push(
            lambda c: moved(c, weight),
            lambda c: moved(c, weight.abs()),
            None if module.bias is None else module.bias.detach().double(),
            weight[0].numel() + 8,
        )
        self.convolved = True

    def pool(self, module: nn.Module, axes: tuple[int, ...]) -> None:
        shape = self.checked_shape(axes, None)
        flat = len(shape) == axes[0]  # which torch takes for one example of many channels

        def moved(c: Tensor) -> Tensor:
            found: Tensor = type(module).forward(module, c[:, None] if flat else c)
            return found.squeeze(1) if flat else found

        window = shape[-axes[0] :]
        if isinstance(module, nn.AvgPool1d | nn.AvgPool2d):
            kernel = module.kernel_size
            window = kernel if isinstance(kernel, tuple) else (kernel,) * axes[0]
        self.push(moved, moved, None, math.prod(window) + 8)


def _flattened(model: nn.Module, path: str) -> Iterator[tuple[str, nn.Module]]:
    """The modules of nested ``nn.Sequential`` in their order, and how to get at each."""
    if type(model) is not nn.Sequential:
        yield path, model
        return
    for k, module in enumerate(model):
        yield from _flattened(module, f"{path}[{k}]")
