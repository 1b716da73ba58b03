from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Decimal, localcontext

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tables import LOSSES
from torch import Tensor

from robustlib.losses import Hinge, Logistic, Loss, check_loss

each_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)


# The definitions, in 100-digit decimal arithmetic: no trick for accuracy is needed there.
def _log_cosh(r: Decimal) -> Decimal:
    return ((r.exp() + (-r).exp()) / 2).ln()


EXACT: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "PseudoHuber": lambda f, y: (1 + (f - y) ** 2).sqrt() - 1,
    "LogCosh": lambda f, y: _log_cosh(f - y),
    "Logistic": lambda f, y: (1 + (-y * f).exp()).ln(),
    "Hinge": lambda f, y: max(Decimal(0), 1 - y * f),
}
EXACT_SLOPE: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "PseudoHuber": lambda f, y: (f - y) / (1 + (f - y) ** 2).sqrt(),
    "LogCosh": lambda f, y: (1 - (-2 * (f - y)).exp()) / (1 + (-2 * (f - y)).exp()),
    "Logistic": lambda f, y: -y / (1 + (y * f).exp()),
    "Hinge": lambda f, y: -y if y * f < 1 else Decimal(0),
}
# Differences f - y that span everything, and the places where an implementation may switch.
SIZES = [1e-30, 1e-8, 1e-4, 0.01, 0.3, 0.999, 1.0, 1.001, 3.0, 19.9, 60.0, 1e4, 1e8]


def exact(table: dict[str, Callable[[Decimal, Decimal], Decimal]], loss: Loss, f: Tensor) -> Tensor:
    """The reference at outputs ``f``, y = 0 for losses of f - y and y = 1 for those of y f."""
    y = Decimal(0 if loss in LOSSES[:2] else 1)
    with localcontext() as context:
        context.prec, context.Emax, context.Emin = 100, MAX_EMAX, MIN_EMIN
        values = [float(table[type(loss).__name__](Decimal(v), y)) for v in f.double().tolist()]
    return torch.tensor(values, dtype=torch.float64)


@each_loss
def test_value_and_derivative_have_all_digits(loss: Loss, dtype: torch.dtype) -> None:
    f = torch.tensor([s * v for v in SIZES for s in (1, -1)], dtype=torch.float64).to(dtype)
    y = torch.zeros_like(f) if loss in LOSSES[:2] else torch.ones_like(f)
    rtol = 1e-6 if dtype == torch.float32 else 1e-14
    tiny = torch.finfo(dtype).tiny  # what underflows, exp(-1e4) say, may be 0
    for got, want in (
        (loss(f, y), exact(EXACT, loss, f)),
        (loss.derivative(f, y), exact(EXACT_SLOPE, loss, f)),
    ):
        assert got.dtype == dtype
        torch.testing.assert_close(got.double(), want, rtol=rtol, atol=tiny)


def test_logistic_has_all_digits_between_20_and_40() -> None:
    f = -torch.tensor([20.1, 25.0, 33.0, 39.9, 40.1], dtype=torch.float64).requires_grad_()
    y = torch.ones(5, dtype=torch.float64)
    value = Logistic()(f, y)
    (slope,) = torch.autograd.grad(value.sum(), f)
    for got, table in ((value, EXACT), (slope, EXACT_SLOPE)):
        want = exact(table, Logistic(), f.detach())
        torch.testing.assert_close(got.detach(), want, rtol=1e-14, atol=0)


@each_loss
def test_derivative_agrees_with_autograd(loss: Loss) -> None:
    values = [s * v for v in [*SIZES, 0.0, 2.0] for s in (1, -1)]
    f = torch.tensor(values * 2, dtype=torch.float64).requires_grad_()
    y = torch.tensor([1.0] * len(values) + [-1.0] * len(values), dtype=torch.float64)
    (gradient,) = torch.autograd.grad(loss(f, y).sum(), f)
    torch.testing.assert_close(loss.derivative(f.detach(), y), gradient, rtol=1e-13, atol=1e-15)


@each_loss
def test_derivative_agrees_with_finite_differences(loss: Loss) -> None:
    f = torch.linspace(-6, 6, 53, dtype=torch.float64) + 0.013  # off the hinge's kink
    for y in (torch.ones_like(f), -torch.ones_like(f)):
        h = 1e-6
        slope = (loss(f + h, y) - loss(f - h, y)) / (2 * h)
        torch.testing.assert_close(loss.derivative(f, y), slope, rtol=1e-8, atol=1e-9)


FLOATS = st.floats(-1e6, 1e6)


@each_loss
@given(f=FLOATS, g=FLOATS, y=st.sampled_from([-1.0, 1.0]))
def test_convex_lipschitz_smooth_and_not_negative(loss: Loss, f: float, g: float, y: float) -> None:
    fs, gs, ys = (torch.tensor([v], dtype=torch.float64) for v in (f, g, y))
    at_f, at_g = loss(fs, ys), loss(gs, ys)
    slope_f, slope_g = loss.derivative(fs, ys), loss.derivative(gs, ys)
    rounding = 1e-14 * (1 + abs(f) + abs(g))
    assert bool(at_f >= 0)
    assert bool(at_g >= at_f + slope_f * (gs - fs) - rounding)  # above its tangents: convex
    assert bool((at_f - at_g).abs() <= loss.lipschitz * abs(f - g) + rounding)
    assert bool(slope_f.abs() <= loss.lipschitz)
    if loss.smoothness is not None:
        assert bool((slope_f - slope_g).abs() <= loss.smoothness * abs(f - g) + 1e-15)


@each_loss
def test_constants_are_the_best_ones(loss: Loss) -> None:
    f = torch.linspace(-40, 40, 80_001, dtype=torch.float64)
    slope = loss.derivative(f, torch.ones_like(f))
    assert float(slope.abs().max()) > 0.999 * loss.lipschitz
    steepest = float((slope.diff() / f.diff()).max())
    if loss.smoothness is None:
        assert steepest > 999  # a jump of 1 within one step of 0.001
    else:
        assert 0.999 * loss.smoothness < steepest <= loss.smoothness * (1 + 1e-9)


@each_loss
def test_zero_at_label_says_whether_it_is(loss: Loss) -> None:
    y = torch.tensor([1.0, -1.0], dtype=torch.float64)
    zero = torch.equal(loss(y, y), torch.zeros(2, dtype=torch.float64))
    assert zero == loss.zero_at_label
    for margin in torch.linspace(0.1, 5, 50, dtype=torch.float64):  # and wrong labels cost
        assert bool((loss(-margin * y, y) > loss(y, y)).all())


@each_loss
def test_shape_dtype_and_device_stay(loss: Loss, device: torch.device, dtype: torch.dtype) -> None:
    for n in (0, 1, 5):
        f = torch.linspace(-2, 2, n, dtype=dtype).to(device)
        for out in (loss(f, torch.ones_like(f)), loss.derivative(f, torch.ones_like(f))):
            assert (out.shape, out.dtype, out.device) == (f.shape, f.dtype, f.device)


# --- labels: what follows failed at commit 62c29f0 ------------------------------------------------


@pytest.mark.parametrize("loss", [Logistic(), Hinge()], ids=repr)
def test_losses_of_margins_refuse_other_labels(loss: Loss) -> None:
    """0 cost log 2 or 1 whatever the output was, and unsigned labels wrapped round."""
    f = torch.tensor([2.0, -2.0])
    good = torch.tensor([1.0, -1.0])
    for bad in (torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]), torch.tensor([1.0, torch.nan])):
        for call in (loss, loss.derivative):
            assert torch.equal(call(f, good), call(f, good.clone()))
            with pytest.raises(ValueError, match=r"-1 and \+1 only, got .*2 \* y"):
                call(f, bad)
    with pytest.raises(ValueError, match=r"y must have entries -1 and \+1 only, got 0"):
        loss(f, 0.0)  # type: ignore[arg-type]
    assert torch.equal(loss(f, good.long()), loss(f, good))
    good[0] = 0.0  # the tensor that was right a moment ago
    with pytest.raises(ValueError, match=r"only, got 0"):
        loss(f, good)


def test_labels_that_a_view_leaves_out_do_not_count() -> None:
    held = torch.tensor([1.0, 0.0, -1.0])
    assert Hinge()(torch.zeros(2), held[::2]).tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match=r"only, got 0"):
        Hinge()(torch.zeros(2), held[1:])


def test_labels_are_looked_at_once_in_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    y, f = torch.tensor([1.0, -1.0]), torch.zeros(2)
    Logistic()(f, y)
    monkeypatch.setattr(Tensor, "abs", None)  # what a second look would need
    Logistic()(f, y)
    Logistic().derivative(f[:, None], y[:, None])


@each_loss
def test_labels_without_a_minus_one_are_named(loss: Loss) -> None:
    for dtype in (torch.uint8, torch.bool):
        with pytest.raises(TypeError, match="y must be a tensor of floats like f, got torch"):
            loss(torch.zeros(2), torch.ones(2, dtype=dtype))
    with pytest.raises(TypeError, match=r"f must be a tensor of floats, got torch\.int64"):
        loss(torch.zeros(2).long(), torch.ones(2))


def test_losses_can_be_vectorised() -> None:
    f, y = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), torch.ones(3, 4)
    each = torch.func.vmap(Hinge())(f, y)
    assert torch.equal(each, Hinge()(f, y))


@each_loss
@pytest.mark.parametrize(
    ("outputs", "labels"), [((3, 2), (1, 2)), ((3, 2), (3, 5)), ((3,), (3, 1)), ((2, 3), (2,))]
)
def test_labels_of_another_shape_are_refused(
    loss: Loss, outputs: tuple[int, ...], labels: tuple[int, ...]
) -> None:
    for call in (loss, loss.derivative):
        with pytest.raises(ValueError, match=r"y must have shape .* like f, got"):
            call(torch.zeros(outputs), torch.ones(labels))


# --- losses of one's own --------------------------------------------------------------------------


@dataclass(frozen=True)
class Tilted:
    """A max(y - f, 0) + B max(f - y, 0), which says of itself what it is told to; labels -1, +1."""

    down: float = 1.0
    up: float = 2.0
    lipschitz: float = 2.0
    smoothness: float | None = None
    zero_at_label: bool = True
    at_label: float = 0.0
    slope_off: float = 0.0

    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        assert bool((y.abs() == 1).all())
        return self.down * torch.relu(y - f) + self.up * torch.relu(f - y) + self.at_label

    def derivative(self, f: Tensor, y: Tensor) -> Tensor:
        slope = torch.where(f < y, -self.down, torch.where(f > y, self.up, 0.0)).to(f.dtype)
        return slope + self.slope_off


class Unhashable(Tilted):
    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (Tilted(lipschitz=1.5), r"of lipschitz 1\.5; it is not near f = -0\.9\d*, y = -1"),
        (Tilted(up=-2.0), "convex, with this derivative"),
        (Tilted(slope_off=1e-4, lipschitz=3.0), "convex, with this derivative"),
        (Tilted(slope_off=-1e-4, lipschitz=3.0), "convex, with this derivative"),
        (Tilted(smoothness=10.0), "of smoothness 10; it is not near f = -1"),
        (Tilted(at_label=1e-3), "zero_at_label"),
    ],
    ids=["lipschitz", "concave", "steeper", "flatter", "jumps", "costs at its label"],
)
def test_a_loss_that_is_not_what_it_says_is_refused(loss: Tilted, message: str) -> None:
    for kind in (Tilted, Unhashable):
        with pytest.raises(ValueError, match=f"loss must be {message}"):
            check_loss(kind(*vars(loss).values()))


@pytest.mark.parametrize("kind", [Tilted, Unhashable])
def test_a_loss_that_is_what_it_says_is_taken(kind: type[Tilted]) -> None:
    check_loss(kind())
    check_loss(kind(at_label=1.0, zero_at_label=False))
    check_loss(kind(smoothness=60.0))  # a jump is no more than that over one step of the grid
    check_loss(kind(1e6, 2e6, lipschitz=2e6))


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (Tilted, "loss must be a loss such as PseudoHuber"),
        (torch.nn.functional.mse_loss, "loss must be a loss such as PseudoHuber"),
        (Tilted(lipschitz=-1.0), "loss.lipschitz must be at least 0"),
        (Tilted(smoothness=-1.0), "loss.smoothness must be at least 0"),
        (Tilted(zero_at_label="no"), "loss.zero_at_label must be True or False"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_loss_is_named(loss: object, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        check_loss(loss)


def test_facts_that_a_loss_does_not_say_are_named() -> None:
    class Silent:
        smoothness = None

        def __call__(self, f: Tensor, y: Tensor) -> Tensor:
            return f - y

        derivative = __call__

    with pytest.raises(TypeError, match="loss must say its lipschitz, zero_at_label, got"):
        check_loss(Silent())
