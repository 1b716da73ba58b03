"""Bounds of a model's output over whole perturbation sets, sound in floating point."""

from .layers import Layers, read_layers
from .output import OutputBounds, output_bounds
from .supports import Support, support_of

__all__ = ["Layers", "OutputBounds", "Support", "output_bounds", "read_layers", "support_of"]
