"""The statements of chapter 02 on exact search, and on gradients that are hidden."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from scipy.optimize import linprog
from torch import Tensor, nn

from ...attacks import FGSM, GridMax
from ...losses import PseudoHuber
from ...networks import TwoLayerNet
from ...samples import Sample, sphere
from ...sets import LinfBall, SphereCap
from ...verification import BranchAndBound
from ...verification.branch_and_bound import search_known
from ...verification.layers import read_layers
from ...verification.search import Search
from .chapter02 import CHAPTER, NETS, outputs_on_grid, plane_net
from .registry import Control, Evidence, claim
from .tools import F64, attacked_losses

EPS = 0.2  # of the boxes whose maxima are judged by linear programs
TRIED = {"smoke": 2, "laptop": 6, "gpu": 50}  # nets, two points each


@claim(
    "branch-and-bound",
    statement="prop-branching",
    title="Branch and bound is exact",
    chapter=CHAPTER,
)
def branch_and_bound(size: str) -> Evidence:
    """The search over units against a linear program for every pattern of the undecided ones."""
    loss, worst, over, most, splits = PseudoHuber(), 0.0, -math.inf, 0.0, 0
    for seed in range(TRIED[size]):
        d = 4 + seed % 2
        net = TwoLayerNet(d, 10, symmetric=False, seed=seed).to(F64)
        sample, box = sphere(2, d, seed=seed), LinfBall(EPS)
        judged = [_range_by_patterns(net, x) for x in sample.x]
        ends = torch.tensor([found for found, _ in judged], dtype=F64)
        truth = torch.maximum(loss(ends[:, 0], sample.y), loss(ends[:, 1], sample.y))
        limits = torch.tensor([2.0 ** (k + 1) - 1 for _, k in judged])  # for f and for -f
        for nodes in (1, 2, 5, 20_000):
            found = _searched(net, sample, box, nodes)
            over = max(over, float((found.lower - truth).max()), float((truth - found.upper).max()))
        worst = max(worst, float((found.upper - found.lower).max()))
        most = max(most, float((found.nodes / (2 * limits)).max()))
        splits = max(splits, int(found.nodes.max()))
    closed = _over_a_cap()
    return Evidence(
        predicted="encloses the truth at every limit of nodes, closes within 2^(k+1) - 1 of them",
        measured=("always" if over <= 1e-6 else f"misses by {over:.1e}")
        + f", to {'1e-6' if worst <= 1e-6 else f'{worst:.1e}'}; up to {splits} nodes, "
        + ("within the limit" if most <= 1 else f"{most:.1f} times the limit"),
        value=max(over, worst),
        holds=max(over, worst) <= 1e-6 and most <= 1 and splits > 4,
        control=Control(
            broken="a cap, which is not convex: its hull has larger outputs",
            measured=f"{closed} of 3 intervals close",
            holds=closed > 0,
            short="cap for hull",
        ),
        ran=f"{TRIED[size]} random nets of width 10 in d = 4 and 5, two boxes each; 2^k linear "
        "programs as judge",
    )


def _searched(net: TwoLayerNet, sample: Sample, box: LinfBall, nodes: int) -> Search:
    """The search with a limit of ``nodes`` and none of seconds."""
    layers = read_layers(net)
    assert layers is not None
    found = search_known(
        layers,
        box.hull(sample.x),
        net,
        sample.x,
        sample.y,
        sample.x,
        perturbation=box,
        loss=PseudoHuber(),
        nodes=nodes,
        seconds=math.inf,
    )
    assert found is not None
    return found


def _range_by_patterns(net: TwoLayerNet, x: Tensor) -> tuple[tuple[float, float], int]:
    """Least and largest output over the box around ``x``, and the number of undecided units.

    One linear program for each way in which those can be on or off, whatever that does to x.
    """
    rows = net.weight.detach().numpy() / math.sqrt(2)  # the bias lift (x, 1)/sqrt(2)
    w, b, centre = rows[:, :-1], rows[:, -1], x.numpy()
    middle, reach = w @ centre + b, EPS * np.abs(w).sum(1)
    undecided = np.flatnonzero(np.abs(middle) < reach)
    a = net.readout.numpy() / math.sqrt(len(rows))
    found: list[float] = []
    for pattern in itertools.product((0.0, 1.0), repeat=len(undecided)):
        on = (middle > 0).astype(float)
        on[undecided] = pattern
        side = (1 - 2 * on)[undecided]  # side * z <= 0
        for sign in (1.0, -1.0):
            answer = linprog(
                -sign * (a * on) @ w,
                A_ub=side[:, None] * w[undecided],
                b_ub=-side * b[undecided],
                bounds=[(c - EPS, c + EPS) for c in centre],
                method="highs",
            )
            if answer.status == 0:  # some patterns do not occur in the box
                found.append(float((a * np.maximum(w @ answer.x + b, 0)).sum()))
    return (min(found), max(found)), len(undecided)


def _over_a_cap() -> int:
    """How many intervals close where the output is largest inside the sphere, at the origin."""
    net = TwoLayerNet(4, 12, bias=False, symmetric=False).to(F64)
    with torch.no_grad():
        net.weight.mul_(0.2)
    net.readout.fill_(-1.0)
    x, y = sphere(3, 4).x, -torch.ones(3, dtype=F64)
    search = BranchAndBound(nodes=500)
    found = search.search(net, x, y, perturbation=SphereCap(1.5), loss=PseudoHuber())
    return int((found.closed & (found.upper - found.lower <= 1e-6)).sum())


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
        net, sample, cap = plane_net(seed), sphere(20, 2, seed=seed), SphereCap(0.5)
        y, clean = sample.y, loss(Rounded(net, 0.5)(sample.x), sample.y).detach()
        found = attacked_losses(Rounded(net, 0.5), sample, FGSM(), cap, loss)
        gained = max(gained, float((found - clean).max()))
        truth = attacked_losses(Rounded(net, 0.5), sample, GridMax(size=4001), cap, loss)
        hidden = max(hidden, float((truth - clean).max()))
        values = outputs_on_grid(net, sample, 0.5)
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
            short="no rounding",
        ),
        ran=f"{NETS[size]} random nets of width 16, 20 arcs each of radius 0.5",
    )
