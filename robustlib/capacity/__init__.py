"""What robust interpolation costs: gadgets, bounds, explicit nets, narrowest nets."""

from .bounds import VCBound, robust_vc_bound, two_layer_vc_bound, width_needed
from .curve import WidthCurve, WidthRun, width_curve
from .gadget import Gadget, hypercube_gadget, simplex_gadget
from .interpolators import Interpolator, cap_net, line_net, nearest_centre
from .narrowest import Narrowest, narrowest_net
from .shattering import Shattering, check_shattering

__all__ = [
    "Gadget",
    "Interpolator",
    "Narrowest",
    "Shattering",
    "VCBound",
    "WidthCurve",
    "WidthRun",
    "cap_net",
    "check_shattering",
    "hypercube_gadget",
    "line_net",
    "narrowest_net",
    "nearest_centre",
    "robust_vc_bound",
    "simplex_gadget",
    "two_layer_vc_bound",
    "width_curve",
    "width_needed",
]
