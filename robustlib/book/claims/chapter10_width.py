"""The statements of chapter 10 on width: explicit nets, and a bound from capacity."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ...capacity import (
    cap_net,
    narrowest_net,
    nearest_centre,
    two_layer_vc_bound,
    width_needed,
)
from ...capacity.growth import sauer
from ...capacity.patterns import activity_patterns
from ...losses import Hinge
from ...numerics import generator
from ...samples import Sample, digits, hexagon, sphere, two_caps
from ...sets import SphereCap
from ...sets.projections import distances
from ...verification.robust_loss import robust_loss
from .registry import Control, Evidence, claim
from .sharp import divided, doubled
from .tools import F64


@dataclass(frozen=True)
class Points:
    """Points anywhere (a :class:`Sample` is on the sphere) and their labels."""

    x: Tensor
    y: Tensor


def half_separation(points: Points | Sample) -> float:
    """Half the smallest distance between points of different labels."""
    x, y = points.x.double(), points.y
    return float(distances(x[y > 0], x[y < 0], p=2).min()) / 2


@claim(
    "nearest-centre",
    statement="prop-nearest-centre",
    title="A deep net that is robust up to half the separation",
    chapter="10-capacity",
)
def nearest_centre_net(size: str) -> Evidence:
    """The margin formula against the worst points, which are known, and against random ones."""
    low, gap = math.inf, 0.0
    for n, d in (
        ((2, 1), (5, 2), (20, 5)) if size == "smoke" else ((2, 1), (5, 2), (20, 5), (50, 30))
    ):
        x = torch.randn(n, d, dtype=F64, generator=generator(n))
        y = torch.where(torch.arange(n) < n // 2, 1.0, -1.0).double()
        radius = 0.99 * half_separation(Points(x, y))
        found = nearest_centre(x, y, radius)
        z = torch.randn(200, n, d, dtype=F64, generator=generator(d))
        z = x + radius * z / z.norm(dim=2, keepdim=True)
        low = min(low, float((found.net(z.flatten(0, 1)) * y.repeat(200)).min()) - found.margin)
        towards = x[None] - x[:, None]
        length = towards.norm(dim=2, keepdim=True).clamp(min=1e-300)
        worst = (x[:, None] + radius * towards / length).flatten(0, 1)
        least = float((found.net(worst) * y.repeat_interleave(n)).min())
        gap = max(gap, abs(least - found.margin) / found.margin)
        low = min(low, 0.0 if found.robust and found.weights == n * (d + 1) else -1.0)
    # a little further than the middle between the closest opposite points
    beyond = x[:, None] + 1.01 / 0.99 * radius * towards / length
    opposite = (y[:, None] != y).flatten()
    hurt = found.net(beyond.flatten(0, 1)[opposite]) * y.repeat_interleave(n)[opposite]
    return Evidence(
        predicted="smallest margin over the balls = min D^2/2 - radius D > 0, n (d + 1) weights",
        measured=f"attained to {1e-9 if gap <= 1e-9 else gap:.0e}, never less",
        value=gap,
        holds=gap <= 1e-9 and low >= -1e-9,
        ratio=1 / (1 + gap),
        control=doubled(
            Control(
                broken="a radius of 1.01 of half the separation",
                measured=f"{int((hurt < 0).sum())} points of balls are wrong",
                holds=bool((hurt > 0).all()),
                short="too large radius",
            ),
            1 / (1 + gap),
        ),
        ran="random points, n = 2 to 20 or 50, d = 1 to 5 or 30, 0.99 of half the separation",
    )


@claim(
    "cap-net",
    statement="prop-cap-net",
    title="One unit for each rarer point on the sphere",
    chapter="10-capacity",
)
def cap_units(size: str) -> Evidence:
    """Each unit's range over every cap, in closed form, and the exact robust loss in the plane."""
    samples = [hexagon(), sphere(12, 3), sphere(40, 10), two_caps(3, 0.3, 20)]
    if size != "smoke":
        samples += [digits(classes=(3, 8), n=60), sphere(100, 30)]
    least, right = math.inf, True
    for sample in samples:
        rho = 0.98 * half_separation(sample)
        found = cap_net(sample, rho)
        right &= found.width == min(int((sample.y > 0).sum()), int((sample.y < 0).sum()))
        least = min(least, margin_of_caps(found.net, sample, rho))
    plane = hexagon()
    net = cap_net(plane, 0.5).net
    judged = robust_loss(net, plane, perturbation=SphereCap(0.5), loss=Hinge(), effort="high")
    attained, broken = (_least_on_arcs(net, plane, rho) for rho in (0.5, 0.54))
    return Evidence(
        predicted="min(n+, n-) units and y f >= 1 on all caps below half the separation",
        measured=f"y f >= {least:.4f}; exact robust accuracy {judged.accuracy[0]:g} in the plane, "
        f"y f down to {attained:.4f}",
        value=least,
        holds=right and min(least, attained) >= 1 - 1e-9 and judged.accuracy[0] == 1,
        ratio=1 / attained,
        control=doubled(
            Control(
                broken="the same net on caps of more than half the separation",
                measured=f"y f = {broken:.2f} at a point of a cap",
                holds=broken > 0,
                short="too large caps",
            ),
            1 / attained,
        ),
        ran=f"{len(samples)} samples on spheres of dimension 2 to 30 or 64",
    )


def _least_on_arcs(net: nn.Module, sample: Sample, rho: float) -> float:
    """The least y f at 401 points of every arc, its ends among them."""
    points = SphereCap(rho).grid(sample.x, 401)
    with torch.no_grad():
        outputs: Tensor = net(points.flatten(0, 1)).reshape(points.shape[:2]) * sample.y[:, None]
    return float(outputs.min())


def margin_of_caps(net: nn.Module, sample: Sample, rho: float) -> float:
    """A lower bound of y f over all caps: every unit at its own worst point of the cap."""
    first, last = (layer for layer in net.children() if isinstance(layer, nn.Linear))
    x, y, cap = sample.x.double(), sample.y.double(), SphereCap(rho)
    total: Tensor = last.bias.expand(len(x)) * y
    for w, b, a in zip(first.weight, first.bias, last.weight[0], strict=True):
        push = -(a * y)[:, None] * w  # the direction that hurts
        worst = cap.argmax_linear(push, x)
        total = total + y * a * torch.relu((worst * w).sum(1) + b)
    return float(total.min())


@claim(
    "two-layer-vc",
    statement="prop-two-layer-vc",
    title="Capacity of two-layer ReLU nets",
    chapter="10-capacity",
)
def two_layer_vc(size: str) -> Evidence:
    """Patterns of units against the sum of binomials, and the bound against capacities known."""
    most, without_bias = 0.0, 0.0
    for d in (1, 2, 3):
        for n in (2, 5, 9, 14) if size == "smoke" else (2, 5, 9, 14, 20):
            x = np.random.default_rng(n).normal(size=(n, d))
            patterns = len(activity_patterns(np.hstack([x, np.ones((n, 1))])))
            most = max(most, patterns / sauer(n, d + 1))
            without_bias = max(without_bias, patterns / sauer(n, d))
    # on a line: all labellings of N points, N - 1 changes; in the plane by search
    known = [(1, m, m + 2) for m in range(3, 40)] + [(1, 2, 3), (2, 2, planar_points(6))]
    slack = min(two_layer_vc_bound(d, m) / vc for d, m, vc in known)
    one = all(two_layer_vc_bound(d, 1) == d + 1 for d in (1, 2, 5, 20))
    inverse = all(
        two_layer_vc_bound(d, width_needed(n, d))
        >= n
        > two_layer_vc_bound(d, width_needed(n, d) - 1)
        for n, d in ((10, 1), (400, 8), (1000, 2))
    )
    return Evidence(
        predicted="patterns at most Phi(N, d + 1); bound at least the capacities that are known",
        measured=f"patterns at most {most:.2f} of Phi; for one unit exact, for more the bound is "
        f"at least {slack:.2f} times the capacity known",
        value=most,
        holds=most <= 1 and slack >= 1 and inverse and one,
        ratio=1 / slack,
        control=divided(
            divided(
                Control(
                    broken="Phi(N, d), as if units had no bias",
                    measured=f"patterns up to {without_bias:.2f} of it",
                    holds=without_bias <= 1,
                    short="units without bias",
                ),
                most,
            ),
            1 / slack,
            20,
        ),
        ran="2 to 14 or 20 random points in R^1 to R^3; widths to 39 on a line; two units in the "
        "plane, all labellings of six points by search; of the capacity no case near equality is "
        "known, since the proof counts as if all patterns came with all signs of the output",
    )


def planar_points(count: int) -> int:
    """So many points of the plane, if two units give them all their labellings; else 0."""
    x = torch.randn(count, 2, dtype=F64, generator=generator(1))
    for v in itertools.product((1.0, -1.0), repeat=count - 1):
        y = torch.tensor((1.0, *v), dtype=F64)  # the opposite labels have the opposite net
        if narrowest_net(Points(x, y), max_width=2, linear_programs=500).width is None:
            return 0
    return count
