"""Assignment 2: the kernel of an infinite net, of a finite net, and the net's tangent."""

from __future__ import annotations

import numpy as np

from ...kernels import empirical_ntk, ntk
from .nets import CLOSE, array, close, on_sphere, signs, tensor, two_layer
from .task import Ask, Numbers, Task

_ROWS = "one row for each row of x, one column for each row of z"

infinite = Task("2.2", "relu_kernel(x, z)", "The kernel of a wide ReLU net", 45, 2)


@infinite.part(4, "the kernel at right angles, at equal and at general points of any length")
def _(ask: Ask, draw: np.random.Generator) -> None:
    e, f = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    found = ask(e, f, shape=(1, 1), hint=_ROWS)
    hint = "the gradient of unit r is x times something, so the kernel has the factor <x, z>"
    ask.expect(close(found, 0), "orthogonal points have the kernel 0", hint)
    found = ask(e, e, shape=(1, 1), hint=_ROWS)
    ask.expect(~(np.abs(found) < CLOSE), "0.5 is right", "equal points agree the most: pi - theta")
    ask.expect(close(found, 0.5), "0.5 is right", "half of the units are on at a point")
    found = ask(2 * e, 2 * e, shape=(1, 1), hint=_ROWS)
    hint = "only the angle is without a unit: <x, z> is not the cosine where points are longer"
    ask.expect(close(found, 2), "2 is right", hint)
    for n, m, d in ((1, 1, 2), (2, 3, 2), (6, 4, 5)):
        x, z = draw.normal(size=(n, d)), draw.normal(size=(m, d))
        found = ask(x, z, shape=(n, m), hint=_ROWS)
        right = array(ntk(tensor(x), tensor(z), bias=False))
        hint = "both units are on for a share (pi - theta) / (2 pi) of the weights"
        ask.expect(close(found, right), f"its first entry is {right[0, 0]:.4g}", hint)


@infinite.part(2, "equal and opposite points, where rounding takes the cosine beyond 1")
def _(ask: Ask, draw: np.random.Generator) -> None:
    hint = "a cosine rounded to 1 + 2e-16 has no angle: clamp it"
    for d in (2, 3, 10):
        x = on_sphere(draw.normal(size=(20, d))) * 3
        for sign, right in ((1, 4.5), (-1, 0.0)):
            found = ask(x, sign * x, shape=(20, 20), hint=hint)
            ask.expect(
                np.abs(np.diag(found) - right) < 1e-5, f"the diagonal should be {right}", hint
            )


finite = Task("2.3", "empirical_kernel(W, x, z)", "The kernel of a finite net", 30, 2)


@finite.part(5, "nets of one unit and of many, against the gradients of the net")
def _(ask: Ask, draw: np.random.Generator) -> None:
    e, f, one = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), np.array([[1.0, 1.0]])
    found = ask(one, e, f, shape=(1, 1), hint=_ROWS)
    hint = "the gradient with respect to w_r is a multiple of x: inner products of points appear"
    ask.expect(close(found, 0), "0 is right: the points are orthogonal", hint)
    found = ask(3 * e, 2 * e, e, shape=(1, 1), hint=_ROWS)
    hint = "ReLU's derivative is 1 or 0; the value of the unit has no place here"
    ask.expect(close(found, 2), "2 is right", hint)
    found = ask(np.concatenate([e, e]), e, e, shape=(1, 1), hint=_ROWS)
    hint = "f has the factor m^(-1/2), so the kernel has 1/m: a mean over the units"
    ask.expect(close(found, 1), "1 is right, for two units as for one", hint)
    found = ask(np.concatenate([e, -e]), e, e, shape=(1, 1), hint=_ROWS)
    hint = "a unit counts where it is on at x and at z"
    ask.expect(close(found, 0.5), "0.5 is right: one of the two units is on", hint)
    for n, m, d, k in ((1, 1, 2, 3), (2, 3, 2, 5), (5, 4, 6, 40)):
        w, x, z = draw.normal(size=(k, d)), draw.normal(size=(n, d)), draw.normal(size=(m, d))
        found = ask(w, x, z, shape=(n, m), hint=_ROWS)
        right = array(empirical_ntk(two_layer(w, np.ones(k)), tensor(x), tensor(z)))
        ask.expect(close(found, right), f"its first entry is {right[0, 0]:.4g}", hint)


tangent = Task("2.4", "tangent(W0, a, W, x)", "The net's tangent in its weights", 30, 2)


@tangent.part(5, "at the start, after small moves, and where a unit would have switched")
def _(ask: Ask, draw: np.random.Generator) -> None:
    one, hint = np.ones((1, 1)), "one number for each row of x"
    found = ask(one, np.ones(1), one, one, shape=(1,), hint=hint)
    ask.expect(close(found, 1), "1 is right: W = W0", "at W0 a tangent has the value of f itself")
    found = ask(one, np.ones(1), -one, one, shape=(1,), hint=hint)
    ask.expect(
        ~(np.abs(found) < CLOSE), "-1 is right", "f(W, x) itself switches a unit; its tangent never"
    )
    ask.expect(
        ~(np.abs(found - 1) < CLOSE), "-1 is right", "which units are on is decided at W0, not at W"
    )
    ask.expect(close(found, -1), "-1 is right", "f(W0, x) plus the gradient there times W - W0")
    two = np.ones((4, 1))
    found = ask(two, np.ones(4), 2 * two, one, shape=(1,), hint=hint)
    ask.expect(close(found, 4), "4 is right", "f has the factor m^(-1/2), here 1/2")
    for n, d, m in ((1, 2, 2), (3, 2, 5), (5, 4, 30)):
        w0, w, x = draw.normal(size=(m, d)), draw.normal(size=(m, d)), draw.normal(size=(n, d))
        a = signs(draw, m)
        right = _expanded(w0, a, w, x)
        found = ask(w0, a, w, x, shape=(n,), hint=hint)
        ask.expect(close(found, right), f"its first entry is {right[0]:.4g}", "mind the signs a_r")


def _expanded(w0: Numbers, a: Numbers, w: Numbers, x: Numbers) -> Numbers:
    return array(two_layer(w0, a).expand([tensor(w - w0)], tensor(x)))


TASKS = (infinite, finite, tangent)
