"""Floor 5: the statements of the book as executable checks, one file a chapter."""

from . import chapter01 as chapter01
from . import chapter01_gradient as chapter01_gradient
from . import chapter02 as chapter02
from . import chapter02_search as chapter02_search
from . import chapter03 as chapter03
from . import chapter03_movement as chapter03_movement
from . import chapter03_relu as chapter03_relu
from . import chapter04 as chapter04
from . import chapter04_points as chapter04_points
from . import chapter04_training as chapter04_training
from . import chapter04_training_flow as chapter04_training_flow
from . import chapter05 as chapter05
from . import chapter05_ball as chapter05_ball
from . import chapter05_convexity as chapter05_convexity
from . import chapter05_stability as chapter05_stability
from . import chapter06 as chapter06
from . import chapter06_comparator as chapter06_comparator
from . import chapter06_rates as chapter06_rates
from . import chapter07 as chapter07
from . import chapter07_attack as chapter07_attack
from . import chapter08 as chapter08
from . import chapter08_parity as chapter08_parity
from . import chapter09 as chapter09
from . import chapter09_norms as chapter09_norms
from . import chapter10 as chapter10
from . import chapter10_layer as chapter10_layer
from . import chapter10_line as chapter10_line
from . import chapter10_search as chapter10_search
from . import chapter10_width as chapter10_width
from . import chapter11 as chapter11
from . import chapter12_layer as chapter12_layer
from . import chapter12_start as chapter12_start
from . import chapter12_steps as chapter12_steps
from . import chapter12_time as chapter12_time
from . import chapter13 as chapter13
from . import chapter13_kernel as chapter13_kernel
from . import chapter13_online as chapter13_online
from . import chapter13_sparse as chapter13_sparse
from . import chapter13_width as chapter13_width
from .ledger import ledger_page
from .registry import Claim, Control, Evidence, Verdict, check, claim, claims
from .tables import assumptions, constants, table

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
    "table",
]
