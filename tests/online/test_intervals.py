"""What a comparator prints on data we did not make, against attacks stronger than its judge.

The sizes follow ROBUSTLIB_BUDGET: a few comparators for "laptop", all 60 of them for "gpu".
"""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from robustlib.attacks import PGD, RandomNoise
from robustlib.kernels import ntk
from robustlib.losses import PseudoHuber
from robustlib.networks import TwoLayerNet, linearize
from robustlib.numerics import budget
from robustlib.online import BlurredPGD, Comparator, best_in_ball
from robustlib.online.judge import blurred
from robustlib.samples import Sample
from robustlib.sets import Finite, Perturbation, SphereCap
from robustlib.sets.l2 import L2Ball
from robustlib.sets.linf import LinfBall

F64, LOSS = torch.float64, PseudoHuber()
PAIRS = [(0, 1), (1, 7), (3, 8), (4, 9), (2, 5), (6, 8), (5, 9), (3, 5)]
DATA = ["breast cancer", "wine", *(f"digits {a} {b}" for a, b in PAIRS)]
SETS = [SphereCap(0.3), L2Ball(0.2), LinfBall(0.03)]
CASES = list(itertools.product(DATA, SETS, (64, 256)))
N = 40 if budget() == "gpu" else 10


def data(name: str, n: int = N) -> Sample:
    """The first ``n`` points of a real data set, standardised, on the unit sphere."""
    if name.startswith("digits"):
        (x, target), pair = load_digits(return_X_y=True), [int(k) for k in name.split()[1:]]
    else:
        load = load_wine if name == "wine" else load_breast_cancer
        (x, target), pair = load(return_X_y=True), [0, 1]
    x, target = (
        torch.from_numpy(part[(target == pair[0]) | (target == pair[1])]) for part in (x, target)
    )
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:n]
    x = x[order].double()
    x = (x - x.mean(0)) / x.std(0).clamp(min=1e-9)
    y = 2.0 * (target[order] == pair[1]).double() - 1
    return Sample(x / torch.linalg.vector_norm(x, dim=1, keepdim=True), y, name)


def strongest(found: Comparator, sample: Sample, sets: Perturbation) -> float:
    """The loss that PGD, on the net and on blurred ones, finds in 300 steps from 30 starts."""
    steps, restarts = (300, 30) if budget() == "gpu" else (100, 30)
    x, y = sample.x.repeat(restarts, 1), sample.y.repeat(restarts)
    worst = torch.zeros(len(sample), dtype=F64)
    for model in (found.function, *blurred(found.function)):
        z = PGD(steps=steps, seed=77)(model, x, y, perturbation=sets, loss=LOSS)
        with torch.no_grad():
            worst = torch.maximum(worst, LOSS(found(z), y).reshape(restarts, -1).amax(0))
    return float(worst.mean())


def refute(found: Comparator, sample: Sample, sets: Perturbation) -> float:
    """The largest loss found anew, after a check that no sentence says more than is known."""
    value = strongest(found, sample, sets)
    assert found.lower_bound <= value
    if found.closed:
        assert value <= found.value + 1e-12
        assert "is between" in repr(found)
    else:
        assert "between" not in repr(found)
        assert "which is proved" in repr(found)
        assert "from above nothing is proved" in repr(found)
    return value


PICKED = CASES if budget() == "gpu" else [CASES[0], CASES[8]]


@pytest.mark.parametrize(("name", "sets", "width"), PICKED, ids=str)
def test_no_attack_exceeds_a_printed_upper_end(name: str, sets: Perturbation, width: int) -> None:
    sample = data(name)
    net = linearize(TwoLayerNet(sample.d, width, seed=0).double())
    found = best_in_ball(net, sample, perturbation=sets, radius=3.0, loss=LOSS, tolerance=1e-2)
    value = refute(found, sample, sets)
    judges = "BlurredPGD(steps=50, restarts=4, seed=0) and BlurredPGD(steps=100, restarts=20, seed="
    assert found.judge == f"{judges}1)"
    # and what is printed as found is nearly what a stronger attack finds: 36 % off with plain PGD
    assert value <= 1.05 * found.value


def test_gradients_of_a_kinked_net_do_not_see_its_jumps() -> None:
    sample, sets = data("breast cancer"), SETS[0]
    net = linearize(TwoLayerNet(sample.d, 64, seed=0).double())
    plain = best_in_ball(
        net,
        sample,
        perturbation=sets,
        radius=3.0,
        loss=LOSS,
        tolerance=1e-2,
        judge=PGD(steps=50, restarts=4),
    )
    assert not plain.closed
    assert refute(plain, sample, sets) > 1.1 * plain.value  # the judge was blind, and it is said
    found = BlurredPGD()(plain.function, sample.x, sample.y, perturbation=sets, loss=LOSS)
    with torch.no_grad():
        assert float(LOSS(plain(found), sample.y).mean()) > 1.1 * plain.value
    assert bool(sets.contains(found, sample.x).all())


def test_blurred_models_have_the_outputs_of_the_net() -> None:
    sample = data("wine")
    net = linearize(TwoLayerNet(sample.d, 32, symmetric=False, seed=0).double())
    found = best_in_ball(
        net, sample, perturbation=SphereCap(0.0), radius=1.0, loss=LOSS, tolerance=1e-2
    )
    assert found.closed  # sets of one point each
    models = blurred(found.function)
    assert models
    for model in models:
        assert torch.allclose(model(sample.x), found(sample.x), rtol=0, atol=1e-12)
    smooth = linearize(TwoLayerNet(sample.d, 32, activation="gelu", seed=0).double())
    ball = best_in_ball(
        smooth, sample, perturbation=SphereCap(0.0), radius=1.0, loss=LOSS, tolerance=1e-2
    )
    assert blurred(ball.function) == ()


def test_blurred_gradients_are_those_of_ramps() -> None:
    """Where a unit switches on, its slope goes from 0 to 1 on a stretch round the switch."""
    sample, net = data("wine"), TwoLayerNet(13, 400, symmetric=False, seed=1).double()
    found = best_in_ball(
        linearize(net), sample, perturbation=SphereCap(0.0), radius=1.0, loss=LOSS, tolerance=1e-1
    )
    assert found.weights is not None
    step = found.weights[0] - net.initial
    for model, half in zip(blurred(found.function), (0.1, 0.4), strict=True):
        x, z = (sample.x.clone().requires_grad_() for _ in range(2))
        lifted = torch.cat([z, torch.ones(len(z), 1, dtype=F64)], 1) / math.sqrt(2)
        before = lifted @ net.initial.T
        slope = ((before + half) / (2 * half)).clamp(0, 1)
        f = (before.relu() + slope * (lifted @ step.T)) @ net.readout / 20
        (there,) = torch.autograd.grad(f.sum(), z)
        (here,) = torch.autograd.grad(model(x).sum(), x)
        torch.testing.assert_close(here, there, rtol=1e-9, atol=1e-9)


def test_the_judge_asks_about_few_rows_at_once() -> None:
    rows: list[int] = []

    def model(z: torch.Tensor) -> torch.Tensor:
        rows.append(len(z))
        return z[:, 0]

    x = torch.zeros(1500, 2, dtype=F64)
    judge = BlurredPGD(steps=1, restarts=3)
    judge(model, x, torch.ones(1500, dtype=F64), perturbation=L2Ball(0.1), loss=LOSS)
    assert 1500 < max(rows) <= 2**12  # several restarts at once, but which any memory holds


def test_kernels_and_finite_sets() -> None:
    sample, cap = data("wine"), SphereCap(0.2)
    found = best_in_ball(ntk, sample, perturbation=cap, radius=2.0, loss=LOSS, tolerance=1e-2)
    assert not found.closed
    assert "at this function" in repr(found)
    assert refute(found, sample, cap) <= 1.001 * found.value  # a kernel's functions do not jump
    draw = torch.Generator().manual_seed(3)
    points = torch.stack([sample.x, *(cap.random(sample.x, draw) for _ in range(5))], 1)
    finite = {"perturbation": Finite(points), "radius": 2.0, "loss": LOSS}
    exact = best_in_ball(ntk, sample, **finite)  # type: ignore[arg-type]
    assert exact.closed
    assert "the least robust loss is between" in repr(exact)
    measured = best_in_ball(ntk, sample, judge=RandomNoise(samples=2), **finite)  # type: ignore[arg-type]
    assert not measured.closed
    assert "between" not in repr(measured)
