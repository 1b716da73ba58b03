"""Tangent kernels of finite nets: <grad_W f(W, x), grad_W f(W, z)> at their current weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from ..checks import check_alike, check_outputs
from ..networks import DeepNet, LinearizedNet, TwoLayerNet
from .angles import lift
from .infinite import check_points
from .regression import condition_number
from .tiles import place, tiles

_UNITS = 512  # neurons at a time: the n x m matrix of slopes is never there as a whole
_STRIP = 256  # rows at a time of a symmetric product, for half the work
_JACOBIAN = 1 << 25  # numbers of a Jacobian at a time, for nets that are not ours


@torch.no_grad()
def empirical_ntk(net: nn.Module, x: Tensor, z: Tensor | None = None) -> Tensor:
    """The tangent kernel (n, m) of ``net`` at its weights, at ``x`` (n, ...) and ``z`` (m, ...).

    Without ``z``, the Gram matrix (n, n) of ``x``, exactly symmetric. For ``TwoLayerNet`` and
    ``DeepNet`` it is a sum over layers of entrywise products of Gram matrices, of inputs and of
    back-propagated slopes: no Jacobian is formed. As the width grows it tends to ``ntk`` with
    trained "first" and "hidden". A linearised net has the kernel of its expansion point. For other
    modules with outputs (n,) or (n, 1) the gradients in all trainable parameters are taken with
    ``torch.func``, in chunks. Not differentiable. Raises ``TypeError`` or ``ValueError`` for bad
    input.
    """
    if not isinstance(net, nn.Module):
        raise TypeError(f"net must be a torch.nn.Module, got {type(net).__name__}")
    fixed = isinstance(net, LinearizedNet)
    base = net.base_net if isinstance(net, LinearizedNet) else net
    if not isinstance(base, TwoLayerNet | DeepNet):
        return _any_module(net, x, z)
    check_points(x, z)
    weights = base.start() if fixed else tuple(p.detach() for p in net.parameters())
    check_alike("x", x, "the net", weights[0])
    if isinstance(base, TwoLayerNet):
        return _two_layer(base, weights[0], x, z)
    return _deep(base, weights, x, z)


@torch.no_grad()
def ntk_by_layer(net: LinearizedNet, x: Tensor, z: Tensor | None = None) -> list[Tensor]:
    """The terms of ``empirical_ntk``, one (n, m) for every trained layer of a linearised net."""
    if isinstance(net.base_net, DeepNet):
        check_points(x, z)
        check_alike("x", x, "the net", net.base_net.initial)
        return list(_deep_layers(net.base_net, net.start(), x, z))
    return [empirical_ntk(net, x, z)]


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


# --- any module --------------------------------------------------------------------------------


def _any_module(net: nn.Module, x: Tensor, z: Tensor | None) -> Tensor:
    trained = {k: v.detach() for k, v in net.named_parameters() if v.requires_grad}
    if not trained:
        raise ValueError("net has no trainable parameters, so that its tangent kernel is empty")
    for name, points in (("x", x), ("z", z)):
        if points is None:
            continue
        if not isinstance(points, Tensor):
            raise TypeError(f"{name} must be a torch.Tensor, got {type(points).__name__}")
        if points.dim() < 2:
            raise ValueError(f"{name} must have shape (n, ...), got {tuple(points.shape)}")
    if z is not None:
        check_alike("z", z, "x", x)
    fixed = {k: v.detach() for k, v in net.named_parameters() if not v.requires_grad}
    fixed |= {k: v.detach() for k, v in net.named_buffers()}

    def scalar(weights: dict[str, Tensor], point: Tensor) -> Tensor:
        out = functional_call(net, {**fixed, **weights}, (point[None],))
        return check_outputs(out, (1, *point.shape))[0]

    def jacobian(points: Tensor) -> Tensor:
        rows = vmap(grad(scalar), in_dims=(None, 0), randomness="error")(trained, points)
        return torch.cat([rows[k].flatten(1) for k in trained], dim=1)

    other = x if z is None else z
    like = next(iter(trained.values()))
    gram = like.new_empty(len(x), len(other))
    chunk = max(1, _JACOBIAN // sum(v.numel() for v in trained.values()))
    held: tuple[slice | None, Tensor] = (None, gram)
    for r, c in tiles(len(x), len(other), chunk, symmetric=z is None):
        if held[0] != r:
            held = (r, jacobian(x[r]))
        rows = held[1]
        columns = rows if z is None and r == c else jacobian(other[c])
        place(gram, rows @ columns.T, r, c, symmetric=z is None)
    return gram


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


def robust_gram(net: nn.Module, attacked: Tensor) -> RobustGram:
    """The tangent kernel of ``net`` at ``attacked`` inputs (n, d), or (T, n, d) for T attacks.

    With T attacks (those of a ``Trajectory``, say) the T n inputs are taken as one set, time after
    time, so that the matrix is (T n, T n). Raises as ``empirical_ntk`` does, and ``ValueError``
    for no inputs.
    """
    if not isinstance(attacked, Tensor) or attacked.dim() not in (2, 3):
        seen = tuple(attacked.shape) if isinstance(attacked, Tensor) else type(attacked).__name__
        raise ValueError(f"attacked must have shape (n, d) or (T, n, d), got {seen}")
    points = attacked.flatten(0, -2)
    if not len(points):
        raise ValueError(f"attacked must hold at least one input, got {tuple(attacked.shape)}")
    gram = empirical_ntk(net, points)
    least, greatest, condition = condition_number(gram)
    return RobustGram(gram, least, greatest, condition)
