"""Programs that know no network: shortest vectors, interior points, and linear programs as proofs.

What a floating-point solver reports is a guess: it drops small coefficients and works to
tolerances. Here "impossible" is said only where a combination of the constraints that adds up to
zero was found in rational arithmetic.
"""

from .bands import in_band
from .exact import Rational, barycentric, integers, rationals, relation
from .programs import Answer, strict_system

__all__ = [
    "Answer",
    "Rational",
    "barycentric",
    "in_band",
    "integers",
    "rationals",
    "relation",
    "strict_system",
]
