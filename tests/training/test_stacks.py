"""Many runs at once: each is the single run, whatever differs between them, and harms no other."""

from __future__ import annotations

import copy
import itertools
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from robustlib import (
    APGD,
    FGSM,
    PGD,
    L2Ball,
    LinfBall,
    PseudoHuber,
    RandomNoise,
    Sample,
    SphereCap,
    Trajectory,
    TwoLayerNet,
    adversarial_training,
    linearize,
    train_many,
)
from robustlib.networks import stack
from robustlib.numerics import generator
from robustlib.training import stacks

LOSS = PseudoHuber()
S = 4


def sample(n: int, seed: int = 0) -> Sample:
    x = torch.randn(n, 5, generator=generator(seed), dtype=torch.float64)
    x = nn.functional.normalize(x)
    return Sample(x, x[:, 0].sign(), f"sample {seed}")


def nets(count: int = S, width: int = 12, **options: Any) -> list[nn.Module]:
    return [TwoLayerNet(5, width, seed=k, **options).double() for k in range(count)]


def same(one: Trajectory, other: Trajectory) -> bool:
    pairs: list[tuple[Tensor, Tensor]] = [
        (one.surrogate_loss, other.surrogate_loss),
        (one.drift, other.drift),
        (one.step_sizes, other.step_sizes),
        *zip(one.final.parameters(), other.final.parameters(), strict=True),
        *zip(one.best.parameters(), other.best.parameters(), strict=True),
    ]
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    ("sets", "attack"),
    [
        (L2Ball(0.2), PGD(steps=3)),
        (LinfBall(0.1), PGD(steps=12, restarts=2)),
        (SphereCap(0.2), APGD(steps=5, restarts=2)),
        (L2Ball(0.2), PGD(steps=2, schedule="fixed", step_size=0.1, start="random")),
        (L2Ball(0.0), FGSM()),
        (L2Ball(0.2), RandomNoise()),  # which draws for all rows at once, and stays alone
    ],
)
def test_each_is_the_single_run(sets: Any, attack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit by bit, with weights, step sizes, radii and seeds of its own, in stacks of three."""
    monkeypatch.setattr(stacks, "_ROOM", 3 * 64 * 5 * 8)
    x = sample(64)
    own: dict[str, list[Any]] = {
        "step_size": [0.5, 1.0, lambda t: 1 / (t + 1), 0.1],
        "radius": [None, 0.2, 0.1, None],
        "seed": list(range(S)),
    }
    shared: dict[str, Any] = {"perturbation": sets, "attack": attack, "loss": LOSS, "steps": 3}
    for symmetric, linear in itertools.product((False, True), repeat=2):
        given = nets(symmetric=symmetric, activation="gelu" if symmetric else "relu")
        given = [linearize(net) for net in given] if linear else given  # type: ignore[arg-type]
        runs = train_many(given, x, **own, **shared, record=("attacked",))
        assert len(runs) == S
        for k, net in enumerate(given):
            options = {name: values[k] for name, values in own.items()}
            one = adversarial_training(net, x, **options, **shared, record=("attacked",))
            assert same(one, runs[k])
            assert one.attacked is not None
            assert torch.equal(one.attacked, runs[k].attacked)  # type: ignore[arg-type]
            assert one.drift[-1] > 0


def test_samples_sets_losses_and_nets_of_many_kinds() -> None:
    """What does not fit a stack is trained alone; 23 points agree to rounding."""
    given = [*nets(3), *nets(2, 8), *nets(2, 12, bias=False), nn.Linear(5, 1).double()]
    own: dict[str, list[Any]] = {
        "sample": [sample(23, k % 2) for k in range(len(given))],
        "perturbation": [SphereCap(0.1 + 0.1 * (k == 1)) for k in range(len(given))],
        "attack": [PGD(steps=2 + (k == 2)) for k in range(len(given))],
    }
    shared: dict[str, Any] = {"loss": LOSS, "steps": 3, "step_size": 0.5}
    samples = own.pop("sample")
    runs = train_many(given, samples, **own, **shared)
    for k, net in enumerate(given):
        options = {name: values[k] for name, values in own.items()}
        one = adversarial_training(net, samples[k], **options, **shared)
        assert torch.allclose(one.surrogate_loss, runs[k].surrogate_loss, rtol=1e-12, atol=1e-14)
    assert repr(runs) == "8 runs, all to the end."
    assert runs.finished == list(range(8))
    assert [run.steps for run in runs] == [3] * 8
    assert repr(
        train_many(given[:1], samples[0], perturbation=SphereCap(0.1), attack=FGSM(), **shared)
    ) == ("1 run, all to the end.")
    assert train_many([], sample(4), perturbation=L2Ball(0.1), attack=FGSM(), **shared)[:] == []


def test_one_that_diverges_is_named_and_harms_no_other() -> None:
    x, given = sample(64), nets(3, activation="quadratic_relu", symmetric=False)
    shared: dict[str, Any] = {
        "perturbation": L2Ball(0.1),
        "attack": PGD(steps=2),
        "loss": LOSS,
        "steps": 4,
    }
    sizes = [0.1, 1e160, 0.2]  # the squares of its outputs are no numbers
    runs = train_many(given, x, step_size=sizes, **shared)
    with pytest.raises(ValueError, match="training diverged at step 0, with step_size 1e"):
        adversarial_training(given[1], x, step_size=sizes[1], **shared)
    assert list(runs.failed) == [1]
    assert runs.finished == [0, 2]
    with pytest.raises(ValueError, match=r"^run 1: training diverged at step 0, with step_size 1e"):
        runs[1]
    with pytest.raises(ValueError, match=r"^run 1: "):
        list(runs)
    for k in runs.finished:
        assert same(adversarial_training(given[k], x, step_size=sizes[k], **shared), runs[k])
    assert repr(runs).startswith("3 runs, of which 1 failed; the first is run 1: training diverged")


def test_a_step_size_that_float32_does_not_hold_is_divergence_too() -> None:
    x, given = sample(8).to(dtype=torch.float32), [net.float() for net in nets(3)]
    options: dict[str, Any] = {"perturbation": L2Ball(0.1), "attack": FGSM(), "loss": LOSS}
    runs = train_many(
        given, x, step_size=[0.1, 1e39, lambda t: 10.0 ** (39 * t)], steps=2, **options
    )
    assert {k: str(error)[:56] for k, error in runs.failed.items()} == {
        1: "training diverged at step 0, with step_size 1e+39: the n",
        2: "training diverged at step 1, with step_size 1e+39: the n",
    }
    assert same(adversarial_training(given[0], x, step_size=0.1, steps=2, **options), runs[0])


def test_runs_are_a_sequence() -> None:
    shared: dict[str, Any] = {"perturbation": L2Ball(0.1), "attack": FGSM(), "loss": LOSS}
    runs = train_many(nets(2), sample(4), step_size=[0.1, 0.2], steps=1, **shared)
    assert repr(runs) == "2 runs, all to the end."
    assert (runs[0], runs[1]) == (runs[-2], runs[-1]) == tuple(runs[:])
    assert [float(run.step_sizes[0]) for run in runs] == [0.1, 0.2]
    for place in (2, -3):
        with pytest.raises(IndexError, match=f"place must be .* one of 2 runs, got {place}"):
            runs[place]
    assert copy.copy(runs) != runs
    assert len({runs, runs}) == 1
    with pytest.raises(FrozenInstanceError):
        runs.failed = {}  # type: ignore[misc]


def test_stacks_fit_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def counted(nets: list[Any]) -> stack.Stack:
        sizes.append(len(nets))
        return stack.Stack(nets)

    monkeypatch.setattr(stacks, "Stack", counted)
    x = torch.eye(8).double().repeat(2**10, 1)  # half of the 2**20 bytes for examples
    large = Sample(x, 2 * x[:, 0] - 1, "large")
    given: list[nn.Module] = [TwoLayerNet(8, 2, seed=k).double() for k in range(5)]
    shared: dict[str, Any] = {"perturbation": L2Ball(0.1), "attack": FGSM(), "loss": LOSS}
    train_many(given, large, step_size=0.1, steps=1, **shared)
    assert sizes == [2, 2]  # and one alone


def test_bad_arguments_are_named_with_their_net() -> None:
    shared: dict[str, Any] = {"perturbation": L2Ball(0.1), "attack": FGSM(), "loss": LOSS}
    with pytest.raises(
        ValueError, match=r"^seed must be one for all or a list of 2, one for every"
    ):
        train_many(nets(2), sample(4), step_size=0.1, steps=1, seed=[1], **shared)
    with pytest.raises(ValueError, match="every net, got 3"):
        train_many(nets(2), sample(4), step_size=0.1, steps=1, seed=[1, 2, 3], **shared)
    late = [0.1, lambda t: 0.1 - t]
    for attack in (FGSM(), RandomNoise()):  # in a stack and alone
        with pytest.raises(ValueError, match=r"^run 1: step_size at step 1 must be greater than 0"):
            train_many(nets(2), sample(4), step_size=late, steps=3, **{**shared, "attack": attack})
    with pytest.raises(ValueError, match=r"^run 1: step_size must be greater than 0"):
        train_many(nets(2), sample(4), step_size=[0.1, -1.0], steps=1, **shared)
    with pytest.raises(TypeError, match=r"^nets must be torch modules, got int at place 1"):
        train_many([nets(1)[0], 3], sample(4), step_size=0.1, steps=1, **shared)  # type: ignore[list-item]
    broken = nets(2)
    with torch.no_grad():
        next(broken[1].parameters()).fill_(torch.nan)
    with pytest.raises(ValueError, match=r"^run 1: .*NaN"):
        train_many(broken, sample(4), step_size=0.1, steps=1, **shared)


def test_products_in_one_call_or_one_by_one_have_the_same_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, given = sample(64), nets(3)
    shared: dict[str, Any] = {"perturbation": L2Ball(0.2), "attack": PGD(steps=3), "loss": LOSS}
    shared |= {"step_size": 0.5, "steps": 3}
    runs, asked = train_many(given, x, **shared), []
    monkeypatch.setattr(stack, "_in_one_call", lambda *facts: asked.append(facts))
    for one, other in zip(runs, train_many(given, x, **shared), strict=True):
        assert same(one, other)
    assert asked
