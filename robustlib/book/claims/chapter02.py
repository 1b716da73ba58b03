"""The statements of chapter 02 on bounds from above."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ...networks import TwoLayerNet
from ...samples import Sample, sphere
from ...sets import SphereCap
from ...verification import output_bounds
from .registry import Control, Evidence, claim
from .tools import F64

NETS = {"smoke": 5, "laptop": 20, "gpu": 200}
CHAPTER = "02-inner-maximum"
RADII = (0.1, 0.3, 0.8)


def plane_net(seed: int, width: int = 16) -> TwoLayerNet:
    """A random ReLU net for points of the circle."""
    return TwoLayerNet(2, width, symmetric=False, seed=seed).to(F64)


def _alike(seed: int) -> TwoLayerNet:
    """All units equal and positive: no two are attacked by different points."""
    net = plane_net(seed)
    with torch.no_grad():
        net.weight[0, 2] = 0.5  # so that every unit bends on some of the arcs
        net.weight.copy_(net.weight[:1].expand_as(net.weight))
    net.readout.fill_(1.0)
    return net


def outputs_on_grid(net: nn.Module, sample: Sample, rho: float, size: int = 4001) -> Tensor:
    """Outputs (n, k) of ``net`` on a dense grid of every cap; the caps are arcs."""
    grid = SphereCap(rho).grid(sample.x, size)
    with torch.no_grad():
        values: Tensor = net(grid.flatten(0, 1)).reshape(len(grid), -1)
    return values


def _overshoot(seed: int, method: str) -> float:
    """How far the outputs on a grid leave the library's bounds; negative where they stay inside."""
    net, sample, worst = plane_net(seed), sphere(20, 2, seed=seed), -math.inf
    for rho in RADII:
        bounds = output_bounds(net, sample.x, perturbation=SphereCap(rho), method=method)
        values = outputs_on_grid(net, sample, rho)
        worst = max(worst, float((values.amax(1) - bounds.upper).max()))
        worst = max(worst, float((bounds.lower - values.amin(1)).max()))
    return worst


def _unit_ranges(net: TwoLayerNet, x: Tensor, rho: float) -> tuple[Tensor, Tensor]:
    """The exact range (n, m) of every unit's input over the caps around ``x`` in the plane."""
    lifted = net.weight.detach() / math.sqrt(2)  # the bias lift (x, 1)/sqrt(2)
    w, b = lifted[:, :2], lifted[:, 2]
    length, theta = w.norm(dim=1), 2 * math.asin(rho / 2)
    phi = torch.acos((x @ w.T / length).clamp(-1, 1))
    high = b + length * torch.cos((phi - theta).clamp(min=0))
    return b - length * torch.cos((math.pi - phi - theta).clamp(min=0)), high


def _share(seed: int, method: str) -> float:
    """How much of the way from f(x) to the upper bounds outputs go where all units are alike."""
    net, sample = _alike(seed), sphere(20, 2, seed=seed)
    bounds = output_bounds(net, sample.x, perturbation=SphereCap(0.3), method=method)
    here = net(sample.x).detach()
    most = outputs_on_grid(net, sample, 0.3).amax(1)
    return float((most - here).sum() / (bounds.upper - here).sum())


def _by_hand(net: TwoLayerNet, seed: int, rho: float, shrink: float) -> float:
    """The lemma written out, with ranges shrunk to a share of their length: how far it fails."""
    sample = sphere(20, 2, seed=seed)
    low, high = _unit_ranges(net, sample.x, rho)
    middle, half = (low + high) / 2, shrink * (high - low) / 2
    a = net.readout / math.sqrt(len(net.readout))
    above = (middle + half).relu() @ a.clamp(min=0) - (middle - half).relu() @ (-a).clamp(min=0)
    return float((outputs_on_grid(net, sample, rho).amax(1) - above).max())


@claim("interval-bounds", statement="lem-interval", title="Interval bounds", chapter=CHAPTER)
def interval_bounds(size: str) -> Evidence:
    """No output on a dense grid leaves the bounds, the library's or the lemma's by hand."""
    nets = range(NETS[size])
    worst = max(_overshoot(seed, "interval") for seed in nets)
    worst = max(worst, *(_by_hand(plane_net(seed), seed, 0.3, 1.0) for seed in nets))
    control = max(_by_hand(_alike(seed), seed, 0.3, 0.5) for seed in nets)
    near = min(_share(seed, "interval") for seed in nets)
    return Evidence(
        predicted="no output outside its interval, the upper end met where all are alike",
        measured=("none" if worst <= 1e-12 else f"outside by {worst:.1e}") + f"; met to {near:.3f}",
        value=worst,
        holds=worst <= 1e-12 and near >= 0.99,
        ratio=near,
        control=Control(
            broken="the units' ranges half as long, all units alike",
            measured=f"outside by up to {control:.2f}",
            holds=control <= 1e-12,
            short="ranges halved",
        ),
        ran=f"{NETS[size]} random nets of width 16, 20 arcs each, three radii",
    )


def _linear_by_hand(seed: int, rho: float, lift: float) -> tuple[float, float]:
    """The theorem written out for alpha = 0: (overshoot of the grid, excess over intervals).

    ``lift`` scales the chord's slope: 1 is the theorem, less does not reach the right end.
    """
    net, sample = plane_net(seed), sphere(20, 2, seed=seed)
    low, high = _unit_ranges(net, sample.x, rho)
    mixed = (low < 0) & (high > 0)
    slope = torch.where(mixed, lift * high / (high - low), (low >= 0).to(low))
    offset = torch.where(mixed, -slope * low, torch.zeros_like(low))
    a = net.readout / math.sqrt(len(net.readout))
    below = torch.where(mixed, torch.zeros_like(low), slope)
    kappa = torch.where(a > 0, slope, below) * a  # (n, m): the slope that each unit contributes
    lifted = net.weight.detach() / math.sqrt(2)
    v, c = kappa @ lifted[:, :2], kappa @ lifted[:, 2] + offset @ a.clamp(min=0)
    best = SphereCap(rho).argmax_linear(v, sample.x)
    linear = (v * best).sum(1) + c
    interval = high.relu() @ a.clamp(min=0) - low.relu() @ (-a).clamp(min=0)
    truth = outputs_on_grid(net, sample, rho).amax(1)
    return float((truth - linear).max()), float((linear - interval).max())


@claim("linear-bounds", statement="thm-linear-bounds", title="Linear bounds", chapter=CHAPTER)
def linear_bounds(size: str) -> Evidence:
    """Sound, by the library and by hand, and with alpha = 0 never above the interval bound."""
    nets = range(NETS[size])
    pairs = [_linear_by_hand(seed, rho, 1.0) for seed in nets for rho in RADII]
    worst = max(_overshoot(seed, "linear") for seed in nets)
    worst = max(worst, *(max(pair) for pair in pairs))
    control = max(_linear_by_hand(seed, 0.3, 0.8)[0] for seed in nets)
    near = min(_share(seed, "linear") for seed in nets)
    return Evidence(
        predicted="no output outside its bounds, no bound above the interval's; upper end met "
        "where all units are alike",
        measured=("none" if worst <= 1e-12 else f"violated by {worst:.1e}")
        + f"; met to {near:.3f}",
        value=worst,
        holds=worst <= 1e-12 and near >= 0.99,
        ratio=near,
        control=Control(
            broken="chords of 0.8 of their slope",
            measured=f"outside by up to {control:.3f}",
            holds=control <= 1e-12,
            short="chords too flat",
        ),
        ran=f"{NETS[size]} random nets of width 16, 20 arcs each, three radii",
    )
