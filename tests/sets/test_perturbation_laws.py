"""Random points of the perturbation sets against the laws they should have.

Every test draws once from a fixed seed and compares with a Kolmogorov-Smirnov test at level 1e-4:
a wrong law is found, a right one stays green for good.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch
from numpy.typing import NDArray
from torch import Tensor

from robustlib.sets import L1Ball, L2Ball, LinfBall, SphereCap

LEVEL, DRAWS = 1e-4, 4000
Array = NDArray[np.float64]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def centre(d: int) -> Tensor:
    x = torch.randn(1, d, generator=rng(11), dtype=torch.float64)
    return (x / x.norm()).expand(DRAWS, d)


def uniform_p(values: Tensor | Array) -> float:
    """The p-value of values being uniform on [0, 1]."""
    return float(scipy.stats.kstest(np.asarray(values), "uniform").pvalue)


@pytest.mark.parametrize("rho", [1e-3, 0.5, 1.2, math.sqrt(2), 1.5, 1.95, 3.0])
@pytest.mark.parametrize("d", [2, 3, 4, 10, 50, 784])
def test_caps_are_uniform_in_surface_measure(d: int, rho: float) -> None:
    """h = |x' - x|^2 / 4 is Beta((d-1)/2, (d-1)/2) cut at the rim."""
    x = centre(d)
    draw = SphereCap(rho).random(x, rng(d))
    assert SphereCap(rho).contains(draw, x).all()
    h = ((draw - x).square().sum(1) / 4).numpy()
    rim = min(rho**2 / 4, 1.0)
    # in logarithms: the measure of a small cap in many dimensions underflows
    law = scipy.stats.beta((d - 1) / 2, (d - 1) / 2)
    if law.logcdf(rim) > -600:
        assert uniform_p(np.exp(law.logcdf(h) - law.logcdf(rim))) > LEVEL
    else:  # there h^((d-1)/2) is uniform up to a factor close to 1
        assert uniform_p((h / rim) ** ((d - 1) / 2)) > LEVEL
    # the direction from x is uniform too: its part along a fixed tangent is that of a sphere
    tangent = draw - (draw * x).sum(1, keepdim=True) * x
    tangent = tangent / tangent.norm(dim=1, keepdim=True)
    axis = torch.zeros(d, dtype=torch.float64)
    axis[0] = 1
    axis = axis - x[0, 0] * x[0]
    along = (tangent @ (axis / axis.norm())).numpy()
    if d == 2:
        assert abs(along.mean()) < 4 / math.sqrt(DRAWS)
    else:
        half = (d - 2) / 2
        assert scipy.stats.kstest((along + 1) / 2, scipy.stats.beta(half, half).cdf).pvalue > LEVEL


@pytest.mark.parametrize("d", [1, 2, 7, 100])
@pytest.mark.parametrize("ball", [L1Ball(0.7), L2Ball(0.7), LinfBall(0.7)], ids=repr)
def test_balls_are_uniform(ball: L1Ball | L2Ball | LinfBall, d: int) -> None:
    x = centre(d)
    v = (ball.random(x, rng(d)) - x) / ball.eps
    radius = torch.linalg.vector_norm(v, ord=ball.p, dim=1)
    assert uniform_p(radius**d) > LEVEL
    first = v[:, 0].numpy()
    if ball.p == math.inf:
        law = scipy.stats.uniform(-1, 2).cdf
    elif ball.p == 2:
        law = scipy.stats.beta((d + 1) / 2, (d + 1) / 2, loc=-1, scale=2).cdf
    else:  # |v_1| is Beta(1, d)
        law = scipy.stats.uniform(0, 1).cdf
        first = np.where(first > 0, 1 - (1 - first) ** d / 2, (1 + first) ** d / 2)
    assert scipy.stats.kstest(first, law).pvalue > LEVEL
    assert abs(float((v.sign()[:, 0] * v.sign()[:, -1]).mean()) - (d == 1)) < 4 / math.sqrt(DRAWS)


def by_rejection(ball: L1Ball | L2Ball | LinfBall, x: Tensor) -> Tensor:
    """Uniform in the cut ball the slow way: from the whole box, keep what is in the ball."""
    box = torch.rand(4_000_000 // len(x), len(x), generator=rng(99), dtype=torch.float64)
    return box[torch.linalg.vector_norm(box - x, ord=ball.p, dim=1) <= ball.eps]


CENTRES = {
    "inside": [0.5, 0.4, 0.6, 0.55],
    "corner": [0.0, 1.0, 1.0, 0.0],
    "near faces": [0.01, 0.93, 0.5, 1.0],
}


@pytest.mark.parametrize("rounds", [16, 0], ids=["rejection", "walk"])
@pytest.mark.parametrize("where", list(CENTRES))
@pytest.mark.parametrize(
    "ball", [ball(eps, box=(0, 1)) for ball in (L1Ball, L2Ball) for eps in (0.3, 0.9)], ids=repr
)
def test_cut_balls_are_uniform_by_rejection_and_by_walking(
    ball: L1Ball | L2Ball, where: str, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against independent rejection from the box: each coordinate, and the distance from x."""
    monkeypatch.setattr("robustlib.sets.uniform.ROUNDS", rounds)
    x = torch.tensor(CENTRES[where], dtype=torch.float64)
    draw = ball.random(x.expand(DRAWS, -1), rng(7))
    assert ball.contains(draw, x.expand(DRAWS, -1)).all()
    expected = by_rejection(ball, x)
    for i in range(len(x)):
        assert scipy.stats.ks_2samp(draw[:, i], expected[:, i]).pvalue > LEVEL
    distance, known = ((t - x).abs().sum(1) for t in (draw, expected))
    assert scipy.stats.ks_2samp(distance, known).pvalue > LEVEL
    known_sum, sums = expected.sum(1), draw.sum(1)
    assert scipy.stats.ks_2samp(sums, known_sum).pvalue > LEVEL


@pytest.mark.parametrize("ball", [L1Ball(6.0, box=(0, 1)), L2Ball(1.5, box=(0, 1))], ids=repr)
def test_walks_in_many_dimensions_have_the_law_of_rejection(
    ball: L1Ball | L2Ball, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In 20 dimensions, near a corner: 24 sweeps against exact rejection from the same sets."""
    x = torch.tensor([0.02, 0.0, 1.0, 0.95] * 5, dtype=torch.float64).expand(DRAWS, -1)
    monkeypatch.setattr("robustlib.sets.uniform.ROUNDS", 100_000)
    exact = ball.random(x, rng(1))
    monkeypatch.setattr("robustlib.sets.uniform.ROUNDS", 0)
    walked = ball.random(x, rng(2))
    for i in range(4):
        assert scipy.stats.ks_2samp(exact[:, i], walked[:, i]).pvalue > LEVEL
    norms = [torch.linalg.vector_norm(t - x, ord=ball.p, dim=1) for t in (exact, walked)]
    assert scipy.stats.ks_2samp(*norms).pvalue > LEVEL


def test_cut_cubes_are_uniform() -> None:
    x = torch.tensor(CENTRES["near faces"], dtype=torch.float64)
    draw = LinfBall(0.2, box=(0, 1)).random(x.expand(DRAWS, -1), rng())
    low, high = (x - 0.2).clamp(min=0), (x + 0.2).clamp(max=1)
    for column in ((draw - low) / (high - low)).T:
        assert uniform_p(column) > LEVEL


def test_draws_depend_on_the_generator_alone(device: torch.device) -> None:
    """The same on every device, in both dtypes, and the global state stays as it was."""
    x = centre(5)[:50].contiguous()
    for perturbation in (SphereCap(0.4), L2Ball(0.4), L1Ball(0.4), LinfBall(0.4)):
        torch.manual_seed(3)
        before = torch.get_rng_state()
        first = perturbation.random(x, rng(4))
        assert torch.equal(torch.get_rng_state(), before)
        assert torch.equal(perturbation.random(x, rng(4)), first)
        assert not torch.equal(perturbation.random(x, rng(5)), first)
        there = perturbation.random(x.to(device), rng(4))
        assert torch.equal(there.cpu(), first)
        single = perturbation.random(x.float(), rng(4)).double()
        assert torch.allclose(single, first, rtol=0, atol=1e-6)
