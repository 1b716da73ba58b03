"""What holds on whole perturbation sets: bounds sound in floating point, exact search, losses."""

from .branch_and_bound import BranchAndBound
from .output import OutputBounds, output_bounds
from .robust_accuracy import RobustAccuracy, robust_accuracy
from .robust_loss import RobustLoss, robust_loss

__all__ = [
    "BranchAndBound",
    "OutputBounds",
    "RobustAccuracy",
    "RobustLoss",
    "output_bounds",
    "robust_accuracy",
    "robust_loss",
]
