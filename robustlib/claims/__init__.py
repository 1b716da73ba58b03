"""Floor 5: the statements of the book as executable checks, one file a chapter."""

from . import chapter01 as chapter01
from . import chapter02 as chapter02
from .ledger import ledger_page
from .registry import Claim, Control, Evidence, Verdict, check, claim, claims
from .tables import assumptions, constants

__all__ = [
    "Claim",
    "Control",
    "Evidence",
    "Verdict",
    "assumptions",
    "check",
    "claim",
    "claims",
    "constants",
    "ledger_page",
]
