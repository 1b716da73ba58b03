"""Adv-NTK against the same training written as a loop over time, with no closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from robustlib.attacks import FGSM, NoAttack
from robustlib.expressivity.zonal import ZonalKernel
from robustlib.kernels import kernel_flow, kernel_regression, ntk
from robustlib.losses import PseudoHuber
from robustlib.online import adv_ntk
from robustlib.samples import Sample, sphere
from robustlib.sets import SphereCap

F64 = torch.float64
KERNEL = ZonalKernel("gelu", True, "first", 1)
LOSS = PseudoHuber()


@dataclass(frozen=True)
class Squared:
    """(f - y)^2/2, the authors' loss."""

    lipschitz: ClassVar[float] = math.inf
    smoothness: ClassVar[float | None] = 1.0
    zero_at_label: ClassVar[bool] = True

    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        return (f - y) ** 2 / 2

    def derivative(self, f: Tensor, y: Tensor) -> Tensor:
        return f - y


def over_time(gram: Tensor, y: Tensor, pulls: Tensor, steps: int = 200) -> Tensor:
    """Coefficients after time 1 of c' = D (y - K c): Runge-Kutta steps, one after another."""
    c, h = torch.zeros_like(y), 1 / steps
    for _ in range(steps):
        k1 = pulls * (y - gram @ c)
        k2 = pulls * (y - gram @ (c + h / 2 * k1))
        k3 = pulls * (y - gram @ (c + h / 2 * k2))
        k4 = pulls * (y - gram @ (c + h * k3))
        c = c + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return c


def split() -> tuple[Sample, Sample]:
    return sphere(14, 5, seed=3).split(8)


def test_the_closed_form_is_the_loop_over_time() -> None:
    train, _ = split()
    gram = ntk(train.x, activation="gelu")
    gains = torch.linspace(0.5, 3, 8, dtype=F64)
    for time in (0.3, 5.0, 40.0):
        flow = kernel_flow(gram, train.y, loss="squared", times=[time], weights=gains)
        looped = over_time(gram, train.y, gains * time / 8, steps=2000)
        torch.testing.assert_close(flow.coefficients[0], looped, rtol=0, atol=1e-8)
    inverse = torch.linalg.inv(gram)
    decay = torch.matrix_exp(-gram * gains * 40 / 8)
    formula = inverse @ (torch.eye(8, dtype=F64) - decay) @ train.y
    torch.testing.assert_close(flow.coefficients[0], formula, rtol=0, atol=1e-8)


def test_weights_scale_the_time() -> None:
    train, _ = split()
    gram, ones = ntk(train.x), torch.ones(8, dtype=F64)
    plain = kernel_flow(gram, train.y, loss="squared", times=[3.0])
    same = kernel_flow(gram, train.y, loss="squared", times=[3.0], weights=ones)
    double = kernel_flow(gram, train.y, loss="squared", times=[1.5], weights=2 * ones)
    torch.testing.assert_close(same.outputs, plain.outputs, rtol=0, atol=1e-12)
    torch.testing.assert_close(double.outputs, plain.outputs, rtol=0, atol=1e-12)
    ones[0] = 0.0  # an example that pulls nothing has no coefficient
    flow = kernel_flow(gram, train.y, loss="squared", times=[3.0], weights=ones)
    assert flow.coefficients[0, 0] == 0
    with pytest.raises(ValueError, match="weights need loss='squared', got PseudoHuber"):
        kernel_flow(gram, train.y, loss=LOSS, times=[3.0], weights=ones)


@pytest.mark.parametrize("loss", [LOSS, Squared()], ids=["pseudo-Huber", "squared"])
def test_the_algorithm_is_the_one_over_time(loss: PseudoHuber) -> None:
    """The authors' algorithm a second time: g by a loop over time, gradients through the loop."""
    train, fresh = split()
    cap, attack, steps, size = SphereCap(0.2), FGSM(), 6, 0.3
    found = adv_ntk(
        KERNEL,
        train,
        fresh,
        perturbation=cap,
        attack=attack,
        loss=loss,
        start=1.0,
        step_size=size,
        steps=steps,
    )
    gram, weights, losses = KERNEL(train.x), torch.ones(8, dtype=F64), []
    for t in range(steps + 1):
        pulls = weights.clone().requires_grad_(True)
        c = over_time(gram, train.y, pulls)
        held = c.detach()

        def g(z: Tensor, held: Tensor = held) -> Tensor:
            return KERNEL(z, train.x) @ held

        points = attack(g, fresh.x, fresh.y, perturbation=cap, loss=loss)
        value = loss(KERNEL(points, train.x) @ c, fresh.y).mean()
        losses.append(float(value.detach()))
        if t < steps:
            (slope,) = torch.autograd.grad(value, pulls)
            weights = (weights - size * slope / slope.norm()).clamp(min=0)
    torch.testing.assert_close(found.weights, weights, rtol=0, atol=1e-8)
    torch.testing.assert_close(found.coefficients, held, rtol=0, atol=1e-8)
    torch.testing.assert_close(found.losses, torch.tensor(losses, dtype=F64), rtol=0, atol=1e-8)
    assert found.losses[-1] < found.losses[0]
    torch.testing.assert_close(found(fresh.x), g(fresh.x))
    assert repr(found).startswith("Adv-NTK on 8 points after 6 steps: surrogate loss on the")


def test_no_steps_are_a_stopped_flow_and_long_pulls_interpolate() -> None:
    train, fresh = split()
    options = {"perturbation": SphereCap(0.1), "attack": NoAttack(), "loss": LOSS}
    short = adv_ntk(KERNEL, train, fresh, start=0.5, step_size=1.0, steps=0, **options)  # type: ignore[arg-type]
    gram = KERNEL(train.x)
    flow = kernel_flow(gram, train.y, loss="squared", times=[4.0])
    torch.testing.assert_close(short.coefficients, flow.coefficients[0], rtol=0, atol=1e-10)
    long = adv_ntk(KERNEL, train, fresh, start=1e6, step_size=1.0, steps=0, **options)  # type: ignore[arg-type]
    plain = kernel_regression(gram, train.y)
    torch.testing.assert_close(long(train.x), train.y, rtol=0, atol=1e-8)
    torch.testing.assert_close(long.coefficients, plain.coefficients, rtol=1e-6, atol=1e-8)


def changed(sample: Sample, **parts: Tensor) -> SimpleNamespace:
    return SimpleNamespace(**{"x": sample.x, "y": sample.y, **parts})


@pytest.mark.parametrize("name", ["sample", "validation"])
def test_bad_examples_are_named(name: str) -> None:
    given = dict(zip(("sample", "validation"), split(), strict=True))
    part = given[name]
    last = torch.arange(len(part)) == len(part) - 1
    wrong: list[tuple[dict[str, Tensor], type[Exception], str]] = [
        ({"x": part.x[:, 0]}, ValueError, f"x of the {name} needs at least 2 axes"),
        ({"y": part.y[:, None]}, ValueError, rf"y of the {name} must have shape \({len(part)},\)"),
        ({"y": part.y.float()}, TypeError, f"y of the {name} is torch.float32"),
    ]
    if name == "validation":  # the others are values, and may be any
        labels = torch.where(last, 0.5, part.y)
        wrong += [({"y": labels}, ValueError, r"y of the validation must .* only, got 0\.5")]
    for parts, error, match in wrong:
        both = {**given, name: changed(part, **parts)}
        with pytest.raises(error, match=match):
            adv_ntk(
                KERNEL,
                **both,  # type: ignore[arg-type]
                perturbation=SphereCap(0.1),
                attack=NoAttack(),
                loss=LOSS,
                start=1.0,
                step_size=1.0,
                steps=0,
            )
