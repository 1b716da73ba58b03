"""Networks with explicit weights that fit points robustly, and their certificates."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..checks import check_alike, check_floats, check_real, check_shape
from ..samples import Sample


@dataclass(frozen=True, repr=False)
class Interpolator:
    """A ReLU net that fits labelled points on sets of ``radius``, proved by its construction.

    ``sets`` says which, "balls" (Euclidean) or "caps" of the unit sphere, with a chord for radius.
    ``margin`` is a lower bound on y f(x') over all of them, in exact arithmetic; positive means
    that every set is classified right. ``width`` is the largest number of ReLU units in a layer,
    ``layers`` the number of hidden layers, ``weights`` how many numbers define the net.
    """

    net: nn.Module
    radius: float
    margin: float
    width: int
    layers: int
    weights: int
    sets: str = "balls"

    @property
    def robust(self) -> bool:
        """Whether the margin proves all sets right."""
        return self.margin > 0

    def __repr__(self) -> str:
        kind = "is proved right" if self.robust else "is not proved right"
        return (
            f"ReLU net of {self.layers} hidden layer{'s' * (self.layers != 1)}, width {self.width} "
            f"and {self.weights} weights: {kind} on {self.sets} of radius {self.radius:g}, "
            f"y f >= {self.margin:.4g}."
        )


class NearestCentre(nn.Module):
    """f(x) = max over + centres of g_i(x) minus max over - centres, g_i = <x_i, x> - |x_i|^2/2.

    The sign says to which label the nearest centre belongs. Each maximum is a tree of pairwise
    ones, max(a, b) = b + relu(a - b) with b = relu(b) - relu(-b), so this is a ReLU net with
    about log2 n hidden layers and n (d + 1) numbers. Both labels must occur.
    """

    def __init__(self, x: Tensor, y: Tensor) -> None:
        super().__init__()
        self.plus: Tensor
        self.minus: Tensor
        self.register_buffer("plus", x[y > 0].clone())
        self.register_buffer("minus", x[y < 0].clone())

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n,) at points ``x`` (n, d)."""
        return _greatest(x, self.plus) - _greatest(x, self.minus)


def _greatest(x: Tensor, centres: Tensor) -> Tensor:
    values = x @ centres.T - (centres**2).sum(1) / 2
    while values.shape[1] > 1:
        odd = values[:, -1:] if values.shape[1] % 2 else values[:, :0]
        a, b = values[:, 0 : values.shape[1] - 1 : 2], values[:, 1::2]
        values = torch.cat([torch.relu(b) - torch.relu(-b) + torch.relu(a - b), odd], 1)
    return values[:, 0]


def nearest_centre(x: Tensor, y: Tensor, radius: float) -> Interpolator:
    """The nearest-centre ReLU net for points ``x`` (n, d), labels ``y`` (n,), Euclidean balls.

    On the ball round x_i, y_i f >= min over opposite x_j of D^2/2 - radius D, D = |x_i - x_j|, so
    it is right wherever the balls of opposite labels are disjoint: in any dimension, with n (d + 1)
    weights and about log2 n layers. Raises ``ValueError`` where only one label occurs.
    """
    check_points(x, y)
    if not x.shape[1]:
        raise ValueError(f"x must have at least one column, got shape {tuple(x.shape)}")
    x, y = x.detach(), y.detach()
    radius = check_real("radius", radius, minimum=0)
    plus, minus = int((y > 0).sum()), int((y < 0).sum())
    if not plus or not minus:
        raise ValueError(f"y must hold both labels, got only {float(y[0]):+g}: a constant fits it")
    apart = torch.cdist(x[y > 0].double(), x[y < 0].double(), compute_mode=_EXACT)
    margin = float((apart**2 / 2 - radius * apart).min())
    if not math.isfinite(margin):
        large = float(x.abs().max())
        raise ValueError(f"x and radius must be smaller, got entries up to {large:.1g}")
    layers = math.ceil(math.log2(max(plus, minus)))
    width = sum(3 * (count // 2) + 2 * (count % 2) for count in (plus, minus)) if layers else 0
    net = NearestCentre(x, y)
    return Interpolator(net, float(radius), margin, width, layers, x.numel() + len(x))


def cap_net(sample: Sample, rho: float) -> Interpolator:
    """A two-layer ReLU net that fits ``sample`` on spherical caps of radius ``rho`` (a chord).

    One unit relu(<x_i, x> - tau) for every point of the rarer label, which is active on the cap of
    x_i and on no cap of the other label, and an output bias that gives all else the other label.
    With S the smallest distance of opposite labels it works where the caps are disjoint, with
    min(n+, n-) units in any dimension: robust width need not grow with d on the sphere, for radii
    below half the separation. Scaled so that |f| = 1 at the margin; raises ``ValueError`` where
    caps of opposite labels meet (naming the pair).
    """
    if not isinstance(sample, Sample):
        raise TypeError(f"sample must be a Sample, got {type(sample).__name__}")
    rho = check_real("rho", rho, minimum=0)
    x, y = sample.x.double(), sample.y.double()
    rare = 1.0 if float((y > 0).sum()) <= float((y < 0).sum()) else -1.0
    ours, others = x[y == rare], x[y != rare]
    angle = 2 * math.asin(min(rho, 2.0) / 2)
    near = math.cos(angle)  # least <x_i, x'> over the cap of x_i
    if len(ours):
        theta = 2 * torch.asin(torch.cdist(ours, others, compute_mode=_EXACT).clamp(max=2) / 2)
        if float(theta.min()) <= 2 * angle:
            i, j = divmod(int(theta.argmin()), len(others))
            pair = (int((y == rare).nonzero()[i]), int((y != rare).nonzero()[j]))
            raise ValueError(
                f"rho must be below half the separation of the sample: the caps of radius {rho:g} "
                f"round points {pair[0]} and {pair[1]}, of opposite labels, meet"
            )
        far = torch.cos(theta.amin(1) - angle)  # greatest <x_i, x'> over caps of the other label
        tau, slope = (near + far) / 2, 4 / (near - far)
    else:
        tau, slope = (
            torch.zeros(0, dtype=x.dtype, device=x.device),
            torch.zeros(0, dtype=x.dtype, device=x.device),
        )
    net = two_layer(ours, -tau, rare * slope, -rare)
    weights = len(ours) * (sample.d + 2) + 1
    return Interpolator(net, float(rho), 1.0, len(ours), 1, weights, "caps")


def line_net(
    x: Tensor, y: Tensor, radius: float, *, direction: Tensor | None = None
) -> Interpolator:
    """The narrowest two-layer ReLU net that fits points by their order along ``direction``.

    ``x`` (n, d), ``y`` (n,), ``direction`` a unit vector (d,), by default the first axis. For s
    changes of label along the line it has 0, 1, 2, 3, 3, 4, 5, ... units for s = 0, 1, 2, ...: no
    two-layer ReLU net on a line changes its sign s times with fewer. Right on the balls of
    ``radius`` wherever the intervals into which they project are disjoint for different labels;
    raises ``ValueError`` where they are not.
    """
    check_points(x, y)
    if not x.shape[1]:
        raise ValueError(f"x must have at least one column, got shape {tuple(x.shape)}")
    x, y = x.detach(), y.detach()
    radius = check_real("radius", radius, minimum=0)
    first = torch.eye(1, x.shape[1], dtype=x.dtype, device=x.device)[0]
    axis = first if direction is None else direction
    axis = check_floats("direction", axis).detach()
    check_shape("direction", axis, x.shape[1:])
    check_alike("direction", axis.to(x.dtype), "x", x)
    if abs(float(axis.norm()) - 1) > 1e-6:
        raise ValueError(f"direction must have norm 1, got {float(axis.norm()):g}")
    t, order = (x.double() @ axis.double()).sort()
    labels = y.double()[order]
    change = (labels[1:] != labels[:-1]).nonzero()[:, 0]
    if len(change) and float((t[change + 1] - t[change]).min()) <= 2 * radius:
        raise ValueError(
            f"radius must keep opposite labels of x apart along the line, got {radius:g}"
        )
    crossings = ((t[change] + t[change + 1]) / 2).tolist()
    slopes, kinks, jumps, bias = _zigzag(crossings, float(t[-1]) + radius)
    sign = float(labels[0]) if len(t) else 1.0
    knots = torch.tensor(kinks, dtype=torch.float64, device=x.device)
    towards = torch.tensor(slopes, dtype=torch.float64, device=x.device)
    readout = -sign * torch.tensor(jumps, dtype=torch.float64, device=x.device)
    net = two_layer(towards[:, None] * axis.double(), -towards * knots, readout, -sign * bias)
    corners = torch.cat([t - radius, t + radius, knots])
    inside = (corners - t[:, None]).abs() <= radius * (1 + 1e-12)
    values = labels[:, None] * net(corners[:, None] * axis.double())
    margin = float(values.where(inside, torch.full_like(values, math.inf)).min())
    return Interpolator(
        net, float(radius), margin, len(kinks), 1, len(kinks) * (x.shape[1] + 2) + 1
    )


def _zigzag(
    crossings: list[float], end: float
) -> tuple[list[float], list[float], list[float], float]:
    """Directions, kinks, jumps of slope and bias: first negative, zero at ``crossings`` only."""
    c = crossings
    if not c:
        return [], [], [], -1.0
    if len(c) == 1:
        return [1.0], [c[0] - 1], [1.0], -1.0
    if len(c) == 2:
        middle, half = (c[0] + c[1]) / 2, (c[1] - c[0]) / 2
        return [-1.0, 1.0], [middle, middle], [-1 / half, -1 / half], 1.0
    if len(c) == 3:
        c = [*c, max(end, c[-1]) + 1]  # one more, beyond all points
    slopes = [1.0, -1.0] + [0.5 * (-1) ** j for j in range(len(c) - 2)]
    pairs = zip(slopes[:-1], slopes[1:], c[:-1], c[1:], strict=True)
    kinks = [b + (a - b) * abs(s) / (abs(s) + abs(q)) for s, q, a, b in pairs]
    jumps = [b - a for a, b in itertools.pairwise(slopes)]
    towards = [1.0] * len(kinks)
    towards[2] = -1.0  # its jump is minus the first slope: no unit is needed for that slope
    return towards, kinks, jumps, -jumps[2] * (kinks[2] - c[0])


def _empty(inputs: int, outputs: int, like: Tensor) -> nn.Linear:
    """A layer whose weights wait to be set: none are drawn from the user's random stream."""
    layer = nn.Linear(inputs, outputs, dtype=torch.float64, device="meta")
    return layer.to_empty(device=like.device)


def two_layer(units: Tensor, biases: Tensor, readout: Tensor, bias: float) -> nn.Module:
    """x -> sum_r readout_r relu(<units_r, x> + biases_r) + bias in float64; also without units."""
    width, d = units.shape
    last = _empty(width or d, 1, units)
    with torch.no_grad():
        last.weight.copy_(readout[None] if width else units.new_zeros(1, d))
        last.bias.fill_(bias)
    if not width:
        return nn.Sequential(last, nn.Flatten(0)).requires_grad_(False)
    first = _empty(d, width, units)
    with torch.no_grad():
        first.weight.copy_(units)
        first.bias.copy_(biases)
    return nn.Sequential(first, nn.ReLU(), last, nn.Flatten(0)).requires_grad_(False)


_EXACT = "donot_use_mm_for_euclid_dist"


def check_points(x: Tensor, y: Tensor) -> None:
    """Raise where these are not points (n, d) with labels (n,) in {-1, +1}, at least one."""
    check_floats("x", x, min_dim=2)
    check_floats("y", y)
    check_alike("x", x, "y", y)
    if x.dim() != 2:
        raise ValueError(f"x must have shape (n, d), got {tuple(x.shape)}")
    check_shape("y", y, x.shape[:1], fits="x")
    if not len(x):
        raise ValueError("x must hold at least one point, got none")
    if bool((y.abs() != 1).any()):
        raise ValueError(f"y must have entries -1 and +1 only, got {y.tolist()}")
