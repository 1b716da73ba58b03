"""Figures that a reader can move: every state drawn ahead, switched by a small script."""

from .drawing import PALETTE, STYLE
from .explore import Explorer, explore
from .stills import use_style

__all__ = ["PALETTE", "STYLE", "Explorer", "explore", "use_style"]
