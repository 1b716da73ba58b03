"""Assignment 4: what a net without bias cannot say, least norms, and a fit of whole arcs."""

from __future__ import annotations

from functools import cache

import numpy as np

from ...expressivity import min_norm_interpolant
from ...kernels import ntk
from ...samples import Sample, hexagon
from ...sets import SphereCap
from .nets import CLOSE, array, close, signs, tensor, two_layer
from .task import Ask, Numbers, Task

odd = Task("4.2", "odd_part(W, a)", "What is left of f(x) - f(-x)", 20, 1)


@odd.part(4, "the vector v with f(x) - f(-x) = <v, x>, compared at random x")
def _(ask: Ask, draw: np.random.Generator) -> None:
    hint = "one vector, as long as x"
    found = ask(np.array([[2.0]]), np.ones(1), shape=(1,), hint=hint)
    ask.expect(~(np.abs(found - 4) < CLOSE), "2 is right", "relu(t) - relu(-t) is t, once")
    ask.expect(~(np.abs(found - 1) < CLOSE), "2 is right", "the whole difference, not half of it")
    ask.expect(close(found, 2), "2 is right", "relu(t) - relu(-t) = t for every t")
    found = ask(np.array([[2.0]]), -np.ones(1), shape=(1,), hint=hint)
    ask.expect(close(found, -2), "-2 is right", "each unit carries its sign a_r")
    found = ask(np.ones((4, 1)), np.ones(4), shape=(1,), hint=hint)
    ask.expect(close(found, 2), "2 is right", "f has the factor m^(-1/2), here 1/2")
    for m, d in ((2, 2), (5, 3), (20, 6)):
        w, a, x = draw.normal(size=(m, d)), signs(draw, m), draw.normal(size=(8, d))
        net, found = two_layer(w, a), ask(w, a, shape=(d,), hint=hint)
        difference = array(net(tensor(x)) - net(tensor(-x)))
        ask.expect(close(x @ found, difference), "<v, x> is not f(x) - f(-x)", "a sum over units")


norm = Task("4.3", "interpolate(K, y)", "The function of least norm", 30, 2)


def _fitted(ask: Ask, k: Numbers, y: Numbers) -> None:
    hint = "return the tuple (alpha, norm)"
    n = len(y)
    alpha, size = ask.several(k, y, shapes=((n,), ()), hint=hint)
    left = float(np.abs(k @ alpha - y).max())
    ask.expect(left < 0.5 * np.abs(y).max(), "K alpha is far from y", "solve K alpha = y")
    ask.expect(
        left <= 1e-5 * np.abs(y).max(),
        f"K alpha misses y by {left:.1g}",
        "interpolation is exact: nothing is added to the diagonal",
    )
    square, length = float(alpha @ y), float(np.linalg.norm(alpha))
    ask.expect(
        not (abs(float(size) - square) <= CLOSE * square and abs(square - 1) > 0.01),
        f"{square**0.5:.4g} is the norm",
        "alpha' K alpha is the square of the norm",
    )
    ask.expect(
        abs(float(size) - length) > CLOSE or abs(length**2 - square) < 0.01,
        f"{square**0.5:.4g} is the norm",
        "the norm of g in the kernel's space is not the length of alpha",
    )
    right = abs(float(size) - square**0.5) <= 1e-5 * square**0.5
    ask.expect(right, f"{square**0.5:.4g} is the norm", "the norm's square is alpha' K alpha")


@norm.part(4, "K alpha = y and the norm, for kernels of one point and of many")
def _(ask: Ask, draw: np.random.Generator) -> None:
    _fitted(ask, np.array([[9.0]]), np.array([6.0]))
    _fitted(ask, np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([1.0, -1.0]))
    for n, d in ((3, 4), (8, 10)):
        x = draw.normal(size=(n, d))
        _fitted(ask, array(ntk(tensor(x))), signs(draw, n))


@norm.part(1, "a point that occurs twice, where K has no inverse")
def _(ask: Ask, draw: np.random.Generator) -> None:
    hint = "K alpha = y still has solutions: take one by least squares"
    k = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 2.0]])
    alpha, size = ask.several(k, np.array([1.0, 1.0, 2.0]), shapes=((3,), ()), hint=hint)
    ask.expect(np.abs(k @ alpha - np.array([1, 1, 2])) < 1e-6, "K alpha is not y", hint)
    ask.expect(close(size, 3**0.5), f"{3**0.5:.4g} is the norm", hint)


robust = Task("4.4", "robust_fit(x, y, rho, margin)", "A fit of whole arcs", 75, 3)


def _arcs(ask: Ask, sample: Sample, turn: float, rho: float, margin: float) -> None:
    cos, sin = np.cos(turn), np.sin(turn)
    y, x = array(sample.y), array(sample.x) @ np.array([[cos, sin], [-sin, cos]])
    hint = "return the tuple (centres, alpha)"
    centres, alpha = ask.several(x, y, rho, margin, shapes=((-1, 2), (-1,)), hint=hint)
    ask.expect(0 < len(centres) == len(alpha) <= 2000, "one alpha for each of 1 to 2000", hint)
    cap = SphereCap(rho)
    arcs = array(cap.grid(tensor(x), 401))

    def margins(points: Numbers) -> Numbers:
        flat = tensor(points.reshape(-1, 2))
        g = array(ntk(flat, tensor(centres)) @ tensor(alpha)).reshape(points.shape[:-1])
        found: Numbers = g * (y if g.ndim == 1 else y[:, None])
        return found

    at, everywhere = margins(x), float(margins(arcs).min())
    ask.expect(
        at.max() > 0,
        f"every point has the wrong sign, margins up to {at.max():.4g}",
        "g must have the sign of the label",
    )
    ask.expect(
        at >= 0.98 * margin,
        f"y g(x) is only {at.min():.4g} at a point x",
        "g is the sum of alpha_j K(., c_j), with the kernel rl.ntk and its bias",
    )
    ask.expect(
        everywhere >= 0.98 * margin,
        f"y g is only {everywhere:.4g} somewhere on an arc",
        "ask for the margin at points all over the arcs, their ends among them",
    )
    size = float(alpha @ array(ntk(tensor(centres)) @ tensor(alpha))) ** 0.5
    most = 1.1 * margin * _least_norm(len(x), rho)
    ask.expect(
        size <= most,
        f"its norm is {size:.4g}, {most:.4g} is allowed",
        "y g may be larger than the margin: an inequality at each point, not an equation",
    )


_POINTS = {
    1: Sample(tensor(np.array([[1.0, 0.0]])), tensor(np.ones(1)), "one point"),
    2: Sample(tensor(np.array([[1.0, 0.0], [-1.0, 0.0]])), tensor(np.array([1.0, -1.0])), "two"),
    6: hexagon(),
}


@cache  # turning the circle changes no norm, so it is the same for everybody
def _least_norm(n: int, rho: float) -> float:
    return float(min_norm_interpolant(_POINTS[n], SphereCap(rho), margin=1.0).norm)


@robust.part(6, "the margin at 401 points of every arc, at a norm near the least")
def _(ask: Ask, draw: np.random.Generator) -> None:
    for n, rho, margin in ((1, 0.3, 1.0), (2, 0.3, 1.0), (6, 0.2, 1.0), (6, 0.2, 0.5)):
        turn = float(draw.uniform(0, 6)) if n == 6 else 0.0
        _arcs(ask, _POINTS[n], turn, rho, margin)


TASKS = (odd, norm, robust)
