"""Which kernel is meant: of which infinitely wide net, and of its gradients or of its outputs."""

from __future__ import annotations

from dataclasses import dataclass

from ..activations import Activation, activation_of
from ..checks import check_choice, check_flag, check_integer

TRAINED = ("first", "all", "hidden")


@dataclass(frozen=True)
class Kind:
    """A kernel of lifted points: the options of ``ntk``, or of ``nngp`` if not ``tangent``."""

    activation: Activation
    depth: int
    trained: str
    tangent: bool

    @property
    def by_angle(self) -> bool:
        """Whether the kernel is a function of the angle alone, up to the norms."""
        return self.activation.degree in (1, 2)

    @property
    def degree(self) -> int:
        """The p in K(cx, z) = c^p K(x, z) for c > 0, where the activation has a degree."""
        assert self.activation.degree is not None
        degree: int = self.activation.degree**self.depth
        return degree


def check_kind(
    activation: str | Activation, depth: int, trained: str, bias: bool, *, tangent: bool = True
) -> Kind:
    """The kernel with these options; raises where no net belongs to them or no kernel is known."""
    found = activation_of(activation)
    trained = check_choice("trained", trained, TRAINED)
    depth = check_integer("depth", depth, minimum=1)
    check_flag("bias", bias)
    if trained == "first" and depth != 1:
        raise ValueError(
            f'trained="first" is the two-layer net and has depth 1, got depth={depth}; '
            'use trained="hidden" or trained="all"'
        )
    if found.unsmooth is not None:
        raise ValueError(f"activation must have a kernel, got {found.unsmooth}")
    return Kind(found, depth, trained, tangent)
