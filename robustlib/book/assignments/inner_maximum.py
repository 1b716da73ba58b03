"""Assignment 1: margins of linear models, projection on a cap, an attack, and its blind spot."""

from __future__ import annotations

import math

import numpy as np

from ...attacks import PGD
from ...losses import Logistic
from ...sets import L1Ball, L2Ball, LinfBall, Perturbation, SphereCap
from .nets import CLOSE, array, close, on_sphere, signs, tensor, two_layer
from .task import Ask, Numbers, Task

_SETS: dict[str, type[L2Ball] | type[LinfBall] | type[L1Ball]] = {
    "l2": L2Ball,
    "linf": LinfBall,
    "l1": L1Ball,
}

margins = Task("1.2", "worst_margin(w, x, y, eps, norm)", "Robust margin of a linear model", 30, 1)


def _worst(w: Numbers, x: Numbers, y: Numbers, sets: Perturbation) -> Numbers:
    """The margins at the points that the library's set says are worst."""
    z = array(sets.argmax_linear(tensor(-y[:, None] * w), tensor(x)))
    return y * (z @ w)


@margins.part(4, "the least y <w, x'> over l2, l-infinity and l1 balls, for labels of both signs")
def _(ask: Ask, draw: np.random.Generator) -> None:
    price = {
        "l2": "moving a distance eps along w costs eps times the length of w",
        "linf": "in a box each coordinate moves by itself, so their costs add up",
        "l1": "an l1 budget is best spent in one coordinate: which one?",
    }
    for norm, kind in _SETS.items():
        for n, d in ((1, 1), (1, 2), (2, 2), (6, 5)):
            w, x = signs(draw, d) * draw.integers(1, 5, d), draw.integers(1, 4, (n, d)) * 1.0
            y = signs(draw, n) if n > 1 else np.ones(1)
            eps = float(draw.integers(1, 3))
            found = ask(w, x, y, eps, norm, shape=(n,), hint="one number for each row of x")
            clean, right = y * (x @ w), _worst(w, x, y, kind(eps))
            off = np.abs(found - right) > CLOSE * (1 + np.abs(right))
            one_label = n > 1 and not off[y > 0].any() and bool(off[y < 0].any())
            ask.expect(
                not one_label,
                "right for label +1, wrong for label -1",
                "the label belongs to <w, x>; the adversary's gain has the same sign for both",
            )
            ask.expect(
                ~(off & (right < 0) & (np.abs(found) < CLOSE)),
                f"a margin should be negative, {right.min():.4g}",
                "a margin below zero is a point that the adversary gets wrong; keep it as it is",
            )
            ask.expect(
                not close(found, clean), "this is the margin at x", "what does the adversary do?"
            )
            ask.expect(
                found <= clean + CLOSE,
                "a worst margin is larger than the margin at x itself",
                "x is one of the points: the adversary can only lower the margin",
            )
            ask.expect(~off, f"{_list(right)} is right", price[norm])


@margins.part(1, "w = 0 and eps = 0, where the adversary has no say")
def _(ask: Ask, draw: np.random.Generator) -> None:
    x, y = draw.integers(-3, 4, (2, 2)) * 1.0, np.array([1.0, -1.0])
    for norm in _SETS:
        for w, eps in ((np.zeros(2), 1.0), (np.array([1.0, -2.0]), 0.0)):
            found = ask(w, x, y, eps, norm, shape=(2,), hint="mind a division by the length of w")
            right = y * (x @ w)
            ask.expect(close(found, right), f"{_list(right)} is right", "no move, no change")


projection = Task("1.3", "project(z, x, rho)", "Projection on a cap of the sphere", 45, 2)


def _near(ask: Ask, z: Numbers, x: Numbers, rho: float) -> None:
    """One question, and what its answer says of the way it was computed."""
    p = ask(z, x, rho, shape=z.shape, hint="one point for each row of z")
    right = array(SphereCap(rho).project(tensor(z), tensor(x)))
    if close(p, right):
        return
    unit = on_sphere(z)
    inside = np.linalg.norm(unit - x, axis=1) <= rho
    off = np.abs(p - right).max(1) > CLOSE
    ask.expect(
        ~(off & inside & (np.abs(unit - z).max(1) <= CLOSE)),
        "z was in the cap already",
        "a point of the set is its own nearest point: return it unchanged",
    )
    ask.expect(
        np.abs(np.linalg.norm(p, axis=1) - 1) <= CLOSE,
        "the answer is not on the unit sphere",
        "the cap is part of the sphere; the ball round x is not",
    )
    ask.expect(
        np.linalg.norm(p - x, axis=1) <= rho + CLOSE,
        f"the answer is {np.linalg.norm(p - x, axis=1).max():.4g} from x",
        "on the sphere is half of it: what if z / |z| is further than rho from x?",
    )
    angle = np.arccos(np.clip((p * x).sum(1), -1, 1))
    ask.expect(
        ~(off & ~inside & (np.abs(angle - rho) <= CLOSE)),
        f"its angle to x is {rho:.4g}, so its distance is less",
        "rho bounds the distance |x' - x|, a chord; the angle of that chord is larger",
    )
    ask.expect(
        ~(off & inside),
        "the nearest point lies inside the rim",
        "where z / |z| is in the cap, it is the answer",
    )
    ask.expect(
        np.linalg.norm(p - x, axis=1)[off] >= rho - CLOSE,
        "there is a nearer point, on the rim",
        "a ball first and the sphere afterwards ends short of the rim: walk on the great circle",
    )
    ask.miss("another point of the rim is nearer", "stay in the plane through 0, x and z")


@projection.part(5, "the nearest point of the cap, for points in it, off the sphere and far away")
def _(ask: Ask, draw: np.random.Generator) -> None:
    e, f = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    _near(ask, np.array([[0.96, 0.28]]), e, 0.5)  # in the cap
    _near(ask, f, e, 0.5)
    _near(ask, 2 * f + e, e, 0.5)
    for n, d in ((1, 3), (4, 3), (5, 8)):
        x = on_sphere(draw.normal(size=(n, d)))
        for rho in (0.1, 0.7):
            _near(ask, draw.normal(size=(n, d)), x, rho)
            _near(ask, on_sphere(x + 0.3 * rho * draw.uniform(-1, 1, (n, d)) / d), x, rho)
            _near(ask, x + rho * draw.normal(size=(n, d)), x, rho)


@projection.part(1, "very long and very short z, z along x, and caps as large as the sphere")
def _(ask: Ask, draw: np.random.Generator) -> None:
    x = on_sphere(draw.normal(size=(3, 4)))
    z = draw.normal(size=(3, 4))
    for case, rho in ((3 * x, 0.2), (1e6 * z, 0.2), (1e-6 * z, 0.2), (z, 2.0)):
        _near(ask, case, x, rho)


_BEST = "a step may overshoot: keep the best point seen, x among them"

attack = Task("1.4", "attack(W, a, x, y, eps, step, steps)", "Projected gradient descent", 60, 2)


def _attacked(ask: Ask, draw: np.random.Generator, n: int, d: int, m: int) -> None:
    w, a, x = draw.normal(size=(m, d)), signs(draw, m), draw.normal(size=(n, d))
    y = signs(draw, n) if n > 1 else np.ones(1)
    net, eps = two_layer(w, a), 0.5

    def margin(points: Numbers) -> Numbers:
        return y * array(net(tensor(points)))

    for steps, step in ((1, 0.1), (1, 0.5), (5, 0.2), (4, 1.0)):
        z = ask(w, a, x, y, eps, step, steps, shape=(n, d), hint="one point for each row of x")
        ask.expect(
            np.abs(z - x) <= eps + CLOSE,
            f"a coordinate moved by {np.abs(z - x).max():.4g}",
            "after every step, bring each coordinate back to within eps of x",
        )
        theirs = PGD(steps=steps, step_size=step, schedule="fixed")
        at = theirs(net, tensor(x), tensor(y), perturbation=LinfBall(eps), loss=Logistic())
        start, right, found = margin(x), margin(array(at)), margin(z)
        can, done = right < start - CLOSE, found < start - CLOSE
        ask.expect(
            done.any() or not can.any(),
            "no margin became smaller",
            "one step goes against the gradient of y f: is its sign the right one?",
        )
        ask.expect(
            not (n > 1 and (done == (can & (y > 0))).all() and (can & (y < 0)).any()),
            "only points of label +1 were attacked",
            "the gradient of y f(x) carries the label",
        )
        ask.expect(found <= start + CLOSE, "a margin became larger than at x", _BEST)
        if steps == 1 and step < eps:
            moved = np.abs(z - x)
            ask.expect(
                (moved <= CLOSE) | (np.abs(moved - step) <= CLOSE),
                "coordinates moved by other lengths than step",
                "the step is step times the sign of the gradient, coordinate by coordinate",
            )
        ask.expect(
            found <= right + CLOSE,
            f"a margin of {right[np.argmax(found - right)]:.4g} was to be had, this has "
            f"{found.max():.4g}",
            "take all the steps, each from where the last one ended, and look at every point",
        )


@attack.part(6, "never outside the box, never worse than x, as good as textbook PGD")
def _(ask: Ask, draw: np.random.Generator) -> None:
    for n, d, m in ((1, 1, 2), (2, 2, 3), (6, 3, 8), (10, 8, 32)):
        _attacked(ask, draw, n, d, m)
        if n == 2:  # f = |x| / sqrt(2): the step jumps over the minimum
            v, x, one = np.array([[1.0], [-1.0]]), np.array([[0.1]]), np.ones(1)
            z = ask(v, np.ones(2), x, one, 0.5, 0.5, 1, shape=(1, 1), hint=_BEST)
            ask.expect(close(z, x), "its margin is larger than that of x", _BEST)


@attack.part(2, "points without a gradient stay where they are, and radius 0 gives x back")
def _(ask: Ask, draw: np.random.Generator) -> None:
    w, a, x, y = np.array([[1.0, 0.0]]), np.ones(1), np.array([[-1.0, 2.0]]), np.ones(1)
    hint = "the sign of 0 is 0: no NaN, no division by the length of the gradient"
    for eps in (0.5, 0.0):
        z = ask(w, a, x, y, eps, 0.1, 3, shape=(1, 2), hint=hint)
        ask.expect(close(z, x), "no point of the box is worse than x", hint)


blind = Task("1.5", "blind_spot()", "An attack's blind spot", 40, 3)


@blind.part(4, "the gradient at x is exactly 0, and the point z in the box is classified wrongly")
def _(ask: Ask, draw: np.random.Generator) -> None:
    hint = "return the tuple (W, b, a, x, y, eps, z)"
    shapes = ((-1, -1), (-1,), (-1,), (-1,), (), (), (-1,))
    w, b, a, x, y, eps, z = ask.several(shapes=shapes, hint=hint)
    fits = len(b) == len(a) == len(w) <= 100 and len(x) == len(z) == w.shape[1]
    ask.expect(fits, "the shapes do not belong together", "W is (m, d), b and a are (m,)")
    ask.expect(abs(y) == 1 and eps > 0, "y must be a sign and eps positive", hint)
    before = w @ x + b
    ask.expect(
        before != 0,
        "a unit has its kink at x, where f has no gradient",
        "put the kinks beside x: every <w_r, x> + b_r must differ from 0",
    )
    slope = (before > 0) * a @ w
    ask.expect(
        slope == 0,
        f"the gradient at x is {_list(slope)}",
        "units that are off give no gradient, and two that are on may cancel exactly",
    )
    value, moved = (float(np.maximum(w @ p + b, 0) @ a) for p in (x, z))
    ask.expect(
        y * value > 0,
        f"y f(x) is {float(y) * value:.4g}",
        "x itself must be classified rightly: f may be a constant there, but not 0",
    )
    ask.expect(
        np.abs(z - x).max() <= eps * (1 + 1e-12),
        f"z is {np.abs(z - x).max():.4g} from x",
        "z must lie in the box of radius eps round x",
    )
    ask.expect(
        math.isfinite(moved) and y * moved < 0,
        f"y f(z) is {float(y) * moved:.4g}",
        "at z the sign of f must have changed: a unit that is off at x can do that",
    )


def _list(values: Numbers) -> str:
    return "[" + ", ".join(f"{v:.4g}" for v in values.reshape(-1)[:6]) + "]"


TASKS = (margins, projection, attack, blind)
