"""Activations: what a scalar function knows of itself, in one object; some are built in."""

from .base import Activation as Activation
from .base import Dual as Dual
from .base import Parity as Parity
from .builtin import ACTIVATIONS as ACTIVATIONS
from .builtin import activation_of as activation_of
from .builtin import read_module as read_module
