"""Step sizes and horizons that the theorems ask for, with every constant that went into them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from ..activations import ACTIVATIONS
from ..checks import check_integer, check_real
from ..losses import Loss, check_loss
from ..models import departure, known_as
from ..networks import DeepNet, LinearizedNet, TwoLayerNet

Row = tuple[str, str, float]
_LEAST, _MOST = 1e-60, 1e60  # of what is squared and multiplied here


@dataclass(frozen=True, repr=False)
class Schedule:
    """``steps`` steps of ``step_size``, the promise they keep, and the constants behind it.

    ``promise`` says what is bounded, and ``excess`` by how much it may exceed L_*(W_*), before any
    linearisation error. ``factor`` multiplies L_*(W_*) (1 but for the fast rate). ``width`` is
    what the theorem asks of the net (0 where it asks nothing), ``rows()`` all constants as
    (symbol, meaning, value).
    """

    step_size: float
    steps: int
    width: int
    excess: float
    factor: float
    promise: str
    constants: tuple[Row, ...]

    def bound(self, robust_loss: float, *, linearisation_error: float = 0.0) -> float:
        """The promised upper bound, given L_*(W_*) and L times the linearisation error."""
        robust_loss = check_real("robust_loss", robust_loss)
        linearisation_error = check_real("linearisation_error", linearisation_error, minimum=0)
        return self.factor * robust_loss + self.excess + linearisation_error

    def rows(self) -> tuple[Row, ...]:
        """Every constant and what follows, as (symbol, meaning, value)."""
        asked = ((r"$m$", "width asked for", float(self.width)),) if self.width else ()
        return (
            *self.constants,
            *asked,
            (r"$\alpha$", "step size", self.step_size),
            (r"$T$", "steps", float(self.steps)),
            (r"$\varepsilon$", "excess promised", self.excess),
        )

    def __repr__(self) -> str:
        lines = [f"{self.promise}:"]
        rows = [(symbol.strip("$\\"), text, f"{value:.6g}") for symbol, text, value in self.rows()]
        wide = [max(len(row[i]) for row in rows) for i in (0, 1)]
        lines += [f"  {a.ljust(wide[0])}  {b.ljust(wide[1])}  {c}" for a, b, c in rows]
        return "\n".join(lines)


def two_layer_schedule(net: TwoLayerNet, *, loss: Loss, radius: float, epsilon: float) -> Schedule:
    """Theorem B with explicit constants: no projection, smooth activation, any attack.

    With inputs of norm at most 1, |s'| <= C_0, |s''| <= C_1 and a loss with Lipschitz constant L:
    if the width is at least (2 L C_1 R^2/epsilon)^2, alpha = epsilon/(2 L^2 C_0^2) and
    T = R^2/(alpha epsilon), then some t < T has L_A(W_t) < L_*(W_*) + epsilon for every W_* with
    |W_* - W_0|_F <= R = ``radius``; and until then |W_t - W_*|_F falls at every step. The constants
    are ours. Raises ``ValueError`` for activations whose slope or curvature has no bound.
    """
    if known_as(net, (TwoLayerNet,)) is None:
        seen = departure(net, (TwoLayerNet,)) or type(net).__name__
        raise TypeError(f"net must be a TwoLayerNet, got {seen}")
    check_loss(loss)
    s, lip = net.activation, _lipschitz(loss)
    if math.isinf(s.slope) or not s.smooth:
        fit = [repr(a.name) for a in ACTIVATIONS.values() if a.smooth and math.isfinite(a.slope)]
        raise ValueError(
            f"net must have an activation with bounded slope and curvature, got {s.name!r}; "
            f"{', '.join(fit[:-1])} and {fit[-1]} have them"
        )
    radius, epsilon = _sized("radius", radius), _sized("epsilon", epsilon)
    _whole(epsilon, math.sqrt(2) * lip * s.slope * radius)
    alpha = epsilon / (2 * lip**2 * s.slope**2)
    return Schedule(
        step_size=alpha,
        steps=math.ceil(radius**2 / (alpha * epsilon)),
        width=_whole(epsilon, 2 * lip * s.curvature * radius**2),
        excess=float(epsilon),
        factor=1.0,
        promise="min over t < T of L_A(W_t) is below L_*(W_*) + epsilon",
        constants=(
            ("$R$", "distance of the comparator", float(radius)),
            ("$L$", "Lipschitz constant of the loss", lip),
            ("$C_0$", "largest slope of the activation", s.slope),
            ("$C_1$", "largest curvature of the activation", s.curvature),
        ),
    )


def projected_schedule(
    net: nn.Module,
    *,
    loss: Loss,
    radius: float,
    steps: int | None = None,
    epsilon: float | None = None,
    gradient: float | None = None,
) -> Schedule:
    """Online gradient descent tuned to its horizon: alpha = D/(L G sqrt(T)), excess D L G/sqrt(T).

    Give ``steps`` T, or ``epsilon``: then T = (D L G/epsilon)^2. D bounds |W_0 - W_*|_F: ``radius``
    for one trained layer, sqrt(H) ``radius`` for H of them, each in its ball. G = ``gradient``
    bounds |grad_W f|_F: by default C_0 for two-layer nets and their linearisations, where it is
    proved for inputs of norm at most 1. For a ``DeepNet`` it must be given (at W_0 it is the root
    of the largest diagonal entry of ``empirical_ntk``). The promise is exact for linearised nets;
    for others L times the linearisation error in the ball is added (Theorem A), and ``promise``
    says so. Raises ``ValueError`` unless exactly one of ``steps`` and ``epsilon`` is given, and
    where ``gradient`` is needed.
    """
    check_loss(loss)
    distance, top, layers = _ball(net, radius, gradient)
    lip = _lipschitz(loss)
    if (steps is None) == (epsilon is None):
        raise ValueError(
            f"exactly one of steps and epsilon must be given, got {steps!r} and {epsilon!r}"
        )
    product = distance * lip * top
    if epsilon is not None:
        steps = _whole(_sized("epsilon", epsilon), product)
    horizon = check_integer("steps", steps, minimum=1)
    error = "" if known_as(net, (LinearizedNet,)) else ", plus L times the linearisation error"
    return Schedule(
        step_size=distance / (lip * top * math.sqrt(horizon)),
        steps=horizon,
        width=0,
        excess=product / math.sqrt(horizon),
        factor=1.0,
        promise="mean over t < T of L_A(W_t) is at most L_*(W_*) + epsilon" + error,
        constants=(
            ("$R$", "radius of the ball", float(radius)),
            ("$H$", "trained layers", float(layers)),
            ("$D$", "distance of the comparator", distance),
            ("$L$", "Lipschitz constant of the loss", lip),
            ("$G$", "largest gradient of the output", top),
        ),
    )


def realisable_schedule(
    net: nn.Module, *, loss: Loss, radius: float, steps: int, gradient: float | None = None
) -> Schedule:
    """The fast rate: a constant step alpha = 1/(2 beta G^2), for comparators with hardly any loss.

    For a non-negative loss with smoothness beta in a linearised net,
    (1/T) sum_t L_A(W_t) <= (D^2/(2 alpha T) + L_*(W_*))/(1 - alpha beta G^2) = 2 beta G^2 D^2/T +
    2 L_*(W_*), so that the mean falls like 1/T where L_*(W_*) = 0. D and G as in
    ``projected_schedule``. Raises ``ValueError`` for a loss without a smoothness constant.
    """
    check_loss(loss)
    distance, top, layers = _ball(net, radius, gradient)
    steps = check_integer("steps", steps, minimum=1)
    if loss.smoothness is None:
        raise ValueError(f"loss must be smooth, such as PseudoHuber(), got {loss!r}")
    alpha = 1 / (2 * _sized("loss.smoothness", loss.smoothness) * top**2)
    return Schedule(
        step_size=alpha,
        steps=steps,
        width=0,
        excess=distance**2 / (alpha * steps),
        factor=2.0,
        promise="mean over t < T of L_A(W_t) is at most 2 L_*(W_*) + epsilon",
        constants=(
            ("$R$", "radius of the ball", float(radius)),
            ("$H$", "trained layers", float(layers)),
            ("$D$", "distance of the comparator", distance),
            (r"$\beta$", "smoothness of the loss", loss.smoothness),
            ("$G$", "largest gradient of the output", top),
        ),
    )


def _whole(epsilon: float, size: float) -> int:
    """ceil((size/epsilon)^2), a number of steps or units; raises where no machine counts so far."""
    ratio = size / epsilon
    if not ratio < 2**31:
        raise ValueError(
            f"epsilon must be larger, or radius smaller, got epsilon = {epsilon:g}: it asks for "
            "over 2^62 steps"
        )
    return max(1, math.ceil(ratio * ratio))


def _sized(name: str, value: object) -> float:
    """``value``, a positive number whose square, times that of another such, is one too."""
    number = check_real(name, value, above=0)
    if not _LEAST <= number <= _MOST:
        raise ValueError(f"{name} must be from {_LEAST:g} to {_MOST:g}, got {number:g}")
    return number


def _lipschitz(loss: Loss) -> float:
    return _sized("loss.lipschitz", loss.lipschitz)


def _ball(net: nn.Module, radius: float, gradient: float | None) -> tuple[float, float, int]:
    """D, G and the number of layers."""
    base = net.base_net if isinstance(net, LinearizedNet) else net
    kinds = (TwoLayerNet, DeepNet, LinearizedNet)
    if known_as(net, kinds) is None or not isinstance(base, TwoLayerNet | DeepNet):
        seen = departure(net, kinds) or type(net).__name__
        raise TypeError(f"net must be a TwoLayerNet, a DeepNet or their linearisation, got {seen}")
    radius = _sized("radius", radius)
    layers = base.depth if isinstance(base, DeepNet) else 1
    if gradient is None:
        if not isinstance(base, TwoLayerNet) or math.isinf(base.activation.slope):
            raise ValueError(
                "gradient must be given: no bound on the gradient is known for this net; at W_0 "
                "it is empirical_ntk(net, x).diagonal().max().sqrt()"
            )
        gradient = base.activation.slope
    return math.sqrt(layers) * radius, _sized("gradient", gradient), layers
