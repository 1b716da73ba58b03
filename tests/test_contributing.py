"""The activation, the loss and the net that CONTRIBUTING.md shows do what the page says of them."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from robustlib.activations import Activation
from robustlib.attacks import FGSM, PGD
from robustlib.kernels import empirical_ntk, ntk
from robustlib.losses import Loss
from robustlib.networks import Network, TwoLayerNet, linearize
from robustlib.samples import sphere
from robustlib.sets import L2Ball, LinfBall
from robustlib.training import adversarial_training
from robustlib.verification import output_bounds, robust_loss

PAGE = Path(__file__).parents[1] / "CONTRIBUTING.md"
F64 = torch.float64


def shown(heading: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The only block of Python below this heading, as a module."""
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (section,) = [text for text in sections if text.startswith(heading + "\n")]
    (source,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    module = ModuleType("contributed")
    monkeypatch.setitem(sys.modules, "contributed", module)  # where dataclass looks
    exec(compile(source, str(PAGE), "exec"), module.__dict__)
    return module


def test_the_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    s: Activation = shown("A new activation", monkeypatch).sigmoid
    x = sphere(6, 3, seed=0).x
    net = TwoLayerNet(3, 20_000, activation=s).to(F64)
    gap = empirical_ntk(net, x) - ntk(x, activation=s)
    assert float(gap.abs().max()) < 0.01 * float(ntk(x, activation=s).max())
    sets, small = LinfBall(0.1), TwoLayerNet(3, 16, activation=s, symmetric=False).to(F64)
    found = output_bounds(small, x, perturbation=sets)
    draw = torch.Generator().manual_seed(0)
    for _ in range(100):
        f = small(sets.random(x, draw)).detach()
        assert bool((found.lower <= f).all() and (f <= found.upper).all())
    assert float((found.upper - found.lower).max()) < 0.5


def test_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    loss: Loss = shown("A new loss", monkeypatch).Absolute()
    sample, sets = sphere(6, 3, seed=0), L2Ball(0.2)
    linear = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0)).to(F64)
    weight, y = linear[0].weight.detach(), sample.y
    # |f - y| over the ball, in closed form
    best = ((linear(sample.x).detach() - y).abs() + 0.2 * weight.norm()).mean()
    found = robust_loss(linear, sample, perturbation=sets, loss=loss)
    assert found.exact
    assert found.upper == pytest.approx(float(best), abs=1e-6)
    f = torch.linspace(-2, 2, 9, dtype=F64, requires_grad=True)
    (slope,) = torch.autograd.grad(loss(f, torch.zeros(9, dtype=F64)).sum(), f)
    assert torch.equal(slope, loss.derivative(f.detach(), torch.zeros(9, dtype=F64)))


def test_the_net(monkeypatch: pytest.MonkeyPatch) -> None:
    module = shown("A new net", monkeypatch)
    loss: Loss = shown("A new loss", monkeypatch).Absolute()
    net: Network = module.Linear(3)
    sample, sets = sphere(6, 3, seed=0), L2Ball(0.2)
    x, y = sample.x, sample.y
    torch.testing.assert_close(linearize(net)(x), net(x))  # it is its own linearisation
    torch.testing.assert_close(empirical_ntk(net, x), x @ x.T, rtol=1e-13, atol=1e-13)
    attacked = PGD()(net, x, y, perturbation=sets, loss=loss)
    w = net.initial
    away = torch.sign(x @ w - y)[:, None] * w / w.norm()
    torch.testing.assert_close(attacked, x + 0.2 * away, rtol=0, atol=1e-6)
    run = adversarial_training(
        net,
        sample,
        perturbation=sets,
        attack=FGSM(),
        loss=loss,
        step_size=0.1,
        steps=30,
        radius=0.5,
        progress=False,
    )
    (drift,) = run.final.drift().values()  # type: ignore[operator]
    assert 0.01 < drift <= 0.5
    assert math.isinf(robust_loss(net, sample, perturbation=sets, loss=loss).upper)
