"""The kinds of models of ``test_kinds.py``: robust losses, kernels, training with a checkpoint."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from kinds import KINDS, made
from slowly import (
    BALL,
    LOSS,
    NAMES,
    Y,
    as_found,
    asked,
    evaluating,
    points,
    slow,
    slow_differences,
    slow_rows,
)

import robustlib
from robustlib.attacks import (
    NoAttack,
)
from robustlib.kernels import empirical_ntk
from robustlib.numerics import generator
from robustlib.training import adversarial_training
from robustlib.verification import robust_loss


@pytest.mark.parametrize("name", NAMES)
def test_robust_loss(name: str) -> None:
    model, x, kind = made(name), points(name), KINDS[name]
    sample = SimpleNamespace(x=x, y=Y)
    with as_found(model, x, Y):
        found = asked(
            name,
            "loss",
            lambda: robust_loss(model, sample, perturbation=BALL, loss=LOSS, effort="low"),
        )
    if found is None:
        return
    assert isinstance(found, robustlib.RobustLoss)
    low, high = found.per_example.unbind(1)
    assert torch.allclose(LOSS(slow(model, found.points), Y), low, atol=kind.tolerance)
    for k in range(20):
        assert bool((LOSS(slow(model, BALL.random(x, generator(k))), Y) <= high + 1e-12).all())
    assert found.accuracy[0] <= found.accuracy[1]
    assert (found.upper < torch.inf) == kind.bounded


@pytest.mark.parametrize("name", NAMES)
def test_kernel(name: str) -> None:
    model, x, kind = made(name), points(name), KINDS[name]
    rows = slow_rows(model, x)
    with as_found(model, x):
        gram, cross = empirical_ntk(model, x), empirical_ntk(model, x[:1], x)
    scale = float(rows.square().sum(1).max())
    assert torch.equal(gram, gram.T)
    assert float(torch.linalg.eigvalsh(gram)[0]) >= -1e-12 * scale
    atol = 1e-12 * scale if kind.tolerance < 1e-6 else 1e-2 * scale
    assert torch.allclose(gram, rows @ rows.T, rtol=1e-9, atol=atol)
    assert torch.allclose(cross, gram[:1], rtol=1e-9, atol=atol)
    if kind.exact:
        assert torch.allclose(slow_differences(model, x), rows, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_training_with_a_checkpoint(name: str, tmp_path: Path) -> None:
    model, x = made(name), points(name)
    sample = SimpleNamespace(x=x, y=Y)

    def train(steps: int, path: Path) -> object:
        return adversarial_training(
            model,
            sample,
            perturbation=BALL,
            attack=NoAttack(),
            loss=LOSS,
            step_size=0.1,
            steps=steps,
            checkpoint=path,
        )

    with as_found(model, x, Y):
        whole = asked(name, "train", lambda: train(3, tmp_path / "whole"))
        if whole is None:
            return
        train(1, tmp_path / "stopped")
        resumed = train(3, tmp_path / "stopped")
    assert isinstance(whole, robustlib.Trajectory)
    assert isinstance(resumed, robustlib.Trajectory)
    hand = made(name)
    weights = [w for w in hand.parameters() if w.requires_grad]
    with evaluating(hand):
        for _ in range(3):
            mean = LOSS(hand(x.clone()).clone().flatten(), Y).mean()
            found = torch.autograd.grad(mean, weights, allow_unused=True, materialize_grads=True)
            with torch.no_grad():
                for w, g in zip(weights, found, strict=True):
                    w.sub_(0.1 * g)
    expected = slow(hand, x)
    for run in (whole, resumed):
        assert torch.allclose(slow(run.final, x), expected, atol=KINDS[name].tolerance)
    state, again = whole.final.state_dict(), resumed.final.state_dict()
    assert all(torch.equal(value, again[key]) for key, value in state.items())
    assert not torch.allclose(slow(run.final, x), slow(model, x))  # it has learnt something
