"""Flows of losses with kinks, in pieces, and flows that are stiff: the right values in time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from scipy import integrate
from torch import Tensor

from robustlib.kernels import kernel_flow, kernel_regression, ntk
from robustlib.kernels.flow import _plain, _Problem, _stiff
from robustlib.losses import Hinge, LogCosh, Logistic, Loss, PseudoHuber
from robustlib.samples import digits, hexagon, sphere

F64 = torch.float64
TWO = torch.tensor([[2.0, 1.0], [1.0, 1.0]], dtype=F64), torch.tensor([1.0, -1.0], dtype=F64)


def test_the_hinge_on_two_points_is_known_in_closed_form() -> None:
    """The first margin rises at 1/2 to 1 at t = 2 and stays; then the second, at 1/4, until 6."""
    found = kernel_flow(*TWO, loss=Hinge(), times=[0, 1, 2, 4, 5, 6, 7, 1e9])
    first, second = [0, 0.5, 1, 1, 1, 1, 1, 1], [0, 0, 0, -0.5, -0.75, -1, -1, -1]
    wanted = torch.tensor([first, second], dtype=F64).T
    torch.testing.assert_close(found.outputs, wanted, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.losses, (1 - wanted * TWO[1]).mean(1), rtol=0, atol=1e-12)
    # c' = y s/n with s = (1, 1), then (1/2, 1), then (0, 0)
    wanted = torch.tensor([[1.0, -1], [1.75, -2.5], [2, -3]], dtype=F64)
    torch.testing.assert_close(found.coefficients[[2, 4, 7]], wanted, rtol=0, atol=1e-12)


def test_a_margin_that_others_drag_down_is_left_behind() -> None:
    """Pushes (1, 1, 1) until two margins are 1 at t = 3; of these one falls, and rises later.

    From 3 on they are (1, 1/2, 1), from 4.5 on (1, 0, 2/3), and 0 from 6 on. Between, the margin
    that is below 1 after having been at 1 is pushed with all that there is.
    """
    K = torch.tensor([[6.0, -3, -8], [-3, 2, 4], [-8, 4, 12]], dtype=F64)
    y = torch.tensor([-1.0, 1, -1], dtype=F64)
    found = kernel_flow(K, y, loss=Hinge(), times=[1.5, 3, 4.5, 6, 1e6])
    margins = [[1 / 2, 1 / 2, 0], [1, 1, 0], [3 / 4, 1, 1], *[[1, 9 / 8, 1]] * 2]
    wanted = torch.tensor(margins, dtype=F64)
    torch.testing.assert_close(found.outputs * y, wanted, rtol=0, atol=1e-12)


def slow(K: Tensor, y: Tensor, loss: Loss, time: float, count: int) -> Tensor:
    """Outputs after ``count`` small explicit steps."""
    f = torch.zeros_like(y)
    for _ in range(count):
        f = f - time / count * (K @ loss.derivative(f, y)) / len(y)
    return f


PROBLEMS = {
    "digits": lambda: (ntk(digits(n=12).x), digits(n=12).y),
    "few dimensions": lambda: (ntk(sphere(9, 2, seed=3).x), sphere(9, 2, seed=3).y),
    "rank two": lambda: (hexagon().x @ hexagon().x.T, hexagon().y),
    "points that contradict": lambda: (
        ntk(hexagon().x[[0, 0, 1, 2]]),
        torch.tensor([1.0, -1, 1, -1], dtype=F64),
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_hinge_is_what_tiny_steps_tend_to(name: str) -> None:
    K, y = PROBLEMS[name]()
    times = [3.0, 20.0, 60.0]
    found = kernel_flow(K, y, loss=Hinge(), times=times)
    for time, f in zip(times, found.outputs, strict=True):
        # sliding along a kink costs a step's length, and no more
        for count in (1000, 4000):
            apart = float((slow(K, y, Hinge(), time, count) - f).abs().max())
            assert apart <= 0.5 * time / count
    torch.testing.assert_close(found.outputs, found.coefficients @ K)
    torch.testing.assert_close(found.losses, Hinge()(found.outputs, y).mean(1))


def test_the_hinge_ends_where_nothing_can_be_gained() -> None:
    sample = digits(n=40)
    K = ntk(sample.x)
    late = kernel_flow(K, sample.y, loss=Hinge(), times=[0, 1, 10, 1e2, 1e3, 1e7])
    assert bool((late.losses.diff() <= 0).all())
    assert float(late.losses[-1]) < 1e-12
    margins = late.outputs[-1] * sample.y
    assert float(margins.min()) == pytest.approx(1, abs=1e-9)
    # the norm: never more than that of the interpolant of margins at 1 for which all must pay
    c = late.coefficients[-1]
    assert float(c @ K @ c) <= 4 * kernel_regression(K, sample.y).norm ** 2
    one = kernel_flow(K[:1, :1], sample.y[:1], loss=Hinge(), times=[0.5, 1e9])
    assert one.outputs[0].item() == pytest.approx(0.5 * float(K[0, 0] * sample.y[0]))
    assert abs(one.outputs[1].item()) == pytest.approx(1, abs=1e-12)


def test_pieces_of_the_hinge_are_limited_and_counted(dtype: torch.dtype) -> None:
    sample = digits(n=20)
    K = ntk(sample.x)
    with pytest.raises(ValueError, match=r"took steps=3 steps to time .* of 1e\+07: ask for earl"):
        kernel_flow(K, sample.y, loss=Hinge(), times=[1e7], steps=3)
    found = kernel_flow(K.to(dtype), sample.y.to(dtype), loss=Hinge(), times=[60.0])
    assert found.outputs.dtype == dtype
    exact = kernel_flow(K, sample.y, loss=Hinge(), times=[60.0]).outputs
    torch.testing.assert_close(found.outputs.double(), exact, rtol=0, atol=1e-5)


# --- stiff -------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [PseudoHuber(), LogCosh(), Logistic()], ids=repr)
def test_implicit_and_explicit_steps_agree(loss: Loss) -> None:
    sample = hexagon()
    K, times = ntk(sample.x), np.array([0.0, 1.0, 1.0, 300.0, 3000.0])
    rate = float(torch.linalg.eigvalsh(K)[-1]) / 6
    found = _stiff(_Problem(K, sample.y, loss, rate, 5000), times)
    other = _plain(K, sample.y, loss, times, 5000)
    np.testing.assert_allclose(found @ K.numpy(), other @ K.numpy(), rtol=0, atol=1e-8)


@pytest.mark.parametrize(("scale", "time"), [(1.0, 1e7), (1e6, 1e3)])
def test_late_times_and_large_kernels_cost_no_more(scale: float, time: float) -> None:
    """One point: PseudoHuber's flow f' = k r/sqrt(1 + r^2) with r = y - f, and a logistic one."""
    y = torch.ones(1, dtype=F64)
    K = torch.full((1, 1), scale, dtype=F64)
    found = kernel_flow(K, y, loss=Logistic(), times=[time])
    # f' = k sigmoid(-f): f + exp(f) = k t + 1
    f = float(found.outputs[0, 0])
    assert f + math.exp(f) == pytest.approx(scale * time + 1, rel=1e-7)
    end = kernel_flow(K, y, loss=PseudoHuber(), times=[time])
    assert float(end.outputs[0, 0]) == pytest.approx(1, abs=1e-9)
    # and many points, at the end of it
    sample = hexagon()
    whole = kernel_flow(scale * ntk(sample.x), sample.y, loss=PseudoHuber(), times=[time])
    torch.testing.assert_close(whole.outputs[0], sample.y, rtol=0, atol=1e-8)


def test_so_many_steps_are_taken_and_no_more() -> None:
    sample, taken = hexagon(), 0

    class Counted(integrate.Radau):  # type: ignore[misc]
        def step(self) -> str | None:
            nonlocal taken
            taken += 1
            found: str | None = super().step()
            return found

    problem = _Problem(ntk(sample.x), sample.y, PseudoHuber(), 1.0, 7)
    with pytest.raises(ValueError, match="took steps=7 steps"):
        problem.solved(Counted, np.array([1e7]), 1e-10)
    assert taken == 7


def test_a_flow_beyond_all_steps_says_so() -> None:
    sample = hexagon()
    K = ntk(sample.x)
    with pytest.raises(ValueError, match=r"took steps=50 steps to time .* of 1e\+07"):
        kernel_flow(K, sample.y, loss=Logistic(), times=[1e7], steps=50)
    with pytest.raises(ValueError, match=r"took steps=2 steps"):
        kernel_flow(K, sample.y, loss=Logistic(), times=[100.0], steps=2)
    with pytest.raises(ValueError, match=r"could not be integrated to time 1 .*e\+159.*scale K"):
        kernel_flow(1e160 * K, sample.y, loss=PseudoHuber(), times=[1.0])
    with pytest.raises(ValueError, match="steps must be at least 1"):
        kernel_flow(K, sample.y, loss=Hinge(), times=[1.0], steps=0)


@dataclass(frozen=True)
class Absolute:
    """|f - y|, a loss of a user's own whose kinks the library does not know."""

    lipschitz: ClassVar[float] = 1.0
    smoothness: ClassVar[float | None] = None
    zero_at_label: ClassVar[bool] = True

    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        return (f - y).abs()

    def derivative(self, f: Tensor, y: Tensor) -> Tensor:
        return (f - y).sign()


def test_kinks_of_a_loss_of_ones_own_end_in_a_sentence() -> None:
    early = kernel_flow(*TWO, loss=Absolute(), times=[1.0])  # before any kink
    torch.testing.assert_close(early.outputs[0], torch.tensor([0.5, 0.0], dtype=F64))
    with pytest.raises(ValueError, match=r"took steps=500 steps to time"):
        kernel_flow(*TWO, loss=Absolute(), times=[5.0], steps=500)
