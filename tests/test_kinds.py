"""Whatever model is brought: the right number, or a sentence of ours; and it is left as found.

Every kind of ``kinds.py`` meets every attack and bounds of outputs here, and ``robust_loss``,
kernels and training with a checkpoint in ``test_kinds_trained.py``. The right values are those of
``slowly.py``. At commit 603e787, 44 of these cases fail.
"""

from __future__ import annotations

import functools

import pytest
import torch
from kinds import KINDS, made
from slowly import (
    BALL,
    EPS,
    LOSS,
    NAMES,
    Y,
    as_found,
    asked,
    of_ours,
    points,
    slow,
)
from torch import Tensor

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
from robustlib.numerics import generator
from robustlib.sets import Finite
from robustlib.verification import BranchAndBound, output_bounds

ATTACKS: list[Attack] = [
    NoAttack(),
    RandomNoise(samples=2),
    FGSM(),
    PGD(steps=2),
    APGD(steps=2),
    Square(queries=3),
    Reused(PGD(steps=1), every=2),
]


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
