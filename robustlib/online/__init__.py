"""Online learning: the robust comparator, regret and its terms, certificates, schedules."""

from ..training.comparison import Comparator
from .adv_ntk import AdvNTK, adv_ntk
from .certificate import RegretCertificate, ball_lower_bound
from .comparator import best_in_ball
from .decomposition import Regret, regret
from .judge import BlurredPGD
from .schedules import Schedule, projected_schedule, realisable_schedule, two_layer_schedule

__all__ = [
    "AdvNTK",
    "BlurredPGD",
    "Comparator",
    "Regret",
    "RegretCertificate",
    "Schedule",
    "adv_ntk",
    "ball_lower_bound",
    "best_in_ball",
    "projected_schedule",
    "realisable_schedule",
    "regret",
    "two_layer_schedule",
]
