"""Which examples are right on their whole set: verdicts against enumeration, closed forms, attacks.

The attacks' half, that leaving decided examples alone changes no answer, comes first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from tables import Unproved
from torch import Tensor, nn

import robustlib.attacks.oracle
from robustlib.activations import Activation
from robustlib.attacks import (
    APGD,
    PGD,
    Adversary,
    Attack,
    GridMax,
    LinearMax,
    NoAttack,
    Oracle,
    Square,
)
from robustlib.losses import Logistic
from robustlib.models import Model
from robustlib.networks import DeepNet, TwoLayerNet
from robustlib.numerics import generator
from robustlib.samples import Labelled, Sample, hexagon, sphere
from robustlib.sets import Finite, L1Ball, L2Ball, LinfBall, Perturbation, SphereCap
from robustlib.verification import RobustAccuracy, robust_accuracy, robust_loss
from robustlib.verification.search import EFFORTS

SETS = [SphereCap(0.3), L2Ball(0.3), LinfBall(0.2), L1Ball(0.4), L2Ball(0.3, box=(-1.0, 1.0))]

PROOFS = {"proved by linear bounds", "proved by search"}


def consistent(
    found: RobustAccuracy, model: Model, sample: Labelled, sets: Perturbation
) -> RobustAccuracy:
    """What holds for every answer."""
    n = len(sample.x)
    counts = [int(part.sum()) for part in (found.proved, found.broken, found.undecided)]
    assert sum(counts) == n
    assert not bool((found.proved & found.broken).any())
    assert found.lower == counts[0] / n <= found.upper == (n - counts[1]) / n
    with torch.no_grad():
        margin = model(found.points) * sample.y
    assert bool(sets.contains(found.points, sample.x).all())
    assert bool((margin[found.broken] <= 0).all())
    assert torch.equal(found.points[~found.broken], sample.x[~found.broken])
    for part, word in ((found.proved, "proved"), (found.broken, "broken")):
        assert [words.startswith(word) for words in found.how] == part.tolist()
    words = (
        f"of {n} points, {counts[0]} proved right on their whole set, {counts[1]} broken, "
        f"{counts[2]} undecided."
    )
    assert repr(found).endswith(words)
    return found


@pytest.mark.parametrize("attack", [PGD(steps=25), APGD(steps=25, restarts=2), Square()], ids=repr)
@pytest.mark.parametrize("sets", SETS, ids=repr)
def test_what_is_broken_is_the_same_where_broken_examples_are_left(
    attack: Attack, sets: Perturbation
) -> None:
    """Against the attack's own answer on all examples, by a model that bounds do not know."""
    net, sample = TwoLayerNet(16, 32, symmetric=False).double(), sphere(60, 16, seed=7)
    x, sets = sample.x, sets.with_radius(sets.radius / 5)
    with torch.no_grad():
        shift = float(net(x).median())
    asked = 0

    def centred(z: Tensor) -> Tensor:
        nonlocal asked
        asked += len(z)
        f: Tensor = net(z) - shift
        return 3 * f

    with torch.no_grad():
        f = centred(x)
    y = torch.where(torch.arange(60) % 6 == 0, sample.y, f.sign() + (f == 0))
    asked = 0
    z = attack(centred, x, y, perturbation=sets, loss=Logistic())
    everyone, asked = asked, 0
    labelled = SimpleNamespace(x=x, y=y)
    found = robust_accuracy(centred, labelled, perturbation=sets, attack=attack)
    # the work saved is the share of the rows that need not be asked any more
    assert asked <= everyone * (1 - 0.5 * float(found.broken.double().mean()))
    assert torch.equal(found.broken, centred(z) * y <= 0)
    assert 0 < int(found.broken.sum()) < 60
    assert not bool(found.proved.any())
    consistent(found, centred, labelled, sets)


@pytest.mark.parametrize("sets", [SphereCap(0.05), LinfBall(0.02, box=(-1, 1))], ids=repr)
@pytest.mark.parametrize("attack", [PGD(steps=20), APGD(steps=20), Square(queries=40)], ids=repr)
def test_what_norms_prove_right_is_left(
    attack: Attack, sets: Perturbation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same accuracy with fewer questions than where the model's layers are not known."""
    net = DeepNet(8, 64, 1, seed=1)
    sample = sphere(300, 8, seed=2).to(dtype=torch.float32)
    x, f = sample.x, net(sample.x).detach()
    y = torch.where(torch.arange(300) % 4 == 0, sample.y, f.sign())
    asked = 0
    ask = robustlib.attacks.oracle.outputs

    def counted(model: Model, z: Tensor) -> Tensor:
        nonlocal asked
        asked += len(z)
        return ask(model, z)

    monkeypatch.setattr("robustlib.attacks.oracle.outputs", counted)
    whole = net(attack(net, x, y, perturbation=sets, loss=Logistic())) * y <= 0
    counts, asked, labelled = [asked], 0, SimpleNamespace(x=x, y=y)
    models: tuple[Model, ...] = (lambda z: net(z), net)
    for model in models:
        found = robust_accuracy(model, labelled, perturbation=sets, attack=attack, effort="low")
        consistent(found, net, labelled, sets)
        assert torch.equal(found.broken, whole)
        counts.append(asked)
        asked = 0
    assert 0.7 < found.upper < 0.9
    assert counts[0] > counts[1] > 1.5 * counts[2]
    assert set(found.how) == {"broken", "undecided", "proved by norms"}


# --- verdicts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sets", SETS, ids=repr)
def test_affine_models_are_decided_in_closed_form(sets: Perturbation) -> None:
    sample = sphere(40, 6)
    net = nn.Sequential(nn.Linear(6, 1), nn.Flatten(0)).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.randn(1, 6, generator=generator(6), dtype=torch.float64))
        net[0].bias.fill_(0.1)
    found = consistent(robust_accuracy(net, sample, perturbation=sets), net, sample, sets)
    worst = LinearMax()(net, sample.x, sample.y, perturbation=sets, loss=Logistic())
    with torch.no_grad():
        right = net(worst) * sample.y > 0
    assert torch.equal(found.proved, right)
    assert not bool(found.undecided.any())
    assert 0 < int(right.sum()) < 40
    assert repr(found).startswith(f"Robust accuracy {int(right.sum()) / 40:.4g}: of 40 points")


@pytest.mark.parametrize("attack", [None, NoAttack()], ids=["PGD", "no attack"])
@pytest.mark.parametrize(
    "net",
    [
        TwoLayerNet(2, 32, symmetric=False, seed=3),
        TwoLayerNet(2, 16, activation="silu", symmetric=False, seed=1),
        DeepNet(2, 12, 2, seed=1),
    ],
    ids=repr,
)
def test_nets_in_the_plane_agree_with_enumeration(net: nn.Module, attack: Adversary | None) -> None:
    """Undecided examples end in the search, with an attack to help it or without."""
    net = net.double()
    angle = 2 * math.pi * torch.arange(100, dtype=torch.float64) / 100
    x = torch.stack([angle.cos(), angle.sin()], 1)
    with torch.no_grad():
        f = net(x) - net(x).median()
    sample = Sample(x=x, y=torch.where(f >= 0, 1.0, -1.0).double(), name="circle")
    words: set[str] = set()
    for sets in (SphereCap(0.15), L2Ball(0.1), LinfBall(0.05)):
        found = robust_accuracy(net, sample, perturbation=sets, attack=attack)
        consistent(found, net, sample, sets)
        z = GridMax(size=4_000)(net, x, sample.y, perturbation=sets, loss=Logistic())
        with torch.no_grad():
            margin = net(z) * sample.y
        assert not bool((found.proved & (margin <= 0)).any())
        assert bool(found.broken[margin <= 0].all())
        assert not bool(found.undecided.any())
        if attack is not None:  # which leaves all of them to proofs
            words.update(found.how)
    assert words <= {"broken", *PROOFS}
    assert attack is None or "proved by linear bounds" in words


def test_more_effort_decides_more_and_never_otherwise() -> None:
    sample, sets = sphere(100, 12, seed=4), L2Ball(0.25)
    net = TwoLayerNet(12, 20, symmetric=False, seed=2).double()
    with torch.no_grad():
        sample = Sample(x=sample.x, y=net(sample.x).sign(), name="own")
    low, medium, high = (
        consistent(robust_accuracy(net, sample, perturbation=sets, effort=e), net, sample, sets)
        for e in ("low", "medium", "high")
    )
    for less, more in ((low, medium), (medium, high)):
        assert not bool((less.proved & more.broken).any())
        assert not bool((less.broken & more.proved).any())
        assert bool(more.proved[less.proved].all())
    assert int(low.undecided.sum()) > int(medium.undecided.sum()) == int(high.undecided.sum()) == 0
    assert PROOFS | {"broken"} <= set(medium.how)
    loss = robust_loss(net, sample, perturbation=sets, loss=Logistic())
    assert loss.accuracy == (medium.lower, medium.upper)


def test_a_limit_leaves_undecided_and_never_proves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same sample where the search may look at no part: fewer verdicts, none other."""
    sample, sets = sphere(30, 12, seed=4), L2Ball(0.25)
    net = TwoLayerNet(12, 20, symmetric=False, seed=2).double()
    with torch.no_grad():
        sample = Sample(x=sample.x, y=net(sample.x).sign(), name="own")
    full = robust_accuracy(net, sample, perturbation=sets)
    monkeypatch.setitem(EFFORTS, "medium", EFFORTS["medium"]._replace(nodes=0))
    short = consistent(robust_accuracy(net, sample, perturbation=sets), net, sample, sets)
    assert bool(short.undecided.any())
    assert bool(full.proved[short.proved].all())
    assert "between" in repr(short)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_candidates_are_all_looked_at(dtype: torch.dtype) -> None:
    hexa = hexagon().to(dtype=dtype)
    around = 0.4 * torch.randn(6, 5, 2, generator=generator(2), dtype=torch.float64)
    sets = Finite(torch.cat([hexa.x[:, None].double(), hexa.x[:, None] + around], 1).to(dtype))
    net = TwoLayerNet(2, 8, symmetric=False, seed=1).to(dtype)
    found = consistent(robust_accuracy(net, hexa, perturbation=sets), net, hexa, sets)
    with torch.no_grad():
        margins = torch.stack([net(z) for z in sets.grid(hexa.x, 1).unbind(1)], 1)
    assert torch.equal(found.proved, (margins * hexa.y[:, None] > 0).all(1))
    assert not bool(found.undecided.any())
    assert set(found.how) <= {"broken", "proved by looking at 6 points"}


def test_a_set_of_one_point_asks_for_that_point() -> None:
    """Whatever the model; an output of 0 is wrong."""
    sample, sets = hexagon(), SphereCap(0.0)
    outputs = torch.tensor([1.0, -1.0, 0.0, 2.0, -2.0, 1.0], dtype=torch.float64)
    found = robust_accuracy(lambda z: outputs * sample.y, sample, perturbation=sets)
    assert found.proved.tolist() == [True, False, False, True, False, True]
    assert torch.equal(found.broken, ~found.proved)
    assert torch.equal(found.points, sample.x)
    assert set(found.how) == {"broken", "proved the only point of its set"}


def test_an_output_of_zero_is_wrong_also_where_only_the_search_finds_it() -> None:
    """y f = |x_1 - x_2| is 0 in the middle of the set, and nowhere else."""
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1), nn.Flatten(0)).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0, -1], [-1, 1]]))
        net[2].weight.fill_(1.0)
        net[0].bias.zero_()
        net[2].bias.zero_()
    x = torch.tensor([[0.5, 0.25], [1.0, 0.25]], dtype=torch.float64)
    sample, sets = SimpleNamespace(x=x, y=torch.ones(2).double()), LinfBall(0.25)
    found = robust_accuracy(net, sample, perturbation=sets, attack=NoAttack())
    assert found.how == ("broken", "proved by linear bounds")
    assert float(net(found.points).detach()[0]) == 0


def test_what_bounds_do_not_know_is_left_undecided() -> None:
    """An activation that says nothing of its slope, and a set without a support function."""
    vague = Activation("vague", torch.sin, torch.cos)
    sample, sets = hexagon(), L2Ball(0.01)
    net = TwoLayerNet(2, 4, activation=vague, symmetric=False).double()
    sample = Sample(x=sample.x, y=net(sample.x).detach().sign(), name="own")
    found = robust_accuracy(net, sample, perturbation=sets)
    assert set(found.how) == {"undecided"}
    loss = robust_loss(net, sample, perturbation=sets, loss=Logistic(), effort="low")
    assert loss.upper == math.inf
    assert "vague" in loss.how[0]
    known = TwoLayerNet(2, 4, symmetric=False).double()
    found = robust_accuracy(known, sample, perturbation=Unproved(0.01))
    assert "undecided" in found.how
    loss = robust_loss(known, sample, perturbation=Unproved(0.01), loss=Logistic())
    assert loss.upper == math.inf
    assert "Unproved has no support function" in loss.how[0]


# --- adversaries --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moved(Adversary):
    """Moves by a function of the examples, whatever that does to the loss."""

    by: Callable[[Tensor], Tensor]

    def move(self, oracle: Oracle, generator: torch.Generator) -> Tensor:
        return self.by(oracle.x)


def test_any_adversary_may_be_asked_and_x_is_looked_at_too() -> None:
    """Two of the points are wrong as they stand; the rule moves them to where they are right."""
    sample, sets = hexagon(), L2Ball(0.5)
    f = torch.tensor([1.0, 1, 1, 1, -1, -1], dtype=torch.float64)

    def model(z: Tensor) -> Tensor:
        still = (z == sample.x).all(1)
        return sample.y * torch.where(still, f, 1.0)

    found = robust_accuracy(model, sample, perturbation=sets, attack=Moved(lambda x: 0.9 * x))
    assert found.broken.tolist() == [False] * 4 + [True] * 2
    with pytest.raises(RuntimeError, match="left L2Ball"):
        robust_accuracy(model, sample, perturbation=sets, attack=Moved(lambda x: 3 * x))


def test_a_model_is_left_as_it_was_found() -> None:
    net = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1), nn.Flatten(0)).double().train()
    net[2].eval()
    state = torch.get_rng_state()
    robust_accuracy(net, hexagon(), perturbation=L2Ball(0.1))
    assert [m.training for m in net.modules()] == [True, True, True, False, True]
    assert all(p.grad is None for p in net.parameters())
    assert torch.equal(torch.get_rng_state(), state)
