"""Regret and its terms, the certificate, the schedules, and what a run records for them."""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from robustlib.activations import Activation
from robustlib.attacks import FGSM, PGD, Attack, GridMax, NoAttack, RandomNoise, Reused
from robustlib.kernels import empirical_ntk, ntk
from robustlib.losses import LogCosh, Logistic, PseudoHuber
from robustlib.networks import DeepNet, LinearizedNet, Network, TwoLayerNet, linearize
from robustlib.numerics import down, generator
from robustlib.online import (
    BlurredPGD,
    Comparator,
    Regret,
    adv_ntk,
    ball_lower_bound,
    best_in_ball,
    projected_schedule,
    realisable_schedule,
    regret,
    two_layer_schedule,
)
from robustlib.samples import Sample, hexagon, sphere
from robustlib.sets import Finite, SphereCap
from robustlib.training import adversarial_training
from robustlib.training.trajectory import Trajectory

F64 = torch.float64
LOSS = PseudoHuber()
SETS = Finite(SphereCap(0.2).grid(hexagon().x, 41))
ATTACKS: list[Attack] = [
    GridMax(),
    FGSM(),
    PGD(steps=3),
    RandomNoise(),
    NoAttack(),
    Reused(GridMax(), every=7),
]
ROUNDING = 1e-12


def kind(attack: Attack) -> str:
    return repr(attack).partition("(")[0]


@functools.cache
def linear() -> LinearizedNet:
    return linearize(TwoLayerNet(2, 64, seed=1).double())


@functools.cache
def best(radius: float) -> Comparator:
    """The comparator of the linear net."""
    return best_in_ball(linear(), hexagon(), perturbation=SETS, radius=radius, loss=LOSS)


def train(net: Network, attack: Attack, **change: Any) -> Trajectory:
    arguments: dict[str, Any] = {
        "perturbation": SETS,
        "attack": attack,
        "loss": LOSS,
        "step_size": 0.5,
        "steps": 60,
        "progress": False,
        **change,
    }
    return adversarial_training(net, hexagon(), **arguments)


@functools.cache
def recorded() -> Trajectory:
    """A step of the linear net."""
    return train(linear(), FGSM(), steps=1, record=("attacked", "weights"))


# --- the terms ------------------------------------------------------------------------------------


@pytest.mark.parametrize("attack", ATTACKS, ids=kind)
@pytest.mark.parametrize("radius", [None, 2.0])
def test_the_terms_add_up_and_are_what_they_say(attack: Attack, radius: float | None) -> None:
    known = best(2.0)
    assert known.weights is not None
    run = train(
        linear(), attack, radius=radius, record=("attacked", "weights"), comparator=known.weights
    )
    seen = regret(run, known)
    (w_star,) = known.weights
    assert run.attacked is not None
    assert run.weights is not None
    for t, z in enumerate(run.attacked):
        w = run.weights["weight"][t]
        with torch.no_grad():
            here, there = linear().evaluate((w,), z), linear().evaluate((w_star,), z)
        y = hexagon().y
        # the net is affine in its weights, so that the inner product is one of outputs
        inner = float((LOSS.derivative(here, y) * (here - there)).mean())
        values = float(LOSS(here, y).mean()), float(LOSS(there, y).mean())
        assert float(seen.online[t]) == pytest.approx(inner, abs=ROUNDING)
        assert float(seen.linearisation[t]) == pytest.approx(
            values[0] - values[1] - inner, abs=ROUNDING
        )
        assert float(seen.attack[t]) == pytest.approx(values[1] - known.value, abs=ROUNDING)
        assert float(seen.distance[t]) == pytest.approx(float((w - w_star).norm()), abs=ROUNDING)
    rows = {name: value for name, _, value in seen.rows()}
    parts = ["online gradient", "linearisation", "attack"]
    assert sum(rows[name] for name in parts) == pytest.approx(rows["excess"], abs=ROUNDING)
    assert rows["excess"] + rows["comparator gap"] == pytest.approx(rows["total"], abs=ROUNDING)
    measured = float(run.surrogate_loss.mean())
    assert rows["excess"] == pytest.approx(measured - known.value, abs=ROUNDING)
    assert rows["total"] == pytest.approx(measured - known.lower_bound, abs=ROUNDING)
    assert float(seen.average[-1]) == pytest.approx(seen.excess, abs=ROUNDING)
    assert float(seen.average[0]) == pytest.approx(
        float(run.surrogate_loss[0]) - known.value, abs=ROUNDING
    )
    # signs: convexity; the frozen-attack inequality; projections do not lead away from W_*
    assert float(seen.linearisation.max()) <= ROUNDING
    assert float(seen.attack.max()) <= ROUNDING
    assert float(seen.online.mean()) <= seen.online_bound + ROUNDING
    if radius is None:
        assert float(seen.online.mean()) == pytest.approx(seen.online_bound, abs=1e-10)


@pytest.mark.parametrize("make", [lambda: linear(), lambda: DeepNet(2, 8, 2, seed=2).double()])
def test_two_records_of_one_run_give_the_same_regret(make: Any) -> None:
    net = make()
    frame = net if isinstance(net, LinearizedNet) else linearize(net)
    known = best_in_ball(frame, hexagon(), perturbation=SETS, radius=1.0, loss=LOSS)
    record = ("attacked", "weights")
    at_once = train(net, FGSM(), steps=9, record=record, comparator=known.weights)
    later = dataclasses.replace(at_once, comparison=None)
    one = regret(at_once, known, robust_loss=0.5)
    two = regret(later, known, robust_loss=0.5)
    for name in ("online", "linearisation", "attack", "distance", "gradient", "surrogate_loss"):
        assert torch.allclose(getattr(one, name), getattr(two, name), rtol=0, atol=1e-13), name


def test_the_run_with_a_comparator_is_the_run_without() -> None:
    known = best(2.0)
    plain, compared = (train(linear(), FGSM(), comparator=c) for c in (None, known.weights))
    assert torch.equal(plain.surrogate_loss, compared.surrogate_loss)
    assert torch.equal(plain.drift, compared.drift)
    assert plain.comparison is None


def test_a_run_that_looked_at_other_weights_is_named() -> None:
    run = train(linear(), FGSM(), steps=3, comparator=best(1.0))
    with pytest.raises(ValueError, match="this one has other weights to compare with"):
        regret(run, best(2.0))
    assert regret(run, best(1.0)).excess == pytest.approx(
        float(run.surrogate_loss.mean()) - best(1.0).value
    )


def by_hand(judge: str | None = None) -> Regret:
    """Three steps towards W_*, whose terms are round numbers."""

    def row(*numbers: float) -> Tensor:
        return torch.tensor(numbers, dtype=F64)

    return Regret(
        surrogate_loss=row(0.75, 0.5, 1.0),
        online=row(0.5, 0.25, 1.5),
        linearisation=row(-0.25, 0.0, -0.5),
        attack=row(0.0, -0.25, -0.5),
        distance=row(3, 2, 2, 1),
        gradient=row(2, 1, 4),
        step_sizes=row(0.5, 1, 0.25),
        robust_loss=0.5,
        lower_bound=0.375,
        judge=judge,
    )


def test_averages_and_the_bound_by_hand() -> None:
    seen = by_hand()
    assert seen.average.tolist() == [0.25, 0.125, 0.25]
    assert (seen.excess, seen.comparator_gap, seen.total) == (0.25, 0.125, 0.375)
    # 5/1 + 0.5 * 4/2, 0/2 + 1/2, and 3/0.5 + 0.25 * 16/2
    assert seen.online_bound == pytest.approx((6 + 0.5 + 8) / 3)


def test_regret_is_a_table() -> None:
    rows = repr(by_hand()).splitlines()
    assert rows[0].split() == ["term", "formula,", "T", "=", "3", "value"]
    assert len({len(row) for row in rows}) == 1
    assert rows[1].startswith("online gradient  mean of <g_t, W_t - W_*>   ")
    found = {row[:15].strip(): row.split()[-1] for row in rows[1:]}
    values = ["+0.750000", "-0.250000", "-0.250000", "+0.250000", "+0.125000", "+0.375000"]
    assert list(found.values()) == values
    marked = by_hand("PGD()")._repr_markdown_().splitlines()
    assert marked[:2] == ["| term | formula | value |", "|---|---|---:|"]
    cells = [row.strip("| ").split(" | ") for row in marked[2:8]]
    assert [(row[0], row[2]) for row in cells] == list(found.items())
    assert cells[4][1] == "$L_*(W_*)$ - lower bound"
    said = "L_*(W_*) is at least what is used here, the largest found by PGD()."
    assert marked[-1] == said == repr(by_hand("PGD()")).splitlines()[-1]


def test_the_frozen_attack_inequality_has_no_violations() -> None:
    """l_t(W) <= L_*(W) for random W, far and near, over the attacks' own points."""
    draw, sample, worst = generator(5), hexagon(), -math.inf
    nets = [linear(), TwoLayerNet(2, 64, activation="gelu", seed=3).double()]
    nets.append(DeepNet(2, 16, 2, seed=0).double())  # type: ignore[arg-type]
    for net in nets:
        for attack in ATTACKS:
            run = train(net, attack, steps=15, record=("attacked",))
            assert run.attacked is not None
            for k in range(20):
                weights = tuple(
                    w + 10.0 ** (k % 3 - 1) * torch.randn(w.shape, dtype=F64, generator=draw)
                    for w in net.start()
                )
                with torch.no_grad():
                    f = [net.evaluate(weights, z) for z in SETS.candidates.unbind(1)]
                    top = LOSS(torch.stack(f, 1), sample.y[:, None]).amax(1).mean()
                    flat = net.evaluate(weights, run.attacked.flatten(0, 1))
                frozen = LOSS(flat.reshape(15, 6), sample.y).mean(1)
                worst = max(worst, float((frozen - top).max()))
    assert worst <= ROUNDING


# --- rates ----------------------------------------------------------------------------------------


def descent(gram: np.ndarray, radius: float, alpha: float, steps: int) -> np.ndarray:
    """Surrogate losses of gradient descent against the exact attack, on outputs alone.

    A second implementation: the weights are W_0 plus a combination of the candidates' gradients,
    whose inner products are ``gram``. Quick enough for the long horizons that a slope needs.
    """
    n, k = SETS5.candidates.shape[:2]
    y = np.repeat(hexagon().y.numpy(), k)
    f, beta, seen = np.zeros(n * k), np.zeros(n * k), np.empty(steps)
    for t in range(steps):
        r = f - y
        losses = (np.sqrt(1 + r * r) - 1).reshape(n, k)
        worst = losses.argmax(1)
        seen[t] = losses[np.arange(n), worst].mean()
        rows = worst + k * np.arange(n)
        step = alpha * r[rows] / np.sqrt(1 + r[rows] ** 2) / n
        beta[rows] -= step
        f = f - gram[:, rows] @ step
        norm = math.sqrt(beta @ f)
        if norm > radius:
            beta, f = beta * radius / norm, f * radius / norm
    return seen


SETS5 = Finite(SphereCap(0.2).grid(hexagon().x, 5))


def exponents(horizons: list[int], averages: list[list[float]]) -> list[float]:
    """The slopes of log averages against log horizons, one a seed."""
    return [float(np.polyfit(np.log(horizons), np.log(row), 1)[0]) for row in averages]


@functools.cache
def rated_nets() -> list[tuple[LinearizedNet, np.ndarray]]:
    nets = [linearize(TwoLayerNet(2, 256, seed=seed).double()) for seed in range(2)]
    points = SETS5.candidates.flatten(0, 1)
    return [(net, empirical_ntk(net, points).numpy()) for net in nets]


def test_both_implementations_take_the_same_steps() -> None:
    net, gram = rated_nets()[0]
    run = train(net, GridMax(), perturbation=SETS5, step_size=0.7, radius=1.5, steps=50)
    assert np.allclose(run.surrogate_loss.numpy(), descent(gram, 1.5, 0.7, 50), atol=1e-12)


def test_the_tuned_step_has_regret_of_the_order_of_one_over_root_t() -> None:
    horizons, curves = [1024, 4096, 16_384], []
    for net, gram in rated_nets():
        known = best_in_ball(net, hexagon(), perturbation=SETS5, radius=2.0, loss=LOSS)
        row = []
        for steps in horizons:
            plan = projected_schedule(net, loss=LOSS, radius=2.0, steps=steps)
            average = descent(gram, 2.0, plan.step_size, steps).mean()
            assert average <= plan.bound(known.value)
            row.append(average - known.value)
        curves.append(row)
    for slope in exponents(horizons, curves):
        assert -0.51 < slope <= -0.5


def test_a_constant_step_has_losses_with_a_finite_sum_where_none_is_needed() -> None:
    horizons = [16_384, 32_768, 65_536]
    curves = []
    for net, gram in rated_nets():
        top = float(gram.diagonal().max()) ** 0.5
        plan = realisable_schedule(net, loss=LOSS, radius=14.0, steps=horizons[-1], gradient=top)
        known = best_in_ball(net, hexagon(), perturbation=SETS5, radius=14.0, loss=LOSS)
        assert known.value < 1e-8
        seen = descent(gram, math.inf, plan.step_size, horizons[-1])
        assert seen.mean() <= plan.bound(known.value)
        averages = seen.cumsum() / np.arange(1, len(seen) + 1)
        curves.append([float(averages[t - 1]) for t in horizons])
    for slope in exponents(horizons, curves):
        assert slope == pytest.approx(-1.0, abs=2e-3)


# --- the certificate ------------------------------------------------------------------------------


@pytest.mark.parametrize("attack", ATTACKS, ids=kind)
@pytest.mark.parametrize("radius", [1.0, 4.0])
def test_the_free_certificate_is_below_the_best_in_the_ball(attack: Attack, radius: float) -> None:
    run = train(linear(), attack, step_size=0.3, record=("attacked", "weights"))
    for after in (0, 40):
        found = ball_lower_bound(run, radius=radius, after=after)
        assert found.lower_bound <= best(radius).value
        assert found.steps == 60 - after


def test_the_certificate_closes_with_the_exact_attack() -> None:
    known = best(2.0)
    run = train(
        linear(),
        GridMax(),
        step_size=lambda t: 3 / math.sqrt(t + 1),
        steps=900,
        radius=2.0,
        record=("attacked", "weights"),
    )
    found = ball_lower_bound(run, radius=2.0, after=450)
    assert known.value - 1e-3 <= found.lower_bound <= known.value
    assert f"robust loss below {down(found.lower_bound, 9)}" in repr(found)
    assert repr(dataclasses.replace(found, lower_bound=2 / 3)).endswith(
        "robust loss below 0.666666666."
    )


def test_a_nets_certificate_pays_for_its_curvature() -> None:
    net = TwoLayerNet(2, 64, activation="gelu", seed=0).double()
    run = train(net, FGSM(), steps=5, record=("attacked", "weights"))
    free = ball_lower_bound(run, radius=1.0, linearisation_error=0.0)
    paid = ball_lower_bound(run, radius=1.0, linearisation_error=0.25)
    assert free.lower_bound - paid.lower_bound == pytest.approx(0.25)


def test_the_certificate_of_one_step_in_closed_form() -> None:
    run = train(linear(), NoAttack(), steps=1, record=("attacked", "weights"))
    found = ball_lower_bound(run, radius=0.5)
    x = hexagon().x
    slope = LOSS.derivative(torch.zeros(6, dtype=F64), hexagon().y) / 6
    norm = float(slope @ empirical_ntk(linear(), x) @ slope) ** 0.5
    assert found.lower_bound == pytest.approx(math.sqrt(2) - 1 - 0.5 * norm, rel=1e-12)


@dataclasses.dataclass(frozen=True)
class Drawing(PseudoHuber):
    """A loss that draws from the random state that all share."""

    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        random.random()
        return super().__call__(f, y)


def test_the_certificate_leaves_the_random_state_as_found() -> None:
    run = train(linear(), FGSM(), steps=2, loss=Drawing(), record=("attacked", "weights"))
    state = random.getstate()
    ball_lower_bound(run, radius=1.0)
    assert random.getstate() == state


# --- the schedules, and the potential of Theorem B ------------------------------------------------

# Two opposite points, labels +1 and -1: so easy that Theorem B's width and horizon can be run.
PAIR = Sample(
    torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=F64), torch.tensor([1.0, -1.0], dtype=F64), "pair"
)
PAIR_SETS = Finite(SphereCap(0.3).grid(PAIR.x, 21))
EPSILON = 0.1


def robust_at(net: Network, weights: tuple[Tensor, ...]) -> float:
    with torch.no_grad():
        f = torch.stack([net.evaluate(weights, z) for z in PAIR_SETS.candidates.unbind(1)], 1)
    return float(LOSS(f, PAIR.y[:, None]).amax(1).mean())


@functools.cache
def theorem_b() -> tuple[TwoLayerNet, tuple[Tensor, ...], float]:
    """A net as wide as Theorem B asks for radius 1, the comparator's weights, and its loss."""
    asked = two_layer_schedule(
        TwoLayerNet(2, 2, activation="gelu"), loss=LOSS, radius=1.0, epsilon=EPSILON
    )
    net = TwoLayerNet(2, 2 * math.ceil(asked.width / 2), activation="gelu", seed=4).double()
    found = best_in_ball(linearize(net), PAIR, perturbation=PAIR_SETS, radius=1.0, loss=LOSS)
    assert found.weights is not None
    return net, found.weights, robust_at(net, found.weights)


def potential(attack: Attack, alpha: float, steps: int) -> tuple[Tensor, Tensor]:
    """|W_t - W_*| and the gap L_A(W_t) - L_*(W_*) - epsilon along a run."""
    net, w_star, least = theorem_b()
    run = adversarial_training(
        net,
        PAIR,
        perturbation=PAIR_SETS,
        attack=attack,
        loss=LOSS,
        step_size=alpha,
        steps=steps,
        comparator=w_star,
        progress=False,
    )
    assert run.comparison is not None
    return run.comparison.distance, run.surrogate_loss - least - EPSILON


@pytest.mark.parametrize("attack", [GridMax(), FGSM(), RandomNoise(), NoAttack()], ids=kind)
def test_the_potential_falls_until_the_gap_closes(attack: Attack) -> None:
    net, w_star, _ = theorem_b()
    plan = two_layer_schedule(net, loss=LOSS, radius=1.0, epsilon=EPSILON)
    assert plan.width <= net.width
    assert float((w_star[0] - net.initial).norm()) <= 1.0
    distance, gap = potential(attack, plan.step_size, plan.steps)
    closed = (gap < 0).nonzero()[:, 0]
    assert len(closed)  # the theorem: before T
    first = int(closed[0])
    assert first > 3  # so that there is something to see
    fall = distance[:-1] ** 2 - distance[1:] ** 2
    assert float(fall[:first].min()) >= plan.step_size * EPSILON


def test_the_potential_rises_when_the_step_is_too_long() -> None:
    net, _, _ = theorem_b()
    plan = two_layer_schedule(net, loss=LOSS, radius=1.0, epsilon=EPSILON)
    distance, gap = potential(GridMax(), 200 * plan.step_size, 20)
    before = distance.diff()[gap >= 0]
    assert float(before.max()) > 0


def test_theorem_bs_constants_by_hand() -> None:
    net = TwoLayerNet(2, 4, activation="softplus")  # C_0 = 1, C_1 = 1/4
    plan = two_layer_schedule(net, loss=LOSS, radius=2.0, epsilon=0.5)
    assert plan.step_size == 0.25
    assert plan.steps == 32  # 4/(0.25 * 0.5)
    assert plan.width == 16  # (2 * 0.25 * 4/0.5)^2
    assert plan.bound(0.1, linearisation_error=0.2) == pytest.approx(0.8)
    text = repr(plan)
    for line in ("C_0", "C_1", "width asked for", "16", "32", "0.25"):
        assert line in text


def test_the_projected_constants_by_hand() -> None:
    net = linearize(TwoLayerNet(2, 4, activation="relu"))
    by_steps = projected_schedule(net, loss=LOSS, radius=3.0, steps=100)
    assert by_steps.step_size == pytest.approx(0.3)
    assert by_steps.excess == pytest.approx(0.3)
    assert by_steps.bound(0.5, linearisation_error=0.25) == pytest.approx(0.5 + 0.3 + 0.25)
    by_epsilon = projected_schedule(net, loss=LOSS, radius=3.0, epsilon=0.3)
    assert by_epsilon.steps in (100, 101)
    assert by_steps.promise == "mean over t < T of L_A(W_t) is at most L_*(W_*) + epsilon"
    deep = projected_schedule(DeepNet(2, 4, 4), loss=LOSS, radius=1.0, steps=16, gradient=2.0)
    assert deep.step_size == pytest.approx(2 / (2 * 4))  # D = sqrt(4) * 1
    assert deep.excess == pytest.approx(1.0)
    assert deep.promise == by_steps.promise + ", plus L times the linearisation error"
    fast = realisable_schedule(net, loss=Logistic(), radius=3.0, steps=50)
    assert fast.step_size == pytest.approx(2.0)  # beta = 1/4, G = 1
    assert fast.bound(0.1) == pytest.approx(0.2 + 9 / (2 * 50))


def test_a_horizon_that_nobody_reaches_is_refused_for_a_net_that_asks_no_width() -> None:
    straight = Activation("straight", torch.clone, torch.ones_like, slope=1, curvature=0)
    net = TwoLayerNet(2, 4, activation=straight)
    assert two_layer_schedule(net, loss=LOSS, radius=1.0, epsilon=0.1).width == 1
    with pytest.raises(ValueError, match=r"epsilon must be larger.* it asks for over 2\^62 steps"):
        two_layer_schedule(net, loss=LOSS, radius=1e12, epsilon=0.1)


@pytest.mark.parametrize("end", [1e-60, 1e60])
def test_constants_may_be_as_small_and_as_large_as_is_said(end: float) -> None:
    plan = realisable_schedule(linear(), loss=LOSS, radius=1.0, steps=1, gradient=end)
    assert plan.step_size == pytest.approx(0.5 / end**2)
    with pytest.raises(ValueError, match=r"gradient must be from 1e-60 to 1e\+60, got"):
        realisable_schedule(linear(), loss=LOSS, radius=1.0, steps=1, gradient=end**1.01)


def test_a_net_with_a_forward_of_its_own_has_no_schedule() -> None:
    class Doubled(TwoLayerNet):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    with pytest.raises(TypeError, match=r"net must be a TwoLayerNet, a DeepNet or .*got .*Doubled"):
        projected_schedule(Doubled(2, 4), loss=LOSS, radius=1.0, steps=5)


@pytest.mark.parametrize("attack", ATTACKS, ids=kind)
@pytest.mark.parametrize("loss", [PseudoHuber(), LogCosh()], ids=repr)
def test_no_run_exceeds_the_promise(attack: Attack, loss: PseudoHuber | LogCosh) -> None:
    known = best_in_ball(linear(), hexagon(), perturbation=SETS, radius=4.0, loss=loss)
    slow = projected_schedule(linear(), loss=loss, radius=4.0, steps=50)
    fast = realisable_schedule(linear(), loss=loss, radius=4.0, steps=50)
    for plan, radius in ((slow, 4.0), (fast, None)):
        run = train(linear(), attack, loss=loss, step_size=plan.step_size, steps=50, radius=radius)
        assert float(run.surrogate_loss.mean()) <= plan.bound(known.value)


# --- the public names ----------------------------------------------------------------------------


BALL = {"perturbation": SETS, "radius": 1.0, "loss": LOSS}
PLAN = {"loss": LOSS, "radius": 1.0, "steps": 5}
LEARNT = {"perturbation": SETS, "attack": NoAttack(), "loss": LOSS, "start": 1.0}


@pytest.mark.parametrize(
    ("call", "given", "options"),
    [
        (adv_ntk, lambda: (ntk, *2 * [hexagon()]), {**LEARNT, "step_size": 1.0, "steps": 0}),
        (ball_lower_bound, lambda: (recorded(),), {"radius": 1.0}),
        (best_in_ball, lambda: (linear(), hexagon()), {**BALL, "tolerance": 0.5}),
        (projected_schedule, lambda: (linear(),), PLAN),
        (realisable_schedule, lambda: (linear(),), PLAN),
        (regret, lambda: (recorded(), best(2.0)), {"sample": hexagon()}),
        (
            two_layer_schedule,
            lambda: (TwoLayerNet(2, 4, activation="tanh"),),
            {"loss": LOSS, "radius": 1.0, "epsilon": 0.1},
        ),
    ],
)
def test_options_are_named(
    call: Callable[..., object], given: Callable[[], tuple[Any, ...]], options: dict[str, Any]
) -> None:
    call(*given(), **options)
    with pytest.raises(TypeError, match="positional"):
        call(*given(), *options.values())


def test_results_are_frozen_and_those_with_tensors_equal_themselves_only() -> None:
    learnt = adv_ntk(ntk, hexagon(), hexagon(), step_size=1.0, steps=0, **LEARNT)  # type: ignore[arg-type]
    plan = realisable_schedule(linear(), **PLAN)  # type: ignore[arg-type]
    proof = ball_lower_bound(recorded(), radius=1.0)
    results = [by_hand(), learnt, best(2.0), proof, plan, BlurredPGD()]
    for found in results:
        said = repr(found)
        with pytest.raises(dataclasses.FrozenInstanceError):
            found.steps = 3  # type: ignore[union-attr]
        assert repr(found) == said
        assert found == found
        assert (copy.copy(found) == found) == (found not in results[:3])


# --- the record -----------------------------------------------------------------------------------


def bits(run: Trajectory) -> list[Tensor]:
    seen = run.comparison
    assert seen is not None
    return [seen.distance, seen.inner, seen.gradient, seen.loss, *seen.weights.values()]


def test_a_resumed_run_has_the_same_comparison_bit_by_bit(tmp_path: Path) -> None:
    path, w_star = tmp_path / "run", best(2.0).weights
    whole = train(linear(), PGD(steps=2), comparator=w_star, steps=12)
    train(linear(), PGD(steps=2), comparator=w_star, steps=5, checkpoint=path)
    resumed = train(linear(), PGD(steps=2), comparator=w_star, steps=12, checkpoint=path)
    for one, two in zip(bits(whole), bits(resumed), strict=True):
        assert torch.equal(one, two)
    other = tuple(w + 1 for w in w_star or ())
    for wrong in (other, None):
        with pytest.raises(ValueError, match="comparator was"):
            train(linear(), PGD(steps=2), comparator=wrong, steps=12, checkpoint=path)


def test_a_saved_run_keeps_its_comparison(tmp_path: Path) -> None:
    run = train(linear(), FGSM(), comparator=best(2.0).weights, steps=4)
    run.save(tmp_path / "run")
    loaded = Trajectory.load(tmp_path / "run", linear())
    for one, two in zip(bits(run), bits(loaded), strict=True):
        assert torch.equal(one, two)
    assert regret(loaded, best(2.0)).total == regret(run, best(2.0)).total


def test_comparing_leaves_the_comparator_alone() -> None:
    w_star = copy.deepcopy(best(2.0).weights)
    train(linear(), FGSM(), comparator=best(2.0).weights, steps=4)
    assert torch.equal((w_star or ())[0], (best(2.0).weights or ())[0])


def test_no_points_move_in_float32_either() -> None:
    sample = sphere(5, 3, seed=1).to(dtype=torch.float32)
    net = TwoLayerNet(3, 8)
    run = adversarial_training(
        net,
        sample,
        perturbation=SphereCap(0.1),
        attack=FGSM(),
        loss=LOSS,
        step_size=0.1,
        steps=3,
        comparator=tuple(w + 1 for w in net.start()),
        progress=False,
    )
    assert run.comparison is not None
    assert run.comparison.distance.dtype == F64
    assert float(run.comparison.distance[0]) == pytest.approx(math.sqrt(8 * 4), rel=1e-6)
