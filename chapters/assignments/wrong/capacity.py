"""Assignment 5: right answers, and typical wrong ones with the hint for each."""

import itertools

import numpy as np
import torch


def gadget(labels, *, far=1.0, along=1.0):
    d = len(labels)
    return along * torch.eye(d) / d**0.5, far * labels / d**0.5, -far * labels / d**0.5


def wider(labels, radius):
    """Centres a little more than 2 apart, where the radius has room for it."""
    d = len(labels)
    t = 1.0 if d == 1 else min(1.001, radius / (1 - 1 / d) ** 0.5)
    return gadget(labels, far=t, along=t)


def moving_points(labels, radius):
    points, plus, minus = gadget(labels)
    return points * labels, plus.abs(), minus.abs() * -1


def swapped(labels, radius):
    points, plus, minus = gadget(labels)
    return points, minus, plus


def one_vertex(labels, radius):
    return gadget(torch.ones(len(labels)))


def failure(
    points, labels, plus, minus, radius, *, apart=2.0, own=True, every=True, last=False
):
    n, found = len(points), -1
    if every and set(itertools.product((1.0, -1.0), repeat=n)) != {
        tuple(row) for row in labels.numpy().tolist()
    }:
        return -2
    for k in reversed(range(len(labels))) if not last else range(len(labels)):
        good = np.linalg.norm(plus[k] - minus[k]) >= apart - 1e-9
        for p, v in zip(points, labels[k], strict=True):
            near = [float((p - c).norm()) <= radius + 1e-9 for c in (plus[k], minus[k])]
            good &= near[0 if v > 0 else 1] if own else any(near)
        found = found if good else k
    return found


def counted(points, labels, plus, minus, radius):
    if len(labels) != 2 ** len(points):
        return -2
    return failure(points, labels, plus, minus, radius, every=False)


def squares(points, labels, plus, minus, radius):
    return failure(points, labels, plus, minus, radius**2)


def net(x, y, radius, *, sort=True, every=False, inset=0.0, steep=2.0):
    pairs = (
        sorted(zip(x.tolist(), y.tolist(), strict=True))
        if sort
        else list(zip(x.tolist(), y.tolist(), strict=True))
    )
    w, b, a = [], [], []
    for (left, one), (right, other) in itertools.pairwise(pairs):
        begin, end = left + radius - inset, right - radius + inset
        if one != other or every:
            slope = (other - one) / (end - begin) * steep / 2
            w, b, a = [*w, 1.0, 1.0], [*b, -begin, -end], [*a, slope, -slope]
    return w, b, a, pairs[0][1]


def steps_down(x, y, radius):
    """The same net read from the right."""
    w, b, a, c = net(-x, y, radius)
    return [-v for v in w], b, a, c


def needs_a_change(x, y, radius):
    found = net(x, y, radius)
    return found if found[0][0] else None


RIGHT = {"5.2": [wider], "5.3": [failure], "5.4": [steps_down, net]}
WRONG = {
    "5.2": [
        (moving_points, "only the centres may follow"),
        (lambda v, radius: gadget(v, far=0.9, along=0.9), "never meet"),
        (swapped, "whose label is +1"),
        (one_vertex, "decides about one coordinate"),
        (
            lambda v, radius: gadget(v, along=len(v) ** 0.5 * 1.5),
            "how far along its axis",
        ),
    ],
    "5.3": [
        (lambda *q: failure(*q, apart=0.0), "the two centres 2 apart"),
        (lambda *q: failure(*q, own=False), "not into any ball"),
        (lambda *q: failure(*q[:4], 99.0), "within the radius"),
        (lambda *q: failure(*q, every=False), "are they all there"),
        (lambda *q: failure(*q, last=True), "not the last"),
        (counted, "not rows"),
        (squares, "allow for rounding"),
    ],
    "5.4": [
        (lambda *q: net(*q, sort=False), "sort the points"),
        (lambda *q: net(*q, every=True), "neighbours of one label"),
        (lambda *q: net(*q, inset=0.3), "begins and ends between"),
        (lambda *q: net(*q, steep=1.0), "start at the first label"),
        (lambda *q: net(*q, steep=1.5), "rises by 2"),
        (needs_a_change, "no change, no unit"),
    ],
}
