"""Attacks against the true maximum: closed forms, enumeration, and each other."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from robustlib.attacks import APGD, FGSM, PGD, Attack, GridMax, LinearMax, NoAttack, RandomNoise
from robustlib.losses import Hinge, LogCosh, Logistic, Loss, PseudoHuber
from robustlib.networks import TwoLayerNet
from robustlib.numerics import generator
from robustlib.sets import Finite, L1Ball, L2Ball, LinfBall, Perturbation, SphereCap

FLAT = [SphereCap(0.3), SphereCap(1.9), L2Ball(0.3), LinfBall(0.1), L1Ball(1.0)]
BOXED = [
    L2Ball(0.3, box=(0, 1)),
    L2Ball(3.0, box=(0, 1)),
    LinfBall(0.1, box=(0, 1)),
    L1Ball(1.0, box=(0, 1)),
    L1Ball(10.0, box=(0, 1)),
]


class Affine(torch.nn.Module):
    """<w, x> + b on examples of any shape."""

    def __init__(self, d: int, seed: int, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        g = generator(seed, 1)
        w = torch.randn(d, generator=g, dtype=torch.float64)
        self.w = torch.nn.Parameter(w.to(dtype))
        self.b = torch.nn.Parameter(torch.randn((), generator=g, dtype=torch.float64).to(dtype))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.w + self.b


def data(sets: Perturbation, n: int, d: int, seed: int) -> tuple[Tensor, Tensor]:
    """Points where ``sets`` is defined, and labels."""
    g = generator(seed, 2)
    x = torch.rand(n, d, generator=g, dtype=torch.float64)
    if getattr(sets, "box", None) is None:
        x = 2 * x - 1
        x = x / x.norm(dim=1, keepdim=True)
    y = 2.0 * torch.randint(2, (n,), generator=g).double() - 1
    return x, y


def largest_drop(sets: Perturbation, w: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """max over the set of -y <w, x' - x>, from textbooks or by bisection, not from the library."""
    s = -y[:, None] * w
    if isinstance(sets, SphereCap):
        gain = []
        for row, centre in zip(s, x, strict=True):
            along = row @ centre
            across = (row - along * centre).norm()
            full = torch.atan2(across, along)  # the angle between x and s
            angle = full.clamp(max=2 * math.asin(min(sets.rho, 2.0) / 2))
            gain.append(along * angle.cos() + across * angle.sin() - along)
        return torch.stack(gain)
    assert isinstance(sets, L1Ball | L2Ball | LinfBall)
    room = torch.where(s > 0, 1 - x, x) if sets.box else torch.full_like(x, torch.inf)
    a, eps = s.abs(), sets.eps
    if isinstance(sets, LinfBall):
        return (a * room.clamp(max=eps)).sum(1)
    if isinstance(sets, L1Ball):  # spend the budget on the steepest coordinates first
        order = a.argsort(1, descending=True)
        a, room = a.gather(1, order), room.gather(1, order)
        before = room.clamp(max=eps).cumsum(1) - room.clamp(max=eps)
        return (a * torch.minimum(room, (eps - before).clamp(min=0))).sum(1)
    low, high = torch.zeros(len(x)).double(), torch.full((len(x),), 1e9).double()
    for _ in range(200):  # the step min(c a, room) of norm eps, c by bisection
        mid = (low + high) / 2
        fits = torch.minimum(mid[:, None] * a, room).norm(dim=1) <= eps
        low, high = torch.where(fits, mid, low), torch.where(fits, high, mid)
    return (a * torch.minimum(low[:, None] * a, room)).sum(1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sets", FLAT + BOXED, ids=repr)
def test_pgd_reaches_the_closed_form_of_affine_models(sets: Perturbation, seed: int) -> None:
    model = Affine(50, seed)
    x, y = data(sets, 64, 50, seed)
    found = PGD()(model, x, y, perturbation=sets, loss=Logistic())
    with torch.no_grad():
        gain = -y * (model(found) - model(x))
        share = gain / largest_drop(sets, model.w.detach(), x, y)
    assert float(share.mean()) >= 0.999
    assert float(share.min()) >= 0.999
    assert float(share.max()) <= 1 + 1e-9


@pytest.mark.parametrize("loss", [PseudoHuber(), LogCosh(), Logistic()], ids=repr)
@pytest.mark.parametrize("attack", [PGD(), PGD(steps=2), APGD(), APGD(steps=20)], ids=repr)
@pytest.mark.parametrize("sets", FLAT + BOXED, ids=repr)
def test_many_steps_are_exact_on_affine_models_at_every_example(
    sets: Perturbation, attack: Attack, loss: Loss
) -> None:
    # a sphere in one dimension is two points
    for d in (2 if isinstance(sets, SphereCap) else 1, 3, 50):
        model = Affine(d, d)
        x, y = data(sets, 64, d, d)
        with torch.no_grad():
            clean = loss(model(x), y)
            # both ends of the outputs, each a closed form
            ends = [
                model(x) - y * largest_drop(sets, s * model.w.detach(), x, y) * s for s in (1, -1)
            ]
            best = torch.maximum(loss(ends[0], y), loss(ends[1], y)) - clean
            found = attack(model, x, y, perturbation=sets, loss=loss)
            gain = loss(model(found), y) - clean
        assert bool((gain >= 0.999 * best - 1e-12).all())
        assert bool((gain <= best * (1 + 1e-6) + 1e-9).all())


@pytest.mark.parametrize("attack", [LinearMax(), FGSM()], ids=repr)
@pytest.mark.parametrize("sets", FLAT + BOXED, ids=repr)
def test_linear_attacks_are_the_closed_form_of_affine_models(
    sets: Perturbation, attack: Attack
) -> None:
    model = Affine(50, 5)
    x, y = data(sets, 32, 50, 5)
    found = attack(model, x, y, perturbation=sets, loss=Logistic())
    with torch.no_grad():
        gain = -y * (model(found) - model(x))
    torch.testing.assert_close(
        gain, largest_drop(sets, model.w.detach(), x, y), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("loss", [PseudoHuber(), LogCosh(), Logistic(), Hinge()], ids=repr)
@pytest.mark.parametrize("rho", [0.3, 1.2, 2.5])
def test_linear_max_agrees_with_enumeration_on_the_circle(rho: float, loss: Loss) -> None:
    model, sets = Affine(2, 3), SphereCap(rho)
    x, y = data(sets, 40, 2, 3)
    values = []
    for attack in (LinearMax(), GridMax(size=4000)):
        found = attack(model, x, y, perturbation=sets, loss=loss)
        values.append(loss(model(found), y).detach())
    # a grid of angle h misses a maximum by at most |w| h times the loss's Lipschitz constant
    step = 2 * math.pi / 4000
    slack = float(model.w.detach().norm()) * step
    assert bool((values[1] <= values[0] + 1e-12).all())
    assert bool((values[0] <= values[1] + slack).all())


def test_linear_max_tries_both_ends_of_a_loss_that_is_not_monotone() -> None:
    # y = 1, f(x) = 1.5, f ranges over [-1.5, 1.5] on the circle: the far end is the worse one,
    # though the loss rises towards the near one
    model = Affine(2, 0)
    with torch.no_grad():
        model.w.copy_(torch.tensor([1.5, 0.0]))
        model.b.zero_()
    x, y = torch.tensor([[1.0, 0.0]]).double(), torch.ones(1).double()
    found = LinearMax()(model, x, y, perturbation=SphereCap(2.0), loss=PseudoHuber())
    torch.testing.assert_close(found, -x)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_linear_max_refuses_models_that_are_not_affine(activation: str) -> None:
    net = TwoLayerNet(5, 64, activation=activation, symmetric=False).double()
    x, y = data(SphereCap(0.5), 8, 5, 0)
    with pytest.raises(ValueError, match=r"affine.*use PGD"):
        LinearMax()(net, x, y, perturbation=SphereCap(0.5), loss=PseudoHuber())


def test_linear_max_refuses_a_model_that_is_almost_affine() -> None:
    x, y = data(L2Ball(0.5), 8, 5, 0)
    affine = Affine(5, 0)

    def bent(z: Tensor) -> Tensor:
        return affine(z) + 1e-8 * z.pow(2).sum(1)

    with pytest.raises(ValueError, match="affine"):
        LinearMax()(bent, x, y, perturbation=L2Ball(0.5), loss=PseudoHuber())


def test_linear_max_accepts_terms_that_cancel_and_models_without_a_slope() -> None:
    sets, loss = L2Ball(0.5), Logistic()
    x, y = torch.zeros(8, 50, dtype=torch.float64), torch.ones(8, dtype=torch.float64)
    model = Affine(50, 3)
    with torch.no_grad():
        model.b.zero_()  # f(x) = 0, and all that is rounded is in z
    found = LinearMax()(model, x, y, perturbation=sets, loss=loss)
    drop = y * (model(x) - model(found)).detach()
    torch.testing.assert_close(drop, largest_drop(sets, model.w.detach(), x, y))
    still = LinearMax()(lambda z: 0 * z.sum(1) + 1, x, y, perturbation=sets, loss=loss)
    assert torch.equal(still, x)


@pytest.mark.parametrize("sets", FLAT[2:], ids=repr)
def test_gradient_attacks_leave_the_label_on_the_side_where_the_output_is(
    sets: Perturbation,
) -> None:
    # these sets are symmetric, so that |f - y| is largest on the side of y where f(x) is already;
    # with the labels here that is now the side away from zero, now the other one
    model, loss = Affine(50, 2), PseudoHuber()
    x, y = data(sets, 64, 50, 2)
    with torch.no_grad():
        model.w.mul_(3)
        above = model(x) > y
    assert 0 < int((above == (y > 0)).sum()) < 64
    truth = loss(model(LinearMax()(model, x, y, perturbation=sets, loss=loss)), y)
    for attack in (FGSM(), PGD()):
        found = loss(model(attack(model, x, y, perturbation=sets, loss=loss)), y)
        torch.testing.assert_close(found, truth, rtol=1e-9, atol=1e-12)


def test_linear_max_accepts_rounding_in_float32() -> None:
    model = Affine(784, 0, torch.float32)
    x, y = data(L2Ball(0.1), 32, 784, 0)
    found = LinearMax()(model, x.float(), y.float(), perturbation=L2Ball(0.1), loss=Logistic())
    gain = -y * (model(found) - model(x.float())).detach().double()
    expected = largest_drop(L2Ball(0.1), model.w.detach().double(), x, y)
    torch.testing.assert_close(gain, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("restarts", [1, 4])
def test_attacks_on_a_curved_model_stay_below_enumeration(restarts: int) -> None:
    net = TwoLayerNet(2, 64, activation="tanh", symmetric=False).double()
    sets, loss = SphereCap(1.0), PseudoHuber()
    x, y = data(sets, 24, 2, 1)
    truth = loss(net(GridMax(size=20000)(net, x, y, perturbation=sets, loss=loss)), y).detach()
    found = PGD(restarts=restarts)(net, x, y, perturbation=sets, loss=loss)
    share = loss(net(found), y).detach() / truth
    assert bool((share <= 1 + 1e-6).all())
    assert float(share.mean()) >= (0.999 if restarts == 4 else 0.97)


def test_enumeration_is_exact_on_candidates_in_any_dimension() -> None:
    net = TwoLayerNet(7, 32, symmetric=False).double()
    x, y = data(SphereCap(1.0), 9, 7, 1)
    more = torch.randn(9, 13, 7, generator=generator(3), dtype=torch.float64)
    candidates = torch.cat([x[:, None], more], 1)
    loss = PseudoHuber()
    found = GridMax()(net, x, y, perturbation=Finite(candidates), loss=loss)
    for i in range(9):
        values = loss(net(candidates[i]), y[i].expand(14))
        assert torch.equal(found[i], candidates[i, int(values.argmax())])


def test_enumeration_in_blocks_is_enumeration_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    net = TwoLayerNet(2, 32, symmetric=False).double()
    x, y = data(SphereCap(1.0), 5, 2, 1)

    def run() -> Tensor:
        return GridMax(size=200)(net, x, y, perturbation=SphereCap(1.0), loss=PseudoHuber())

    whole = run()
    monkeypatch.setattr("robustlib.attacks.exact._ROWS", 35)
    torch.testing.assert_close(run(), whole, rtol=0, atol=0)


def test_enumeration_asks_about_few_rows_at_once() -> None:
    rows: list[int] = []

    def model(z: Tensor) -> Tensor:
        rows.append(len(z))
        return z[:, 0]

    x, y = data(SphereCap(1.0), 2, 2, 1)
    GridMax(size=20000)(model, x, y, perturbation=SphereCap(1.0), loss=Logistic())
    assert sum(rows) > 40000
    assert max(rows) <= 2**14  # which any memory holds


@pytest.mark.parametrize("loss", [Logistic(), Hinge()], ids=repr)
def test_a_saturated_loss_does_not_blind_gradient_attacks(loss: Loss) -> None:
    # f = 2000 <w, x>: the slope of the logistic loss rounds to 0 in float32, the hinge's is 0
    model = Affine(10, 0, torch.float32)
    with torch.no_grad():
        model.w.mul_(2000)
    sets = L2Ball(1.5)
    x, _ = data(sets, 32, 10, 0)
    x = x.float()
    y = model(x).detach().sign()  # all classified rightly, by far
    for attack in (FGSM(), PGD(steps=2)):
        found = attack(model, x, y, perturbation=sets, loss=loss)
        assert bool((model(found) * y < 0).all())


def test_a_flat_spot_does_not_stop_pgd() -> None:
    """A model whose gradient vanishes at every x given, and nowhere else."""

    def bowl(z: Tensor) -> Tensor:
        return (z - x).pow(2).sum(1) * y

    x, y = data(L2Ball(1.0), 6, 4, 0)
    found = PGD()(bowl, x, -y, perturbation=L2Ball(1.0), loss=PseudoHuber())
    torch.testing.assert_close((found - x).norm(dim=1), torch.ones(6).double())


def test_identity_moves_nothing_and_noise_is_the_best_draw() -> None:
    net = TwoLayerNet(3, 16, symmetric=False).double()
    sets, loss = SphereCap(0.7), PseudoHuber()
    x, y = data(sets, 12, 3, 0)
    assert torch.equal(NoAttack()(net, x, y, perturbation=sets, loss=loss), x)
    found = RandomNoise(samples=5, seed=4)(net, x, y, perturbation=sets, loss=loss)
    g = generator(4)
    points = torch.stack([x, *(sets.random(x, g) for _ in range(5))])
    values = torch.stack([loss(net(z), y) for z in points])
    assert torch.equal(found, points[values.argmax(0), torch.arange(12)])
