"""Floor 5: the statements of the book as executable checks, one file a chapter."""

from . import chapter01 as chapter01
from . import chapter02 as chapter02
from . import chapter03 as chapter03
from . import chapter03_movement as chapter03_movement
from . import chapter03_relu as chapter03_relu
from . import chapter04 as chapter04
from . import chapter04_training as chapter04_training
from . import chapter10 as chapter10
from . import chapter10_width as chapter10_width
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
