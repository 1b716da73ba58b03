"""The facts of an activation that nets, kernels, bounds and theorems ask for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ..checks import (
    check_choice,
    check_flag,
    check_function,
    check_integer,
    check_real,
    check_text,
    keep,
    shown,
)

Interval = tuple[Tensor, Tensor]
Dual = Callable[[Tensor, Tensor, Tensor, bool], Tensor]
_FUNCTIONS = {
    "function": "z",
    "derivative": "z",
    "range": "low, high",
    "dual": "q, p, c, slope",
    "module": "module",
    "jet": "z",
}


@dataclass(frozen=True)
class Parity:
    """s(z) - c z^power is an even or an odd function, as ``kind`` says, for some number c.

    ``power`` is None where s itself is one. The ReLU is z/2 and the even |z|/2: ("even", 1).
    """

    kind: str
    power: int | None = None

    def __post_init__(self) -> None:
        keep(self, kind=check_choice("kind", self.kind, ("even", "odd")))
        if self.power is not None:
            keep(self, power=check_integer("power", self.power, minimum=0))

    def lacks(self, degree: int) -> bool:
        """Whether kernels of nets without bias lack the harmonics of this degree: those of the
        other parity, but for the polynomial's.
        """
        degree = check_integer("degree", degree, minimum=0)
        other = 1 if self.kind == "even" else 0
        return degree % 2 == other and (self.power is None or degree > self.power)


@dataclass(frozen=True, repr=False)
class Activation:
    """A scalar function s, its derivative, and the facts that make theorems and bounds hold.

    Both functions act entry by entry on tensors of any shape and dtype; ``function`` is right to 16
    roundings of |s(z)| + |z|, and differentiable. A fact that is not given is not used, and what
    needs it refuses and names it; a fact given is believed, once it agrees with the function
    on a grid. Facts, with suprema that may be upper bounds and are ``math.inf`` where there is none
    (a ``Loss`` says None there, as its ``lipschitz`` always exists):

    * ``slope`` C_0 = sup |s'|, ``curvature`` C_1 = sup |s''| (almost everywhere, with s'
      continuous), ``third`` C_2 = sup |s'''|; ``sharpest``, a point where |s''| is C_1.
    * ``monotone``: s never falls.
    * ``degree`` p: s(cz) = c^p s(z) for c > 0. Kernels follow from it for p = 1 and 2, lines for
      p = 1.
    * ``parity``: see ``Parity``.
    * ``range``: (low, high) -> the least and the greatest value of s on [low, high], entry by
      entry.
    * ``strip``: s is analytic for |Im z| < strip, and grows there at most like exp(|z|).
    * ``dual``: (q, p, c, slope) -> E[s(u)s(v)], or E[s'(u)s'(v)] where the flag ``slope`` is True,
      of centred Gaussians with variances q, p and covariance c; tensors that broadcast.
    * ``module``: whether a module of torch computes s.
    * ``jet``: z -> (s(z), s'(z)), where both at once cost less; it may overwrite z.
    """

    name: str
    function: Callable[[Tensor], Tensor]
    derivative: Callable[[Tensor], Tensor]
    _: KW_ONLY
    slope: float = math.inf
    curvature: float = math.inf
    third: float = math.inf
    sharpest: float | None = None
    monotone: bool = False
    degree: int | None = None
    parity: Parity | None = None
    range: Callable[[Tensor, Tensor], Interval] | None = None
    strip: float | None = None
    dual: Dual | None = None
    module: Callable[[nn.Module], bool] | None = None
    jet: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None

    def __post_init__(self) -> None:
        """The kinds of all facts; whether they are true is looked at where the function is used."""
        keep(self, name=check_text("name", self.name))
        check_flag("monotone", self.monotone)
        for name, takes in _FUNCTIONS.items():
            held = getattr(self, name)
            if held is not None or name in ("function", "derivative"):
                check_function(name, held, takes)
        for name in ("slope", "curvature", "third", "strip"):
            held = getattr(self, name)
            if name == "strip" and held is None:
                continue
            if not (isinstance(held, float) and held == math.inf):
                keep(self, **{name: check_real(name, held, minimum=0)})
        if self.sharpest is not None:
            keep(self, sharpest=check_real("sharpest", self.sharpest))
        if self.degree is not None:
            keep(self, degree=check_integer("degree", self.degree, minimum=0))
        if not isinstance(self.parity, Parity | None):
            raise TypeError(f"parity must be a Parity or None, got {shown(self.parity)}")

    def __deepcopy__(self, memo: dict[int, Any]) -> Activation:
        return self  # nothing of it changes, and copies of its functions would be other functions

    def __repr__(self) -> str:
        facts = [f"slope at most {self.slope:.4g}"] if math.isfinite(self.slope) else []
        facts += [f"curvature at most {self.curvature:.4g}"] if self.smooth else []
        facts += ["monotone"] if self.monotone else []
        facts += [f"homogeneous of degree {self.degree}"] if self.degree is not None else []
        return f"The activation {self.name!r}: {', '.join(facts) or 'no facts given'}."

    @property
    def both(self) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """The function that maps z of any shape to s(z) and s'(z), and may overwrite z."""
        return self.jet or (lambda z: (self.function(z), self.derivative(z)))

    @property
    def smooth(self) -> bool:
        """Whether s' is Lipschitz: s has the constant C_1 of Theorem B."""
        return math.isfinite(self.curvature)

    @cached_property
    def sides(self) -> tuple[float, float] | None:
        """s(-1) and s(1), which are all of a homogeneous s; None for others."""
        if self.degree is None:
            return None
        left, right = self.function(
            torch.tensor([-1.0, 1.0], dtype=torch.float64, device="cpu")
        ).tolist()
        return left, right

    @property
    def gain(self) -> float:
        """The variance of a deep net's weights, in units of 1/width: for degree 1 the one that
        keeps the second moment of a layer, 2 for the ReLU; else 1.
        """
        if self.degree != 1 or self.sides is None:
            return 1.0
        left, right = self.sides
        return 2 / (left * left + right * right)

    @property
    def rectifier(self) -> bool:
        """Whether s is max(0, z)."""
        return self.degree == 1 and self.sides == (0.0, 1.0)

    @property
    def unbounded(self) -> str | None:
        """What bounds over sets would need to know, in words; None where they know enough."""
        ranged = self.monotone or self.range is not None
        if self.smooth or self.degree == 1 or (math.isfinite(self.slope) and ranged):
            return None
        lacking = "finite slope" if ranged else "range"
        return (
            f"the activation {self.name!r}, which gives no finite curvature, no degree 1 and no "
            f"{lacking}"
        )

    @property
    def unsmooth(self) -> str | None:
        """What a kernel would need to know, in words; None where there is one."""
        if self.dual or self.strip or self.degree in (1, 2):
            return None
        return (
            f"the activation {self.name!r}, which gives no dual, no strip of analyticity and no "
            "degree 1 or 2"
        )
