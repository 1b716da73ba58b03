"""Break one line of the library for each claim, and the claim turns red."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType

import pytest
import torch
from torch import Tensor

from robustlib.activations import ACTIVATIONS, Activation
from robustlib.attacks import GridMax, LinearMax, Reused
from robustlib.book.claims import (
    chapter01,
    chapter06_comparator,
    chapter07,
    chapter08,
    chapter09_norms,
    chapter10,
    chapter10_width,
    chapter12_time,
    chapter13_online,
    check,
    claims,
    gaps,
)
from robustlib.capacity import WidthCurve, fitting, gadget, interpolators, narrowest
from robustlib.expressivity import report
from robustlib.kernels import angles, empirical, infinite, regression, spectrum
from robustlib.losses import Hinge, Logistic
from robustlib.networks import DeepNet, Network, TwoLayerNet
from robustlib.networks.streams import Neurons
from robustlib.online import Regret, Schedule
from robustlib.sets import Finite, Hull, L2Ball, LinfBall, SphereCap
from robustlib.verification import relaxation as linear
from robustlib.verification.layers import Layer
from robustlib.verification.search import Nodes
from robustlib.verification.units import UnitTree

Break = Callable[[pytest.MonkeyPatch], None]


def no_rim(patch: pytest.MonkeyPatch) -> None:
    """The projection forgets the cap and only normalises."""
    patch.setattr(SphereCap, "project", lambda self, z, x: z / z.norm(dim=1, keepdim=True))


def first_candidate(patch: pytest.MonkeyPatch) -> None:
    """The exact attack returns the first point of each list in place of the worst."""
    patch.setattr(GridMax, "_search", lambda self, oracle, generator: None)


def half_way(patch: pytest.MonkeyPatch) -> None:
    """The closed-form attack goes half of the way."""
    search = LinearMax._search

    def shrunk(self: LinearMax, oracle: object, generator: torch.Generator) -> None:
        oracle.perturbation = oracle.perturbation.with_radius(  # type: ignore[attr-defined]
            oracle.perturbation.radius / 2  # type: ignore[attr-defined]
        )
        search(self, oracle, generator)  # type: ignore[arg-type]

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

    def short(layer: Layer, hull: Hull) -> tuple[Tensor, Tensor]:
        low, high = right(layer, hull)
        return (3 * low + high) / 4, (low + 3 * high) / 4

    patch.setattr(linear, "first_interval", short)


def low_chords(patch: pytest.MonkeyPatch) -> None:
    """The chords above the units do not reach their right ends."""
    right = linear.lines

    def low(activation: Activation | None, low: Tensor, high: Tensor) -> linear.LinearRelaxation:
        found = right(activation, low, high)
        slope, offset = found.above
        return replace(found, above=(0.7 * slope, 0.7 * offset))

    patch.setattr(linear, "lines", low)


def one_child(patch: pytest.MonkeyPatch) -> None:
    """A split forgets the part where its unit is off."""
    right = UnitTree.split

    def half(self: UnitTree, nodes: Nodes) -> tuple[Nodes, Tensor]:
        children, parent = right(self, nodes)
        kept = torch.arange(0, len(children), 2)
        return children.take(kept), parent[kept]

    patch.setattr(UnitTree, "split", half)


def lost_factor(patch: pytest.MonkeyPatch) -> None:
    """The deep net forgets the factor of its readout."""
    right = DeepNet.evaluate
    patch.setattr(
        DeepNet, "evaluate", lambda self, weights, x: right(self, weights, x) * self.width**0.5
    )


def all_units(self: TwoLayerNet, weights: Sequence[Tensor], x: Tensor) -> Tensor:
    """The formula as it stands on paper, in which equal terms need not cancel to the last bit."""
    hidden = self.activation.function(self.lift(x) @ weights[0].T)
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
    right, streamed = TwoLayerNet.evaluate, TwoLayerNet._sum_at

    def sum_at(self: TwoLayerNet, weight: Tensor) -> Neurons:
        neurons = streamed(self, weight)
        neurons.root /= self.width**0.25
        return neurons

    patch.setattr(
        TwoLayerNet, "evaluate", lambda self, weights, x: right(self, weights, x) * self.width**0.25
    )
    patch.setattr(TwoLayerNet, "_sum_at", sum_at)


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


def small_start(patch: pytest.MonkeyPatch) -> None:
    """ReLU nets start with entries N(0, 1)."""
    flat = lambda name: replace(ACTIVATIONS[name], degree=None)  # noqa: E731
    patch.setattr("robustlib.networks.deep.activation_of", flat)


def shallow_spectrum(patch: pytest.MonkeyPatch) -> None:
    """The spectrum is that of one layer, whatever the depth."""
    patch.setattr(
        spectrum, "ntk", lambda x, z, **options: infinite.ntk(x, z, **options | {"depth": 1})
    )


def last_layer_expanded(patch: pytest.MonkeyPatch) -> None:
    """The linearisation of a deep net forgets all layers but the last."""
    right = DeepNet.expand

    def last(self: DeepNet, step: Sequence[Tensor], x: Tensor) -> Tensor:
        return right(self, [*(0 * delta for delta in step[:-1]), step[-1]], x)

    patch.setattr(DeepNet, "expand", last)


def bent_expansion(patch: pytest.MonkeyPatch) -> None:
    """The linearisation is no longer affine in the weights."""
    right = TwoLayerNet.expand
    patch.setattr(TwoLayerNet, "expand", lambda self, step, x: torch.sin(right(self, step, x)))


def small_ball(patch: pytest.MonkeyPatch) -> None:
    """Training stays in a ball of a third of the radius."""
    right = Network.project
    patch.setattr(Network, "project", lambda self, radius: right(self, radius / 3))


def slow_descent(patch: pytest.MonkeyPatch) -> None:
    """The gradient of the loss is a fiftieth of what it is."""
    call = chapter01.PseudoHuber.__call__

    def flat(self: chapter01.PseudoHuber, f: Tensor, y: Tensor) -> Tensor:
        value = call(self, f, y)
        return value.detach() + (value - value.detach()) / 50

    patch.setattr(chapter01.PseudoHuber, "__call__", flat)


def squared_hinge(patch: pytest.MonkeyPatch) -> None:
    """The hinge loss is squared, hence no longer linear where it is positive."""
    call = Hinge.__call__
    patch.setattr(Hinge, "__call__", lambda self, f, y: call(self, f, y) ** 2)


def never_fresh(patch: pytest.MonkeyPatch) -> None:
    """A stale attack returns the examples themselves."""
    patch.setattr(Reused, "_search", lambda self, oracle, generator: None)


def doubled_certificate(patch: pytest.MonkeyPatch) -> None:
    """The certificate takes the ball for half as large as it is."""
    right = chapter06_comparator.ball_lower_bound

    def half(*args: object, radius: float, **options: object) -> object:
        return right(*args, radius=radius / 2, **options)  # type: ignore[arg-type]

    patch.setattr(chapter06_comparator, "ball_lower_bound", half)


def other_dimension(patch: pytest.MonkeyPatch) -> None:
    """Eigenvalues are those of the sphere in one dimension more."""
    right = spectrum._funk_hecke
    patch.setattr(spectrum, "_funk_hecke", lambda d, *rest: right(d + 1, *rest))


def no_polynomials(patch: pytest.MonkeyPatch) -> None:
    """No part of a kernel is seen to be a polynomial: no degree is missing."""
    patch.setattr(spectrum, "_is_polynomial", lambda parity, options: False)


def half_circle(patch: pytest.MonkeyPatch) -> None:
    """The grid covers half of the circle."""
    right = chapter08.circle
    patch.setattr(chapter08, "circle", lambda points: right(points)[: points // 2])


def shifted_units(patch: pytest.MonkeyPatch) -> None:
    """Every ReLU has its kink at -0.3: a bias by the back door."""
    relu = ACTIVATIONS["relu"]
    shifted = replace(
        relu,
        function=lambda z: relu.function(z + 0.3),
        derivative=lambda z: relu.derivative(z + 0.3),
        jet=lambda z: relu.both(z + 0.3),
    )
    patch.setitem(ACTIVATIONS, "relu", shifted)


def no_conflict(patch: pytest.MonkeyPatch) -> None:
    """The criterion finds nothing wrong with any pair."""
    patch.setattr(report, "possible", lambda *rest: (True, None))


def flat_world(patch: pytest.MonkeyPatch) -> None:
    """The mean over turns is that of the circle, whatever the dimension."""
    right = gaps.turned_kernel
    patch.setattr(gaps, "turned_kernel", lambda angles, d: right(angles, 2))


def heavy_powers(patch: pytest.MonkeyPatch) -> None:
    """The coefficients of the kernel's series are twice what they are."""
    right = chapter09_norms.power_weight
    patch.setattr(chapter09_norms, "power_weight", lambda p: 2 * right(p))


def no_squares(patch: pytest.MonkeyPatch) -> None:
    """The bound on gradient descent forgets the squared gradients."""

    def short(self: Regret) -> float:
        fall = -self.distance.square().diff()
        return float((fall / (2 * self.step_sizes)).mean())

    patch.setattr(Regret, "online_bound", property(short))


def unlifted_kernel(patch: pytest.MonkeyPatch) -> None:
    """The tangent kernel multiplies the points themselves, without their constant coordinate."""
    patch.setattr(empirical, "lift", lambda x, bias: x.double())


def slow_steps(name: str) -> Break:
    """The schedule's steps are a hundredth of what they should be."""

    def apply(patch: pytest.MonkeyPatch) -> None:
        right = getattr(chapter07, name)

        def slow(*args: object, **options: object) -> Schedule:
            plan: Schedule = right(*args, **options)
            return replace(plan, step_size=plan.step_size / 100)

        patch.setattr(chapter07, name, slow)

    return apply


def short_axes(patch: pytest.MonkeyPatch) -> None:
    """The centres of a pair are a little nearer than the balls allow."""
    right = gadget.two_centres
    patch.setattr(
        gadget, "two_centres", lambda z, v, radius, delta: right(z, v, 0.99 * radius, delta)
    )


def fewer_labellings(patch: pytest.MonkeyPatch) -> None:
    """The ratio that points need is taken for smaller than it is."""
    right = chapter10.ratios_needed
    patch.setattr(chapter10, "ratios_needed", lambda points, v: 0.99 * right(points, v))


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


def lost_patterns(patch: pytest.MonkeyPatch) -> None:
    """A new point leaves half of the ways in which units can be active."""
    right = fitting.extend_patterns

    def half(cells: object, rows: object) -> object:
        found = list(right(cells, rows).items())  # type: ignore[arg-type]
        return dict(found[: max(2, (len(found) + 1) // 2)])

    patch.setattr(fitting, "extend_patterns", half)


def no_sets(patch: pytest.MonkeyPatch) -> None:
    """The search for narrow nets looks at the points only."""
    patch.setattr(
        narrowest._Search,
        "__init__",
        lambda self, x, y, perturbation, right=narrowest._Search.__init__: right(self, x, y, None),
    )


def no_biases(patch: pytest.MonkeyPatch) -> None:
    """Two-layer nets are built without the biases of their units."""
    right = interpolators.two_layer
    patch.setattr(interpolators, "two_layer", lambda w, b, a, c: right(w, 0 * b, a, c))


def exchanged_ends(patch: pytest.MonkeyPatch) -> None:
    """The proved width comes from the lower ends, the other from the upper ends."""
    right = WidthCurve.narrowest
    patch.setattr(WidthCurve, "narrowest", lambda self: right(self)[::-1])


def steep_logistic(patch: pytest.MonkeyPatch) -> None:
    """The logistic loss has twice the slope."""
    call = Logistic.__call__
    patch.setattr(Logistic, "__call__", lambda self, f, y: 2 * call(self, f, y))


def other_labels(patch: pytest.MonkeyPatch) -> None:
    """The interpolant ignores a tenth of every label."""
    right = chapter12_time.kernel_regression
    patch.setattr(chapter12_time, "kernel_regression", lambda K, y: right(K, 0.9 * y))


def small_boxes(patch: pytest.MonkeyPatch) -> None:
    """The linear maximiser on boxes goes to 0.9 of the way."""
    right = LinfBall.argmax_linear
    patch.setattr(LinfBall, "argmax_linear", lambda self, g, x: x + 0.9 * (right(self, g, x) - x))


def no_attack(patch: pytest.MonkeyPatch) -> None:
    """The linear maximiser on balls does not move."""
    patch.setattr(L2Ball, "argmax_linear", lambda self, g, x: x)


def half_time(patch: pytest.MonkeyPatch) -> None:
    """The squared flow has come half of the way."""
    right = regression._squared_flow
    patch.setattr(regression, "_squared_flow", lambda v, V, y, t: right(v, V, y, t / 2))


def clean_labels(patch: pytest.MonkeyPatch) -> None:
    """A hypothesis is kept where it is right at the clean point, whatever it says around it."""
    patch.setattr(chapter13_online, "robustly_right", chapter13_online.clean_right)


BREAKS: dict[str, Break] = {
    "cap-projection": no_rim,
    "sandwich": first_candidate,
    "affine-dual-norm": half_way,
    "affine-on-cap": wrong_cap,
    "incompatible-sets": moved_loss,
    "danskin": flipped_gradient,
    "interval-bounds": short_ranges,
    "linear-bounds": low_chords,
    "branch-and-bound": one_child,
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
    "deep-start": small_start,
    "deep-kernel": other_derivative("relu", torch.sigmoid),
    "depth-degrees": shallow_spectrum,
    "delocalised": other_derivative("relu", lambda z: 1.1 * (z > 0).to(z.dtype)),
    "deep-movement": lost_factor,
    "deep-worst-case": other_derivative("relu", lambda z: torch.sigmoid(50 * z)),
    "deep-stability": other_derivative("gelu", lambda z: (z > 0).to(z.dtype)),
    "deep-linearisation": last_layer_expanded,
    "near-convexity": flipped_gradient,
    "convex-losses": bent_expansion,
    "ogd-regret": flipped_gradient,
    "frozen-attack": first_candidate,
    "fast-rate": slow_descent,
    "regret-lower-bound": squared_hinge,
    "slow-training": first_candidate,
    "any-attack": small_ball,
    "free-certificate": doubled_certificate,
    "last-round": never_fresh,
    "feature-norm": other_derivative("gelu", torch.sigmoid),
    "funk-hecke": other_dimension,
    "universality": no_polynomials,
    "spikes": half_circle,
    "parity": shifted_units,
    "bias-lift": no_lift,
    "parity-trap": shifted_units,
    "no-antipodes": no_conflict,
    "explicit-network": half_expanded,
    "robust-classifier": flipped_gradient,
    "gap-norm": flat_world,
    "polynomial-norm": heavy_powers,
    "projected-descent": no_squares,
    "theorem-a": slow_steps("projected_schedule"),
    "theorem-b": slow_steps("two_layer_schedule"),
    "near-optimal": short_ranges,
    "other-attack": unlifted_kernel,
    "capacity": short_axes,
    "pairs": fewer_labellings,
    "maximum-norm": one_split_short,
    "nearest-centre": no_offset,
    "cap-net": half_slope,
    "two-layer-vc": too_few_binomials,
    "first-layer": no_offset,
    "search": lost_patterns,
    "line": all_to_the_right,
    "zigzag": no_sets,
    "circle-width": no_biases,
    "width-interval": exchanged_ends,
    "plain-start": other_factor,
    "doubled-start": larger_outputs,
    "log-rate": steep_logistic,
    "interpolation-risk": other_labels,
    "first-layer-max": small_boxes,
    "no-constant-step": no_attack,
    "mini-batches": flipped_gradient,
    "relu-stuck": shifted_units,
    "adversarial-flow": half_time,
    "adversarial-limit": unscaled_lift(infinite),
    "output-scale": larger_outputs,
    "power-network": half_expanded,
    "gap-ceiling": flat_world,
    "sparse-coding": half_way,
    "robust-labels": clean_labels,
    "finite-loss": bent_expansion,
}


def test_every_claim_has_a_mutation() -> None:
    assert set(BREAKS) == {found.id for found in claims()}
    assert Finite  # the sets over which GridMax is exact


@pytest.mark.parametrize("id", BREAKS)
def test_a_broken_library_turns_the_claim_red(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BREAKS[id](monkeypatch)
    verdict = check(id, budget="smoke")
    assert verdict.fails, verdict
    assert "CPU seconds" not in verdict.reason  # a break that is merely slow has not been caught
