"""Networks with explicit weights that fit points robustly, and their certificates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..numerics import check_alike, check_floats, check_real, check_shape
from ..samples import Sample


@dataclass(frozen=True, repr=False)
class Interpolator:
    """A ReLU net that fits labelled points on balls of ``radius``, proved by its construction.

    ``margin`` is a lower bound on y f(x') over all the balls, in exact arithmetic; positive means
    that every ball is classified right. ``width`` is the largest number of ReLU units in a layer,
    ``layers`` the number of hidden layers, ``weights`` how many numbers define the net.
    """

    net: nn.Module
    radius: float
    margin: float
    width: int
    layers: int
    weights: int

    @property
    def robust(self) -> bool:
        """Whether the margin proves all balls right."""
        return self.margin > 0

    def __repr__(self) -> str:
        kind = "is proved right" if self.robust else "is not proved right"
        return (
            f"ReLU net of {self.layers} hidden layer{'s' * (self.layers != 1)}, width {self.width} "
            f"and {self.weights} weights: {kind} on balls of radius {self.radius:g}, "
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
    check_real("radius", radius, minimum=0)
    plus, minus = int((y > 0).sum()), int((y < 0).sum())
    if not plus or not minus:
        raise ValueError(f"y must hold both labels, got only {float(y[0]):+g}: a constant fits it")
    apart = torch.cdist(x[y > 0].double(), x[y < 0].double(), compute_mode=_EXACT)
    margin = float((apart**2 / 2 - radius * apart).min())
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
    check_real("rho", rho, minimum=0)
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
        tau, slope = torch.zeros(0, dtype=x.dtype), torch.zeros(0, dtype=x.dtype)
    net = two_layer(ours, -tau, rare * slope, -rare)
    weights = len(ours) * (sample.d + 2) + 1
    return Interpolator(net, float(rho), 1.0, len(ours), 1, weights)


def two_layer(units: Tensor, biases: Tensor, readout: Tensor, bias: float) -> nn.Module:
    """x -> sum_r readout_r relu(<units_r, x> + biases_r) + bias in float64; also without units."""
    width, d = units.shape
    last = nn.Linear(width or d, 1).double()
    with torch.no_grad():
        last.weight.copy_(readout[None] if width else torch.zeros(1, d))
        last.bias.fill_(bias)
    if not width:
        return nn.Sequential(last, nn.Flatten(0)).requires_grad_(False)
    first = nn.Linear(d, width).double()
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
    check_shape("y", y, x.shape[:1])
    if not len(x):
        raise ValueError("x must hold at least one point, got none")
    if bool((y.abs() != 1).any()):
        raise ValueError(f"y must have entries -1 and +1 only, got {y.tolist()}")
