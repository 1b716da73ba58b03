"""Whatever model is brought: the right number, or a sentence of ours; and it is left as found.

Every kind of ``kinds.py`` meets every attack, ``robust_loss``, ``output_bounds``, kernels, and
training with a checkpoint. The right values are computed here by a slow way of its own: one example
at a time, by plain calls, plain autograd and finite differences.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from kinds import KINDS, made
from torch import Tensor, nn

import robustlib
from robustlib.attacks import (
    APGD,
    FGSM,
    PGD,
    Attack,
    GridMax,
    LinearMax,
    NoAttack,
    RandomNoise,
    Reused,
    Square,
)
from robustlib.kernels import empirical_ntk
from robustlib.losses import Logistic
from robustlib.numerics import generator
from robustlib.sets import Finite, LinfBall
from robustlib.training import adversarial_training
from robustlib.verification import BranchAndBound, output_bounds, robust_loss

EPS, N = 0.05, 4
BALL, LOSS = LinfBall(EPS), Logistic()
ATTACKS: list[Attack] = [
    NoAttack(),
    RandomNoise(samples=2),
    FGSM(),
    PGD(steps=2),
    APGD(steps=2),
    Square(queries=3),
    Reused(PGD(steps=1), every=2),
]
Y = torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)


NAMES = [name for name in KINDS if name != "compiled"]  # which has a file of its own


def points(name: str) -> Tensor:
    shape = KINDS[name].shape
    return torch.randn(N, *shape, generator=generator(3), dtype=torch.float64)


# --- the slow way ------------------------------------------------------------------------------


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    modes = [m.training for m in model.modules()]
    for m in model.modules():
        m.training = False
    yield
    for m, mode in zip(model.modules(), modes, strict=True):
        m.training = mode


def slow(model: nn.Module, x: Tensor) -> Tensor:
    """Outputs (n,), one example after the other."""
    with evaluating(model), torch.no_grad():
        return torch.stack([model(row[None].clone()).reshape(()).clone() for row in x])


def slow_rows(model: nn.Module, x: Tensor) -> Tensor:
    """Gradients in all trainable numbers, one example after the other."""
    weights = [w for w in model.parameters() if w.requires_grad]
    rows = []
    with evaluating(model):
        for row in x:
            found = torch.autograd.grad(
                model(row[None].clone()).sum(), weights, allow_unused=True, materialize_grads=True
            )
            rows.append(torch.cat([real(g).flatten() for g in found]))
    return torch.stack(rows)


def slow_differences(model: nn.Module, x: Tensor) -> Tensor:
    """The same by central differences of the outputs."""
    h, columns = 1e-5, []
    for w in (w for w in model.parameters() if w.requires_grad):
        numbers = real(w.data).view(-1)
        for i, value in enumerate(numbers.tolist()):
            ends = []
            for step in (h, -h):
                numbers[i] = value + step
                with evaluating(model), torch.no_grad():
                    ends.append(model(x.clone()).reshape(-1).clone())
            numbers[i] = value
            columns.append((ends[0] - ends[1]) / (2 * h))
    return torch.stack(columns, 1)


def real(t: Tensor) -> Tensor:
    return torch.view_as_real(t) if t.is_complex() else t


# --- what must stay ----------------------------------------------------------------------------


@contextmanager
def as_found(model: nn.Module, *tensors: Tensor) -> Iterator[None]:
    for w in model.parameters():
        w.grad = torch.full_like(w, 7.0)

    def look() -> tuple[object, ...]:
        return (
            {k: v.tolist() for k, v in model.state_dict().items()},
            [m.training for m in model.modules()],
            [(w.requires_grad, real(w.grad).tolist()) for w in model.parameters()],  # type: ignore[arg-type]
            [len(vars(m).get("_forward_hooks", ())) for m in model.modules()],
            [t.tolist() for t in tensors],
            torch.get_rng_state().tolist(),
            torch.is_grad_enabled(),
        )

    before = look()
    try:
        yield
    finally:
        for one, other in zip(before, look(), strict=True):
            assert one == other


def asked(name: str, action: str, call: Callable[[], object]) -> object:
    """What the call returns; None where the kind is refused here, in the words of the table."""
    words = KINDS[name].refused.get(action)
    if words is None:
        return call()
    with pytest.raises((TypeError, ValueError), match=words) as caught:
        call()
    assert of_ours(caught.value)
    return None


def of_ours(error: BaseException) -> bool:
    """Whether the library itself raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    assert trace is not None
    return str(trace.tb_frame.f_globals["__name__"]).split(".")[0] == robustlib.__name__


# --- the table ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_attack(name: str) -> None:
    model, x, kind = made(name), points(name), KINDS[name]
    start = LOSS(slow(model, x), Y)
    # where FGSM goes, by differences of the outputs: up the loss, that is against the margin
    steps = 1e-5 * torch.eye(x[0].numel(), dtype=x.dtype).reshape(-1, *x.shape[1:])
    slope = torch.stack([slow(model, x + s) - slow(model, x - s) for s in steps], -1)
    ends = x - EPS * (Y[:, None] * slope).sign().reshape(x.shape)
    for attack in ATTACKS:
        with as_found(model, x, Y):
            call = functools.partial(attack, model, x, Y, perturbation=BALL, loss=LOSS)
            found = asked(name, "attack", call)
        if found is None:
            continue
        assert isinstance(found, Tensor)
        assert bool(BALL.contains(found, x).all())
        reached = LOSS(slow(model, found), Y)
        assert bool((reached >= start - kind.tolerance).all())
        if isinstance(attack, FGSM) and kind.exact:
            better = LOSS(slow(model, ends), Y) > start
            clear = (slope.abs() > 1e-8).reshape(x.shape)  # elsewhere the sign is rounding
            assert float(((found - ends)[better] * clear[better]).abs().max()) < 1e-12
            assert bool(better.any())
    grid = torch.stack([x, x + 0.03, x - 0.03], 1)
    with as_found(model, x, Y):
        found = asked(
            name, "attack", lambda: GridMax()(model, x, Y, perturbation=Finite(grid), loss=LOSS)
        )
    if isinstance(found, Tensor):
        every = torch.stack([LOSS(slow(model, z), Y) for z in grid.unbind(1)])
        reached = LOSS(slow(model, found), Y)
        assert torch.allclose(reached, every.amax(0), atol=kind.tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_the_attacks_with_a_proof(name: str) -> None:
    """They end with the maximum, or refuse what they cannot prove."""
    model, x = made(name), points(name)
    seen = torch.stack([LOSS(slow(model, BALL.random(x, generator(k))), Y) for k in range(20)])
    for attack in (LinearMax(), BranchAndBound(nodes=50)):
        with as_found(model, x, Y):
            try:
                found = attack(model, x, Y, perturbation=BALL, loss=LOSS)
            except (TypeError, ValueError) as error:
                assert of_ours(error)  # noqa: PT017
                continue
        reached = LOSS(slow(model, found), Y)
        assert bool((reached >= seen.amax(0) - 1e-9).all())


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
    if not kind.bounded:
        assert found.upper == torch.inf or "batch norm" in name or kind.shape != (6,)


@pytest.mark.parametrize("name", NAMES)
def test_output_bounds(name: str) -> None:
    model, x = made(name), points(name)
    try:
        with as_found(model, x):
            found = output_bounds(model, x, perturbation=BALL)
    except TypeError as error:
        assert of_ours(error)  # noqa: PT017
        assert str(error).startswith("model must be")  # noqa: PT017
        assert not KINDS[name].bounded
        return
    for k in range(30):
        f = slow(model, BALL.random(x, generator(k)))
        assert bool(((found.lower <= f) & (f <= found.upper)).all())


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
