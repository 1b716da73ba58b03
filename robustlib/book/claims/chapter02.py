"""The statements of chapter 02: bounds from above, exact search, and hidden gradients."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ...attacks import FGSM, GridMax
from ...losses import PseudoHuber
from ...networks import TwoLayerNet
from ...samples import Sample, sphere
from ...sets import SphereCap
from ...verification import BranchAndBound, output_bounds
from .registry import Control, Evidence, claim
from .tools import F64, attacked_losses

NETS = {"smoke": 5, "laptop": 20, "gpu": 200}
CHAPTER = "02-inner-maximum"
RADII = (0.1, 0.3, 0.8)


def _net(seed: int, width: int = 16) -> TwoLayerNet:
    return TwoLayerNet(2, width, symmetric=False, seed=seed).to(F64)


def _outputs_on_grid(net: nn.Module, sample: Sample, rho: float, size: int = 4001) -> Tensor:
    """Outputs (n, k) of ``net`` on a dense grid of every cap; the caps are arcs."""
    grid = SphereCap(rho).grid(sample.x, size)
    with torch.no_grad():
        values: Tensor = net(grid.flatten(0, 1)).reshape(len(grid), -1)
    return values


def _overshoot(seed: int, method: str) -> float:
    """How far the outputs on a grid leave the library's bounds; negative where they stay inside."""
    net, sample, worst = _net(seed), sphere(20, 2, seed=seed), -math.inf
    for rho in RADII:
        bounds = output_bounds(net, sample.x, perturbation=SphereCap(rho), method=method)
        values = _outputs_on_grid(net, sample, rho)
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


def _by_hand(seed: int, rho: float, shrink: float) -> float:
    """The lemma written out, with ranges shrunk to a share of their length: how far it fails."""
    net, sample = _net(seed), sphere(20, 2, seed=seed)
    low, high = _unit_ranges(net, sample.x, rho)
    middle, half = (low + high) / 2, shrink * (high - low) / 2
    a = net.readout / math.sqrt(len(net.readout))
    above = (middle + half).relu() @ a.clamp(min=0) - (middle - half).relu() @ (-a).clamp(min=0)
    return float((_outputs_on_grid(net, sample, rho).amax(1) - above).max())


@claim("interval-bounds", statement="lem-interval", title="Interval bounds", chapter=CHAPTER)
def interval_bounds(size: str) -> Evidence:
    """No output on a dense grid leaves the bounds, the library's or the lemma's by hand."""
    nets = range(NETS[size])
    worst = max(_overshoot(seed, "interval") for seed in nets)
    worst = max(worst, *(_by_hand(seed, 0.3, 1.0) for seed in nets))
    control = max(_by_hand(seed, 0.3, 0.1) for seed in nets)
    return Evidence(
        predicted="no output outside its interval",
        measured="none" if worst <= 1e-12 else f"outside by {worst:.1e}",
        value=worst,
        holds=worst <= 1e-12,
        control=Control(
            broken="the units' ranges a tenth of their length",
            measured=f"outside by up to {control:.2f}",
            holds=control <= 1e-12,
        ),
        ran=f"{NETS[size]} random nets of width 16, 20 arcs each, three radii",
    )


def _linear_by_hand(seed: int, rho: float, lift: float) -> tuple[float, float]:
    """The theorem written out for alpha = 0: (overshoot of the grid, excess over intervals).

    ``lift`` scales the chord's slope: 1 is the theorem, less does not reach the right end.
    """
    net, sample = _net(seed), sphere(20, 2, seed=seed)
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
    truth = _outputs_on_grid(net, sample, rho).amax(1)
    return float((truth - linear).max()), float((linear - interval).max())


@claim("linear-bounds", statement="thm-linear-bounds", title="Linear bounds", chapter=CHAPTER)
def linear_bounds(size: str) -> Evidence:
    """Sound, by the library and by hand, and with alpha = 0 never above the interval bound."""
    nets = range(NETS[size])
    pairs = [_linear_by_hand(seed, rho, 1.0) for seed in nets for rho in RADII]
    worst = max(_overshoot(seed, "linear") for seed in nets)
    worst = max(worst, *(max(pair) for pair in pairs))
    control = max(_linear_by_hand(seed, 0.3, 0.8)[0] for seed in nets)
    return Evidence(
        predicted="no output outside its bounds, and no bound above the interval's",
        measured="none" if worst <= 1e-12 else f"violated by {worst:.1e}",
        value=worst,
        holds=worst <= 1e-12,
        control=Control(
            broken="chords of 0.8 of their slope",
            measured=f"outside by up to {control:.3f}",
            holds=control <= 1e-12,
        ),
        ran=f"{NETS[size]} random nets of width 16, 20 arcs each, three radii",
    )


@claim(
    "branch-and-bound",
    statement="prop-branching",
    title="Branch and bound is exact",
    chapter=CHAPTER,
)
def branch_and_bound(size: str) -> Evidence:
    """The search against a dense grid; between two grid points a ReLU net is nearly linear."""
    loss, worst, control = PseudoHuber(), 0.0, 0.0
    for seed in range(NETS[size]):
        net, sample, cap = _net(seed), sphere(5, 2, seed=seed), SphereCap(0.5)
        exact = attacked_losses(net, sample, BranchAndBound(), cap, loss)
        grid = attacked_losses(net, sample, GridMax(size=20_001), cap, loss)
        fgsm = attacked_losses(net, sample, FGSM(), cap, loss)
        worst = max(worst, float((exact - grid).abs().max()))
        control = max(control, float((grid - fgsm).max()))
    return Evidence(
        predicted="search = dense grid, up to the grid's spacing",
        measured="equal to 1e-4" if worst <= 1e-4 else f"differs by {worst:.1e}",
        value=worst,
        holds=worst <= 1e-4,
        control=Control(
            broken="one gradient step and no search",
            measured=f"short by up to {control:.2f}",
            holds=control <= 1e-4,
        ),
        ran=f"{NETS[size]} random nets of width 16, 5 arcs each of radius 0.5",
    )


class Rounded(nn.Module):
    """The outputs of ``inner``, rounded to multiples of ``step``; unchanged for step 0."""

    def __init__(self, inner: nn.Module, step: float) -> None:
        super().__init__()
        self.inner, self.step = inner, step

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n,) at points ``x`` (n, d)."""
        f: Tensor = self.inner(x)
        return torch.round(f / self.step) * self.step if self.step else f


@claim(
    "quantised-output",
    statement="prop-quantised",
    title="Gradients of a step function see nothing",
    chapter=CHAPTER,
)
def quantised_output(size: str) -> Evidence:
    """FGSM gains nothing on rounded nets, whose robust loss a grid finds from the range of f."""
    loss, gained, formula, control, hidden = PseudoHuber(), 0.0, 0.0, 0.0, 0.0
    for seed in range(NETS[size]):
        net, sample, cap = _net(seed), sphere(20, 2, seed=seed), SphereCap(0.5)
        y, clean = sample.y, loss(Rounded(net, 0.5)(sample.x), sample.y).detach()
        found = attacked_losses(Rounded(net, 0.5), sample, FGSM(), cap, loss)
        gained = max(gained, float((found - clean).max()))
        truth = attacked_losses(Rounded(net, 0.5), sample, GridMax(size=4001), cap, loss)
        hidden = max(hidden, float((truth - clean).max()))
        values = _outputs_on_grid(net, sample, 0.5)
        ends = torch.stack([values.amin(1), values.amax(1)]).div(0.5).round() * 0.5
        by_range = torch.maximum(loss(ends[0], y), loss(ends[1], y))
        formula = max(formula, float((truth - by_range).abs().max()))
        plain = attacked_losses(Rounded(net, 0), sample, FGSM(), cap, loss)
        control = max(control, float((plain - loss(net(sample.x).detach(), y)).max()))
    return Evidence(
        predicted="FGSM gains 0, while the robust loss follows the range of f",
        measured=f"gain {gained:.1g}, robust loss up to {hidden:.2f} above the clean loss",
        value=max(gained, formula),
        holds=max(gained, formula) <= 1e-12 and hidden > 0,
        control=Control(
            broken="no rounding",
            measured=f"FGSM gains up to {control:.2f}",
            holds=control <= 1e-12,
        ),
        ran=f"{NETS[size]} random nets of width 16, 20 arcs each of radius 0.5",
    )
