"""Solves and flows against other solvers, their limits, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from scipy import linalg
from sklearn.kernel_ridge import KernelRidge
from torch import Tensor

from robustlib.kernels import empirical_ntk, kernel_flow, kernel_regression, ntk
from robustlib.kernels.gram import check_gram
from robustlib.losses import LogCosh, Logistic, Loss, PseudoHuber
from robustlib.networks import TwoLayerNet, linearize
from robustlib.online import best_in_ball
from robustlib.samples import hexagon
from robustlib.sets import SphereCap


def problem(n: int = 30, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """A Gram matrix, a kernel to 5 new points, and labels."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n + 5, 4, dtype=torch.float64, generator=generator)
    x /= x.norm(dim=1, keepdim=True)
    y = torch.where(torch.arange(n) % 2 == 0, 1.0, -1.0)
    return ntk(x[:n]).to(dtype), ntk(x[n:], x[:n]).to(dtype), y.to(dtype)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_regression_is_that_of_scikit_learn(ridge: float, device: torch.device) -> None:
    K, cross, y = problem()
    found = kernel_regression(K.to(device), y.to(device), ridge=ridge)
    peer = KernelRidge(alpha=max(ridge, 1e-300), kernel="precomputed").fit(K.numpy(), y.numpy())
    torch.testing.assert_close(
        found.coefficients.cpu(), torch.from_numpy(peer.dual_coef_), rtol=1e-9, atol=1e-10
    )
    torch.testing.assert_close(
        found(cross.to(device)).cpu(),
        torch.from_numpy(peer.predict(cross.numpy())),
        rtol=1e-9,
        atol=1e-10,
    )
    assert found.residual < 1e-13
    assert found.norm == pytest.approx(
        math.sqrt(float(found.coefficients.cpu() @ K @ found.coefficients.cpu()))
    )


def test_the_condition_number_is_that_of_the_1_norm() -> None:
    for n in (1, 2, 10, 60):
        K, _, y = problem(n)
        found = kernel_regression(K, y, ridge=1e-4)
        regular = K + 1e-4 * torch.eye(n)
        exact = linalg.norm(regular.numpy(), 1) * linalg.norm(linalg.inv(regular.numpy()), 1)
        assert exact / 3 <= found.condition <= exact * (1 + 1e-9)
        assert found.digits == pytest.approx(15.65 - math.log10(found.condition), abs=0.1)


def test_ridge_shrinks_the_norm_and_interpolation_needs_none() -> None:
    K, _, y = problem()
    free, held = kernel_regression(K, y), kernel_regression(K, y, ridge=1.0)
    torch.testing.assert_close(free(K), y, rtol=1e-10, atol=1e-10)
    assert held.norm < free.norm
    assert free.ridge == 0


def test_float32_solves_are_made_in_float64() -> None:
    K, cross, y = problem(dtype=torch.float32)
    single = kernel_regression(K, y, ridge=0.01)
    double = kernel_regression(K.double(), y.double(), ridge=0.01)
    assert single.coefficients.dtype == torch.float32
    torch.testing.assert_close(single.coefficients, double.coefficients.float())
    assert single.digits < double.digits - 8
    assert single(cross).dtype == torch.float32


def test_a_solve_that_means_nothing_is_refused_in_words_with_the_number() -> None:
    K, _, y = problem(20)
    doubled = K[:, torch.arange(40) % 20][torch.arange(40) % 20]
    labels = torch.cat([y, -y])
    with pytest.raises(ValueError, match=r"K \+ ridge I .*\d.*use a ridge of at least"):
        kernel_regression(doubled, labels)
    assert kernel_regression(doubled, labels, ridge=0.1).residual < 1e-12
    # near-duplicates in float32: Cholesky succeeds in float64, the answer is noise all the same
    x = torch.linspace(0, 1e-3, 20, dtype=torch.float64)
    line = torch.stack([x.cos(), x.sin()], dim=1)
    smooth = ntk(line, activation="gelu").float()
    with pytest.raises(ValueError, match=r"rounding in float32|not positive definite"):
        kernel_regression(smooth, torch.ones(20))
    eye = torch.diag(torch.logspace(0, -7, 20, dtype=torch.float64)).float()
    with pytest.raises(ValueError, match=r"condition number above 8e\+05.*float32.*float64"):
        kernel_regression(eye, torch.ones(20))


def test_the_ridge_that_is_proposed_is_enough() -> None:
    K, _, y = problem(20)
    doubled = K[:, torch.arange(40) % 20][torch.arange(40) % 20]
    for dtype in (torch.float32, torch.float64):
        with pytest.raises(ValueError, match="use a ridge of at least") as caught:
            kernel_regression(doubled.to(dtype), torch.cat([y, -y]).to(dtype))
        ridge = float(str(caught.value).split("at least ")[1].split()[0])
        kernel_regression(doubled.to(dtype), torch.cat([y, -y]).to(dtype), ridge=ridge)


def test_all_that_take_a_kernel_matrix_refuse_what_is_none_by_one_sentence() -> None:
    K, _, y = problem(6)
    x = hexagon().x
    one, wide = K.clone(), K[:, :5]
    one[0, 1] += 1e-3
    bad = {
        "entries that differ by 0.001 from": one,
        "eigenvalues from -": K - torch.eye(6),
        "eigenvalues from -1": -torch.eye(6, dtype=torch.float64),
    }

    def ball(matrix: Tensor) -> object:
        """The kernel with this matrix at the six points of the hexagon."""

        def kernel(a: Tensor, b: Tensor) -> Tensor:
            rows, columns = (torch.cdist(points, x).argmin(1) for points in (a, b))
            return matrix[rows][:, columns]

        return best_in_ball(
            kernel, hexagon(), perturbation=SphereCap(0.0), radius=1.0, loss=PseudoHuber()
        )

    calls: list[Callable[[Tensor], object]] = [
        lambda m: kernel_regression(m, y),
        lambda m: kernel_regression(m, y, ridge=10.0),
        lambda m: kernel_flow(m, y, loss="squared", times=[1.0]),
        lambda m: kernel_flow(m, y, loss=PseudoHuber(), times=[1.0]),
        ball,
    ]
    sentence = r"must be a kernel matrix: square, symmetric and positive semidefinite, got "
    for call in calls:
        call(K)
        for seen, matrix in bad.items():
            with pytest.raises(ValueError, match=sentence + seen):
                call(matrix)
        with pytest.raises(ValueError, match="must be finite, got 1 NaN"):
            call(torch.where(torch.arange(36).reshape(6, 6) == 7, math.nan, K))
    for call in calls[:4]:
        with pytest.raises(ValueError, match=sentence + r"shape \(6, 5\)"):
            call(wide)


def test_float32_matrices_are_refused_for_more_than_rounding() -> None:
    with pytest.raises(ValueError, match=r"got entries that differ by 0\.001 from their mirror"):
        check_gram("K", torch.tensor([[2.0, 1.001], [1.0, 2.0]]))
    with pytest.raises(ValueError, match="got eigenvalues from -1 to 3"):
        check_gram("K", torch.tensor([[1.0, 2.0], [2.0, 1.0]]))


def test_rounding_makes_no_kernel_matrix_of_another_kind() -> None:
    for dtype in (torch.float32, torch.float64):
        generator = torch.Generator().manual_seed(0)
        for rank in (1, 3, 40):  # eigenvalues that are 0 but for rounding
            rows = torch.randn(40, rank, dtype=dtype, generator=generator)
            check_gram("K", rows @ rows.T)
            values = torch.linalg.eigvalsh((rows @ rows.T).double())
            lowered = rows @ rows.T - 1e3 * torch.finfo(dtype).eps * values[-1] * torch.eye(40)
            if rank < 40:
                with pytest.raises(ValueError, match="got eigenvalues from -"):
                    check_gram("K", lowered.to(dtype))
    check_gram("K", torch.zeros(3, 3))
    check_gram("K", torch.zeros(1, 1))
    check_gram("K", torch.zeros(0, 0))


def test_squared_flow_is_exact_in_time(device: torch.device) -> None:
    K, cross, y = (t.to(device) for t in problem())
    times = torch.tensor([0.0, 1e-3, 1.0, 30.0, 1e4], dtype=torch.float64)
    found = kernel_flow(K, y, loss="squared", times=times)
    for t, f in zip(times.tolist(), found.outputs, strict=True):
        expected = y - torch.linalg.matrix_exp(-K * t / len(y)) @ y
        torch.testing.assert_close(f, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(found.losses, ((found.outputs - y) ** 2).mean(1) / 2)
    torch.testing.assert_close(found(K), found.outputs, rtol=1e-10, atol=1e-12)
    assert found(cross).shape == (5, 5)
    assert (found.losses.diff() < 0).all()


def test_weights_raise_every_examples_residual() -> None:
    """f' = -K D (f - y)/n: what is not weighted is not learnt for its own sake."""
    K, _, y = problem(6)
    weights = torch.tensor([0.0, 0.5, 1.0, 2.0, 3.0, 0.25], dtype=torch.float64)
    found = kernel_flow(K, y, loss="squared", times=[0.0, 1.0, 30.0], weights=weights)
    for t, f in zip(found.times.tolist(), found.outputs, strict=True):
        expected = y - torch.linalg.matrix_exp(-K * weights * t / 6) @ y
        torch.testing.assert_close(f, expected, rtol=1e-10, atol=1e-12)
    assert found.condition == math.inf  # of D^(1/2) K D^(1/2), which is singular
    root = (weights + 1).sqrt()
    values = torch.linalg.eigvalsh(root[:, None] * K * root)
    more = kernel_flow(K, y, loss="squared", times=[1.0], weights=weights + 1)
    assert more.condition == pytest.approx(float(values[-1] / values[0]))


def test_squared_flow_starts_along_the_kernel() -> None:
    K, _, y = problem(10)
    start = kernel_flow(K, y, loss="squared", times=[1e-12])
    torch.testing.assert_close(start.outputs[0], 1e-13 * K @ y, rtol=1e-10, atol=0)


def test_squared_flow_ends_at_the_interpolant() -> None:
    K, cross, y = problem(10)
    end = kernel_flow(K, y, loss="squared", times=[1e8])
    torch.testing.assert_close(end(cross)[0], kernel_regression(K, y)(cross), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("loss", [PseudoHuber(), LogCosh(), Logistic()], ids=repr)
def test_flows_of_other_losses_solve_their_equation(loss: Loss) -> None:
    K, _, y = problem(12)
    times = torch.linspace(0, 40, 9, dtype=torch.float64)
    found = kernel_flow(K, y, loss=loss, times=times)
    # Runge-Kutta with a fixed step, in the outputs instead of the coefficients
    f, steps, h = torch.zeros_like(y), 400, 40 / 8 / 400
    for k in range(1, 9):
        for _ in range(steps):
            slopes: list[Tensor] = []
            for share in (0.0, 0.5, 0.5, 1.0):
                at = f + share * h * slopes[-1] if slopes else f
                slopes.append(-K @ loss.derivative(at, y) / len(y))
            f = f + h / 6 * (slopes[0] + 2 * slopes[1] + 2 * slopes[2] + slopes[3])
        torch.testing.assert_close(found.outputs[k], f, rtol=1e-8, atol=1e-9)
    assert torch.equal(found.outputs[0], torch.zeros_like(y))
    torch.testing.assert_close(found.losses, loss(found.outputs, y).mean(1))


def test_a_small_step_of_a_linearised_net_follows_the_flow() -> None:
    sample = hexagon()
    net = linearize(TwoLayerNet(2, 64).double())
    K = empirical_ntk(net, sample.x)
    loss, rate, steps = PseudoHuber(), 1e-2, 2000
    for _ in range(steps):
        value = loss(net(sample.x), sample.y).mean()
        (grad,) = torch.autograd.grad(value, list(net.parameters()))
        with torch.no_grad():
            next(net.parameters()).sub_(rate * grad)
    found = kernel_flow(K, sample.y, loss=loss, times=[rate * steps])
    torch.testing.assert_close(net(sample.x).detach(), found.outputs[0], rtol=0, atol=1e-3)
    assert found.outputs.abs().max() > 0.05


def test_flows_on_singular_matrices_are_fine() -> None:
    K, _, y = problem(4)
    pairs = torch.arange(8) % 4
    found = kernel_flow(K[pairs][:, pairs], torch.cat([y, -y]), loss="squared", times=[0, 1, 1e6])
    # contradicting labels at equal points: nothing can be learnt
    assert found.outputs.abs().max() < 1e-9
    assert found.condition == math.inf


def test_edges(dtype: torch.dtype) -> None:
    K, _, y = problem(1, dtype)
    one = kernel_regression(K, y)
    torch.testing.assert_close(one.coefficients, y / K[0])
    assert one.condition == pytest.approx(1)
    flow = kernel_flow(K, y, loss=PseudoHuber(), times=[0.0])
    assert flow.outputs.tolist() == [[0.0]]
    assert kernel_flow(K, y, loss=PseudoHuber(), times=[]).outputs.shape == (0, 1)
    empty = kernel_regression(K[:0, :0], y[:0])
    assert empty.coefficients.shape == (0,)
    assert empty(K[:, :0]).tolist() == [0.0]
    for loss in ("squared", PseudoHuber()):
        none = kernel_flow(K[:0, :0], y[:0], loss=loss, times=[1.0])
        assert none.outputs.shape == (1, 0)


def test_times_that_are_no_numbers_are_named() -> None:
    K, _, y = problem(3)
    for wrong in ("soon", ["soon"], [[1.0], [1.0, 2.0]], [1j], [10**400], object()):
        with pytest.raises(TypeError, match="times must be a list of numbers or a tensor"):
            kernel_flow(K, y, loss="squared", times=wrong)  # type: ignore[arg-type]


def test_the_norm_is_printed_to_the_digits_that_are_right() -> None:
    """Of diag(1, 10^-9.8) coefficients have 15.65 - 9.8 digits, the norm has one less: 4."""
    K = torch.diag(torch.tensor([1.0, 10**-9.8], dtype=torch.float64))
    found = kernel_regression(K, torch.ones(2, dtype=torch.float64))
    assert found.norm == pytest.approx(10**4.9)  # but for the first point's part
    assert "about 6 digits of the coefficients are right; RKHS norm 7.943e+04," in repr(found)


def test_results_read_as_sentences() -> None:
    K, _, y = problem()
    assert repr(kernel_regression(K, y)).startswith("Kernel regression on 30 points with ridge 0:")
    flow = kernel_flow(K, y, loss="squared", times=[0.0, 2.0])
    assert repr(flow).startswith("A kernel flow on 30 points: loss 0.5 at time 0,")
