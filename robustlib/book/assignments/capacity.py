"""Assignment 5: the gadget, its check, and a net that is right on whole intervals."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from ...capacity import hypercube_gadget
from .nets import CLOSE, array, close
from .task import Ask, Numbers, Task

gadget = Task("5.2", "gadget(labels, radius)", "Two centres for every labelling", 45, 2)


def _labellings(n: int) -> Numbers:
    return np.array(list(itertools.product((1.0, -1.0), repeat=n)))


@gadget.part(6, "all labellings for d = 1 to 5: fixed points, centres apart, balls that hold them")
def _(ask: Ask, draw: np.random.Generator) -> None:
    for d in range(1, 6):
        radius = (1 - 1 / (d + 1)) ** 0.5
        first = None
        for v in _labellings(d):
            hint = "return the tuple (points, plus, minus)"
            points, plus, minus = ask.several(v, radius, shapes=((d, d), (d,), (d,)), hint=hint)
            first = points if first is None else first
            ask.expect(
                close(points, first),
                "the points are others than for all labels +1",
                "one set of points for all labellings: only the centres may follow the labels",
            )
            apart = float(np.linalg.norm(plus - minus))
            ask.expect(
                apart >= 2 - 1e-9,
                f"the centres are {apart:.4g} apart, 2 is asked for",
                "balls of radius below 1 round centres 2 apart never meet",
            )
            to_plus, to_minus = (np.linalg.norm(points - c, axis=1) for c in (plus, minus))
            own = np.where(v > 0, to_plus, to_minus)
            other = np.where(v > 0, to_minus, to_plus)
            ask.expect(
                (v < 0).any() or ~((other <= radius) & (own > radius)).all(),
                "every point is in the ball of the other label",
                "plus is the centre whose label is +1",
            )
            ask.expect(
                not ((own[v > 0] <= radius).all() and (other <= radius).any()),
                "points of label -1 are in the ball of plus",
                "every sign decides about one coordinate of the centres",
            )
            ask.expect(
                own <= radius + 1e-9,
                f"a point is {own.max():.4g} from the centre of its label, {radius:.4g} is allowed",
                "how far along its axis should a point lie, to be nearest to both centres?",
            )


verify = Task("5.3", "first_failure(points, labels, plus, minus, radius)", "The check", 45, 2)


@verify.part(6, "gadgets that hold, and such with one fault: too close, out of reach, missing")
def _(ask: Ask, draw: np.random.Generator) -> None:
    hint = "one number: -1, -2 or the row of the first labelling that fails"
    for d in (1, 2, 3):
        rho = (1 - 1 / (d + 1)) ** 0.5
        made, labels = hypercube_gadget(2, d, rho=rho), _labellings(d)
        pairs = [array(made.data(torch.tensor(v))[0]) for v in labels]
        points = array(made.points)
        plus, minus = (np.stack([pair[k] for pair in pairs]) for k in (0, 1))
        found = ask(points, labels, plus, minus, rho, shape=(), hint=hint)
        ask.expect(
            close(found, -1), "all is well with it: -1", "compare distances, and allow for rounding"
        )
        k = int(draw.integers(0, len(labels)))
        near = plus.copy()
        near[k] = minus[k] + 0.4 * (plus[k] - minus[k])
        found = ask(points, labels, near, minus, rho, shape=(), hint=hint)
        ask.expect(close(found, k), f"labelling {k} fails", "are the two centres 2 apart?")
        worse = 1.5 * points
        found = ask(worse, labels, plus, minus, rho, shape=(), hint=hint)
        ask.expect(
            abs(float(found) - len(labels) + 1) > CLOSE,
            "all labellings fail: 0",
            "the first that fails, not the last",
        )
        ask.expect(close(found, 0), "all labellings fail: 0", "is every point within the radius?")
        swapped_plus, swapped_minus = plus.copy(), minus.copy()
        swapped_plus[k], swapped_minus[k] = minus[k], plus[k]
        found = ask(points, labels, swapped_plus, swapped_minus, rho, shape=(), hint=hint)
        hint_label = "a point belongs into the ball of its own label, not into any ball"
        ask.expect(close(found, k), f"labelling {k} fails", hint_label)
        found = ask(points, labels[1:], plus[1:], minus[1:], rho, shape=(), hint=hint)
        hint_all = "a set is shattered by all 2^N labellings: are they all there?"
        ask.expect(close(found, -2), "a labelling is missing: -2", hint_all)
    doubled = [0, 0, *range(2, len(labels))]
    found = ask(points, labels[doubled], plus[doubled], minus[doubled], rho, shape=(), hint=hint)
    twice = "one labelling stands there twice, another not at all: -2"
    ask.expect(close(found, -2), twice, "count labellings that differ, not rows")


line = Task("5.4", "line_net(x, y, radius)", "A net for whole intervals", 60, 3)


def _value(net: list[Numbers], t: Numbers) -> Numbers:
    w, b, a, c = net
    found: Numbers = np.maximum(np.outer(t, w) + b, 0) @ a + c
    return found


def _intervals(ask: Ask, x: Numbers, y: Numbers, radius: float, *, shuffled: bool = False) -> None:
    hint = "return the tuple (w, b, a, c), w, b and a of one length and c a number"
    by_place = np.argsort(x)
    changes = int((np.diff(y[by_place]) != 0).sum())
    if not changes:
        hint = "no change, no unit: the lists may be empty, and c is the label"
    net = ask.several(x, y, radius, shapes=((-1,), (-1,), (-1,), ()), hint=hint)
    w, b, a, _ = net
    ask.expect(len(w) == len(b) == len(a), "w, b and a differ in length", hint)
    sort = "sort the points, and their labels with them"
    at = y * _value(net, x)
    hint = sort if shuffled else "start at the first label; every ramp leads to the next one"
    ask.expect(at > 0, f"y f(x) is {at.min():.4g} at a point", hint)
    ask.expect(
        len(w) <= 2 * changes,
        f"{len(w)} units, where the labels change {changes} times: {2 * changes} are allowed",
        sort if shuffled else "nothing happens between neighbours of one label",
    )
    ask.expect(
        at >= 1 - 1e-6,
        f"y f(x) is {at.min():.4g} at a point",
        sort if shuffled else "from -1 to +1 a ramp rises by 2",
    )
    ends = np.concatenate([x - radius, x + radius])
    kinks = -b[w != 0] / w[w != 0]
    inside = np.array([t for t in kinks if (np.abs(t - x) < radius).any()])
    points = np.concatenate([ends, inside])
    found = y[np.abs(points[:, None] - x).argmin(1)] * _value(net, points)
    t, least = float(points[found.argmin()]), float(found.min())
    hint = sort if shuffled else "a ramp begins and ends between the intervals, not in them"
    ask.expect(found >= 1 - 1e-6, f"y f({t:.4g}) is only {least:.4g}", hint)


@line.part(5, "y f >= 1 on every interval, at two units for each change of label")
def _(ask: Ask, draw: np.random.Generator) -> None:
    _intervals(ask, np.array([0.0, 2.0]), np.array([1.0, -1.0]), 0.5)
    _intervals(ask, np.array([0.0, 2.0, 4.0]), np.array([1.0, 1.0, -1.0]), 0.75)
    for n in (4, 12):
        x = np.cumsum(draw.uniform(1.0, 2.0, n))
        y = 2.0 * draw.integers(0, 2, n) - 1
        y[:2] = -y[1], y[1]
        _intervals(ask, x, y, 0.4)
        order = draw.permutation(n)
        _intervals(ask, x[order], y[order], 0.4, shuffled=True)


@line.part(1, "one label only, where a constant is enough")
def _(ask: Ask, draw: np.random.Generator) -> None:
    _intervals(ask, np.array([0.0, 2.0]), np.array([-1.0, -1.0]), 0.5)


TASKS = (gadget, verify, line)
