"""Exact search against mixed-integer programming, enumeration, and its own promises."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import Bounds, LinearConstraint, milp
from tables import SETS as KINDS
from tables import boxed, many_starts
from torch import Tensor, nn

from robustlib.attacks import PGD, GridMax
from robustlib.losses import Hinge, LogCosh, Logistic, Loss, PseudoHuber
from robustlib.networks import DeepNet, TwoLayerNet, linearize
from robustlib.numerics import generator
from robustlib.samples import sphere
from robustlib.sets import Finite, L1Ball, L2Ball, LinfBall, Perturbation, SphereCap
from robustlib.training import adversarial_training
from robustlib.verification.affine import Layers, simplified
from robustlib.verification.branch_and_bound import BranchAndBound, search_known
from robustlib.verification.layers import read_layers
from robustlib.verification.search import Search
from robustlib.verification.units import UnitTree, twins

SETS = KINDS + boxed(-1.0, 1.0)


def meets(found: Search, rows: slice = slice(None)) -> bool:
    return bool((found.upper - found.lower)[rows].max() <= 1e-6)


def loss_at(net: nn.Module, z: Tensor, y: Tensor, loss: Loss) -> Tensor:
    return loss(net(z).detach(), y)


def by_milp(net: TwoLayerNet, x: Tensor, eps: float, sign: float) -> float:
    """max of sign f over the cube round one point: h = relu(z) with one binary for every unit."""
    layers = read_layers(net)
    assert layers is not None
    (w, b), a = (
        (layers.layers[0].weight.numpy(), layers.layers[0].bias.numpy()),
        layers.layers[1].weight.numpy()[0],
    )
    m, d = w.shape
    spread = np.abs(w).sum(1) * eps
    low, high = w @ x.numpy() + b - spread, w @ x.numpy() + b + spread
    high, low = np.maximum(high, 0), np.minimum(low, 0)
    eye, none = np.eye(m), np.zeros((m, m))
    # variables x, h, binary t: h >= wx + b, h <= wx + b - low (1 - t), h <= high t, h >= 0
    rows = np.concatenate(
        [
            np.concatenate([-w, eye, none], 1),
            np.concatenate([-w, eye, -np.diag(low)], 1),
            np.concatenate([np.zeros((m, d)), eye, -np.diag(high)], 1),
        ]
    )
    answer = milp(
        -sign * np.concatenate([np.zeros(d), a, np.zeros(m)]),
        constraints=LinearConstraint(
            rows,
            np.concatenate([b, np.full(2 * m, -np.inf)]),
            np.concatenate([np.full(m, np.inf), b - low, np.zeros(m)]),
        ),
        integrality=np.concatenate([np.zeros(d + m), np.ones(m)]),
        bounds=Bounds(
            np.concatenate([x.numpy() - eps, np.zeros(2 * m)]),
            np.concatenate([x.numpy() + eps, np.full(m, np.inf), np.ones(m)]),
        ),
        options={"mip_rel_gap": 0.0},
    )
    assert answer.status == 0
    return float(-answer.fun)


@pytest.mark.parametrize(("d", "width", "eps"), [(2, 20, 0.3), (6, 12, 0.3), (16, 20, 0.05)])
def test_the_same_range_as_mixed_integer_programming(d: int, width: int, eps: float) -> None:
    for seed in range(3):
        net = TwoLayerNet(d, width, symmetric=False, seed=seed).double()
        sample = sphere(2, d, seed=seed)
        for label in (1.0, -1.0):  # the logistic loss is largest where y f is smallest
            y = torch.full((2,), label, dtype=torch.float64)
            found = BranchAndBound().search(
                net, sample.x, y, perturbation=LinfBall(eps), loss=Logistic()
            )
            assert bool(found.closed.all())
            assert meets(found)
            for i in range(2):
                f = torch.tensor(-label * by_milp(net, sample.x[i], eps, -label)).double()
                true = float(Logistic()(f, y[i]))
                assert true <= float(found.upper[i]) + 1e-7  # the solver's own tolerance
                assert float(found.lower[i]) <= true + 1e-7


@pytest.mark.parametrize(
    "net",
    [
        TwoLayerNet(2, 20, symmetric=False, seed=4),
        TwoLayerNet(2, 16, activation="tanh", symmetric=False, seed=4),
        TwoLayerNet(2, 16, activation="quadratic_relu", symmetric=False, seed=4),
        DeepNet(2, 12, 2, seed=4),
        DeepNet(2, 12, 2, activation="gelu", seed=4),
    ],
    ids=repr,
)
@pytest.mark.parametrize("sets", [SphereCap(0.3), SphereCap(1.7), SphereCap(2.0), *SETS[1:]])
def test_the_same_maximum_as_enumeration_in_the_plane(net: nn.Module, sets: Perturbation) -> None:
    net, sample, loss = net.double(), sphere(3, 2, seed=1), PseudoHuber()
    found = BranchAndBound().search(net, sample.x, sample.y, perturbation=sets, loss=loss)
    assert bool(found.closed.all())
    assert meets(found)
    size = 40_000
    z = GridMax(size=size)(net, sample.x, sample.y, perturbation=sets, loss=loss)
    grid = loss_at(net, z, sample.y, loss)
    assert bool((grid <= found.upper).all())
    assert bool(sets.contains(found.points, sample.x).all())
    # the nearest point of the grid is about a spacing away, and these nets have slopes below 10
    spacing = 2 * math.pi / size if isinstance(sets, SphereCap) else 2 * sets.radius / size**0.5
    assert bool((found.lower - grid <= 10 * spacing).all())


@pytest.mark.parametrize("d", [1, 2, 3, 4, 16, 64])
@pytest.mark.parametrize("sets", SETS, ids=repr)
def test_both_ends_meet_on_nets_of_twenty_units(sets: Perturbation, d: int) -> None:
    net = TwoLayerNet(d, 20, symmetric=False, seed=d).double()
    if not isinstance(sets, SphereCap):
        sets = sets.with_radius(sets.radius / 2)
    sample, loss = sphere(2, d, seed=d), PseudoHuber()
    attack = BranchAndBound(nodes=100_000)
    found = attack.search(net, sample.x, sample.y, perturbation=sets, loss=loss)
    assert bool(found.closed.all())
    assert meets(found)
    assert f"closed at 2 of 2 points, to {float((found.upper - found.lower).max()):.1g}" in repr(
        found
    )
    # as an attack it answers with those points
    points = attack(net, sample.x, sample.y, perturbation=sets, loss=loss)
    value = loss_at(net, points, sample.y, loss)
    assert bool((value <= found.upper).all())
    assert bool((found.lower - value <= 1e-6).all())


@pytest.mark.parametrize("loss", [PseudoHuber(), LogCosh(), Logistic(), Hinge()], ids=repr)
def test_no_attack_and_no_point_exceeds_a_searched_end(loss: Loss, dtype: torch.dtype) -> None:
    g = generator(11)
    for seed in range(6):
        d = 2 + seed
        net = TwoLayerNet(d, 10, symmetric=seed % 2 == 0, seed=seed).to(dtype)
        with torch.no_grad():
            net.weight.add_(torch.randn(net.weight.shape, generator=g).to(dtype))
        sample = sphere(6, d, seed=seed).to(dtype=dtype)
        sets = SETS[seed % len(SETS)]
        found = BranchAndBound().search(net, sample.x, sample.y, perturbation=sets, loss=loss)
        tries = [*many_starts(net, sample.x, sample.y, sets, loss)]
        tries += [found.points, *(sets.random(sample.x, g) for _ in range(50))]
        for z in tries:
            f = net(z).detach().double()
            assert bool((loss_at(net, z, sample.y, loss).double() <= found.upper).all())
            assert bool((found.outputs[:, 0] <= f).all())
            assert bool((f <= found.outputs[:, 1]).all())
        torch.testing.assert_close(
            loss_at(net, found.points, sample.y, loss).double(), found.lower, rtol=1e-6, atol=1e-6
        )
        assert bool(found.closed.all())
        if dtype == torch.float64:
            assert meets(found)
        else:
            assert float((found.upper - found.lower).max()) < 1e-3  # the worst rounding


def test_both_sides_of_the_label_are_searched() -> None:
    """f = 3 relu(z) - 1 reaches far above +1, which is the worst there, and -1 below."""
    net = TwoLayerNet(3, 1, symmetric=False, bias=False).double()
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[3.0, 0, 0]]))
    net.readout.fill_(1.0)
    x, y = torch.eye(3).double()[:1], torch.ones(1).double()
    for sets, true in ((SphereCap(0.1), 3.0), (SphereCap(2.0), 3.0), (L2Ball(1.0), 6.0)):
        found = BranchAndBound().search(net, x, y, perturbation=sets, loss=PseudoHuber())
        expected = PseudoHuber()(torch.tensor(true).double(), y[0])
        assert float(found.lower[0]) == pytest.approx(float(expected), abs=1e-9)
        assert float(found.upper[0]) == pytest.approx(float(expected), abs=1e-9)


def test_a_limit_leaves_an_interval_that_says_so() -> None:
    net = TwoLayerNet(16, 60, symmetric=False).double()
    sample, loss, sets = sphere(4, 16), PseudoHuber(), LinfBall(0.1)

    def run(**limits: float) -> Search:
        attack = BranchAndBound(**limits)  # type: ignore[arg-type]
        return attack.search(net, sample.x, sample.y, perturbation=sets, loss=loss)

    whole = run()
    assert bool(whole.closed.all())
    for short in (run(nodes=0), run(nodes=10), run(seconds=0)):
        assert not bool(short.closed.any())
        assert "0 of 4 points; 4 not closed, with intervals of up to" in repr(short)
        assert bool((short.upper - short.lower > 1e-3).all())
        assert bool((short.lower <= whole.upper).all())
        assert bool((whole.lower <= short.upper).all())
    assert bool((run(nodes=10).upper <= run(nodes=0).upper).all())
    assert bool((run(nodes=300).nodes < 300 + 2 * 256).all())


@pytest.mark.parametrize("loss", [PseudoHuber(), Logistic()])
@pytest.mark.parametrize("d", [2, 5])
def test_where_numbers_overflow_nothing_is_proved(loss: Loss, d: int) -> None:
    """By neither way of cutting: NaN would count as a loss that rises nowhere."""
    x = torch.ones(2, d, dtype=torch.float64)
    x[0, 0] = 1e200
    net = TwoLayerNet(d, 4, activation="relu").double()
    found = BranchAndBound(nodes=4).search(
        net, x, torch.ones(2, dtype=torch.float64), perturbation=LinfBall(0.1), loss=loss
    )
    assert bool((found.upper >= found.lower).all())
    assert bool((found.upper.isfinite() | ~found.closed).all())
    assert not bool(found.outputs.isnan().any())
    assert not bool(found.upper.isnan().any())


def test_symmetric_nets_near_their_start_are_bounded_by_their_differences() -> None:
    """Without the bound of twins by z - z' the width-32 net here is far from closed."""
    sample = sphere(6, 16, seed=2)
    run = adversarial_training(
        TwoLayerNet(16, 32).double(),
        sample,
        perturbation=SphereCap(0.3),
        attack=PGD(steps=3),
        loss=PseudoHuber(),
        step_size=0.5,
        steps=20,
    )
    found = BranchAndBound(nodes=500).search(
        run.final, sample.x, sample.y, perturbation=SphereCap(0.3), loss=PseudoHuber()
    )
    assert bool(found.closed.all())
    layers = simplified(read_layers(run.final))  # type: ignore[arg-type]
    pair = twins(layers.layers[0], layers.layers[1])
    assert bool((pair >= 0).all())
    assert torch.equal(pair[pair], torch.arange(len(pair)))
    assert 16 < len(pair) <= 32  # twins that no example ever moved are one unit of readout 0


def test_the_bound_of_a_node_is_never_below_a_point_in_it() -> None:
    """Random patterns of on and off units, and random multipliers to start from."""
    g = generator(3)
    for seed in range(8):
        net = TwoLayerNet(4, 16, symmetric=seed % 2 == 1, seed=seed).double()
        with torch.no_grad():
            net.weight.add_(0.1 * torch.randn(net.weight.shape, generator=g).double())
        x, sets = sphere(5, 4, seed=seed).x, SETS[seed % len(SETS)]
        support = sets.hull(x)
        layers = simplified(read_layers(net)).layers  # type: ignore[arg-type]
        tree = UnitTree(layers[0], layers[-1], support)
        roots = tree.roots()
        z = sets.random(x, g)
        h = z @ layers[0].weight.T + layers[0].bias
        some = torch.rand(h.shape, generator=g) < 0.5
        pattern = torch.where(some, torch.where(h > 0, 1, -1), 0).to(torch.int8)
        pattern = torch.where(tree.convex, pattern.repeat_interleave(2, 0), 0)
        start = torch.randn(roots.parts[1].shape, generator=g, dtype=torch.float64)
        nodes = dataclasses.replace(roots, parts=(pattern, start, *roots.parts[2:]))
        sign = torch.tensor([1.0, -1.0]).double().repeat(5)
        value = sign * net(z).detach().repeat_interleave(2)
        for last in (False, True):
            bound, _, _, _ = tree.bound(nodes, last=last)
            assert bool((value <= bound).all())


@pytest.mark.parametrize(("state", "true"), [(1, 0.0), (-1, 1.0)])
@pytest.mark.parametrize("last", [False, True])
def test_a_node_is_bounded_on_its_half_of_the_set(state: int, true: float, last: bool) -> None:
    """f = relu(x_1) - x_1 on [-1, 1]: 0 where the first unit is on, up to 1 where it is off."""
    first = torch.tensor([[1.0, 0], [-1, 0]])
    net = plain(first, torch.tensor([0.0, 10]), torch.ones(2), -10.0)
    x = torch.zeros(1, 2, dtype=torch.float64)
    for sets in (LinfBall(1.0), L1Ball(1.0), L2Ball(1.0)):
        tree = UnitTree(*read_layers(net).layers, sets.hull(x))
        roots = tree.roots().take(torch.tensor([0]))
        cut = torch.tensor([[state, 0]], dtype=torch.int8)
        nodes = dataclasses.replace(roots, parts=(cut, *roots.parts[1:]))
        (bound,) = tree.bound(nodes, last=last)[0].tolist()
        assert true <= bound <= true + (1e-6 if last else 0.1)


def plain(first: Tensor, bias: Tensor, out: Tensor, offset: float) -> nn.Module:
    d, m = first.shape[1], len(first)
    net = nn.Sequential(nn.Flatten(), nn.Linear(d, m), nn.ReLU(), nn.Linear(m, 1), nn.Flatten(0))
    with torch.no_grad():
        for p, value in zip(
            net.parameters(), (first, bias, out[None], torch.tensor([offset])), strict=True
        ):
            p.copy_(value)
    return net.double()


@pytest.mark.parametrize("sets", [LinfBall(0.5), L2Ball(0.5), L1Ball(0.5)], ids=repr)
def test_the_bound_of_twins_is_above_all_points(sets: Perturbation) -> None:
    """One pair of units and a unit that is always on, which pulls the maximum anywhere."""
    g, closest = generator(6), {0: math.inf, 1: math.inf}
    for seed in range(100):
        x = 0.3 * sphere(4, 2, seed=seed).x
        first = torch.randn(3, 2, generator=g, dtype=torch.float64)
        # in every other net the twins differ by a shift: one is larger on the whole set
        shifted = seed % 2
        first[1] = first[0] + (0.05 if shifted else 0.2) * first[1]
        bias = torch.tensor([0.0, 0.2 * shifted, 99])
        net = plain(first, bias, torch.tensor([1.0, -1, seed / 50]), 0.0)
        support = sets.hull(x)
        layers = simplified(read_layers(net)).layers  # type: ignore[arg-type]
        tree = UnitTree(layers[0], layers[-1], support)
        bound, _, _, _ = tree.bound(tree.roots())
        z = sets.grid(x, 900)
        f = net(z.flatten(0, 1)).detach().reshape(4, -1)
        true = torch.stack([f.amax(1), -f.amin(1)], 1).flatten()
        assert bool((bound >= true).all())
        gaps = (bound - true)[tree.twinned.any(1)].tolist()
        closest[shifted] = min([closest[shifted], *gaps])
    assert max(closest.values()) < 1e-3


@pytest.mark.parametrize("gives_up", [False, True])
def test_the_sharpest_bound_of_one_unit(gives_up: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """-relu(z) for z within 1/4 of 1/8 and of 1/2: exact, or sound without a solver."""
    if gives_up:
        failed = SimpleNamespace(status=4)
        monkeypatch.setattr("robustlib.verification.units.linprog", lambda *a, **k: failed)
    net = plain(torch.eye(4)[:1], torch.tensor([0.125]), -torch.ones(1), 0.0)
    x = torch.tensor([[0.0, 1, 0, 0], [0.375, 0, 0, 0]], dtype=torch.float64)
    layers = read_layers(net).layers
    for sets in (LinfBall(0.25), L1Ball(0.25), L2Ball(0.25)):
        for rows in ([0], [0, 1]):
            tree = UnitTree(*layers, sets.hull(x[rows]))
            bound, _, _, _ = tree.bound(tree.roots(), last=True)
            true = torch.tensor([[0.0, 0.375], [-0.25, 0.75]]).double()[rows].flatten()
            assert bool((bound >= true).all())
            torch.testing.assert_close(bound, true, rtol=0, atol=0.25 if gives_up else 1e-9)


def test_pieces_are_cut_in_up_to_three_coordinates() -> None:
    for d in (3, 4):
        net, sample = DeepNet(d, 6, 2, seed=1).double(), sphere(1, d)
        options: dict[str, Any] = {"perturbation": L2Ball(0.01), "loss": Hinge()}
        if d == 3:
            assert bool(BranchAndBound().search(net, sample.x, sample.y, **options).closed.all())
        else:
            with pytest.raises(TypeError, match=r"up to 3 coordinates .* with 4 coordinates"):
                BranchAndBound().search(net, sample.x, sample.y, **options)


def test_no_time_leaves_the_first_bound() -> None:
    net, sample = TwoLayerNet(5, 20, symmetric=False).double(), sphere(2, 5)
    for sets in (L2Ball(0.5), LinfBall(0.3)):
        found = BranchAndBound(seconds=0).search(
            net, sample.x, sample.y, perturbation=sets, loss=PseudoHuber()
        )
        assert not bool(found.closed.any())
        assert found.nodes.tolist() == [0, 0]


def test_rounding_that_may_be_large_but_is_not_ends_no_search() -> None:
    """f = -|x - 0.3| in float32, and a million less a million, which may cost all its digits."""
    net = plain(
        torch.tensor([[1.0], [-1], [0], [0]]),
        torch.tensor([-0.3, 0.3, 1, 1]),
        torch.tensor([-1.0, -1, 2**20, -(2**20)]),
        0.0,
    ).float()
    x, sets = torch.zeros(1, 1), LinfBall(1.0)
    found = search_known(
        read_layers(net, x),
        sets.hull(x),
        net,
        x,
        -torch.ones(1),
        x,
        perturbation=sets,
        loss=Logistic(),
        nodes=2_000,
        seconds=math.inf,
    )
    assert found is not None
    assert float(found.lower) == pytest.approx(math.log(2), abs=1e-3)
    assert float(found.upper) > 1  # what may have been rounded


EDGES = {
    "dead units": plain(torch.eye(4), -9 * torch.ones(4), torch.ones(4), 0.5),
    "units always on": plain(torch.eye(4), 9 * torch.ones(4), torch.ones(4), 0.5),
    "no readout": plain(torch.eye(4), torch.zeros(4), torch.zeros(4), 0.5),
    "units that cancel": plain(torch.ones(2, 4), torch.zeros(2), torch.tensor([1.0, -1.0]), -0.25),
    "zero weights": plain(torch.zeros(3, 4), torch.ones(3), torch.ones(3), 0.0),
    "at the start": TwoLayerNet(4, 6).double(),
    "one unit": TwoLayerNet(4, 1, symmetric=False, bias=False).double(),
    "convex": plain(torch.eye(4), torch.zeros(4), torch.ones(4), 0.0),
    "concave": plain(torch.eye(4), torch.zeros(4), -torch.ones(4), 0.0),
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("sets", SETS, ids=repr)
def test_degenerate_nets(name: str, sets: Perturbation) -> None:
    net, sample, loss = EDGES[name], sphere(3, 4, seed=9), PseudoHuber()
    x, y = sample.x.clone(), sample.y.clone()
    x[1], y[1] = x[0], -y[0]  # the same point with both labels
    found = BranchAndBound().search(net, x, y, perturbation=sets, loss=loss)
    g = generator(1)
    for _ in range(200):
        assert bool((loss_at(net, sets.random(x, g), y, loss) <= found.upper).all())
    for z in many_starts(net, x, y, sets, loss):
        assert bool((loss_at(net, z, y, loss) <= found.lower + 1e-6).all())
    # the hull of a cap holds points that the cap does not, where f = -sum relu is larger
    if (name, sets) != ("concave", SphereCap(0.3)):
        assert bool(found.closed.all())
        assert meets(found)


@pytest.mark.parametrize("radius", [0.0, 1e-9])
def test_sets_of_no_size(radius: float) -> None:
    net, sample, loss = TwoLayerNet(5, 8, symmetric=False).double(), sphere(3, 5), PseudoHuber()
    for sets in SETS:
        small = sets.with_radius(radius)
        attack = BranchAndBound()
        found = attack.search(net, sample.x, sample.y, perturbation=small, loss=loss)
        assert meets(found)
        moved = attack(net, sample.x, sample.y, perturbation=small, loss=loss)
        assert radius > 0 or torch.equal(moved, sample.x)


def test_no_examples_and_images_and_candidates() -> None:
    net, sample, loss = EDGES["convex"], sphere(6, 4), Logistic()
    attack, sets = BranchAndBound(), L2Ball(0.3)
    none = attack.search(net, sample.x[:0], sample.y[:0], perturbation=sets, loss=loss)
    assert none.upper.shape == (0,)
    assert repr(none) == "A search of no points."
    flat = attack.search(net, sample.x, sample.y, perturbation=sets, loss=loss)
    image = attack.search(net, sample.x.reshape(6, 1, 2, 2), sample.y, perturbation=sets, loss=loss)
    assert image.points.shape == (6, 1, 2, 2)
    torch.testing.assert_close(image.upper, flat.upper, rtol=0, atol=1e-9)
    candidates = torch.stack([sample.x, -sample.x], 1)
    listed = attack.search(net, sample.x, sample.y, perturbation=Finite(candidates), loss=loss)
    both = torch.stack([loss_at(net, z, sample.y, loss) for z in (sample.x, -sample.x)])
    assert torch.equal(listed.upper, both.amax(0))
    assert torch.equal(listed.lower, listed.upper)


def test_a_call_is_deterministic_and_moves_what_it_should() -> None:
    net, sample = TwoLayerNet(16, 24, symmetric=False).double(), sphere(5, 16)
    state = torch.get_rng_state()
    first, second = (
        BranchAndBound()(net, sample.x, sample.y, perturbation=L2Ball(0.3), loss=Hinge())
        for _ in range(2)
    )
    assert torch.equal(first, second)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("net", "d"),
    [
        (DeepNet(4, 6, 2), 4),
        (TwoLayerNet(4, 6, activation="tanh"), 4),
        (linearize(TwoLayerNet(2, 4)), 2),
    ],
    ids=["deep", "tanh", "linearised"],
)
def test_what_cannot_be_searched_is_refused(net: nn.Module, d: int) -> None:
    sample = sphere(3, d)
    for call in (BranchAndBound(), BranchAndBound().search):
        words = rf"BranchAndBound needs a ReLU net.* with {d} coordinates; use PGD"
        with pytest.raises(TypeError, match=words):
            call(net.double(), sample.x, sample.y, perturbation=L2Ball(0.1), loss=Hinge())


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"nodes": -1}, ValueError, "nodes must be at least 0, got -1"),
        ({"seconds": -1}, ValueError, "seconds must be at least 0, got -1"),
        ({"tolerance": 0}, ValueError, "tolerance must be greater than 0, got 0"),
        ({"seed": 0.5}, TypeError, "seed must be an integer, got 0.5"),
    ],
)
def test_bad_options(options: dict[str, float], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        BranchAndBound(**options)  # type: ignore[arg-type]


def test_layers_without_units_are_a_constant() -> None:
    layers = simplified(read_layers(EDGES["units that cancel"]))  # type: ignore[arg-type]
    assert isinstance(layers, Layers)
    assert layers.layers[0].weight.shape == (0, 4)
