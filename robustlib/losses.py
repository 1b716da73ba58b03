"""Losses ell(f, y), convex in the output f, with the constants that the theorems ask for."""

from __future__ import annotations

import functools
import math
import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import ClassVar, Protocol, cast

import torch
from torch import Tensor
from torch.nn import functional

from .checks import (
    calling,
    check_alike,
    check_flag,
    check_floats,
    check_function,
    check_kind,
    check_real,
    check_shape,
    seen,
    shown,
)

_FACTS = ("lipschitz", "smoothness", "zero_at_label")


class Loss(Protocol):
    """A loss of outputs ``f`` (n,) and labels ``y`` (n,): convex and differentiable in ``f``.

    ``lipschitz`` bounds the derivative in ``f``; ``smoothness`` bounds the derivative's own
    Lipschitz constant (None where it has none: a loss always has the first, while an
    ``Activation`` may lack either and then says ``math.inf``); ``zero_at_label`` says whether
    ell(y, y) = 0.
    The losses here raise ``ValueError`` for labels of another shape than the outputs', but for
    outputs (T, n) of T nets with labels (n,), and outputs (n, k) with labels (n, 1).
    """

    @property
    def lipschitz(self) -> float: ...
    @property
    def smoothness(self) -> float | None: ...
    @property
    def zero_at_label(self) -> bool: ...
    def __call__(self, f: Tensor, y: Tensor) -> Tensor: ...
    def derivative(self, f: Tensor, y: Tensor) -> Tensor: ...


def check_loss(loss: object) -> None:
    """Raise where ``loss`` is not a ``Loss``: its class, say, or a function of torch.

    A loss of one's own is compared with what it says of itself on a grid, once: never a proof.
    """
    if type(loss) in (PseudoHuber, LogCosh, Logistic, Hinge):
        return
    if isinstance(loss, type) or not callable(loss) or not hasattr(loss, "derivative"):
        raise TypeError(f"loss must be a loss such as PseudoHuber(), got {shown(loss)}")
    lacking = [fact for fact in _FACTS if not hasattr(loss, fact)]
    if lacking:
        raise TypeError(f"loss must say its {', '.join(lacking)}, got {shown(loss)}")
    try:
        hash(loss)
    except TypeError:
        _check_facts(cast(Loss, loss))
    else:
        _check_facts_once(cast(Hashable, loss))


def _check_facts(loss: Loss) -> None:
    """Raise where values and slopes on a grid are none, or not those of such a convex loss."""
    check_function("loss", loss, "f, y")
    check_function("loss.derivative", loss.derivative, "f, y")
    lipschitz = math.inf
    if loss.lipschitz != math.inf:  # as of the squared loss
        lipschitz = check_real("loss.lipschitz", loss.lipschitz, minimum=0)
    smoothness = math.inf
    if loss.smoothness is not None:
        smoothness = check_real("loss.smoothness", loss.smoothness, minimum=0)
    check_flag("loss.zero_at_label", loss.zero_at_label)
    f = torch.linspace(-8.03, 8.01, 301, dtype=torch.float64, device="cpu")
    for label in (-1.0, 1.0):
        y = torch.full_like(f, label)
        value, slope = _asked("", loss, f, y), _asked(".derivative", loss.derivative, f, y)
        rise, rounding = value.diff(), 1e-9 * (1 + slope.abs().max() + value.abs().max())
        slack = (1e-6 + rounding) * f.diff()
        wrong = {
            "convex, with this derivative": (rise < slope[:-1] * f.diff() - slack)
            | (rise > slope[1:] * f.diff() + slack),
            f"of lipschitz {lipschitz:g}": slope.abs() > lipschitz + rounding,
            f"of smoothness {smoothness:g}": slope.diff() > smoothness * f.diff() + rounding,
        }
        if loss.zero_at_label:
            wrong["zero_at_label"] = _asked("", loss, y, y).abs() > rounding
        for fact, rows in wrong.items():
            if bool(rows.any()):
                at = float(f[int(rows.int().argmax())])
                raise ValueError(f"loss must be {fact}; it is not near f = {at:.3g}, y = {label:g}")


@functools.lru_cache(maxsize=256)
def _check_facts_once(loss: Hashable) -> None:
    _check_facts(cast(Loss, loss))


def _asked(part: str, function: Callable[[Tensor, Tensor], Tensor], f: Tensor, y: Tensor) -> Tensor:
    name = f"loss{part}(f, y)"
    with calling(name):
        found: object = function(f.clone(), y.clone())
    check_shape(name, check_floats(name, found), f.shape)
    check_alike(name, cast(Tensor, found), "f", f)
    return cast(Tensor, found).detach()


_SIGNED = (torch.int8, torch.int16, torch.int32, torch.int64)
_right: weakref.ref[Tensor] | None = None  # the labels looked at last, and their version then
_version = -1


def _check_signs(f: Tensor, y: Tensor | float) -> None:
    """Raise for labels other than -1 and +1: 0 would cost log 2 for any output.

    Labels that were looked at in the call before are not looked at again: in loops this is free.
    """
    global _right, _version
    _check_shapes(f, y)
    if isinstance(y, Tensor):
        held = y if y._base is None else y._base
        if torch._C._functorch.is_functorch_wrapped_tensor(held):
            return  # no entries to look at
        known = not held.is_inference()  # whose changes nobody counts
        if known and _right is not None and _right() is held and _version == held._version:
            return
        wrong = held[held.abs() != 1]
        if not len(wrong):
            if known:
                _right, _version = weakref.ref(held), held._version
            return
        wrong = y[y.abs() != 1]  # a view may have left them out
        if not len(wrong):
            return
        y = float(wrong[0])
    if y not in (-1, 1):
        raise ValueError(
            f"y must have entries -1 and +1 only, got {y:g}; 2 * y - 1 maps 0 and 1 to them"
        )


def _check_shapes(f: Tensor, y: Tensor | float) -> None:
    """Raise where labels do not belong to outputs: (n, 1) with (n,) would be n times n losses.

    One number may stand for the label of all.
    """
    if not isinstance(f, Tensor):
        raise TypeError(f"f must be a torch.Tensor, got {type(f).__name__}")
    if not f.is_floating_point():
        raise TypeError(f"f must be a tensor of floats, got {f.dtype}")
    check_kind("f", f, "f", f)
    if f.device.type == "meta":
        raise ValueError("f must have entries, got a tensor on the device meta")
    if not isinstance(y, Tensor):
        if isinstance(y, bool) or not isinstance(y, int | float):
            raise TypeError(f"y must be a torch.Tensor or a real number, got {seen(y)}")
        if abs(check_real("y", y)) > 2**53:
            raise ValueError(f"y must be a label, got {y:g}")
        return
    if not y.is_floating_point() and (y.dtype not in _SIGNED):
        raise TypeError(f"y must be a tensor of floats like f, got {y.dtype}, which has no -1")
    check_kind("y", y, "f", f.to(y.dtype) if f.dtype != y.dtype else f)
    if f.shape == y.shape or f.shape[f.dim() - y.dim() :] == y.shape:
        return
    alike = [
        a == b or (b == 1 and k > 0) for k, (a, b) in enumerate(zip(f.shape, y.shape, strict=False))
    ]
    if f.dim() != y.dim() or not all(alike):
        raise ValueError(f"y must have shape {tuple(f.shape)} like f, got {tuple(y.shape)}")


@dataclass(frozen=True)
class PseudoHuber:
    """sqrt(1 + (f - y)^2) - 1: meets every assumption of the theorems, constants 1 and 1."""

    lipschitz: ClassVar[float] = 1.0
    smoothness: ClassVar[float | None] = 1.0
    zero_at_label: ClassVar[bool] = True

    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        """The loss (n,) of outputs ``f`` (n,) at labels ``y`` (n,)."""
        _check_shapes(f, y)
        r = f - y
        # r^2 / (sqrt(1 + r^2) + 1) is the same number without cancellation near r = 0
        return r * (r / (torch.hypot(torch.ones_like(r), r) + 1))

    def derivative(self, f: Tensor, y: Tensor) -> Tensor:
        """The derivative (n,) in ``f``."""
        _check_shapes(f, y)
        r = f - y
        return r / torch.hypot(torch.ones_like(r), r)


@dataclass(frozen=True)
class LogCosh:
    """log cosh(f - y): meets every assumption of the theorems, constants 1 and 1."""

    lipschitz: ClassVar[float] = 1.0
    smoothness: ClassVar[float | None] = 1.0
    zero_at_label: ClassVar[bool] = True

    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        """The loss (n,) of outputs ``f`` (n,) at labels ``y`` (n,)."""
        _check_shapes(f, y)
        a = (f - y).abs()
        # two branches, each exact where it is used: cosh overflows for large a, and
        # a + log1p(exp(-2a)) - log 2 cancels for small a
        small = torch.log1p(2 * torch.sinh(a.clamp(max=1) / 2) ** 2)
        large = a + torch.log1p(torch.expm1(-2 * a) / 2)
        return torch.where(a < 1, small, large)

    def derivative(self, f: Tensor, y: Tensor) -> Tensor:
        """The derivative (n,) in ``f``."""
        _check_shapes(f, y)
        return torch.tanh(f - y)


@dataclass(frozen=True)
class Logistic:
    """log(1 + exp(-y f)): Lipschitz and smooth, but positive even at f = y."""

    lipschitz: ClassVar[float] = 1.0
    smoothness: ClassVar[float | None] = 0.25
    zero_at_label: ClassVar[bool] = False

    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        """The loss (n,) of outputs ``f`` (n,) at labels ``y`` (n,) in {-1, +1}."""
        _check_signs(f, y)
        # beyond the threshold torch returns its argument: 40 is where float64 cannot tell
        return functional.softplus(-y * f, threshold=40.0)

    def derivative(self, f: Tensor, y: Tensor) -> Tensor:
        """The derivative (n,) in ``f``."""
        _check_signs(f, y)
        return -y * torch.sigmoid(-y * f)


@dataclass(frozen=True)
class Hinge:
    """max(0, 1 - y f): Lipschitz with ell(y, y) = 0, but not smooth."""

    lipschitz: ClassVar[float] = 1.0
    smoothness: ClassVar[float | None] = None
    zero_at_label: ClassVar[bool] = True

    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        """The loss (n,) of outputs ``f`` (n,) at labels ``y`` (n,) in {-1, +1}."""
        _check_signs(f, y)
        return torch.relu(1 - y * f)

    def derivative(self, f: Tensor, y: Tensor) -> Tensor:
        """A subgradient (n,) in ``f``; 0 at the kink, as autograd has it."""
        _check_signs(f, y)
        return torch.where(y * f < 1, -y, torch.zeros_like(f))
