"""The robust comparator: against cvxpy, closed forms, its own weights, and every other weights."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import cvxpy as cp
import pytest
import torch
from torch import Tensor

from robustlib.attacks import PGD, Attack, GridMax, Oracle
from robustlib.kernels import empirical_ntk, ntk
from robustlib.losses import Hinge, LogCosh, Logistic, Loss, PseudoHuber
from robustlib.networks import DeepNet, LinearizedNet, Network, TwoLayerNet, linearize
from robustlib.numerics import generator
from robustlib.online import Comparator, best_in_ball
from robustlib.samples import Sample, digits, hexagon, sphere
from robustlib.sets import Finite, SphereCap
from robustlib.solvers.interior_point import MinMaxProgram

F64 = torch.float64
LOSSES = [PseudoHuber(), LogCosh(), Logistic(), Hinge()]
HALF = math.sqrt(2) - 1  # of pseudo-Huber at f = 0, where both labels have it


def candidates(sample: Sample, rho: float, k: int, seed: int = 0) -> Finite:
    """The points themselves and k - 1 random points of each cap."""
    draw, cap = generator(seed), SphereCap(rho)
    rows = [sample.x, *(cap.random(sample.x, draw) for _ in range(k - 1))]
    return Finite(torch.stack(rows, 1))


def arcs(rho: float, k: int = 401) -> Finite:
    """The caps of the hexagon as fine grids."""
    return Finite(SphereCap(rho).grid(hexagon().x, k))


def features(net: LinearizedNet, x: Tensor) -> list[Tensor]:
    """The gradients of every output in every layer's weights, one matrix a layer."""
    rows = []
    for point in x:
        weights = [w.clone().requires_grad_() for w in net.start()]
        gradients = torch.autograd.grad(net.evaluate(weights, point[None]).sum(), weights)
        rows.append([g.flatten() for g in gradients])
    return [torch.stack(layer) for layer in zip(*rows, strict=True)]


def with_cvxpy(
    net: LinearizedNet, sample: Sample, sets: Finite, radius: float, loss: Loss
) -> float:
    """The same program, stated in the weights themselves, solved by somebody else."""
    points = sets.candidates.flatten(0, 1)
    layers = [f.numpy() for f in features(net, points)]
    steps = [cp.Variable(f.shape[1]) for f in layers]
    with torch.no_grad():
        f = net.evaluate(net.start(), points).numpy()
    f = f + sum(layer @ step for layer, step in zip(layers, steps, strict=True))
    y = sample.y.repeat_interleave(sets.candidates.shape[1]).numpy()
    if isinstance(loss, PseudoHuber):
        losses = cp.norm(cp.vstack([f - y, [1.0] * len(y)]), axis=0) - 1
    elif isinstance(loss, LogCosh):
        losses = cp.logistic(-2 * (f - y)) + (f - y) - math.log(2)
    elif isinstance(loss, Logistic):
        losses = cp.logistic(-cp.multiply(y, f))
    else:
        losses = cp.pos(1 - cp.multiply(y, f))
    k = sets.candidates.shape[1]
    tops = [cp.max(losses[i * k : (i + 1) * k]) for i in range(len(sample))]
    program = cp.Problem(
        cp.Minimize(sum(tops) / len(tops)), [cp.norm(step) <= radius for step in steps]
    )
    return float(program.solve(solver=cp.CLARABEL))


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("radius", [0.7, 3.0])
def test_two_layers_agree_with_cvxpy(loss: Loss, radius: float) -> None:
    sample = sphere(n=5, d=3, seed=2)
    net = linearize(TwoLayerNet(3, 6, activation="gelu", symmetric=False, seed=1).double())
    sets = candidates(sample, 0.4, 4)
    found = best_in_ball(net, sample, perturbation=sets, radius=radius, loss=loss)
    assert found.value == pytest.approx(
        with_cvxpy(net, sample, sets, radius, loss), rel=2e-6, abs=2e-8
    )
    assert found.gap <= 1e-6 * max(found.value, 1e-3)


@pytest.mark.parametrize("loss", [PseudoHuber(), Logistic()], ids=repr)
def test_every_layer_of_a_deep_net_has_its_own_ball(loss: Loss) -> None:
    sample = sphere(n=4, d=3, seed=4)
    net = linearize(DeepNet(3, 5, 2, seed=3).double())
    sets = candidates(sample, 0.4, 3)
    found = best_in_ball(net, sample, perturbation=sets, radius=0.4, loss=loss)
    assert found.value == pytest.approx(with_cvxpy(net, sample, sets, 0.4, loss), rel=2e-6)
    assert found.weights is not None
    steps = [float((w - w0).norm()) for w, w0 in zip(found.weights, net.start(), strict=True)]
    assert max(steps) <= 0.4
    assert found.distance == pytest.approx(math.hypot(*steps), rel=1e-9)
    assert found.distance > 0.4  # both layers are used


def one_point(x: Tensor, labels: list[float]) -> Sample:
    return Sample(x.expand(len(labels), -1).clone(), torch.tensor(labels, dtype=F64), "one point")


def test_a_radius_whose_square_is_no_number_is_refused() -> None:
    net, sample = linearize(TwoLayerNet(2, 4).double()), hexagon()
    with pytest.raises(ValueError, match=r"radius must be at most 1e\+150, got 1e\+200"):
        best_in_ball(net, sample, perturbation=SphereCap(0.1), radius=1e200, loss=Logistic())


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("radius", [0.0, 0.5, 100.0])
def test_one_point_in_closed_form(loss: Loss, radius: float) -> None:
    sample = one_point(torch.tensor([[1.0]], dtype=F64), [1.0])  # n = 1 and d = 1
    net = linearize(TwoLayerNet(1, 8, seed=5).double())
    found = best_in_ball(net, sample, perturbation=SphereCap(0.0), radius=radius, loss=loss)
    slope = float(torch.cat(features(net, sample.x), 1).norm())
    # outputs from 0, that of the start, to radius * slope; the losses fall at least until 1
    f = torch.tensor([radius * slope, min(radius * slope, 1.0)], dtype=F64)
    least = float(loss(f, torch.ones_like(f)).min())
    assert found.value == pytest.approx(least, rel=1e-6, abs=1e-8)
    assert found.lower_bound <= least + 1e-12


@pytest.mark.parametrize("copies", [1, 3])
def test_contradictory_labels_cost_what_the_best_constant_costs(copies: int) -> None:
    sample = one_point(torch.tensor([[0.6, 0.8]], dtype=F64), [1.0, -1.0] * copies)
    for model in (partial(ntk, bias=True), linearize(TwoLayerNet(2, 64, seed=0).double())):
        found = best_in_ball(
            model, sample, perturbation=SphereCap(0.3), radius=5.0, loss=PseudoHuber()
        )
        assert found.value == pytest.approx(HALF, rel=1e-6)
        assert found.gap <= 1e-6


def test_features_that_vanish_leave_the_start() -> None:
    found = best_in_ball(
        lambda x, z: torch.zeros(len(x), len(z), dtype=F64),
        hexagon(),
        perturbation=SphereCap(0.2),
        radius=3.0,
        loss=PseudoHuber(),
    )
    assert found.value == pytest.approx(HALF, rel=1e-9)
    assert found.gap <= 1e-9
    assert found.distance == 0


def test_radius_zero_is_the_start_itself() -> None:
    net = linearize(TwoLayerNet(2, 16, symmetric=False, seed=0).double())
    sets = arcs(0.2, 21)
    found = best_in_ball(net, hexagon(), perturbation=sets, radius=0, loss=PseudoHuber())
    worst = GridMax()(net, hexagon().x, hexagon().y, perturbation=sets, loss=PseudoHuber())
    with torch.no_grad():
        value = float(PseudoHuber()(net(worst), hexagon().y).mean())
    assert found.value == found.lower_bound == pytest.approx(value, rel=1e-14)
    assert found.weights is not None
    assert torch.equal(found.weights[0], net.start()[0])


def test_radius_zero_is_proved_to_be_what_the_last_judge_finds() -> None:
    net = linearize(TwoLayerNet(2, 16, symmetric=False, seed=0).double())
    ball = {"perturbation": SphereCap(0.2), "radius": 0, "loss": PseudoHuber()}
    found = best_in_ball(net, hexagon(), **ball)  # type: ignore[arg-type]
    coarse = best_in_ball(net, hexagon(), judge=GridMax(size=1000), **ball)  # type: ignore[arg-type]
    assert found.value == found.lower_bound > coarse.value == coarse.lower_bound


def test_a_search_that_ends_early_has_a_bound_that_holds() -> None:
    ball = {"perturbation": arcs(0.2, 41), "radius": 4.0, "loss": PseudoHuber()}
    exact = best_in_ball(ntk, hexagon(), **ball)  # type: ignore[arg-type]
    early = best_in_ball(ntk, hexagon(), tolerance=0.9, **ball)  # type: ignore[arg-type]
    assert early.lower_bound <= exact.value * (1 + 1e-12)
    assert exact.value * 1.001 < early.value


@dataclass(frozen=True)
class Lowered(PseudoHuber):
    """Pseudo-Huber less one: a loss that is below nothing where it is small."""

    zero_at_label: ClassVar[bool] = False

    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        return super().__call__(f, y) - 1


def test_a_constant_taken_off_the_loss_comes_off_the_value() -> None:
    ball = {"perturbation": arcs(0.2, 41), "radius": 2.0}
    plain = best_in_ball(ntk, hexagon(), loss=PseudoHuber(), **ball)  # type: ignore[arg-type]
    less = best_in_ball(ntk, hexagon(), loss=Lowered(), **ball)  # type: ignore[arg-type]
    assert less.value == pytest.approx(plain.value - 1, abs=1e-8)
    assert less.lower_bound == pytest.approx(less.value, abs=1e-8)


def robust(net: Network, weights: tuple[Tensor, ...], sample: Sample, sets: Finite) -> float:
    """The robust loss at ``weights``, candidate by candidate."""
    with torch.no_grad():
        f = torch.stack([net.evaluate(weights, z) for z in sets.candidates.unbind(1)], 1)
        return float(PseudoHuber()(f, sample.y[:, None]).amax(1).mean())


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_the_value_is_attained_and_nothing_in_the_ball_is_below_the_bound(activation: str) -> None:
    sample, sets = hexagon(), arcs(0.2, 41)
    net = linearize(TwoLayerNet(2, 64, activation=activation, seed=1).double())
    found = best_in_ball(net, sample, perturbation=sets, radius=3.0, loss=PseudoHuber())
    assert found.weights is not None
    assert robust(net, found.weights, sample, sets) == pytest.approx(found.value, rel=1e-12)
    assert torch.allclose(found(sample.x), net.evaluate(found.weights, sample.x), atol=1e-12)
    assert found.distance <= 3
    draw = generator(7)
    for k in range(60):
        step = torch.randn(64, 3, dtype=F64, generator=draw)
        away = (found.weights[0] - net.start()[0]) if k % 2 else torch.zeros(64, 3, dtype=F64)
        moved = away + step * (10.0 ** -(k % 5))
        moved *= min(1.0, 3.0 / float(moved.norm()))
        value = robust(net, (net.start()[0] + moved,), sample, sets)
        assert value >= found.lower_bound


def test_a_kernel_and_the_net_it_belongs_to_have_one_comparator() -> None:
    sample, sets = hexagon(), arcs(0.2, 41)
    net = TwoLayerNet(2, 128, activation="gelu", seed=2).double()
    ball = {"perturbation": sets, "radius": 4.0, "loss": PseudoHuber()}
    by_net = best_in_ball(linearize(net), sample, **ball)  # type: ignore[arg-type]
    by_kernel = best_in_ball(partial(empirical_ntk, net), sample, **ball)  # type: ignore[arg-type]
    assert by_net.value == pytest.approx(by_kernel.value, rel=2e-6)
    assert by_kernel.weights is None
    points = sphere(20, 2).x
    assert torch.allclose(by_net(points), by_kernel(points), atol=2e-3)
    assert by_kernel.distance == pytest.approx(4.0, rel=1e-4)


# Six digits of the running example; an independent solver reproduces the first of them below.
HEXAGON = {
    "kernel": [(2.0, 0.300968), (5.0, 0.156250), (10.0, 0.012859)],
    "net": [(2.0, 0.303296), (5.0, 0.160958), (10.0, 0.016054)],
}


@pytest.mark.parametrize("kind", HEXAGON)
def test_the_hexagon_to_six_digits(kind: str) -> None:
    model = partial(ntk) if kind == "kernel" else linearize(TwoLayerNet(2, 1024, seed=0).double())
    for radius, value in HEXAGON[kind]:
        found = best_in_ball(
            model, hexagon(), perturbation=arcs(0.2), radius=radius, loss=PseudoHuber()
        )
        assert found.value == pytest.approx(value, abs=6e-7)
        assert found.gap <= 1e-6 * found.value


def test_the_kernels_value_agrees_with_cvxpy_on_the_hexagon() -> None:
    points = arcs(0.2, 41).candidates.flatten(0, 1)
    values, vectors = torch.linalg.eigh(ntk(points))
    root = (vectors * values.clamp(min=0).sqrt()).numpy()
    v = cp.Variable(root.shape[1])
    y = hexagon().y.repeat_interleave(42).numpy()
    losses = cp.norm(cp.vstack([root @ v - y, [1.0] * len(y)]), axis=0) - 1
    tops = [cp.max(losses[42 * i : 42 * (i + 1)]) for i in range(6)]
    theirs = cp.Problem(cp.Minimize(sum(tops) / 6), [cp.norm(v) <= 5]).solve(solver=cp.CLARABEL)
    found = best_in_ball(ntk, hexagon(), perturbation=arcs(0.2, 41), radius=5.0, loss=PseudoHuber())
    assert found.value == pytest.approx(theirs, rel=2e-6)


def test_caps_are_finite_sets_with_many_points() -> None:
    caps, radii = SphereCap(0.2), (1.0, 4.0)
    values = []
    for radius in radii:
        by_cap = best_in_ball(
            ntk, hexagon(), perturbation=caps, radius=radius, loss=PseudoHuber(), tolerance=1e-5
        )
        by_grid = best_in_ball(
            ntk, hexagon(), perturbation=arcs(0.2, 1000), radius=radius, loss=PseudoHuber()
        )
        assert by_cap.value == pytest.approx(by_grid.value, rel=2e-5)
        assert by_cap.judge == "GridMax(size=1000) and GridMax(size=10000)"
        assert not by_cap.closed  # no grid holds all points
        values.append(by_cap.value)
    assert values[0] > values[1]  # more room, less loss


def test_a_large_ball_interpolates() -> None:
    sample, sets = hexagon(), arcs(0.2, 41)
    for loss in (PseudoHuber(), Hinge()):
        found = best_in_ball(ntk, sample, perturbation=sets, radius=40.0, loss=loss)
        assert 0 <= found.value < 1e-8
        assert found.lower_bound > -1e-8
        assert "undefined" not in repr(found) or found.value == 0


@pytest.mark.parametrize("width", [None, 512])
def test_digits_to_one_part_in_ten_thousand(width: int | None) -> None:
    sample = digits(n=200)
    model = ntk if width is None else linearize(TwoLayerNet(64, width, seed=0).double())
    found = best_in_ball(
        model,
        sample,
        perturbation=candidates(sample, 0.3, 10),
        radius=4.0,
        loss=PseudoHuber(),
        tolerance=1e-4,
    )
    assert found.gap <= 1e-4 * found.value
    assert 0.1 < found.value < HALF


def test_a_bound_by_a_weak_judge_stays_a_bound() -> None:
    sample, sets = hexagon(), arcs(0.4, 201)
    net = linearize(TwoLayerNet(2, 256, activation="gelu", seed=0).double())
    ball = {"perturbation": sets, "radius": 5.0, "loss": PseudoHuber()}
    exact = best_in_ball(net, sample, **ball)  # type: ignore[arg-type]
    weak = best_in_ball(net, sample, judge=PGD(steps=1), **ball)  # type: ignore[arg-type]
    assert weak.lower_bound <= exact.value
    assert weak.judge.startswith("PGD(steps=1")
    assert weak.weights is not None
    assert robust(net, weak.weights, sample, sets) >= weak.value - 1e-12


def test_the_lower_bound_holds_for_any_multipliers() -> None:
    draw = generator(11)
    factor = torch.randn(8, 5, dtype=F64, generator=draw)
    y = torch.tensor([1.0, -1.0] * 4, dtype=F64)

    def functions(f: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        loss = PseudoHuber()
        return loss(f, y), loss.derivative(f, y), torch.zeros_like(f)

    group = torch.arange(8) // 2
    program = MinMaxProgram(group, 4, torch.zeros(8, dtype=F64), (factor,), 0.7, functions)
    least = math.inf
    for _ in range(2000):
        v = torch.randn(5, dtype=F64, generator=draw)
        v *= 0.7 / max(0.7, float(v.norm()))
        psi, _, _ = functions(program.outputs(v))
        least = min(least, float(program.tops(psi).mean()))
    for _ in range(200):
        f = torch.randn(8, dtype=F64, generator=draw)
        weights = torch.rand(8, dtype=F64, generator=draw) ** 4 + 1e-9
        assert program.lower_bound(f, weights) <= least


def test_the_repr_is_a_sentence() -> None:
    found = best_in_ball(ntk, hexagon(), perturbation=arcs(0.2, 21), radius=2.0, loss=PseudoHuber())
    assert isinstance(found, Comparator)
    assert repr(found).startswith("Within 2 of the start the least robust loss is between 0.30")
    assert "judged by GridMax(size=1000)." in repr(found)


def test_no_loss_below_nothing_is_printed() -> None:
    """Solved problems whose loss cannot be negative, up to radii at which it is next to nothing."""
    sample, sets = hexagon(), arcs(0.2, 21)
    for loss in (PseudoHuber(), Hinge(), Logistic()):
        for radius in (0.0, 2.0, 1e2, 1e4):
            found = best_in_ball(ntk, sample, perturbation=sets, radius=radius, loss=loss)
            assert 0 <= found.lower_bound <= found.value
            said = re.search(r"between (\S+) and (\S+) \((relative )?gap (\S+)\)", repr(found))
            assert said
            low, high, gap = float(said[1]), float(said[2]), float(said[4])
            assert low <= found.lower_bound * (1 + 1e-15)
            assert high >= found.value * (1 - 1e-15)
            assert gap < 1e-5


@pytest.mark.parametrize("tolerance", [1e-16, 1e-200])
def test_a_tolerance_beyond_rounding_is_left_with_the_gap_reached(tolerance: float) -> None:
    sample, ball = hexagon(), {"perturbation": SphereCap(0.2), "radius": 2.0}
    asked: list[int] = []

    @dataclass(frozen=True, kw_only=True)
    class Counted(Attack):
        def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
            asked.append(1)
            GridMax().move(oracle, generator)

    found = best_in_ball(
        ntk, sample, loss=PseudoHuber(), tolerance=tolerance, judge=Counted(), **ball
    )  # type: ignore[arg-type]
    assert found.gap <= 1e-11 * found.value
    assert len(asked) <= 20  # rounds


def test_a_judge_that_finds_nothing_new_is_asked_once_more_and_adds_no_point() -> None:
    asked: list[int] = []

    @dataclass(frozen=True, kw_only=True)
    class Still(Attack):
        def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
            asked.append(1)

    ball = {"perturbation": SphereCap(0.2), "radius": 2.0, "loss": PseudoHuber()}
    found = best_in_ball(ntk, hexagon(), judge=Still(), **ball)  # type: ignore[arg-type]
    assert torch.equal(found.points, hexagon().x)
    assert found.gap <= 1e-6 * found.value
    assert len(asked) == 2
