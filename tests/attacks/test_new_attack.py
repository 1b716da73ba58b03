"""The attack that CONTRIBUTING.md shows is one: it keeps the contract."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from robustlib.attacks import Attack
from robustlib.losses import Logistic
from robustlib.networks import TwoLayerNet
from robustlib.samples import sphere
from robustlib.sets import L1Ball, LinfBall, Perturbation, SphereCap

PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"


@pytest.fixture
def lottery(monkeypatch: pytest.MonkeyPatch) -> type[Attack]:
    """The class of the page's only block of Python that defines an attack."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (source,) = [block for block in blocks if "(Attack)" in block]
    assert len([line for line in source.splitlines() if line.strip()]) <= 22
    module = ModuleType("contributed")
    monkeypatch.setitem(sys.modules, "contributed", module)  # where dataclass looks
    exec(compile(source, str(PAGE), "exec"), module.__dict__)
    found: type[Attack] = module.Lottery
    return found


@pytest.mark.parametrize("sets", [SphereCap(0.3), LinfBall(0.1), L1Ball(0.5)], ids=repr)
def test_it_keeps_the_contract(lottery: type[Attack], sets: Perturbation) -> None:
    sample, loss = sphere(20, 5, seed=0), Logistic()
    net = TwoLayerNet(5, 32, symmetric=False, seed=0).to(torch.float64).train()
    state = torch.get_rng_state()
    attack = lottery()
    found = attack(net, sample.x, sample.y, perturbation=sets, loss=loss)
    with torch.no_grad():
        gain = loss(net(found), sample.y) - loss(net(sample.x), sample.y)
    assert bool(sets.contains(found, sample.x).all())
    assert bool((gain >= 0).all())
    assert float(gain.mean()) > 0.01  # and it finds something
    again = attack(net, sample.x, sample.y, perturbation=sets, loss=loss)
    assert torch.equal(found, again)
    still = attack(net, sample.x, sample.y, perturbation=sets.with_radius(0), loss=loss)
    assert torch.equal(still, sample.x)
    assert net.training
    assert torch.equal(torch.get_rng_state(), state)


def test_it_refuses_bad_input(lottery: type[Attack]) -> None:
    with pytest.raises(ValueError, match="tickets must be at least 1, got 0"):
        lottery(tickets=0)
