"""Adversarial training, and the record of a run."""

from .loop import adversarial_training
from .trajectory import Trajectory

__all__ = ["Trajectory", "adversarial_training"]
