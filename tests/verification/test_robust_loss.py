"""The robust loss as an interval: exact cases, honest ends, plain words."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from tables import SETS as KINDS
from tables import boxed
from torch import Tensor, nn

from robustlib.attacks import APGD, PGD, GridMax, LinearMax
from robustlib.losses import Hinge, LogCosh, Logistic, Loss, PseudoHuber
from robustlib.networks import DeepNet, TwoLayerNet, linearize
from robustlib.numerics import generator
from robustlib.samples import Sample, digits, hexagon, sphere
from robustlib.sets import Finite, L1Ball, L2Ball, LinfBall, Perturbation, SphereCap
from robustlib.verification import output_bounds, robust_accuracy
from robustlib.verification.robust_loss import RobustLoss, robust_loss

LOSSES: list[Loss] = [PseudoHuber(), LogCosh(), Logistic(), Hinge()]
SETS = KINDS + boxed(-1.0, 1.0)


def affine(d: int, scale: float = 1.0) -> nn.Module:
    net = nn.Sequential(nn.Linear(d, 1), nn.Flatten(0)).double()
    with torch.no_grad():
        net[0].weight.copy_(scale * torch.randn(1, d, generator=generator(d), dtype=torch.float64))
        net[0].bias.fill_(0.1)
    return net


def consistent(found: RobustLoss) -> None:
    """What holds for every answer."""
    lower, upper = found.per_example.unbind(1)
    assert bool((lower <= upper).all())
    assert found.lower == pytest.approx(float(lower.mean()), rel=1e-12)
    assert found.upper == pytest.approx(float(upper.mean()), rel=1e-12)
    assert found.gap == found.upper - found.lower >= 0
    assert len(found.how) == len(lower)
    exact = [words.startswith("exact") for words in found.how]
    assert exact == (upper - lower <= 1e-6).tolist()
    assert found.exact == all(exact)
    assert 0 <= found.accuracy[0] <= found.accuracy[1] <= 1
    assert repr(found).startswith("Robust loss ")
    assert repr(found).endswith(".")


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("sets", SETS, ids=repr)
def test_affine_models_have_their_closed_form(sets: Perturbation, loss: Loss) -> None:
    sample = sphere(15, 6)
    net = affine(6)
    found = robust_loss(net, sample, perturbation=sets, loss=loss, effort="low")
    consistent(found)
    z = LinearMax()(net, sample.x, sample.y, perturbation=sets, loss=loss)
    true = loss(net(z), sample.y).detach()
    torch.testing.assert_close(found.per_example, torch.stack([true, true], 1), rtol=0, atol=1e-9)
    assert set(found.how) == {"exact in closed form"}
    worst = LinearMax()(net, sample.x, sample.y, perturbation=sets, loss=Logistic())
    right = float((net(worst) * sample.y > 0).double().mean())
    assert found.accuracy == (right, right)
    assert f"exact at 15 points; robust accuracy {right:.3g}." in repr(found)


@pytest.mark.parametrize(
    "net",
    [
        TwoLayerNet(2, 32, symmetric=False),
        TwoLayerNet(2, 16, activation="silu", symmetric=False),
        DeepNet(2, 12, 2),
    ],
    ids=repr,
)
def test_nets_in_the_plane_agree_with_enumeration(net: nn.Module) -> None:
    sample, loss, net = hexagon(), PseudoHuber(), net.double()
    for sets in (SphereCap(0.3), SphereCap(2.0), L2Ball(0.2)):
        found = robust_loss(net, sample, perturbation=sets, loss=loss)
        consistent(found)
        assert found.exact
        z = GridMax(size=20_000)(net, sample.x, sample.y, perturbation=sets, loss=loss)
        grid = loss(net(z), sample.y).detach()
        assert bool((grid <= found.per_example[:, 1]).all())
        assert bool((found.per_example[:, 0] - grid <= 0.02).all())
        value = loss(net(found.points), sample.y).detach()
        torch.testing.assert_close(value, found.per_example[:, 0], rtol=0, atol=1e-12)
        assert bool(sets.contains(found.points, sample.x).all())


def test_more_effort_closes_more() -> None:
    """One net, three efforts: intervals that hold the same number and shrink."""
    sample, loss, sets = digits(n=12), PseudoHuber(), SphereCap(0.3)
    net = TwoLayerNet(64, 24, symmetric=False, seed=2).double()
    low, medium, high = (
        robust_loss(net, sample, perturbation=sets, loss=loss, effort=effort)
        for effort in ("low", "medium", "high")
    )
    for found in (low, medium, high):
        consistent(found)
        assert bool((found.per_example[:, 0] <= high.per_example[:, 1]).all())
        assert bool((high.per_example[:, 0] <= found.per_example[:, 1]).all())
    assert not low.exact
    assert high.exact
    assert low.gap > medium.gap >= 0
    assert "by search, not closed" in low.how
    assert f"({sum(w.startswith('exact') for w in low.how)} of 12 points exact)" in repr(low)
    assert low.accuracy[0] <= high.accuracy[0] <= high.accuracy[1] <= low.accuracy[1]
    attacked = PGD(restarts=20)(net, sample.x, sample.y, perturbation=sets, loss=loss)
    assert float(loss(net(attacked), sample.y).detach().mean()) <= high.upper


def test_accuracy_is_decided_by_the_margin_and_not_by_the_loss() -> None:
    """Far above its label the loss is large, and the example still safe."""
    x = torch.eye(3).double()[:2]
    net = nn.Sequential(nn.Linear(3, 1), nn.Flatten(0)).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[9.0, 0.2, 0]]))
        net[0].bias.zero_()
    sample = Sample(x, torch.ones(2).double(), "two")
    found = robust_loss(net, sample, perturbation=L2Ball(0.1), loss=PseudoHuber())
    expected = [PseudoHuber()(torch.tensor(f), torch.tensor(1.0)) for f in (9 + 0.90022, -0.70022)]
    torch.testing.assert_close(
        found.per_example[:, 0], torch.stack(expected).double(), rtol=0, atol=1e-4
    )
    assert found.accuracy == (0.5, 0.5)
    assert repr(found).endswith("exact at 2 points; robust accuracy 0.5.")


class Unknown(nn.Module):
    """A net whose structure nobody has told."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        f: Tensor = self.net(x)
        return f


@pytest.mark.parametrize("make", [Unknown, linearize], ids=["module", "linearised"])
def test_nothing_is_claimed_for_unknown_models(make: type[Unknown]) -> None:
    net = make(TwoLayerNet(5, 8).double())
    sample = sphere(6, 5)
    found = robust_loss(net, sample, perturbation=L2Ball(0.1), loss=PseudoHuber())
    consistent(found)
    assert found.upper == math.inf
    assert not found.exact
    assert set(found.how) == {f"no bounds for {type(net).__name__}: from below only"}
    assert found.accuracy[0] == 0
    assert "nothing proved from above (6 of 6 points without a bound)" in repr(found)
    # but a set that is one point, or a list of points, needs no bounds
    still = robust_loss(net, sample, perturbation=L2Ball(0.0), loss=PseudoHuber())
    consistent(still)
    assert still.exact
    f = net(sample.x).detach()
    assert still.upper == pytest.approx(float(PseudoHuber()(f, sample.y).mean()), rel=1e-12)
    listed = Finite(torch.stack([sample.x, -sample.x, sample.x.flip(1)], 1))
    found = robust_loss(net, sample, perturbation=listed, loss=Logistic())
    consistent(found)
    values = torch.stack([Logistic()(net(z), sample.y) for z in listed.candidates.unbind(1)])
    torch.testing.assert_close(found.per_example[:, 1], values.amax(0).detach())
    margins = torch.stack([net(z) * sample.y for z in listed.candidates.unbind(1)]).amin(0)
    assert found.accuracy == (float((margins > 0).double().mean()),) * 2
    assert set(found.how) == {"exact by looking at 3 candidates"}


@pytest.mark.parametrize("sets", [SphereCap(0.3), SphereCap(0.0), LinfBall(0.2)], ids=repr)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_symmetric_net_at_its_start(sets: Perturbation, activation: str) -> None:
    """f is 0 everywhere: the robust loss is the loss at 0, and no example is right."""
    net = TwoLayerNet(64, 32, activation=activation).double()
    found = robust_loss(net, digits(n=10), perturbation=sets, loss=PseudoHuber(), effort="low")
    consistent(found)
    assert found.exact
    assert found.lower == pytest.approx(math.sqrt(2) - 1, abs=1e-15)
    assert found.upper == pytest.approx(math.sqrt(2) - 1, abs=1e-10)
    assert found.accuracy[1] == 0


def test_one_point_with_both_labels(dtype: torch.dtype) -> None:
    x = sphere(1, 3).x.repeat(2, 1).to(dtype)
    sample = Sample(x, torch.tensor([1.0, -1.0], dtype=dtype), "both")
    net = TwoLayerNet(3, 8, symmetric=False).to(dtype)
    found = robust_loss(net, sample, perturbation=SphereCap(0.2), loss=Hinge())
    consistent(found)
    # max(1 - f, 0) + max(1 + f, 0) >= 2 at any one point
    assert found.upper >= found.lower >= 1
    assert found.accuracy[1] <= 0.5
    assert found.gap <= (1e-6 if dtype == torch.float64 else 1e-3)


def test_images_and_their_points() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 1), nn.Flatten(0))
    flat = sphere(5, 8)
    image = SimpleNamespace(x=flat.x.reshape(5, 2, 2, 2), y=flat.y)
    one, two = (
        robust_loss(net.double(), sample, perturbation=LinfBall(0.05), loss=Logistic())
        for sample in (flat, image)
    )
    consistent(two)
    assert two.points.shape == (5, 2, 2, 2)
    assert two.exact
    torch.testing.assert_close(one.per_example, two.per_example, rtol=0, atol=1e-6)


def test_everything_is_left_as_found(device: torch.device) -> None:
    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 1), nn.Flatten(0))
    net = net.double().to(device)
    net.train()
    net[1].eval()
    state = torch.get_rng_state()
    sample = sphere(4, 4).to(device)
    first, second = (
        robust_loss(net, sample, perturbation=SphereCap(0.4), loss=Logistic()) for _ in range(2)
    )
    assert [m.training for m in net] == [True, False, True, True, True]
    assert all(p.grad is None for p in net.parameters())
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first.per_example, second.per_example)
    assert first.per_example.device.type == device.type
    assert first.points.device.type == device.type
    assert first.upper < math.inf


def test_global_random_states_are_left_as_found() -> None:
    """Also where the model itself draws from them."""
    net = TwoLayerNet(3, 4, symmetric=False).double()

    def model(z: Tensor) -> Tensor:
        torch.rand(1)
        random.random()
        return net(z)  # type: ignore[no-any-return]

    states = torch.get_rng_state(), random.getstate()
    sets = L2Ball(0.1)
    robust_loss(model, sphere(3, 3), perturbation=sets, loss=Logistic(), effort="low")
    robust_accuracy(model, sphere(3, 3), perturbation=sets)
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == random.getstate()


@pytest.mark.parametrize("call", [robust_loss, robust_accuracy, output_bounds])
def test_options_are_given_by_name(call: Callable[..., object]) -> None:
    first = sphere(3, 3).x if call is output_bounds else sphere(3, 3)
    with pytest.raises(TypeError, match="takes 2 positional arguments"):
        call(NET, first, L2Ball(0.1))


NET = TwoLayerNet(3, 4).double()


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"effort": "hard"}, ValueError, "effort must be one of 'low', 'medium', 'high'"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"sample": 3}, TypeError, "sample must have points x and labels y, got int"),
        (
            {"sample": SimpleNamespace(x=torch.ones(0, 3).double(), y=torch.ones(0).double())},
            ValueError,
            "sample must hold at least one point, got none",
        ),
        ({"sample": sphere(2, 4)}, ValueError, r"x must have shape \(n, 3\), got \(2, 4\)"),
        ({"perturbation": 0.1}, TypeError, "perturbation must be a set"),
        ({"loss": Hinge}, TypeError, r"loss must be a loss such as PseudoHuber\(\)"),
    ],
)
def test_bad_arguments(change: dict[str, object], error: type[Exception], match: str) -> None:
    arguments: dict[str, object] = {
        "sample": sphere(2, 3),
        "perturbation": L2Ball(0.1),
        "loss": Hinge(),
        **change,
    }
    sample = arguments.pop("sample")
    with pytest.raises(error, match=match):
        robust_loss(NET, sample, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("loss", [PseudoHuber(), Logistic()], ids=repr)
@pytest.mark.parametrize("effort", ["low", "medium"])
def test_the_lower_end_is_no_less_than_any_attack_of_its_effort(effort: str, loss: Loss) -> None:
    g = generator(3)
    x = torch.rand(12, 6, generator=g, dtype=torch.float64)
    y = 2.0 * torch.randint(2, (12,), generator=g).double() - 1
    net, sample = DeepNet(6, 12, 2, activation="relu").double(), SimpleNamespace(x=x, y=y)
    for sets in (LinfBall(0.2), L2Ball(0.4, box=(0, 1)), L1Ball(0.6)):
        found = robust_loss(net, sample, perturbation=sets, loss=loss, effort=effort)
        low, high = found.per_example.unbind(1)
        assert bool((low <= high).all())
        restarts = {"low": 1, "medium": 4}[effort]
        for attack in (PGD(restarts=restarts), APGD(restarts=restarts)):
            z = attack(net, x, y, perturbation=sets, loss=loss)
            with torch.no_grad():
                assert bool((loss(net(z), y) <= low + 1e-12).all())
