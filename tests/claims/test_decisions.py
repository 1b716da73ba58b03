"""One ingredient of a claim is off, and the claim says so; its own small pieces, by hand."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from robustlib.activations import ACTIVATIONS
from robustlib.book.claims import (
    chapter02_search,
    chapter04_points,
    chapter04_training_flow,
    chapter05_ball,
    chapter05_convexity,
    chapter06_comparator,
    chapter08_parity,
    chapter09_norms,
    chapter10_layer,
    chapter10_search,
    chapter11,
    chapter13_width,
    check,
    claims,
)
from robustlib.book.claims.place import moved
from robustlib.book.claims.registry import FAILS, Evidence
from robustlib.book.claims.widths import Slope
from robustlib.capacity.narrowest import Narrowest
from robustlib.kernels import ntk
from robustlib.networks import TwoLayerNet
from robustlib.samples import Sample, hexagon

F64 = torch.float64
Patch = pytest.MonkeyPatch


def failed(id: str, why: str = "the measurement contradicts") -> Evidence:
    """The evidence of a claim that has to fail, by a decision and not by an error."""
    verdict = check(id, budget="smoke")
    assert verdict.status == FAILS, verdict
    assert verdict.reason.startswith(why)
    assert verdict.evidence is not None
    return verdict.evidence


# --- decisions ---------------------------------------------------------------------------------


def test_a_search_that_takes_more_nodes_than_promised(monkeypatch: Patch) -> None:
    """A quarter more than 2^(k+1) - 1 for f and as many for -f."""
    undecided: list[int] = []
    by_patterns = chapter02_search._range_by_patterns
    searched = chapter02_search._searched

    def noted(*arguments: Any) -> Any:
        found = by_patterns(*arguments)
        undecided.append(found[1])
        return found

    def longer(*arguments: Any) -> Any:
        limits = torch.tensor([2 * (2.0 ** (k + 1) - 1) for k in undecided[-2:]])
        return replace(searched(*arguments), nodes=1.25 * limits)

    monkeypatch.setattr(chapter02_search, "_range_by_patterns", noted)
    monkeypatch.setattr(chapter02_search, "_searched", longer)
    assert failed("branch-and-bound").measured.endswith("1.2 times the limit")


def test_angles_further_off_than_their_bound(monkeypatch: Patch) -> None:
    monkeypatch.setattr(chapter04_points, "_angle_shares", lambda seeds: (1.01, 1.0))
    assert failed("angle-form").ratio == 1.0


@pytest.mark.parametrize(("share", "kept"), [(0.99, "always"), (1.01, "not always")])
def test_a_gram_that_falls_by_a_share_of_what_is_allowed(
    share: float, kept: str, monkeypatch: Patch
) -> None:
    """Weights R away may take 2 C_0 C_1 R/sqrt(m) from each entry, n times that from the least."""
    flow, gelu, radius = chapter04_training_flow, ACTIVATIONS["gelu"], 100.0
    allowed = 6 * 2 * gelu.slope * gelu.curvature * radius / math.sqrt(2048)
    limit = float(torch.linalg.eigvalsh(ntk(hexagon().x, activation="gelu"))[0])

    def stays(net: TwoLayerNet, sample: Sample, *_: object, **how: object) -> SimpleNamespace:
        weights = {"weight": net.initial.expand(flow.STEPS, -1, -1)}
        drift = torch.full((flow.STEPS,), radius)
        attacked = sample.x.expand(flow.STEPS, -1, -1)
        return SimpleNamespace(attacked=attacked, weights=weights, drift=drift)

    fallen = SimpleNamespace(least=limit - share * allowed)
    monkeypatch.setattr(flow, "run", stays)
    monkeypatch.setattr(flow, "robust_gram", lambda net, x: fallen)
    monkeypatch.setattr(flow, "empirical_ntk", lambda net, x: ntk(x, activation="gelu"))
    monkeypatch.setattr(flow, "_one_row", lambda: 0.9)
    assert f"the inequality {kept};" in failed("robust-gram").measured


def test_a_change_of_the_gradient_that_is_not_the_formula(monkeypatch: Patch) -> None:
    right = chapter05_ball.gradient_changes
    monkeypatch.setattr(chapter05_ball, "gradient_changes", lambda *p: 0.999 * right(*p))
    failed("deep-worst-case")


def test_an_adversary_that_is_no_worse_than_training(monkeypatch: Patch) -> None:
    """With her slope at the smooth exponent, the control passes and proves nothing."""
    fits = Slope([-0.52, -0.5, -0.5, -0.48])
    monkeypatch.setattr(chapter05_convexity, "slopes_of", lambda *p: [fits])
    monkeypatch.setattr(chapter05_convexity, "relu_and_gelu", lambda *p: [fits, fits])
    assert failed("deep-linearisation", "the control passes").control.holds


def test_a_slow_game_above_the_bound(monkeypatch: Patch) -> None:
    """All else as it should be: regret 0, but 1000 for the attack that leaves the sets."""
    module, exact = chapter06_comparator, SimpleNamespace(value=0.0)
    above = SimpleNamespace(surrogate_loss=torch.tensor([1 - 2 / 5 + 1.01 * 2 / 5]))
    monkeypatch.setattr(module, "slow_game", lambda *p: above)
    monkeypatch.setattr(module, "comparator", lambda *p: exact)
    monkeypatch.setattr(module, "_tuned", lambda *p: 1000.0 if 300 in p else 0.0)
    monkeypatch.setattr(module, "exponents", lambda *p: Slope([-0.51, -0.5, -0.5, -0.49]))
    assert failed("any-attack").ratio == pytest.approx(1.01)


def test_spectra_that_lack_another_degree(monkeypatch: Patch) -> None:
    spectrum = SimpleNamespace(missing_degrees=(99,))
    monkeypatch.setattr(chapter08_parity, "kernel_spectrum", lambda *p, **how: spectrum)
    assert "not all spectra as predicted" in failed("parity").measured


def test_a_lower_bound_above_the_norm_of_two_points(monkeypatch: Patch) -> None:
    monkeypatch.setattr(chapter09_norms, "pair_share", lambda kernel: 1.01)
    assert "lower bound 1.01 of the norm" in failed("gap-norm").measured


def test_rows_longer_than_possible(monkeypatch: Patch) -> None:
    monkeypatch.setattr(chapter10_layer, "rival", lambda d, m, steps: 1.01 * math.sqrt(m / d))
    found = failed("first-layer")
    assert "SOME rival above sqrt(m/d)" in found.measured
    d, m = zip(*chapter10_layer.SIZES, strict=True)
    assert f"d = {min(d)} to {max(d)}, m = {min(m)} to {max(m)}" in found.ran


@pytest.mark.parametrize("outputs", [[-1.0, 1.0], [1.0, 0.0]], ids=["wrong", "zero"])
def test_a_net_is_right_where_every_sign_is(outputs: list[float]) -> None:
    points = chapter10_search.Points(torch.zeros(2, 1, dtype=F64), torch.ones(2, dtype=F64))

    def found(values: list[float] | None) -> Narrowest:
        net = nn.Module()
        net.forward = lambda x: torch.tensor(values, dtype=F64)  # type: ignore[method-assign]
        return Narrowest(1, 1, net if values else None, 0, None, "")

    assert chapter10_search.right(found(None), points)
    assert chapter10_search.right(found([0.5, 2.0]), points)
    assert not chapter10_search.right(found(outputs), points)


# --- pieces ------------------------------------------------------------------------------------


def test_widths_rise_and_suit_pairs_of_units() -> None:
    """In every budget: a slope needs the one, a net with twins the other."""
    names = {f"{chapter11.__package__}.{name}" for name in ("widths", "depths")}
    seen = []
    for name in sorted(names | {found.run.__module__ for found in claims()}):
        for key, table in vars(importlib.import_module(name)).items():
            if key.endswith(("WIDTHS", "DRAWN")) and isinstance(table, dict):
                seen += [(name, key, row) for row in table.values()]
    assert len(seen) >= 15
    for name, key, row in seen:
        assert list(row) == sorted(set(row)), (name, key)
        assert all(width % 2 == 0 for width in row), (name, key)


def mean_over_positive(function: Callable[[torch.Tensor], torch.Tensor]) -> float:
    """E[function(z) 1(z > 0)] for a standard normal z, by Gauss-Legendre quadrature on (0, 12)."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    z = torch.from_numpy(6 * (nodes + 1))
    density = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return float(torch.from_numpy(6 * weights) @ (function(z) * density))


@pytest.mark.parametrize("k", [1, 3, 5, 7, 9])
def test_coefficients_of_the_step(k: int) -> None:
    mean = mean_over_positive(lambda z: chapter13_width.hermite(k, z))
    assert chapter13_width.step_coefficient(k) == pytest.approx(mean, rel=1e-10)


def test_the_hexagon_in_whole_numbers_is_an_image_of_the_hexagon() -> None:
    image, corners = chapter11.hexagon_in_whole_numbers(), hexagon()
    ones = torch.ones(6, 1, dtype=F64)
    affine = torch.linalg.lstsq(torch.cat([corners.x, ones], 1), image.x).solution
    assert torch.allclose(torch.cat([corners.x, ones], 1) @ affine, image.x, atol=1e-12)
    assert torch.linalg.matrix_rank(affine[:2]) == 2
    assert torch.equal(image.y, corners.y)
    assert set(image.x.flatten().tolist()) == {-1.0, 0.0, 1.0}


def test_no_affine_function_knows_anything_of_the_crossing() -> None:
    crossing = chapter13_width.crossing()
    assert set(crossing.y.tolist()) == {-1.0, 1.0}
    assert float(crossing.y.sum()) == 0.0
    assert torch.equal(crossing.y @ crossing.x, torch.zeros(2, dtype=F64))


def test_what_a_net_keeps_besides_its_weights_moves_along() -> None:
    class Keeps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2))
            self.target, self.lists = torch.ones(3), [torch.ones(1), (torch.ones(1), "word")]

    here = Keeps()
    there = moved(here, torch.device("meta"))
    places = [there.weight, there.target, there.lists[0], there.lists[1][0]]
    assert [part.device.type for part in places] == ["meta"] * 4
    assert isinstance(there.weight, nn.Parameter)
    assert there.lists[1][1] == "word"
    assert here.target.device.type == "cpu"


def test_small_problems_lie_in_the_plane() -> None:
    """Those of odd seeds at five different places of a grid of nine."""
    problems = [chapter10_search.small_problem(seed) for seed in range(6)]
    assert all(points.x.shape == (5, 2) for points in problems)
    assert all(set(points.y.tolist()) <= {-1.0, 1.0} for points in problems)
    for points in problems[1::2]:
        places = {tuple(row) for row in points.x.tolist()}
        assert len(places) == 5
        assert places <= {(float(i), float(j)) for i in range(3) for j in range(3)}
