"""The points that gradient attacks ask for, against the formulas of their papers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from robustlib.attacks import APGD, PGD, Attack, Square, blackbox
from robustlib.attacks.adaptive import _Run
from robustlib.attacks.adaptive import checkpoints as every_checkpoint
from robustlib.attacks.blackbox import block
from robustlib.losses import Logistic, Loss, PseudoHuber
from robustlib.networks import DeepNet, TwoLayerNet
from robustlib.numerics import generator
from robustlib.samples import sphere
from robustlib.sets import L2Ball, LinfBall, Perturbation

NET = TwoLayerNet(6, 24, activation="tanh", symmetric=False, seed=5).double()
SAMPLE = sphere(30, 6, seed=2)


def asked(attack: Attack, sets: Perturbation, loss: Loss) -> tuple[list[Tensor], Tensor]:
    """All points at which the model was asked, in turn, and the answer."""
    seen: list[Tensor] = []

    def model(z: Tensor) -> Tensor:
        seen.append(z.detach().clone())
        f: Tensor = NET(z)
        return f

    found = attack(model, SAMPLE.x, SAMPLE.y, perturbation=sets, loss=loss)
    return seen, found


def slopes(z: Tensor, loss: Loss) -> Tensor:
    """The gradient of each example's loss in its input."""
    z = z.clone().requires_grad_()
    (g,) = torch.autograd.grad(loss(NET(z), SAMPLE.y).sum(), z)
    return g


# --- the textbook's PGD ---------------------------------------------------------------------------

STEP, EPS = 2 / 255, 8 / 255


def textbook_linf(z: Tensor, loss: Loss, box: tuple[float, float]) -> Tensor:
    """One step as papers print it: along signs, clipped to the ball, clipped to the box."""
    z = z + STEP * slopes(z, loss).sign()
    z = torch.minimum(torch.maximum(z, SAMPLE.x - EPS), SAMPLE.x + EPS)
    return z.clamp(*box)


def textbook_l2(z: Tensor, loss: Loss, box: tuple[float, float]) -> Tensor:
    """Along the direction of the gradient, scaled back to the ball."""
    g = slopes(z, loss)
    v = z + STEP * g / g.norm(dim=1, keepdim=True) - SAMPLE.x
    return SAMPLE.x + v * (EPS / v.norm(dim=1, keepdim=True)).clamp(max=1)


BOX = (float(SAMPLE.x.min()), float(SAMPLE.x.max()) + 0.01)
WHOLE = (-math.inf, math.inf)
TEXTBOOKS = [
    (LinfBall(EPS), textbook_linf, WHOLE, 0.0),
    (LinfBall(EPS, box=BOX), textbook_linf, BOX, 0.0),
    (L2Ball(EPS), textbook_l2, WHOLE, 1e-12),
]


@pytest.mark.parametrize("loss", [Logistic(), PseudoHuber()], ids=repr)
@pytest.mark.parametrize("start", ["natural", "random"])
@pytest.mark.parametrize(
    ("sets", "step", "box", "apart"), TEXTBOOKS, ids=[repr(t[0]) for t in TEXTBOOKS]
)
def test_a_fixed_schedule_is_the_textbook(
    sets: Perturbation,
    step: Callable[[Tensor, Loss, tuple[float, float]], Tensor],
    box: tuple[float, float],
    apart: float,
    start: str,
    loss: Loss,
) -> None:
    """Point by point over 20 steps, L-infinity to the last bit."""
    attack = PGD(steps=20, step_size=STEP, schedule="fixed", start=start)
    seen, found = asked(attack, sets, loss)
    assert len(seen) == 21 + (start == "random")  # x as well: the answer is never worse
    z = seen[0]
    assert torch.equal(z, SAMPLE.x) == (start == "natural")
    assert bool(sets.contains(z, SAMPLE.x).all())
    for there in seen[1:21]:
        z = step(z, loss, box)
        torch.testing.assert_close(there, z, rtol=0, atol=apart)
    with torch.no_grad():
        losses = torch.stack([loss(NET(z), SAMPLE.y) for z in seen])
    top, place = losses.max(0)
    assert torch.equal(found, torch.stack(seen)[place, torch.arange(30)])
    assert float(top.mean()) > float(losses[0].mean()) + 0.01


def test_a_fixed_schedule_names_itself_and_the_default_does_not() -> None:
    name = "PGD(steps=20, restarts=1, step_size=None, seed=0"
    assert repr(PGD()) == f"{name})"
    assert repr(PGD(start="random")) == f"{name}, start='random')"
    paper = PGD(steps=20, step_size=2 / 255, schedule="fixed", start="random")
    step = "step_size=0.00784313725490196, seed=0, schedule='fixed', start='random'"
    assert repr(paper) == f"PGD(steps=20, restarts=1, {step})"


def test_random_starts_are_uniform_and_differ_by_restart_and_seed() -> None:
    starts = []
    for seed in (0, 1):
        attack = PGD(
            steps=2, restarts=3, step_size=STEP, schedule="fixed", start="random", seed=seed
        )
        seen, _ = asked(attack, LinfBall(EPS), Logistic())
        starts += seen[0:9:3]
    offsets = (torch.stack(starts) - SAMPLE.x) / EPS
    assert len({float(o.flatten()[0]) for o in offsets}) == 6
    ranks = offsets.flatten().sort().values
    uniform = torch.linspace(-1, 1, len(ranks), dtype=torch.float64)
    # Kolmogorov and Smirnov, 1080 numbers: below 0.05 but for one seed in a hundred
    assert float((ranks - uniform).abs().max()) / 2 < 0.05


# --- our PGD: runs of falling steps ---------------------------------------------------------------


@pytest.mark.parametrize("step_size", [None, 0.4])
def test_a_run_of_ten_steps_falls_to_a_twentieth(step_size: float | None) -> None:
    """The second to the tenth step of a run, each shorter by the same factor; then far away."""
    radius, loss = 1.5, Logistic()
    attack = PGD(steps=24, step_size=step_size, restarts=2)
    seen, _ = asked(attack, L2Ball(radius), loss)
    assert len(seen) == 50
    first = step_size or 2 * radius
    follows = 0
    for k, (z, after) in enumerate(itertools.pairwise(seen)):
        run, start = k % 25 % 10, k % 25 == 0
        if k == 24 or (run == 0 and not start):
            assert float((after - z).norm(dim=1).min()) > 0.1 * radius
            continue
        length = first * 0.05 ** (max(run - 1, 0) / 8)
        if k == 0 and step_size is None:
            length = radius  # from x, to the end of the linearisation
        g = slopes(z, loss)
        v = z + length * g / g.norm(dim=1, keepdim=True) - SAMPLE.x
        there = SAMPLE.x + v * (radius / v.norm(dim=1, keepdim=True)).clamp(max=1)
        moves = (there - z).abs().amax(1) > 2e-5 * radius  # else it jumps
        torch.testing.assert_close(after[moves], there[moves], rtol=0, atol=1e-12)
        follows += int(moves.sum())
    assert follows > 500


def test_the_second_step_is_to_the_other_end_where_that_is_worse() -> None:
    radius, loss = 1.5, PseudoHuber()
    seen, _ = asked(PGD(steps=2), L2Ball(radius), loss)
    x, other, end, last = seen
    g = slopes(x, loss)
    ends = [x + sign * radius * g / g.norm(dim=1, keepdim=True) for sign in (-1, 1)]
    torch.testing.assert_close(torch.stack([other, end]), torch.stack(ends), rtol=0, atol=1e-12)
    worse = loss(NET(other), SAMPLE.y) > loss(NET(end), SAMPLE.y)
    assert 0 < int(worse.sum()) < 30
    assert torch.equal((last == other).all(1), worse)


# --- random search --------------------------------------------------------------------------------


def proposals(sets: Perturbation, x: Tensor, queries: int) -> Iterator[tuple[int, Tensor]]:
    """Of every query its number, and what it changes at the best point so far."""
    seen: list[Tensor] = []
    w = torch.linspace(1, 2, x[0].numel(), dtype=torch.float64)

    def model(z: Tensor) -> Tensor:
        seen.append(z.detach().clone())
        return (z.flatten(1) ** 2 @ w).sin()

    y = torch.ones(len(x), dtype=torch.float64)
    Square(queries=queries)(model, x, y, perturbation=sets, loss=Logistic())
    best = seen[0]
    for query, z in enumerate(seen[1:queries], 1):
        yield query, z - best
        better = Logistic()(model(z), y) > Logistic()(model(best), y)
        best = torch.where(better.reshape(-1, *[1] * (x.dim() - 1)), z, best)


def halved(query: int) -> float:
    """The paper's share of coordinates for a budget of 10,000, from 0.8 on."""
    return 0.8 / 2 ** sum(query >= k for k in (10, 50, 200, 500, 1000))


def test_blocks_of_images_are_squares_that_shrink_as_in_the_paper() -> None:
    x = torch.zeros(24, 2, 12, 7, dtype=torch.float64)
    widest: dict[tuple[float, int], int] = {}
    late = torch.zeros(12, 7, dtype=torch.bool)
    for query, change in proposals(LinfBall(0.5), x, 1020):
        moved = change != 0
        assert bool(((change.abs() - 1).abs() < 1e-12)[moved].all())  # from one end to the other
        for axis, size in ((2, 12), (3, 7)):
            line, places = moved.any(1).any(4 - axis), torch.arange(size)
            high = torch.where(line, places, -1).amax(1)
            side = int((high - torch.where(line, places, size).amin(1) + 1).max())
            key = halved(query), size
            widest[key] = max(side, widest.get(key, 1))
        if query >= 200:
            late |= moved.any(0).any(0)
        # a channel has one sign, so that what moves in it moves the same way
        signs = change.sign().flatten(2)
        assert bool(((signs.amax(2) <= 0) | (signs.amin(2) >= 0)).all())
    assert widest == {(s, size): max(1, round(s**0.5 * size)) for s, size in widest}
    assert len(widest) == 12
    assert bool(late.all())  # small squares lie anywhere


def test_blocks_shrink_nine_times_in_the_papers_ten_thousand_queries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[float] = []

    def recorded(x: Tensor, share: float, draw: torch.Generator) -> Tensor:
        seen.append(share)
        return torch.ones_like(x)

    monkeypatch.setattr(blackbox, "block", recorded)
    x, y = torch.zeros(1, 1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    given = {"perturbation": LinfBall(0.5), "loss": Logistic()}
    Square(queries=8002)(lambda z: z[:, 0], x, y, **given)  # type: ignore[arg-type]
    halvings = [k for k in range(1, len(seen)) if seen[k] == seen[k - 1] / 2]
    assert seen[:2] == [1.0, 0.8]  # the start is a whole end
    assert halvings == [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000]
    assert len(set(seen)) == 11


@pytest.mark.parametrize("share", [0.8, 0.1, 0.001])
def test_blocks_of_flat_examples_are_random_coordinates_with_signs_of_their_own(
    share: float,
) -> None:
    found = block(torch.zeros(400, 20, dtype=torch.float64), share, generator(3))
    chosen = found != 0
    assert bool(chosen.any(1).all())  # at least one coordinate
    counts = chosen.double().mean()
    assert abs(float(counts) - max(share, 1 / 20)) < 0.02
    sizes = found[chosen]
    assert bool(((sizes.abs() >= 1) & (sizes.abs() <= 2)).all())
    assert len(sizes.abs().unique()) == len(sizes)  # an L1 step knows where to go
    assert abs(float(sizes.sign().mean())) < 0.2
    assert bool((found[:, 0] * found[:, 1] < 0).any()) or share < 0.1


def test_steps_of_random_search_are_the_root_of_their_share_of_the_diameter() -> None:
    x = sphere(60, 3, seed=1).x
    longest: dict[float, float] = {}
    for query, change in proposals(L2Ball(0.5), x, 60):
        length = float(change.norm(dim=1).max())
        longest[halved(query)] = max(length, longest.get(halved(query), 0.0))
    for share, length in longest.items():
        assert length <= share**0.5 * (1 + 1e-12)
    assert longest[0.2] == pytest.approx(0.2**0.5, rel=1e-9)  # one that ends inside


# --- APGD -----------------------------------------------------------------------------------------


def checkpoints(steps: int) -> dict[int, int]:
    """After which steps lengths are looked at, each with the one before: p_1 = 0.22, p_(j+1) =
    p_j + max(p_j - p_(j-1) - 0.03, 0.06), in hundredths."""
    shares = [0, 22]
    while shares[-1] < 100:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 3, 6))
    steps_of = sorted({-(-p * steps // 100) for p in shares if p < 100})
    return dict(zip(steps_of[1:], steps_of[:-1], strict=True))


def inside(z: Tensor, x: Tensor, radius: float) -> Tensor:
    return x + (z - x) * (radius / (z - x).norm()).clamp(max=1)


@pytest.mark.parametrize(("steps", "restarts"), [(60, 1), (23, 2)])
def test_apgd_follows_the_paper_point_by_point(steps: int, restarts: int) -> None:
    """The recursion of Croce and Hein, section 3.1, an example at a time, each asked point against
    the one that follows from those before; only where a far jump is due, any point will do."""
    radius, loss, checks = 1.5, Logistic(), checkpoints(steps)
    seen, found = asked(APGD(steps=steps, restarts=restarts), L2Ball(radius), loss)
    assert len(seen) == (steps + 1) * restarts
    slope = [slopes(z, loss) for z in seen]
    with torch.no_grad():
        values = [loss(NET(z), SAMPLE.y) for z in seen]
    halved = anew = kept = 0
    for i, x in enumerate(SAMPLE.x):
        for first in range(0, len(seen), steps + 1):
            z, before, length, least = seen[first][i], seen[first][i], 2 * radius, 2 * radius / 8
            last = best = -math.inf
            start = first == 0
            assert torch.equal(z, x) == start
            rises, then = 0, (length, best)
            for k in range(steps):
                value, g = float(values[first + k][i]), slope[first + k][i]
                z = seen[first + k][i]
                rises += value > last
                last = value
                if value > best:
                    best, best_z, best_g = value, z, g
                over = False
                if k in checks:
                    back = rises < 0.75 * (k - checks[k]) or then == (length, best)
                    over = back and length <= least
                    then = (length, best)
                    if back:
                        length, z, g, before = length / 2, best_z, best_g, best_z
                        halved += 1
                    kept += not back
                    if over:
                        length, last, best = 2 * radius, -math.inf, -math.inf
                        then = (then[0], best)
                        anew += 1
                    rises = 0
                after = seen[first + k + 1][i]
                if over:
                    before = after
                    continue
                long = radius if start and k == 0 else length
                step = inside(z + long * g / g.norm(), x, radius)
                if k > 0:
                    step = inside(z + 0.75 * (step - z) + 0.25 * (z - before), x, radius)
                before = z
                if float((step - z).abs().max()) > 1e-5 * radius:
                    torch.testing.assert_close(after, step, rtol=0, atol=1e-9 * radius)
    assert halved > 50
    assert kept > 5
    assert anew > 2 or steps < 50
    _, place = torch.stack(values).max(0)
    assert torch.equal(found, torch.stack(seen)[place, torch.arange(30)])


def test_the_checkpoints_are_those_of_the_paper() -> None:
    assert every_checkpoint(100) == [0, 22, 41, 57, 70, 80, 87, 93, 99]
    assert every_checkpoint(50) == [0, 11, 21, 29, 35, 40, 44, 47, 50]
    assert every_checkpoint(1) == [0, 1]
    assert repr(APGD()) == "APGD(steps=50, restarts=1, seed=0)"


def test_lengths_halve_where_steps_do_not_pay() -> None:
    """Losses given by hand: one that rises always, one that falls, one that rises below its best,
    and two with just enough rises to the first checkpoint, and one too few."""
    checks = every_checkpoint(50)
    below = [*range(90, 101), *range(30)]  # rises at every step but one, at the first checkpoint
    enough = [0, 1, 2, 3, 4, 5, 6, 7, 8, 7, 6, 5]
    few = [0, 1, 2, 3, 4, 5, 6, 7, 6, 5, 4, 3]
    run = _Run(torch.zeros(5, 2, dtype=torch.float64), 1.0, checks)
    lengths, over = {}, {}
    for k in range(36):
        row = [k, -k, below[k], *((enough[k], few[k]) if k < 12 else (300 + k, 300 + k))]
        run.record(torch.tensor(row, dtype=torch.float64), torch.ones(5, 2).double(), k)
        if k in checks[1:]:
            assert run.over is not None
            lengths[k], over[k] = run.length.tolist(), run.over.tolist()
        else:
            assert run.over is None
    first, second, third, fourth = (lengths[k] for k in checks[1:5])
    assert first == [2, 1, 2, 2, 1]
    assert second == [2, 0.5, 1, 2, 1]
    assert third[:2] == [2, 0.25]
    assert fourth[:2] == [2, 2]  # a quarter of the radius is least: a new run
    assert [k for k in over if over[k][1]] == [35]
    assert not any(over[k][0] for k in over)


def test_a_run_that_is_over_begins_anew_far_away() -> None:
    """A loss largest at x, with a slope there: all along one line, until the length is least."""
    x = torch.zeros(1, 4, dtype=torch.float64)
    seen: list[Tensor] = []

    def model(z: Tensor) -> Tensor:
        seen.append(z.detach().clone())
        return 10 * z.pow(2).sum(1) - 0.01 * z[:, 0]

    attack = APGD(steps=50, restarts=2)
    attack(model, x, torch.ones(1).double(), perturbation=L2Ball(1.0), loss=Logistic())
    assert torch.equal(seen[0], x)
    off = [float(z[0, 1:].abs().max()) for z in seen]
    assert max(off[:36]) < 1e-12
    assert off[36] > 0.1
    assert off[51] > 0.1  # the second restart


def mean_loss(attack: Attack, net: TwoLayerNet | DeepNet, seed: int, sets: Perturbation) -> float:
    sample, loss = sphere(60, 16, seed=seed), Logistic()
    z = attack(net, sample.x, sample.y, perturbation=sets, loss=loss)
    with torch.no_grad():
        return float(loss(net(z), sample.y).mean())


@pytest.mark.parametrize("sets", [L2Ball(0.5), LinfBall(0.1)], ids=repr)
def test_it_finds_what_the_textbook_finds_with_any_step_at_equal_cost(sets: Perturbation) -> None:
    """The claim of Croce and Hein: no step size that is chosen well or badly beats it."""
    for seed in range(3):
        for net in (
            TwoLayerNet(16, 64, symmetric=False, seed=seed).double(),
            DeepNet(16, 32, 2, activation="tanh", seed=seed).double(),
        ):
            found = mean_loss(APGD(steps=20), net, seed, sets)
            for share in (0.1, 0.25, 0.5, 2.0):
                fixed = PGD(steps=20, step_size=share * sets.radius, schedule="fixed")
                assert found >= mean_loss(fixed, net, seed, sets)
