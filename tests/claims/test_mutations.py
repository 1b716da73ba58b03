"""Break one line of the library for each claim, and the claim turns red."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType

import pytest
import torch
from torch import Tensor

from robustlib.activations import ACTIVATIONS, Activation
from robustlib.attacks import GridMax, LinearMax
from robustlib.bounds import linear
from robustlib.bounds.layers import Layer
from robustlib.bounds.supports import Support
from robustlib.capacity import gadget, interpolators, narrowest
from robustlib.claims import chapter01, chapter02, chapter10, chapter10_width, check, claims
from robustlib.kernels import angles, empirical, infinite
from robustlib.networks import DeepNet, TwoLayerNet
from robustlib.perturbations import Finite, SphereCap

Break = Callable[[pytest.MonkeyPatch], None]


def no_rim(patch: pytest.MonkeyPatch) -> None:
    """The projection forgets the cap and only normalises."""
    patch.setattr(SphereCap, "project", lambda self, z, x: z / z.norm(dim=1, keepdim=True))


def first_candidate(patch: pytest.MonkeyPatch) -> None:
    """The exact attack returns the first point of each list in place of the worst."""
    patch.setattr(GridMax, "_search", lambda self, problem, generator: None)


def half_way(patch: pytest.MonkeyPatch) -> None:
    """The closed-form attack goes half of the way."""
    search = LinearMax._search

    def shrunk(self: LinearMax, problem: object, generator: torch.Generator) -> None:
        problem.perturbation = problem.perturbation.with_radius(  # type: ignore[attr-defined]
            problem.perturbation.radius / 2  # type: ignore[attr-defined]
        )
        search(self, problem, generator)  # type: ignore[arg-type]

    patch.setattr(LinearMax, "_search", shrunk)


def moved_loss(patch: pytest.MonkeyPatch) -> None:
    """The loss is too small by 0.2."""
    call = chapter01.PseudoHuber.__call__
    patch.setattr(chapter01.PseudoHuber, "__call__", lambda self, f, y: call(self, f, y) - 0.2)


def wrong_cap(patch: pytest.MonkeyPatch) -> None:
    """The linear maximiser on the cap uses the chord as if it were the angle."""
    right = SphereCap.argmax_linear

    def chord(self: SphereCap, g: Tensor, x: Tensor) -> Tensor:
        return right(self.with_radius(self.radius * 0.99), g, x)

    patch.setattr(SphereCap, "argmax_linear", chord)


def flipped_gradient(patch: pytest.MonkeyPatch) -> None:
    """The gradient of the loss has the wrong sign, through the loss itself."""
    call = chapter01.PseudoHuber.__call__

    def flipped(self: chapter01.PseudoHuber, f: Tensor, y: Tensor) -> Tensor:
        value = call(self, f, y)
        return 2 * value.detach() - value

    patch.setattr(chapter01.PseudoHuber, "__call__", flipped)


def short_ranges(patch: pytest.MonkeyPatch) -> None:
    """The first layer's ranges are half as long as they are."""
    right = linear.first_interval

    def short(layer: Layer, support: Support) -> tuple[Tensor, Tensor]:
        low, high = right(layer, support)
        return (3 * low + high) / 4, (low + 3 * high) / 4

    patch.setattr(linear, "first_interval", short)


def low_chords(patch: pytest.MonkeyPatch) -> None:
    """The chords above the units do not reach their right ends."""
    right = linear.lines

    def low(activation: Activation | None, low: Tensor, high: Tensor) -> linear.Lines:
        found = right(activation, low, high)
        slope, offset = found.above
        return replace(found, above=(0.7 * slope, 0.7 * offset))

    patch.setattr(linear, "lines", low)


def no_search(patch: pytest.MonkeyPatch) -> None:
    """The exact search is one gradient step."""
    patch.setattr(chapter02.BranchAndBound, "_search", chapter02.FGSM._search)


def lost_factor(patch: pytest.MonkeyPatch) -> None:
    """The deep net forgets the factor of its readout."""
    right = DeepNet.evaluate
    patch.setattr(
        DeepNet, "evaluate", lambda self, weights, x: right(self, weights, x) * self.width**0.5
    )


def all_units(self: TwoLayerNet, weights: Sequence[Tensor], x: Tensor) -> Tensor:
    """The formula as it stands on paper, in which equal terms need not cancel to the last bit."""
    hidden = self.activation.function(self._lift(x) @ weights[0].T)
    return hidden @ self.readout / self.width**0.5


def no_cancelling(patch: pytest.MonkeyPatch) -> None:
    """Twins are added up like any other units."""
    patch.setattr(TwoLayerNet, "evaluate", all_units)


def too_small_curvature(patch: pytest.MonkeyPatch) -> None:
    """The table's constant C_1 of the GELU is half of what it is."""
    gelu = ACTIVATIONS["gelu"]
    patch.setitem(ACTIVATIONS, "gelu", replace(gelu, curvature=gelu.curvature / 2))


def other_factor(patch: pytest.MonkeyPatch) -> None:
    """The two-layer net has the factor 1/m."""
    right = TwoLayerNet.evaluate
    patch.setattr(
        TwoLayerNet, "evaluate", lambda self, weights, x: right(self, weights, x) / self.width**0.5
    )


def other_derivative(name: str, derivative: Callable[[Tensor], Tensor]) -> Break:
    """The activation ``name`` has another derivative in the table."""

    def patched(patch: pytest.MonkeyPatch) -> None:
        patch.setitem(ACTIVATIONS, name, replace(ACTIVATIONS[name], derivative=derivative))

    return patched


def half_expanded(patch: pytest.MonkeyPatch) -> None:
    """The linearisation forgets the twins."""
    right = TwoLayerNet.expand

    def first_half(self: TwoLayerNet, step: Sequence[Tensor], x: Tensor) -> Tensor:
        delta = step[0].clone()
        delta[self.width // 2 :] = 0
        return right(self, (delta,), x)

    patch.setattr(TwoLayerNet, "expand", first_half)


def unscaled_lift(module: ModuleType) -> Break:
    """The lift to (x, 1) forgets its factor 1/sqrt(2)."""

    def apply(patch: pytest.MonkeyPatch) -> None:
        right = angles.lift
        patch.setattr(module, "lift", lambda x, bias: right(x, bias) * (2**0.5 if bias else 1))

    return apply


def quarter_curvature(patch: pytest.MonkeyPatch) -> None:
    """The table's constant C_1 of softplus is a quarter of what it is."""
    softplus = ACTIVATIONS["softplus"]
    patch.setitem(ACTIVATIONS, "softplus", replace(softplus, curvature=softplus.curvature / 4))


def larger_outputs(patch: pytest.MonkeyPatch) -> None:
    """The two-layer net has the factor m^(-1/4)."""
    right = TwoLayerNet.evaluate
    patch.setattr(
        TwoLayerNet, "evaluate", lambda self, weights, x: right(self, weights, x) * self.width**0.25
    )


def no_lift(patch: pytest.MonkeyPatch) -> None:
    """The kernel ignores the bias."""
    right = angles.lift
    patch.setattr(infinite, "lift", lambda x, bias: right(x, False))


def no_close_pairs(patch: pytest.MonkeyPatch) -> None:
    """Pairs that are nearly antipodal keep the angle of their cosine."""
    patch.setattr(angles.Angles, "_has_close_pairs", lambda self: False)


def half_speed(patch: pytest.MonkeyPatch) -> None:
    """The flow gets half of the loss's derivative."""
    right = chapter01.PseudoHuber.derivative
    patch.setattr(chapter01.PseudoHuber, "derivative", lambda self, f, y: right(self, f, y) / 2)


def short_vertices(patch: pytest.MonkeyPatch) -> None:
    """The centres of a pair are a little nearer than asked."""
    patch.setattr(gadget, "_half_separation", lambda found: 0.999 * found.delta)


def fewer_labellings(patch: pytest.MonkeyPatch) -> None:
    """The mean of the labelling is forgotten: centres stay in the middle of all points."""
    right = chapter10.ratio_needed
    patch.setattr(chapter10, "ratio_needed", lambda points, v: 0.99 * right(points, v))


def one_split_short(patch: pytest.MonkeyPatch) -> None:
    """The gadget of the maximum norm has one split twice and another not at all."""
    right = gadget._splits

    def repeated(k: int) -> Tensor:
        found = right(k)
        return torch.cat([found[:-1], found[:1]])

    patch.setattr(gadget, "_splits", repeated)


def no_offset(patch: pytest.MonkeyPatch) -> None:
    """The nearest-centre net forgets |x_i|^2/2."""
    patch.setattr(interpolators, "_greatest", lambda x, centres: (x @ centres.T).amax(1))


def half_slope(patch: pytest.MonkeyPatch) -> None:
    """Units of the explicit nets have half of their output weight."""
    right = interpolators.two_layer
    patch.setattr(
        interpolators, "two_layer", lambda units, b, readout, c: right(units, b, readout / 2, c)
    )


def too_few_binomials(patch: pytest.MonkeyPatch) -> None:
    """The sum of binomials stops one early."""
    right = chapter10_width.sauer
    patch.setattr(chapter10_width, "sauer", lambda count, k: right(count, k - 1))


def all_to_the_right(patch: pytest.MonkeyPatch) -> None:
    """No unit of the net on a line points to the left."""
    right = interpolators._zigzag

    def turned(crossings: list[float], end: float) -> object:
        towards, *rest = right(crossings, end)
        return ([1.0] * len(towards), *rest)

    patch.setattr(interpolators, "_zigzag", turned)


def no_sets(patch: pytest.MonkeyPatch) -> None:
    """The search for narrow nets looks at the points only."""
    patch.setattr(
        narrowest._Search,
        "__init__",
        lambda self, x, y, perturbation, right=narrowest._Search.__init__: right(self, x, y, None),
    )


BREAKS: dict[str, Break] = {
    "cap-projection": no_rim,
    "sandwich": first_candidate,
    "affine-dual-norm": half_way,
    "affine-on-cap": wrong_cap,
    "incompatible-sets": moved_loss,
    "danskin": flipped_gradient,
    "interval-bounds": short_ranges,
    "linear-bounds": low_chords,
    "branch-and-bound": no_search,
    "quantised-output": first_candidate,
    "parametrisations": lost_factor,
    "symmetric-start": no_cancelling,
    "curvature": too_small_curvature,
    "movement": other_factor,
    "gradient-stability": other_derivative("gelu", lambda z: (z > 0).to(z.dtype)),
    "linearisation": half_expanded,
    "relu-worst-case": other_derivative("relu", lambda z: torch.sigmoid(50 * z)),
    "relu-training": half_expanded,
    "ntk-limit": unscaled_lift(empirical),
    "ntk-uniform": other_derivative("gelu", torch.sigmoid),
    "ntk-closed-form": unscaled_lift(infinite),
    "angle-form": no_close_pairs,
    "gram-positive": no_lift,
    "kernel-drift": quarter_curvature,
    "kernel-drift-symmetric": larger_outputs,
    "robust-gram": other_derivative("gelu", torch.ones_like),
    "kernel-flow": half_speed,
    "capacity": short_vertices,
    "pairs": fewer_labellings,
    "maximum-norm": one_split_short,
    "nearest-centre": no_offset,
    "cap-net": half_slope,
    "two-layer-vc": too_few_binomials,
    "line": all_to_the_right,
    "zigzag": no_sets,
}


def test_every_claim_has_a_mutation() -> None:
    assert set(BREAKS) == {found.id for found in claims()}
    assert Finite  # the sets over which GridMax is exact


@pytest.mark.parametrize("id", BREAKS)
def test_a_broken_library_turns_the_claim_red(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BREAKS[id](monkeypatch)
    verdict = check(id, budget="smoke")
    assert not verdict.holds, verdict
