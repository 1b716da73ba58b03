"""Online learning: the robust comparator, regret and its terms, certificates, schedules."""

from .certificate import Certificate, lower_bound
from .comparator import Comparator, best_in_ball
from .decomposition import Regret, regret
from .schedules import Schedule, projected_schedule, realisable_schedule, two_layer_schedule

__all__ = [
    "Certificate",
    "Comparator",
    "Regret",
    "Schedule",
    "best_in_ball",
    "lower_bound",
    "projected_schedule",
    "realisable_schedule",
    "regret",
    "two_layer_schedule",
]
