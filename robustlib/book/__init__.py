"""The course's own wing: claims with their ledger, figures to be moved, and drawn ideas."""

from .claims import (
    Claim,
    Control,
    Evidence,
    Verdict,
    assumptions,
    check,
    claim,
    claims,
    constants,
    table,
)
from .explorers import PALETTE, STYLE, Explorer, explore, use_style
from .ideas import Picture, idea

__all__ = [
    "PALETTE",
    "STYLE",
    "Claim",
    "Control",
    "Evidence",
    "Explorer",
    "Picture",
    "Verdict",
    "assumptions",
    "check",
    "claim",
    "claims",
    "constants",
    "explore",
    "idea",
    "table",
    "use_style",
]
