"""Twelve drawn pictures of ideas, in the colours of the page."""

from __future__ import annotations

from robustlib.book.ideas import geometry, training
from robustlib.book.ideas.picture import Picture, painted
from robustlib.checks import check_choice

__all__ = ["IDEAS", "Picture", "idea"]

IDEAS = {
    "game": training.game,
    "losses": training.losses,
    "tangent": training.tangent,
    "twins": training.twins,
    "potential": training.potential,
    "dual norm": geometry.dual_norm,
    "caps": geometry.caps,
    "wedge": geometry.wedge,
    "lift": geometry.lift,
    "degrees": geometry.degrees,
    "zigzag": geometry.zigzag,
    "triangle": geometry.triangle,
}


def idea(name: str) -> Picture:
    """The drawn picture of one idea, by its name in ``IDEAS``; raises ``ValueError`` for others."""
    return painted(IDEAS[check_choice("name", name, IDEAS)])
