"""What the tests of many rooms share: one set of each kind, as examples on the sphere suit them."""

from __future__ import annotations

from robustlib.sets import L1Ball, L2Ball, LinfBall, Perturbation, SphereCap

# A set that is added stands here; the tests of sets, attacks, bounds and search then run on it.
SETS: list[Perturbation] = [SphereCap(0.3), L2Ball(0.3), LinfBall(0.1), L1Ball(0.5)]


def boxed(lo: float, hi: float) -> list[Perturbation]:
    """Every ball, large enough that the box takes something off it."""
    box = (lo, hi)
    return [L2Ball(0.4, box=box), LinfBall(0.2, box=box), L1Ball(0.8, box=box)]
