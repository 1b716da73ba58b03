"""Convex programs and linear systems, beside scikit-learn and cvxpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from robustlib import L2Ball, Logistic, best_in_ball, kernel_regression, ntk, sphere
from robustlib.commands.contest import Contest, timed

RIDGE, RADIUS = 1e-3, 3.0


def contests(budget: str) -> Iterator[Contest]:
    """Kernel regression, and the best function in a ball of an RKHS."""
    small = budget == "smoke"
    for n in (100,) if small else (500, 1000, 2000):
        sample = sphere(n, 64, seed=0)
        gram = ntk(sample.x)
        yield Contest(
            f"kernel regression, n = {n}",
            "a product of n³/3 operations",
            timed(partial(kernel_regression, gram, sample.y, ridge=RIDGE)),
            timed(partial(torch.mm, gram, gram[:, : n // 6].clone())),
            {"scikit-learn": timed(ridge(gram, sample.y))},
            runs=2 if small else 5,
        )
    for n in (30,) if small else (100, 200):
        sample = sphere(n, 64, seed=1)
        same = {"perturbation": L2Ball(0.0), "radius": RADIUS, "loss": Logistic()}
        yield Contest(
            f"best in a ball of an RKHS, n = {n}, gap 1e-6",
            "",
            timed(partial(best_in_ball, ntk, sample, **same)),
            None,
            {"cvxpy": timed(program(ntk(sample.x), sample.y))},
            runs=2 if small else 3,
        )


def ridge(gram: Tensor, y: Tensor) -> Callable[[], object]:
    """The same system by scikit-learn."""
    from sklearn.kernel_ridge import KernelRidge

    model = KernelRidge(alpha=RIDGE, kernel="precomputed")
    return partial(model.fit, gram.numpy(), y.numpy())


def program(gram: Tensor, y: Tensor) -> Callable[[], float]:
    """The same minimum by cvxpy's default solver: values f = root a with |a| <= radius."""
    import cvxpy

    values, vectors = torch.linalg.eigh(gram)
    root = (vectors * values.clamp(min=0).sqrt()).numpy()

    def solve() -> float:
        a = cvxpy.Variable(len(y))
        loss = cvxpy.sum(cvxpy.logistic(-cvxpy.multiply(y.numpy(), root @ a))) / len(y)
        problem = cvxpy.Problem(cvxpy.Minimize(loss), [cvxpy.norm(a) <= RADIUS])
        return float(problem.solve(solver=cvxpy.CLARABEL))

    return solve
