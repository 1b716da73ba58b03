"""What attacks stand on: the oracle, the best points, random numbers, and a sample's dtype."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from robustlib.attacks import Oracle
from robustlib.attacks.best import Best
from robustlib.attacks.draws import Draws
from robustlib.attacks.fitted import fitted
from robustlib.attacks.gradient import Jumps
from robustlib.losses import Hinge, LogCosh, Logistic, Loss, PseudoHuber
from robustlib.networks import TwoLayerNet
from robustlib.numerics import generator
from robustlib.samples import sphere
from robustlib.sets import L2Ball, LinfBall

X = torch.rand(6, 3, generator=generator(0), dtype=torch.float64)
Y = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, 1.0], dtype=torch.float64)


def first(z: Tensor) -> Tensor:
    return z[:, 0] + 1


# --- the oracle -----------------------------------------------------------------------------------


@pytest.mark.parametrize("y", [Y, -torch.ones(6).double(), torch.ones(6)], ids=["both", "-", "+"])
@pytest.mark.parametrize(
    ("loss", "both"),
    [(PseudoHuber(), True), (LogCosh(), True), (Logistic(), False), (Hinge(), False)],
)
def test_a_regression_loss_has_two_sides_and_a_margin_loss_one(
    loss: Loss, both: bool, y: Tensor
) -> None:
    assert Oracle(first, X.to(y), y, L2Ball(0.5), loss).two_sided is both


def test_an_example_decided_before_x_was_asked_keeps_its_point() -> None:
    y = torch.ones(6, dtype=torch.float64)

    def none(rows: Tensor, values: Tensor) -> Tensor:
        return torch.zeros(len(rows), dtype=torch.bool)

    oracle = Oracle(first, X, y, L2Ball(3.0), Logistic(), decide=none)
    z = X.clone()
    z[2, 0] = -2.0  # f < 0: the wrong label
    values = oracle.values(z)
    assert (values == torch.inf).nonzero().flatten().tolist() == [2]
    oracle.values(oracle.x)
    assert torch.equal(oracle.result(), z)


def test_options_of_an_oracle_are_named() -> None:
    assert Oracle(first, X, Y, L2Ball(0.5), Logistic(), decide=None).values(X).shape == (6,)
    with pytest.raises(TypeError, match="positional"):
        Oracle(first, X, Y, L2Ball(0.5), Logistic(), None)  # type: ignore[misc]


# --- the best points ------------------------------------------------------------------------------


class Elsewhere(Tensor):
    """Numbers of the CPU that say they are on an accelerator."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return torch.device("cuda")


@pytest.mark.parametrize("kind", [Tensor, Elsewhere])
def test_the_best_is_the_first_largest_of_what_was_offered(kind: type[Tensor]) -> None:
    offers = torch.rand(5, 6, 3, generator=generator(1), dtype=torch.float64)
    values = torch.rand(5, 6, generator=generator(2), dtype=torch.float64)
    values[3, 2] = values[:, 2].max()  # no better than the one before
    best = Best(X, torch.float64)
    for z, value in zip(offers, values, strict=True):
        best.offer(z, value.as_subclass(kind))
    top, place = values.max(0)
    assert torch.equal(best.values.as_subclass(Tensor), top)
    assert torch.equal(best.points().as_subclass(Tensor), offers[place, torch.arange(6)])


@pytest.mark.parametrize("share", [0.05, 0.3, 0.7, 0.95])
def test_what_is_offered_is_never_written_on(share: float) -> None:
    """A share of the examples gets better at every offer; what was handed out stays as well."""
    draw = generator(round(100 * share))
    for _ in range(40):
        offers = torch.rand(8, 6, 3, generator=draw, dtype=torch.float64)
        x, given = X.clone(), offers.clone()
        best, right, handed = Best(x, torch.float64), X.clone(), []
        for k, z in enumerate(offers):
            better = torch.rand(6, generator=draw) < share
            best.offer(z, torch.where(better, float(k), best.values - 1))
            right = torch.where(better.unsqueeze(1), z, right)
            if k % 3 == 2:
                handed.append((best.points(), right))
        assert torch.equal(best.points(), right)
        assert torch.equal(offers, given)
        assert torch.equal(x, X)
        assert all(torch.equal(*pair) for pair in handed)


def test_points_that_are_all_better_are_not_copied() -> None:
    z, best = X + 1, Best(X, torch.float64)
    best.offer(z, torch.zeros(6, dtype=torch.float64))
    assert best.points() is z


# --- random numbers -------------------------------------------------------------------------------


def of(x: Tensor, *seeds: int) -> Oracle:
    makers = [partial(generator, seed) for seed in seeds]
    return Oracle(first, x, torch.ones(len(x)).to(x), LinfBall(0.5), Logistic(), generators=makers)


def test_generators_give_streams_of_their_own() -> None:
    seen = {float(Draws(of(X), generator(k)).points(0)[0, 0]) for k in range(100)}
    assert len(seen) == 100


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_a_group_draws_what_it_would_draw_alone(groups: int) -> None:
    whole = Draws(of(X, *range(groups)), generator(99))
    alone = [Draws(of(x), generator(k)) for k, x in enumerate(X.chunk(groups))]
    parts = X.chunk(groups)
    assert torch.equal(whole.points(4), torch.cat([draws.points(4) for draws in alone]))
    own = torch.cat([d.directions(x, 4, 1) for d, x in zip(alone, parts, strict=True)])
    assert torch.equal(whole.directions(X, 4, 1), own)
    # only the last group has an example that asks
    rows = torch.arange(6) == 5
    some = whole.directions(X, 4, 1, rows=rows)
    n = 6 // groups
    assert torch.equal(some[-n:], own[-n:])


def test_groups_are_of_one_size() -> None:
    draws = Draws(of(X[:5], *range(4)), generator(99))
    with pytest.raises(ValueError, match="shorter"):
        draws.points(0)


def test_directions_are_uniform_between_the_signs() -> None:
    z = torch.zeros(300, 7, dtype=torch.float64)
    found = Draws(of(z), generator(0)).directions(z, 1)
    # 306 numbers, of which row i has seven: uniform by Kolmogorov and Smirnov, at one in a hundred
    line = torch.cat([found[:, 0], found[-1, 1:]]).sort().values
    assert float((line - torch.linspace(-1, 1, 306).double()).abs().max()) / 2 < 1.63 / 306**0.5


def test_a_far_jump_is_a_step_of_the_diameter() -> None:
    radius, y = 0.7, torch.ones(6).double()
    oracle = Oracle(first, X, y, L2Ball(radius), Logistic())
    draws = Draws(oracle, generator(3))
    z = X + radius * torch.eye(3).double()[0]
    v = draws.directions(z, 5, 8)
    v = z + 2 * radius * v / v.norm(dim=1, keepdim=True) - X
    there = X + v * (radius / v.norm(dim=1, keepdim=True)).clamp(max=1)
    jumps = Jumps(oracle, draws, 5)
    torch.testing.assert_close(jumps.far(z, 8), there, rtol=0, atol=1e-12)
    moved = torch.where((torch.arange(6) == 2)[:, None], z, X)  # only this one stays, and jumps
    torch.testing.assert_close(jumps(z, moved, 8)[2], there[2], rtol=0, atol=1e-12)
    assert torch.equal(jumps(z, moved, 8)[3:], X[3:])


# --- a sample and a model -------------------------------------------------------------------------


class Answers(nn.Module):
    """A model with weights in float32 that answers in the dtype ``to``, None for its question's."""

    def __init__(self, to: torch.dtype | None) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(3))
        self.to_dtype, self.rows = to, list[int]()

    def forward(self, z: Tensor) -> Tensor:
        self.rows.append(len(z))
        return (z.to(self.w) @ self.w).to(self.to_dtype or z.dtype)


def test_a_sample_is_brought_to_the_dtype_of_the_weights() -> None:
    sample, net = sphere(6, 3), TwoLayerNet(3, 8)  # float64 and float32
    found = fitted(sample, net)
    assert (found.x.dtype, found.y.dtype) == (torch.float32, torch.float32)
    assert torch.equal(found.x, sample.x.float())
    assert fitted(sample, net.double()) is sample
    assert fitted(sample, first) is sample  # no weights


def test_a_model_that_answers_in_the_dtype_of_the_sample_gets_it_as_it_is() -> None:
    sample = sphere(6, 3)
    for to, dtype in ((None, torch.float64), (torch.float64, torch.float64), (torch.float32,) * 2):
        model = Answers(to)
        assert fitted(sample, model).x.dtype == dtype
        assert model.rows == [1]  # one example tells
    mixed = Answers(torch.float32)
    mixed.v = nn.Parameter(torch.ones(3, dtype=torch.float64))
    assert fitted(sample, mixed) is sample
    assert not mixed.rows
