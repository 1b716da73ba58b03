"""The course's own wing: claims with their ledger, and figures that a reader can move."""

from .claims import Claim, Control, Evidence, Verdict, assumptions, check, claim, claims, constants
from .explorers import PALETTE, STYLE, Explorer, explore

__all__ = [
    "PALETTE",
    "STYLE",
    "Claim",
    "Control",
    "Evidence",
    "Explorer",
    "Verdict",
    "assumptions",
    "check",
    "claim",
    "claims",
    "constants",
    "explore",
]
