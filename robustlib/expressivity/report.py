"""Expressiveness in words: what a kernel's space can do on the sets of a sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..activations import Activation
from ..kernels import Spectrum, kernel_spectrum
from ..samples import Sample
from ..sets import Perturbation, compatible
from .parity import Lack, Pair, antipodes, lacking, possible
from .sets import SphereSets
from .zonal import ZonalKernel

_DEGREES = 8
_PARITY = ("even", "odd")


@dataclass(frozen=True, eq=False, repr=False)
class Expressiveness:
    """What the functions g of a kernel's space can do on the sets of a sample, in sentences.

    ``spectrum`` belongs to the sphere of the sample. ``fits`` says whether every tolerance > 0 can
    be met, |g - y| <= tolerance on all sets; ``separates`` whether some g has y g >= 1 there. True
    and False are proved, None is neither. ``conflict`` names two examples (or one twice) whose sets
    hold antipodal points with labels that ask for a missing degree, None where nothing is lost.
    """

    spectrum: Spectrum
    fits: bool | None
    separates: bool | None
    conflict: Pair | None
    sentences: tuple[str, ...]

    def __repr__(self) -> str:
        return " ".join(self.sentences)


def expressiveness(
    sample: Sample,
    perturbation: Perturbation,
    *,
    activation: str | Activation = "relu",
    bias: bool = True,
    trained: str = "first",
    depth: int = 1,
) -> Expressiveness:
    """Whether the kernel ``ntk`` with these options can hold the labels on all sets B(x_i).

    Sets are ``SphereCap``, ``Finite`` or others ``on_sphere``, the unit sphere. A kernel whose
    spectrum has no gap can, wherever the sets are compatible. One without the odd degrees (or the
    even ones), up to a few low ones, can too unless two sets hold antipodal points whose labels
    differ (agree); then the low degrees may still help, which a linear program decides, for finite
    sets exactly.
    Raises ``ValueError`` or ``TypeError`` for sets off the sphere and for options of no kernel.
    """
    kernel = ZonalKernel(activation, bias, trained, depth)
    sets = SphereSets(sample, perturbation)
    found = _spectrum(sample.d, kernel)
    lack = lacking(found)
    space = f"the space of {kernel}, on the unit sphere of R^{sample.d}"
    apart = compatible(sample, perturbation)
    first = (
        f"No degree of harmonics is missing from {space}: it is dense in the continuous functions."
        if lack is None
        else f"Of the {_PARITY[lack.parity]} harmonics {space}, holds {_degrees(lack.left)}, and "
        f"so {lack.words()} for every g in it."
    )
    if apart.pair is not None:
        i, j = apart.pair
        second = f"The sets of examples {i} and {j} meet and their labels differ: no function fits."
        return Expressiveness(found, False, False, None, (first, second))
    if lack is None:
        distance = "" if math.isinf(apart.gap) else f", which are {apart.gap:.4g} apart"
        second = f"Every tolerance > 0 can be met on these sets{distance}."
        return Expressiveness(found, True, True, None, (first, second))
    pairs = antipodes(sets)
    fits, conflict = possible(pairs, sets.y, lack, 1.0, 1.0)
    separates, _ = possible(pairs, sets.y, lack, 1.0, math.inf)
    if separates is False:  # twice a fit to 1/2 would have the margin 1
        fits = False
    if conflict is None and fits is None:
        second = (
            f"Whether two sets hold antipodal points {_wrong(lack)} is open, and with it whether "
            "every tolerance can be met."
        )
        return Expressiveness(found, None, separates, None, (first, second))
    if conflict is None:
        second = (
            "No set meets the mirror image of one whose label is "
            f"{'opposite' if lack.parity else 'the same'}: every tolerance > 0 can be met."
        )
        return Expressiveness(found, True, True, None, (first, second))
    verdicts: dict[tuple[bool | None, bool | None], str] = {
        (False, False): "no function of the space has the right signs on all sets",
        (False, True): "right signs can be had, but not every tolerance",
        (False, None): "not every tolerance can be met; whether right signs can is open",
        (True, True): "the low degrees make up for it, and every tolerance > 0 can be met",
    }
    verdict = verdicts.get((fits, separates), "whether the low degrees make up for it is open")
    sentences = first, f"{meeting(conflict, lack)}: {verdict}.", *remedy(kernel)
    return Expressiveness(found, fits, separates, conflict, sentences)


def obstruction(sets: SphereSets, kernel: ZonalKernel, low: float, high: float) -> str | None:
    """Why no function of the space has low <= y g <= high on the sets; None where one may."""
    lack = lacking(_spectrum(sets.sample.d, kernel))
    if lack is None:
        return None
    answer, pair = possible(antipodes(sets), sets.y, lack, low, high)
    if answer is not False or pair is None:
        return None
    return (
        f"of the {_PARITY[lack.parity]} harmonics the space of {kernel} holds "
        f"{_degrees(lack.left)}, so that {lack.words()} for all its functions. "
        f"{meeting(pair, lack)}, which no such g can have. {' '.join(remedy(kernel))}"
    )


def meeting(pair: Pair, lack: Lack) -> str:
    """What is wrong with these two examples."""
    i, j = pair
    who = f"The sets of examples {i} and {j} hold" if i != j else f"The set of example {i} holds"
    return f"{who} antipodal points {_wrong(lack)}"


def _wrong(lack: Lack) -> str:
    return f"with {'different' if lack.parity else 'equal'} labels"


def remedy(kernel: ZonalKernel) -> tuple[str, ...]:
    """What to change."""
    return () if kernel.bias else ("With bias=True no degree is missing.",)


def _spectrum(d: int, kernel: ZonalKernel) -> Spectrum:
    return kernel_spectrum(
        d,
        activation=kernel.activation,
        bias=kernel.bias,
        trained=kernel.trained,
        depth=kernel.depth,
        max_degree=_DEGREES,
    )


def _degrees(left: tuple[int, ...]) -> str:
    if not left:
        return "none"
    word = "degree" if len(left) == 1 else "degrees"
    return f"{word} {' and '.join(map(str, left))} only"
