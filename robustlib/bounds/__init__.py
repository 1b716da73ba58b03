"""Bounds of a model's output over whole perturbation sets, sound in floating point."""

from .layers import Layers, read_layers
from .output import OutputBounds, output_bounds
from .regions import Region, region

__all__ = ["Layers", "OutputBounds", "Region", "output_bounds", "read_layers", "region"]
