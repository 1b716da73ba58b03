"""Each symptom on a model that has it, and none on a model that has none."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from robustlib import diagnosis
from robustlib.diagnosis import Diagnosis, diagnose
from robustlib.losses import Logistic, Loss, PseudoHuber
from robustlib.networks import TwoLayerNet
from robustlib.samples import Sample, digits, hexagon, sphere
from robustlib.sets import Finite, L2Ball, Perturbation, SphereCap

DIGITS = digits(n=40)
CAP = SphereCap(0.2)


class Wrapped(nn.Module):
    """A network of width 64 on the digits, with a fault added by a subclass."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.net = TwoLayerNet(64, 64, symmetric=False, seed=0).to(torch.float64)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.net(x)


class Noisy(Wrapped):
    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) + 0.1 * torch.randn(len(x), dtype=x.dtype)


class Hardened(Wrapped):
    """The gradient is cut, the outputs are not."""

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.detach()) + 0 * x.sum(1)


class Rounded(Wrapped):
    def forward(self, x: Tensor) -> Tensor:
        f: Tensor = self.net(x)
        return torch.round(4 * f) / 4


class Backwards(Wrapped):
    """Outputs are right, gradients point the wrong way."""

    def forward(self, x: Tensor) -> Tensor:
        f: Tensor = self.net(x)
        return 2 * f.detach() - f


class Ring(nn.Module):
    """Wrong only in a ring around the one example, which long steps jump over."""

    def forward(self, x: Tensor) -> Tensor:
        step = x - torch.tensor([1.0, 0.0], dtype=x.dtype)
        ring = torch.exp(-(((step.norm(dim=1) - 0.24) / 0.02) ** 2))
        return 1 - 2 * ring + 1e-3 * step.sum(1)


def look(model: nn.Module, sample: Sample = DIGITS, loss: Loss | None = None) -> Diagnosis:
    return diagnose(model, sample, perturbation=CAP, loss=loss or PseudoHuber())


def test_an_honest_model_has_no_symptom() -> None:
    found = look(Wrapped())
    assert not found
    assert repr(found) == "No sign of gradient masking."
    assert not look(Wrapped().to(torch.float32), DIGITS.to(dtype=torch.float32))


@pytest.mark.parametrize(
    ("model", "loss", "symptom", "words"),
    [
        (Noisy(), PseudoHuber(), "random", "the same inputs gave outputs that differ by up to"),
        (Hardened(), PseudoHuber(), "zero gradient", "at 40 of 40 examples the input gradient"),
        (Rounded(), PseudoHuber(), "quantised", "680 points gave only"),
        (Wrapped(scale=1e4), Logistic(), "saturated", "the slope of the loss is below 1e-06"),
        (Backwards(), Logistic(), "black box beats white box", "larger loss than PGD at"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_symptom_is_named(model: nn.Module, loss: Loss, symptom: str, words: str) -> None:
    found = look(model, loss=loss)
    assert symptom in found.symptoms
    assert words in repr(found)


def test_a_loss_that_does_not_grow_is_named() -> None:
    one = Sample(
        torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.ones(1, dtype=torch.float64), "one"
    )
    found = diagnose(Ring(), one, perturbation=L2Ball(1.0), loss=PseudoHuber())
    assert "not growing" in found.symptoms
    assert "which allows more" in repr(found)
    # random points meet the ring, and at the example the loss is 0
    assert "black box beats white box" in found.symptoms


@pytest.mark.parametrize(("last", "symptoms"), [(1.05, ()), (1.03, ("not growing",))])
def test_a_tenth_of_what_was_found_may_be_missed(
    last: float, symptoms: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    means = {0.0: 0.5, 0.25: 1.0, 0.5: 1.1, 1.0: last}

    def found(
        model: object, x: Tensor, y: Tensor, perturbation: Perturbation, *_: object
    ) -> Tensor:
        return torch.full((1,), means[perturbation.radius])

    monkeypatch.setattr(diagnosis, "_found", found)
    monkeypatch.setattr(diagnosis, "_black_box", lambda *_: None)
    net = TwoLayerNet(2, 64, symmetric=False, seed=0).double()
    said = diagnose(net, sphere(1, 2), perturbation=L2Ball(1.0), loss=PseudoHuber())
    assert said.symptoms == symptoms


def test_the_seed_is_0_unless_another_is_given() -> None:
    net, loss = Backwards(), Logistic()
    said = [diagnose(net, DIGITS, perturbation=CAP, loss=loss, seed=s) for s in (0, 1)]
    assert look(net, loss=loss) == said[0] != said[1]


def test_small_samples_and_finite_sets() -> None:
    hexa = hexagon()
    net = TwoLayerNet(2, 64, symmetric=False, seed=0).to(torch.float64)
    sets = Finite(SphereCap(0.3).grid(hexa.x, 21))
    assert not diagnose(net, hexa, perturbation=sets, loss=PseudoHuber())
    assert not diagnose(net, sphere(1, 2), perturbation=CAP, loss=PseudoHuber())


def test_a_constant_model_hides_nothing() -> None:
    net = TwoLayerNet(64, 64, seed=0).to(torch.float64)  # f = 0 everywhere
    assert not look(net)


@pytest.mark.parametrize(
    ("perturbation", "sample", "words"),
    [
        (SphereCap(0.0), DIGITS, "perturbation must have a radius above 0"),
        (CAP, Sample.__new__(Sample), "sample must hold at least one point"),
    ],
)
def test_bad_input(perturbation: Perturbation, sample: Sample, words: str) -> None:
    if not hasattr(sample, "x"):
        object.__setattr__(sample, "x", DIGITS.x[:0])
        object.__setattr__(sample, "y", DIGITS.y[:0])
    with pytest.raises(ValueError, match=words):
        diagnose(Wrapped(), sample, perturbation=perturbation, loss=PseudoHuber())


def test_the_model_is_left_as_found() -> None:
    model = Noisy().train()
    state = torch.get_rng_state()
    look(model)
    assert model.training
    assert bool((torch.get_rng_state() == state).all())
    assert all(p.grad is None for p in model.parameters())
