"""Networks that remember where they started: two-layer, deep, and linearised in their weights."""

from .base import Network as Network
from .deep import DeepNet as DeepNet
from .known import known_net as known_net
from .linearized import LinearizedNet as LinearizedNet
from .linearized import linearize as linearize
from .stack import Stack as Stack
from .two_layer import TwoLayerNet as TwoLayerNet
