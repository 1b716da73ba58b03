"""Networks that remember where they started: two-layer, deep, and linearised in their weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .activations import Activation, activation_of
from .checks import check_flag, check_integer, check_kind, check_real, check_weights, seen
from .models import copy_of, departure
from .numerics import generator, normals

# Streams of the seed, apart from those of the samples: a net and a sample made with the same
# seed must not share their Gaussian numbers.
_WEIGHTS, _READOUT, _FIRST = 1001, 1002, 1003


class Network(nn.Module):
    """A net f(W, x) whose only parameters are the trained layers W, with their start W_0."""

    d: int
    bias: bool

    def evaluate(self, weights: Sequence[Tensor], x: Tensor) -> Tensor:
        """f(W, x) (n,) at other weights than the net's own: one tensor per trained layer."""
        raise NotImplementedError

    def start(self) -> tuple[Tensor, ...]:
        """W_0, one tensor per trained layer."""
        raise NotImplementedError

    def expand(self, step: Sequence[Tensor], x: Tensor) -> Tensor:
        """f(W_0, x) + <grad_W f(W_0, x), step> (n,): one tensor of ``step`` per trained layer."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n,) at inputs ``x`` (n, d); differentiable in ``x`` and in the weights."""
        return self.evaluate(tuple(self.parameters()), x)

    def drift(self) -> dict[str, float]:
        """The Frobenius distance of every trained layer from its start, computed in float64."""
        with torch.no_grad():
            pairs = zip(self.named_parameters(), self.start(), strict=True)
            return {name: float((w.double() - w0.double()).norm()) for (name, w), w0 in pairs}

    def project(self, radius: float) -> None:
        """Move every layer, in place, to the nearest point of the ball of ``radius`` round W_0.

        A layer inside its ball keeps its bits. Afterwards no drift exceeds ``radius``, in float32
        too: entries are rounded towards W_0. Raises ``ValueError`` for a negative radius.
        """
        radius = check_real("radius", radius, minimum=0)
        with torch.no_grad():
            for w, w0 in zip(self.parameters(), self.start(), strict=True):
                delta = w.double() - w0.double()
                norm = float(delta.norm())
                if norm > radius:
                    delta *= radius / norm
                    new = (w0.double() + delta).to(w.dtype)
                    over = (new.double() - w0.double()).abs() > delta.abs()
                    w.copy_(torch.where(over, torch.nextafter(new, w0), new))

    def lift(self, x: Tensor) -> Tensor:
        """What the first layer sees of points ``x`` (n, d): (x, 1)/sqrt(2) with ``bias``, else x.

        Norm 1 stays norm 1. Raises ``TypeError`` or ``ValueError`` for other shapes and dtypes.
        """
        check_kind("x", x, "the net", self.start()[0], "; use net.to(x)")
        if x.dim() != 2 or x.shape[1] != self.d:
            raise ValueError(f"x must have shape (n, {self.d}), got {tuple(x.shape)}")
        return functional.pad(x, (0, 1), value=1.0) * math.sqrt(0.5) if self.bias else x

    def _layers(self, name: str, given: object) -> tuple[Tensor, ...]:
        """``given`` as a tuple, where it has one tensor per trained layer, like ``start()``."""
        asked = self.start()
        if not isinstance(given, Sequence):
            raise TypeError(f"{name} must be a tuple of {len(asked)} tensors, got {seen(given)}")
        for w in given:
            check_kind(name, w, "the net", asked[0])
        shapes = [[tuple(w.shape) for w in held] for held in (asked, given)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{name} must have the shapes {shapes[0]}, got {shapes[1]}")
        return tuple(given)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"


class TwoLayerNet(Network):
    """f(W, x) = width^(-1/2) sum_r a_r s(<w_r, x>) with w_r ~ N(0, I) trained, a_r = +-1 fixed.

    ``bias`` lifts the input inside to (x, 1)/sqrt(2). ``symmetric`` makes the second half of the
    units a copy of the first with opposite signs: f(W_0, x) is then exactly 0 for every x, bit by
    bit, in every dtype and on every device. Weights are drawn on the CPU in float64 and rounded
    to torch's default dtype. The net of Theorem B (smooth s). ``activation`` is a name or an
    ``Activation`` of one's own. Raises ``ValueError`` for an odd width with ``symmetric``, for an
    unknown name and for facts that an activation's function contradicts.
    """

    fixed_buffers = True
    readout: Tensor
    initial: Tensor  # W_0

    def __init__(
        self,
        d: int,
        width: int,
        *,
        activation: str | Activation = "relu",
        bias: bool = True,
        symmetric: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.d = check_integer("d", d, minimum=1)
        self.width = check_integer("width", width, minimum=1)
        if check_flag("symmetric", symmetric) and self.width % 2:
            raise ValueError(f"width must be even with symmetric=True, got {width}")
        self.activation = activation_of(activation)
        self.bias, self.symmetric = check_flag("bias", bias), symmetric
        self.seed = seed = check_integer("seed", seed, minimum=0)
        rows = self.width // 2 if symmetric else self.width
        w = normals(seed, _WEIGHTS, rows, self.d + bias, d=self.d, width=self.width)
        a = 2.0 * torch.randint(2, (rows,), generator=generator(seed, _READOUT), device="cpu") - 1
        if symmetric:
            w, a = torch.cat([w, w]), torch.cat([a, -a])
        dtype = torch.get_default_dtype()
        self.weight = nn.Parameter(w.to(dtype))
        self.register_buffer("readout", a.to(dtype))
        self.register_buffer("initial", self.weight.detach().clone())

    def start(self) -> tuple[Tensor, ...]:
        """W_0, one tensor per trained layer."""
        return (self.initial,)

    def evaluate(self, weights: Sequence[Tensor], x: Tensor) -> Tensor:
        """f(W, x) (n,) at other weights than the net's own: one tensor per trained layer."""
        (weight,) = self._layers("weights", weights)
        x, s = self.lift(x), self.activation.function
        if not self.symmetric:
            return s(x @ weight.T) @ self.readout / math.sqrt(self.width)
        # Two matrix products may round equal rows differently, so that s(z) - s(z') would not
        # vanish at W_0. With z = z' + x (w - w')^T it does by construction: there w - w' = 0.
        half = self.width // 2
        first, second = weight.reshape(2, half, -1).unbind(0)
        twin = x @ second.T
        z = torch.addmm(twin, x, (first - second).T)
        return (s(z) - s(twin)) @ self.readout[:half] / math.sqrt(self.width)

    def expand(self, step: Sequence[Tensor], x: Tensor) -> Tensor:
        """f(W_0, x) + <grad_W f(W_0, x), step> (n,): one tensor of ``step`` per trained layer."""
        (delta,) = self._layers("step", step)
        x, rows = self.lift(x), self.width
        if self.symmetric:  # units come in pairs with equal z and opposite signs
            rows //= 2
            delta = delta[:rows] - delta[rows:]
        z = x @ self.initial[:rows].T
        value = self.activation.derivative(z) * (x @ delta.T)
        if not self.symmetric:
            value = value + self.activation.function(z)
        return value @ self.readout[:rows] / math.sqrt(self.width)

    def extra_repr(self) -> str:
        """The arguments that make this net again."""
        return (
            f"{self.d}, {self.width}, activation={self.activation.name!r}, bias={self.bias}, "
            f"symmetric={self.symmetric}, seed={self.seed}"
        )


class DeepNet(Network):
    """x_0 = A x, x_h = s(W_h x_(h-1) / sqrt m) for h = 1..depth, f(W, x) = <a, x_depth> / sqrt m.

    Only the ``depth`` square matrices ``layers`` (m, m), m = ``width``, are trained; ``first`` (A)
    and ``readout`` (a, entries N(0, 1)) stay fixed. A and W_0 have entries N(0, ``gain``): 2 for
    ReLU, which keeps |x_h|^2/m near 2, likewise for others of degree 1, and 1 for all the rest. For
    ReLU this is the function with entries N(0, 2/m) and no factors, but here each layer's gradient
    has norm about 1, the ball of Theorem A is a ball of radius R, and smooth activations see inputs
    of order 1. Raises ``ValueError`` for d, width or depth < 1, and as ``TwoLayerNet`` does for
    ``activation``.
    """

    fixed_buffers = True
    readout: Tensor
    first: Tensor
    initial: Tensor  # W_0, the layers stacked along axis 0

    def __init__(
        self,
        d: int,
        width: int,
        depth: int,
        *,
        activation: str | Activation = "relu",
        bias: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.d = check_integer("d", d, minimum=1)
        self.width = check_integer("width", width, minimum=1)
        self.depth = check_integer("depth", depth, minimum=1)
        self.activation = activation_of(activation)
        self.bias = check_flag("bias", bias)
        self.seed = seed = check_integer("seed", seed, minimum=0)
        d, width, depth = self.d, self.width, self.depth
        scale = math.sqrt(self.activation.gain)
        dtype = torch.get_default_dtype()

        def normal(stream: int, *shape: int) -> Tensor:
            draw = normals(seed, stream, *shape, d=d, width=width, depth=depth)
            return draw if stream == _READOUT else scale * draw

        self.register_buffer("first", normal(_FIRST, width, d + bias).to(dtype))
        self.register_buffer("readout", normal(_READOUT, width).to(dtype))
        self.register_buffer("initial", normal(_WEIGHTS, depth, width, width).to(dtype))
        self.layers = nn.ParameterList(nn.Parameter(w.clone()) for w in self.initial)

    def start(self) -> tuple[Tensor, ...]:
        """W_0, one tensor per trained layer."""
        return self.initial.unbind(0)

    def evaluate(self, weights: Sequence[Tensor], x: Tensor) -> Tensor:
        """f(W, x) (n,) at other weights than the net's own: one tensor per trained layer."""
        hidden, root = self.lift(x) @ self.first.T, math.sqrt(self.width)
        for weight in self._layers("weights", weights):
            hidden = self.activation.function(hidden @ weight.T / root)
        return hidden @ self.readout / root

    def expand(self, step: Sequence[Tensor], x: Tensor) -> Tensor:
        """f(W_0, x) + <grad_W f(W_0, x), step> (n,): one tensor of ``step`` per trained layer."""
        hidden, root = self.lift(x) @ self.first.T, math.sqrt(self.width)
        tangent = torch.zeros_like(hidden)  # how the hidden values move, to first order
        for weight, delta in zip(self.initial, self._layers("step", step), strict=True):
            z = hidden @ weight.T / root
            tangent = tangent @ weight.T + hidden @ delta.T
            tangent = self.activation.derivative(z) * tangent / root
            hidden = self.activation.function(z)
        return (hidden + tangent) @ self.readout / root

    def extra_repr(self) -> str:
        """The arguments that make this net again."""
        return (
            f"{self.d}, {self.width}, {self.depth}, activation={self.activation.name!r}, "
            f"bias={self.bias}, seed={self.seed}"
        )


class LinearizedNet(Network):
    """f(W_0, x) + <grad_W f(W_0, x), W - W_0>: exactly affine in its weights W.

    Made by ``linearize``; its parameters have the names that the net's have.
    """

    def __init__(self, net: Network) -> None:
        super().__init__()
        if not isinstance(net, Network) or isinstance(net, LinearizedNet):
            raise TypeError(f"net must be a TwoLayerNet or DeepNet, got {type(net).__name__}")
        # ``expand`` is a formula, right for the function of the class that it was written in
        source = next(cls for cls in type(net).__mro__ if "expand" in vars(cls))
        if (other := departure(net, (source,))) is not None:
            raise TypeError(f"net must be expanded by its own expand(step, x), got {other}")
        check_weights("net", net)
        base_net = copy_of(net)
        # The trained weights move here, under their own names; what stays is fixed.
        for name in list(base_net._parameters):
            self.register_parameter(name, base_net._parameters.pop(name))
        for name in list(base_net._modules):
            self.add_module(name, base_net._modules.pop(name))
        self.base_net, self.d, self.bias = base_net, net.d, net.bias

    def start(self) -> tuple[Tensor, ...]:
        """W_0, one tensor per trained layer."""
        return self.base_net.start()

    def evaluate(self, weights: Sequence[Tensor], x: Tensor) -> Tensor:
        """The affine function at other weights than the net's own: one tensor per layer."""
        given = self._layers("weights", weights)
        return self.base_net.expand([w - w0 for w, w0 in zip(given, self.start(), strict=True)], x)

    def expand(self, step: Sequence[Tensor], x: Tensor) -> Tensor:
        """That of the net that was linearised: it is its own expansion."""
        return self.base_net.expand(step, x)

    def extra_repr(self) -> str:
        """The net that was linearised."""
        return repr(self.base_net)


def linearize(net: Network) -> LinearizedNet:
    """The first-order expansion of ``net`` in its weights around its initialisation W_0.

    The result carries its own copy of the weights, starting from where ``net`` is now; ``net`` is
    not touched. Raises ``TypeError`` where ``net`` is no such net, or where a hook, say, or a
    forward of its own may make its function another than its class says; ``ValueError`` for NaN.
    """
    return LinearizedNet(net)
