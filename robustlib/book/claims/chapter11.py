"""The statements of chapter 11: how many units a circle needs, and what intervals say of widths."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from ...attacks import FGSM
from ...capacity import WidthCurve, WidthRun, cap_net, narrowest_net
from ...capacity.interpolators import two_layer
from ...losses import PseudoHuber
from ...numerics import generator
from ...samples import Sample, hexagon
from ...sets import SphereCap
from ...verification import output_bounds
from ...verification.robust_loss import largest_loss, robust_loss
from .registry import Control, Evidence, claim
from .tools import F64, attacked_losses
from .widths import SEEDS, circle, standard_net, standard_run

GRID = 7200  # points of the circle at which signs are counted
POLYGONS = {"smoke": (4,), "laptop": (4, 6), "gpu": (4, 6, 8, 10)}
RANDOM_NETS = {"smoke": 200, "laptop": 500, "gpu": 5000}
ALMOST = 0.99  # radii are this share of those at which caps of opposite labels touch


def polygon(n: int) -> Sample:
    """The regular n-gon on the circle, labels +1 and -1 in turn."""
    y = 1.0 - 2 * (torch.arange(n, dtype=F64) % 2)
    return Sample(circle(n), y, f"regular {n}-gon")


def touching(n: int) -> float:
    """The radius (a chord) at which the caps of neighbours in the n-gon touch."""
    return 2 * math.sin(math.pi / (2 * n))


def sign_changes(values: Tensor) -> int:
    """How often the sign changes along values around a circle; zeros are passed over."""
    signs = values.sign()[values != 0]
    return int((signs != signs.roll(1)).sum())


def flower(m: int) -> nn.Module:
    """The net of prop-circle-width with m >= 3 units and 4 m sign changes."""
    h = math.pi / m
    kink, peaks = math.cos(h / 2), min(1.0, 2 * math.cos(h) - math.cos(1.5 * h))
    threshold = (kink + peaks) / 2 - math.cos(1.5 * h)
    ones = torch.ones(m, dtype=F64)
    return two_layer(circle(m), -math.cos(1.5 * h) * ones, ones, -threshold)


def _share(m: int, nets: int, activation: Callable[[Tensor], Tensor]) -> float:
    """The most sign changes of random nets of m units, as a share of 4 m."""
    noise = torch.randn(nets, m, 4, dtype=F64, generator=generator(m))
    points = circle(GRID // 10)
    most = 0
    for a in noise:
        inputs = points @ a[:, :2].T + a[:, 2]
        values = activation(inputs) @ a[:, 3]
        most = max(most, sign_changes(values - values.median()))
    return most / (4 * m)


@claim(
    "circle-width",
    statement="prop-circle-width",
    title="How many units a polygon needs",
    chapter="11-width",
)
def circle_width(size: str) -> Evidence:
    """Sign changes of random and of chosen nets; nets for polygons, plain and robust."""
    relu = max(_share(m, RANDOM_NETS[size], torch.relu) for m in (1, 2, 3, 5, 8))
    petals = [sign_changes(flower(m)(circle(GRID))) / (4 * m) for m in range(3, 13)]
    fits = all(bool((flower(m)(polygon(4 * m).x) * polygon(4 * m).y > 0).all()) for m in (3, 6))
    for n in (4, 6, 10, 16):
        sample, rho = polygon(n), ALMOST * touching(n)
        net = cap_net(sample, rho)
        found = robust_loss(net.net, sample, perturbation=SphereCap(rho), loss=PseudoHuber())
        fits = fits and net.width == n // 2 and found.accuracy[0] == 1
    widths = {n: narrowest_net(polygon(n), max_width=4) for n in POLYGONS[size]}
    between = all(
        found.closed and found.width is not None and n / 4 <= found.width <= n / 2
        for n, found in widths.items()
    )
    wild = _share(2, 20, lambda z: torch.sin(9 * z))
    return Evidence(
        predicted="at most 4 m sign changes, attained; n-gons need n/4 to n/2 units",
        measured=f"random nets {relu:.2f} of 4 m, chosen ones {min(petals):.2f} to "
        f"{max(petals):.2f}; " + ", ".join(f"{n}-gon: {w.width}" for n, w in widths.items()),
        value=max(relu, *petals),
        holds=relu <= 1 and min(petals) == max(petals) == 1 and fits and between,
        control=Control(
            broken="the sine of 9 z in place of the ReLU",
            measured=f"{wild:.1f} of 4 m",
            holds=wild <= 1,
        ),
        ran=f"{RANDOM_NETS[size]} random nets of 1 to 8 units each, 4 to 48 points",
    )


def _judged(width: int, seed: int) -> tuple[WidthRun, float]:
    """A short run with both ends of an interval, wide on purpose, and the loss on a fine grid."""
    sample, cap, loss = hexagon(), SphereCap(0.2), PseudoHuber()
    run = standard_run(standard_net(width, seed, "relu"), attack=FGSM(), step_size=4.0)
    net, points = run.best, cap.grid(sample.x, 401)
    found = float(attacked_losses(net, sample, FGSM(), cap, loss).mean())
    bounds = output_bounds(net, sample.x, perturbation=cap, method="linear")
    upper = float(largest_loss(loss, bounds.lower, bounds.upper, sample.y).mean())
    with torch.no_grad():
        clean = float(loss(net(sample.x), sample.y).mean())
        outputs = net(points.flatten(0, 1)).reshape(points.shape[:2])
        exact = float(loss(outputs, sample.y[:, None]).amax(1).mean())
    drift = float(run.drift[run.best_step])
    judged = WidthRun(width, seed, clean, clean, min(clean, found), upper, (0, 1), None, drift)
    return judged, exact


@claim(
    "width-interval",
    statement="prop-width-interval",
    title="Intervals for losses give intervals for widths",
    chapter="11-width",
)
def width_interval(size: str) -> Evidence:
    """Narrowest widths from intervals and from the losses themselves, for many targets."""
    widths, seeds = (2, 8, 32, 128), SEEDS[size]
    judged = [_judged(width, seed) for width in widths for seed in range(seeds)]
    runs = tuple(run for run, _ in judged)
    exact = tuple(replace(run, lower=loss, upper=loss) for run, loss in judged)
    wrong = tuple(replace(run, upper=run.clean_loss) for run in runs)
    targets = [0.1 + 0.01 * k for k in range(40)]
    holds, decided, missed = True, 0, 0
    for target in targets:
        proved, best = WidthCurve(runs, target).narrowest()
        truth = WidthCurve(exact, target).narrowest()[0]
        holds = holds and best <= truth <= proved
        decided += best == proved
        missed += WidthCurve(wrong, target).narrowest()[0] < truth
    return Evidence(
        predicted="the true narrowest width is between the two of the intervals",
        measured=f"true for {'all' if holds else 'not all'} {len(targets)} targets; "
        f"{decided} of them decided",
        value=float(decided),
        holds=holds,
        control=Control(
            broken="clean losses in place of the upper ends",
            measured=f"too narrow for {missed} of {len(targets)} targets",
            holds=missed == 0,
        ),
        ran=f"hexagon, rho = 0.2, FGSM, 20 steps of size 4, m = 2 to 128, {seeds} seeds",
    )
