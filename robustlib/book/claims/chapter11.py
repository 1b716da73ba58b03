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
from ...verification.robust_accuracy import robust_accuracy
from ...verification.robust_loss import largest_loss
from .chapter10_width import Points
from .registry import Control, Evidence, claim
from .sharp import divided
from .tools import F64, attacked_losses
from .widths import SEEDS, circle, standard_net, standard_run

GRID = 7200  # points of the circle at which signs are counted
RANDOM_NETS = {"smoke": 60, "laptop": 300, "gpu": 5000}
ALMOST = 0.999  # radii are this share of those at which caps of opposite labels touch


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
    """The net of prop-circle-width with m >= 3 units, right on caps of the 4 m-gon.

    Its sign changes exactly half way between neighbouring corners, so until the caps touch.
    """
    h = math.pi / m
    edge = math.cos(h / 4)
    kink = edge * (2 * math.cos(h) - 1)
    ones = torch.ones(m, dtype=F64)
    return two_layer(circle(m), -kink * ones, ones, kink - edge)


def hexagon_in_whole_numbers() -> Points:
    """An affine image of the hexagon, which needs as many units, with coordinates -1, 0 and 1."""
    x = [[1.0, 0], [1, 1], [0, 1], [-1, 0], [-1, -1], [0, -1]]
    return Points(torch.tensor(x, dtype=F64), polygon(6).y)


# Corners that narrowest_net can decide exactly: a rounded hexagon is no hexagon.
POLYGONS: dict[str, dict[int, Callable[[], Sample | Points]]] = {
    "smoke": {4: lambda: polygon(4)},
    "laptop": {4: lambda: polygon(4), 6: hexagon_in_whole_numbers},
    "gpu": {4: lambda: polygon(4), 6: hexagon_in_whole_numbers},
}


def most_changes(values: Tensor) -> int:
    """The most sign changes of ``values`` around a circle, over output biases."""
    levels = torch.quantile(values, torch.linspace(0.02, 0.98, 49, dtype=F64))
    return max(sign_changes(values - level) for level in levels)


def _share(m: int, nets: int, activation: Callable[[Tensor], Tensor]) -> float:
    """The most sign changes, as a share of 4 m, of nets that improve themselves at random."""
    draw, points = generator(m), circle(GRID // 10)
    best, most = torch.zeros(m, 4, dtype=F64), 0

    def changes(a: Tensor) -> int:
        return most_changes(activation(points @ a[:, :2].T + a[:, 2]) @ a[:, 3])

    for k in range(nets):
        noise = torch.randn(m, 4, dtype=F64, generator=draw)
        a = noise if k < nets // 2 else best + 0.2 * noise
        found = changes(a)
        if found >= most:
            best, most = a, found
    return most / (4 * m)


@claim(
    "circle-width",
    statement="prop-circle-width",
    title="How many units a polygon needs",
    chapter="11-width",
)
def circle_width(size: str) -> Evidence:
    """Sign changes of nets that seek many; nets for polygons, judged on caps that nearly touch."""
    relu = {m: _share(m, RANDOM_NETS[size], torch.relu) for m in (1, 2, 3, 5)}
    petals = [sign_changes(flower(m)(circle(GRID + 1))) / (4 * m) for m in range(3, 13)]
    fits, few = True, []
    for n in (4, 6, 10, 16):
        fits &= _proved(cap_net(polygon(n), ALMOST * touching(n)).net, n, ALMOST)
    for m in (3, 6) if size == "smoke" else (3, 4, 6, 12, 20):
        few.append(_proved(flower(m), 4 * m, ALMOST))  # and so on all smaller caps
    widths = {n: narrowest_net(points(), max_width=4) for n, points in POLYGONS[size].items()}
    between = all(
        found.closed and found.width is not None and n / 4 <= found.width <= n / 2
        for n, found in widths.items()
    )
    wild = _share(2, 20, lambda z: torch.sin(9 * z))
    known = relu[1] <= 2 / 4 and relu[2] <= 6 / 8  # 2 and 6 changes are the most there are
    return Evidence(
        predicted="at most 4 m sign changes, attained for m >= 3; n-gons need n/4 to n/2 units, "
        "on caps that nearly touch n/4 where 4 divides n >= 12",
        measured=f"nets that seek many {max(relu.values()):.2f} of 4 m, chosen ones "
        f"{min(petals):.2f} to {max(petals):.2f}; n/4 units right for {sum(few)} of {len(few)} n, "
        f"n/2 units {'always' if fits else 'not always'}; "
        + ", ".join(f"{n}-gon: {w.width}" for n, w in widths.items()),
        value=max(*relu.values(), *petals),
        holds=max(relu.values()) <= 1
        and known
        and min(petals) == max(petals) == 1
        and all(few)
        and fits
        and between,
        ratio=max(petals),
        control=divided(
            Control(
                broken="the sine of 9 z instead of the ReLU",
                measured=f"{wild:.1f} of 4 m",
                holds=wild <= 1,
                short="sine for ReLU",
            ),
            max(petals),
        ),
        ran=f"{RANDOM_NETS[size]} nets of 1 to 5 units each; caps of {ALMOST} of touching, 4 to 80 "
        "points",
    )


def _proved(net: nn.Module, n: int, share: float) -> bool:
    """Whether ``net`` is proved right on caps of the n-gon, of this share of touching."""
    cap = SphereCap(share * touching(n))
    # one step of attack: what matters here is the proof
    return robust_accuracy(net, polygon(n), perturbation=cap, attack=FGSM()).lower == 1


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
            broken="clean losses instead of the upper ends",
            measured=f"too narrow for {missed} of {len(targets)} targets",
            holds=missed == 0,
            short="clean losses above",
        ),
        ran=f"hexagon, rho = 0.2, FGSM, 20 steps of size 4, m = 2 to 128, {seeds} seeds; "
        "no constant to halve: both ends are attained where they agree",
    )
