"""Tangent kernels of finite nets: <grad_W f(W, x), grad_W f(W, z)> at their current weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..checks import all_finite, check_alike, check_flag, check_floats, check_integer
from ..models import known_as
from ..networks import DeepNet, LinearizedNet, Network, TwoLayerNet
from ..numerics import steady
from .angles import lift
from .autograd import by_autograd
from .infinite import check_points
from .regression import condition_number
from .tiles import place, tiles

_UNITS = 512  # neurons at a time: the n x m matrix of slopes is never there as a whole
_STRIP = 256  # rows at a time of a symmetric product, for half the work


@torch.no_grad()
@steady()
def empirical_ntk(
    net: nn.Module, x: Tensor, z: Tensor | None = None, *, several_outputs: bool = False
) -> Tensor:
    """The tangent kernel (n, m) of ``net`` at its weights, at ``x`` (n, ...) and ``z`` (m, ...).

    Without ``z``, the Gram matrix (n, n) of ``x``, exactly symmetric. For ``TwoLayerNet`` and
    ``DeepNet`` it is a sum over layers of entrywise products of Gram matrices, of inputs and of
    back-propagated slopes: no Jacobian is formed. As the width grows it tends to ``ntk`` with
    trained "first" and "hidden". A linearised net has the kernel of its expansion point.

    Any other module that an attack takes is asked for the gradients of its outputs, (n,) or (n, 1),
    in all parameters that training would move: those that require a gradient, shared ones once.
    So are our nets where a hook, a subclass or a frozen layer makes another function of them.
    ``several_outputs`` takes nets with outputs (n, k) and returns (n, m, k, k), the kernel between
    every two outputs. The net is taken in evaluation mode, outside autocast, and left as found.
    Not differentiable. Raises ``TypeError`` or ``ValueError`` for bad input.
    """
    if not isinstance(net, nn.Module):
        raise TypeError(f"net must be a torch.nn.Module, got {type(net).__name__}")
    check_flag("several_outputs", several_outputs)
    base = _formula_of(net)
    if base is None:
        return _finite(by_autograd(net, x, z, several=several_outputs))
    check_points(x, z)
    weights = base.start() if base is not net else tuple(p.detach() for p in net.parameters())
    check_alike("x", x, "the net", weights[0])
    with torch.autocast(x.device.type, enabled=False):
        if isinstance(base, TwoLayerNet):
            gram = _two_layer(base, weights[0], x, z)
        else:
            gram = _deep(base, weights, x, z)
    return _finite(gram[..., None, None] if several_outputs else gram)


def _finite(gram: Tensor) -> Tensor:
    """``gram``; raises where squares of the points overflowed on the way to it."""
    if not all_finite(gram):
        raise ValueError(f"x must be smaller: its tangent kernel overflows in {gram.dtype}")
    return gram


@torch.no_grad()
def ntk_by_layer(net: LinearizedNet, x: Tensor, z: Tensor | None = None) -> list[Tensor]:
    """The terms of ``empirical_ntk``, one (n, m) for every trained layer of a linearised net."""
    base = _formula_of(net, gradients=False)
    if base is None:
        return [by_autograd(net, x, z, names=[name]) for name, _ in net.named_parameters()]
    check_points(x, z)
    check_alike("x", x, "the net", base.initial)
    with torch.autocast(x.device.type, enabled=False):
        if isinstance(base, DeepNet):
            return list(_deep_layers(base, base.start(), x, z))
        return [_two_layer(base, base.initial, x, z)]


def _formula_of(net: nn.Module, *, gradients: bool = True) -> TwoLayerNet | DeepNet | None:
    """The net whose formula is the kernel of ``net``, the linearised one's base; None for others.

    Raises ``ValueError`` where its weights are not finite: the formula might not show it.
    """
    kinds = (TwoLayerNet, DeepNet, LinearizedNet)
    if known_as(net, kinds, gradients=gradients) is None:
        return None
    base = net.base_net if isinstance(net, LinearizedNet) else net
    if known_as(base, kinds[:2]) is None:
        return None
    assert isinstance(base, TwoLayerNet | DeepNet)
    for name, weight in [*net.named_parameters(), *net.named_buffers()]:
        check_floats(f"the net's {name}", weight)
    return base


def _two_layer(net: TwoLayerNet, weight: Tensor, x: Tensor, z: Tensor | None) -> Tensor:
    a = net.lift(x)
    b = a if z is None else net.lift(z)
    gram = a.new_zeros(len(a), len(b))
    before = a.new_empty(max(len(a), len(b)) * min(_UNITS, len(weight)))  # used again and again

    def slopes(points: Tensor, units: Tensor) -> Tensor:
        out = before[: len(points) * len(units)].reshape(len(points), len(units))
        return net.activation.derivative(torch.mm(points, units.T, out=out))

    for units in torch.split(weight, _UNITS):
        rows = slopes(a, units)
        columns = rows if z is None else slopes(b, units)
        _add_product(gram, rows, columns, symmetric=z is None)
    # The points' own product in float64, which keeps it right where it nearly cancels; ``place``
    # also fills the half that was left out.
    wide = lift(x, net.bias)
    other = wide if z is None else lift(z, net.bias)
    for r, c in tiles(len(a), len(b), _STRIP, symmetric=z is None):
        product = torch.mm(wide[r], other[c].T).div_(net.width)
        place(gram, product.to(gram.dtype).mul_(gram[r, c]), r, c, symmetric=z is None)
    return gram


def _deep(net: DeepNet, weights: tuple[Tensor, ...], x: Tensor, z: Tensor | None) -> Tensor:
    gram = x.new_zeros(len(x), len(x if z is None else z))
    for layer in _deep_layers(net, weights, x, z):
        gram += layer
    return gram


def _deep_layers(
    net: DeepNet, weights: tuple[Tensor, ...], x: Tensor, z: Tensor | None
) -> Iterator[Tensor]:
    """The part of the kernel that every trained layer contributes."""
    sides = [_sweep(net, weights, net.lift(points)) for points in (x, z) if points is not None]
    for (a, s), (b, t) in zip(sides[0], sides[-1], strict=True):
        gram = x.new_zeros(len(x), len(x if z is None else z))
        layer = torch.zeros_like(gram)
        _add_product(layer, s, t, symmetric=z is None)
        _add_product(gram, a, b, symmetric=z is None)
        gram *= layer
        gram /= net.width
        if z is None:
            for r, c in tiles(len(x), len(x), _STRIP, symmetric=True):
                place(gram, gram[r, c], r, c, symmetric=True)  # the other half
        yield gram


def _sweep(net: DeepNet, weights: tuple[Tensor, ...], x: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Per trained layer its inputs (n, m) and the slopes (n, m) of f in what it puts out."""
    root = net.width**0.5
    inputs, slopes = [x @ net.first.T], []
    for weight in weights:
        before = inputs[-1] @ weight.T / root
        slopes.append(net.activation.derivative(before))
        inputs.append(net.activation.function(before))
    back = slopes[-1].mul_(net.readout / root)
    for h in reversed(range(len(weights) - 1)):
        back = slopes[h].mul_(back @ weights[h + 1] / root)
    return list(zip(inputs[:-1], slopes, strict=True))


def _add_product(total: Tensor, a: Tensor, b: Tensor, *, symmetric: bool) -> None:
    """Add a b^T to ``total``, in place; ``symmetric``, in strips that reach the diagonal only."""
    if not symmetric:
        total.addmm_(a, b.T)
        return
    for top in range(0, len(a), _STRIP):
        total[top : top + _STRIP, top:].addmm_(a[top : top + _STRIP], b[top:].T)


# --- at attacked inputs ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class RobustGram:
    """The tangent kernel of a net at attacked inputs, with what it says about fitting them.

    ``gram`` (k, k); ``least`` and ``greatest`` are its extreme eigenvalues in float64 and
    ``condition`` their ratio, ``math.inf`` where the least is not above rounding.
    """

    gram: Tensor = field(repr=False)
    least: float
    greatest: float
    condition: float

    def __repr__(self) -> str:
        return (
            f"The tangent kernel at {len(self.gram)} attacked inputs has eigenvalues from "
            f"{self.least:.3g} to {self.greatest:.3g}, condition number {self.condition:.3g}."
        )


def robust_gram(
    net: nn.Module, attacked: Tensor, *, shape: Sequence[int] | None = None
) -> RobustGram:
    """The tangent kernel of ``net`` at ``attacked`` inputs (n, ...), or (T, n, ...) for T attacks.

    With T attacks (those of a ``Trajectory``, say) the T n inputs are taken as one set, time after
    time, so that the matrix is (T n, T n). ``shape`` is that of one input, (c, h, w) for images;
    without it inputs are flat, (d,). A net of ours takes no others; for another module it must be
    said where ``attacked`` has more than two axes, since (8, 8, 8) could mean either. Raises as
    ``empirical_ntk`` does, and ``ValueError`` for no inputs.
    """
    check_floats("attacked", attacked)
    one = attacked.shape[-1:] if shape is None else _shape(shape)
    more = attacked.dim() - len(one)
    if tuple(attacked.shape[more:]) != tuple(one) or more not in (1, 2):
        text = ", ".join(map(str, one)) if shape is not None else "d"
        raise ValueError(
            f"attacked must have shape (n, {text}) or (T, n, {text}), got {tuple(attacked.shape)}"
            + ("; say shape=(c, h, w) for images" if shape is None else "")
        )
    if shape is None and more == 2 and not isinstance(net, Network):
        a, b = tuple(attacked.shape[1:]), tuple(attacked.shape[2:])
        raise ValueError(
            f"shape must be given for attacked of shape {tuple(attacked.shape)}: the shape of one "
            f"input, {a} where these are {len(attacked)} inputs, {b} for {len(attacked)} attacks"
        )
    points = attacked.reshape(attacked.shape[:more].numel(), *one)
    if not points.numel():
        raise ValueError(f"attacked must hold at least one input, got {tuple(attacked.shape)}")
    gram = empirical_ntk(net, points)
    least, greatest, condition = condition_number(gram)
    return RobustGram(gram, least, greatest, condition)


def _shape(shape: object) -> tuple[int, ...]:
    """``shape`` as a tuple of at least one positive integer."""
    if isinstance(shape, str) or not isinstance(shape, Sequence) or not len(shape):
        raise TypeError(f"shape must be a tuple such as (1, 8, 8), got {shape!r}")
    return tuple(check_integer("shape", side, minimum=1) for side in shape)
