"""One table of wrong arguments: each must raise, and say which argument, what was seen, what fits.

A row is (id, call, error, texts that must all occur in the message). Add rows where a public
function takes an argument that can be wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from robustlib.attacks import FGSM, NoAttack
from robustlib.book.claims import assumptions, constants
from robustlib.capacity import (
    check_shattering,
    hypercube_gadget,
    line_net,
    narrowest_net,
    nearest_centre,
    width_curve,
)
from robustlib.diagnosis import diagnose
from robustlib.expressivity import expressiveness, min_norm_interpolant
from robustlib.kernels import (
    empirical_ntk,
    kernel_flow,
    kernel_regression,
    kernel_spectrum,
    nngp,
    ntk,
    robust_gram,
)
from robustlib.losses import Hinge, LogCosh, Logistic, PseudoHuber
from robustlib.networks import DeepNet, LinearizedNet, TwoLayerNet, linearize
from robustlib.online import (
    Comparator,
    adv_ntk,
    ball_lower_bound,
    best_in_ball,
    projected_schedule,
    realisable_schedule,
    regret,
    two_layer_schedule,
)
from robustlib.samples import Sample, digits, hexagon, openml, sphere, two_caps
from robustlib.sets import Finite, L2Ball, Perturbation, SphereCap, compatible
from robustlib.sweeps import sweep
from robustlib.training import adversarial_training
from robustlib.training.trajectory import Trajectory
from robustlib.verification import output_bounds, robust_accuracy

Row = tuple[str, Callable[[], object], type[Exception], tuple[str, ...]]

X = hexagon().x
Y = hexagon().y
NET = TwoLayerNet(2, 4).double()
DEEP = DeepNet(2, 4, 2).double()


def changed(x: torch.Tensor, index: object, value: float) -> torch.Tensor:
    x = x.clone()
    x[index] = value  # type: ignore[index]
    return x


def lost() -> TwoLayerNet:
    net = TwoLayerNet(2, 4)
    net.weight.data[0, 0] = math.nan
    return net


SAMPLES: list[Row] = [
    ("nan", lambda: Sample(changed(X, 0, math.nan), Y, "s"), ValueError, ("x must be finite", "2")),
    ("inf", lambda: Sample(X, changed(Y, 1, math.inf), "s"), ValueError, ("y must be finite", "1")),
    (
        "off sphere",
        lambda: Sample(changed(X, (3, 0), 2.0), Y, "s"),
        ValueError,
        ("norm 2 in row 3",),
    ),
    ("almost", lambda: Sample(X * (1 + 1e-9), Y, "s"), ValueError, ("norm 1", "1.000000001")),
    (
        "label 0",
        lambda: Sample(X, changed(Y, 2, 0.0), "s"),
        ValueError,
        ("y", "-1 and +1", "got 0"),
    ),
    ("label 2", lambda: Sample(X, 2 * Y, "s"), ValueError, ("-1 and +1", "got 2")),
    ("empty", lambda: Sample(X[:0], Y[:0], "s"), ValueError, ("at least 1", "(0, 2)")),
    ("no coordinates", lambda: Sample(X[:, :0], Y, "s"), ValueError, ("at least 1", "(6, 0)")),
    ("images", lambda: Sample(X[:, None], Y, "s"), ValueError, ("(n, d)", "(6, 1, 2)")),
    ("short y", lambda: Sample(X, Y[:5], "s"), ValueError, ("y must have shape (6,)", "(5,)")),
    ("column y", lambda: Sample(X, Y[:, None], "s"), ValueError, ("y must have shape (6,)",)),
    ("dtypes", lambda: Sample(X.float(), Y, "s"), TypeError, ("float32", "float64")),
    ("devices", lambda: Sample(X, Y.to("meta"), "s"), ValueError, ("y", "meta")),
    ("half", lambda: Sample(X.half(), Y.half(), "s"), TypeError, ("float32 or float64", "float16")),
    (
        "integers",
        lambda: Sample(X, Y.long(), "s"),
        TypeError,
        ("x is torch.float64", "y is torch.int64"),
    ),
    ("list", lambda: Sample(X, Y.tolist(), "s"), TypeError, ("y must be a torch.Tensor", "list")),  # type: ignore[arg-type]
    ("array", lambda: Sample(X.numpy(), Y, "s"), TypeError, ("x", "torch.Tensor", "ndarray")),  # type: ignore[arg-type]
    ("name", lambda: Sample(X, Y, 3), TypeError, ("name must be a string", "int")),  # type: ignore[arg-type]
    (
        "no entries",
        lambda: Sample.from_arrays(X.to("meta"), Y),
        TypeError,
        ("x must be an array of numbers", "meta"),
    ),
    ("to long", lambda: hexagon().to(dtype=torch.int64), TypeError, ("dtype", "torch.int64")),
    ("to 10^30", lambda: hexagon().to(10**30), ValueError, ("device", "such as 'cpu'")),
    ("to half", lambda: hexagon().to(dtype=torch.float16), TypeError, ("float16",)),
    ("split all", lambda: hexagon().split(6), ValueError, ("n must be less than the 6", "got 6")),
    ("split none", lambda: hexagon().split(0), ValueError, ("n must be at least 1, got 0",)),
    ("one class", lambda: digits((3, 3)), ValueError, ("classes", "different", "(3, 3)")),
    ("unknown class", lambda: digits((3, 11)), ValueError, ("0, 1, 2", "9", "(3, 11)")),
    ("three classes", lambda: digits((1, 2, 3)), ValueError, ("pair", "(1, 2, 3)")),
    ("text classes", lambda: digits("38"), ValueError, ("pair", "'38'")),
    ("too many", lambda: digits(n=360), ValueError, ("n", "180 points labelled +1", "174")),
    ("n = 0", lambda: digits(n=0), ValueError, ("n must be at least 1, got 0",)),
    ("n = 2.0", lambda: digits(n=2.0), TypeError, ("n must be an integer, got 2.0",)),  # type: ignore[arg-type]
    ("seed", lambda: digits(n=2, seed=-1), ValueError, ("seed must be at least 0, got -1",)),
    ("sphere n", lambda: sphere(0, 3), ValueError, ("n must be at least 1, got 0",)),
    ("sphere d", lambda: sphere(3, 0), ValueError, ("d must be at least 1, got 0",)),
    ("caps d", lambda: two_caps(1, 0.1, 4), ValueError, ("d must be at least 2, got 1",)),
    ("caps n", lambda: two_caps(3, 0.1, 1), ValueError, ("n must be at least 2, got 1",)),
    ("caps gap", lambda: two_caps(3, -0.1, 4), ValueError, ("gap must be at least 0, got -0.1",)),
    ("caps wide", lambda: two_caps(3, 2.1, 4), ValueError, ("gap must be less than 2 pi/3", "2.1")),
    ("caps nan", lambda: two_caps(3, math.nan, 4), ValueError, ("gap must be finite, got nan",)),
    ("caps deep", lambda: two_caps(9000, 0.1, 4), ValueError, ("gap=0.1", "d=9000")),
    ("openml name", lambda: openml("../x", classes=(0, 1)), ValueError, ("name", "'../x'")),
]

NETWORKS: list[Row] = [
    ("odd width", lambda: TwoLayerNet(2, 5), ValueError, ("width must be even", "got 5")),
    ("width 0", lambda: TwoLayerNet(2, 0), ValueError, ("width must be at least 1, got 0",)),
    ("width 4.0", lambda: TwoLayerNet(2, 4.0), TypeError, ("width must be an integer",)),  # type: ignore[arg-type]
    ("d 0", lambda: TwoLayerNet(0, 4), ValueError, ("d must be at least 1, got 0",)),
    (
        "activation",
        lambda: TwoLayerNet(2, 4, activation="rleu"),
        ValueError,
        ("activation", "'softplus'", "did you mean 'relu'?"),
    ),
    ("seed", lambda: TwoLayerNet(2, 4, seed=-3), ValueError, ("seed must be at least 0, got -3",)),
    ("deep d", lambda: DeepNet(0, 4, 2), ValueError, ("d must be at least 1, got 0",)),
    ("deep width", lambda: DeepNet(2, -1, 2), ValueError, ("width must be at least 1, got -1",)),
    ("depth", lambda: DeepNet(2, 4, 0), ValueError, ("depth must be at least 1, got 0",)),
    ("deep name", lambda: DeepNet(2, 4, 1, activation="gleu"), ValueError, ("mean 'gelu'",)),
    ("columns", lambda: NET(torch.ones(3, 5).double()), ValueError, ("(n, 2)", "(3, 5)")),
    ("one point", lambda: NET(X[0]), ValueError, ("x must have shape (n, 2)", "(2,)")),
    ("float32 x", lambda: NET(X.float()), TypeError, ("float32", "float64", "net.to(x)")),
    ("deep x", lambda: DEEP(X[None]), ValueError, ("(n, 2)", "(1, 6, 2)")),
    ("linear x", lambda: linearize(NET)(X.float()), TypeError, ("float32", "float64")),
    ("radius", lambda: NET.project(-1e-9), ValueError, ("radius must be at least 0", "-1e-09")),
    ("radius nan", lambda: DEEP.project(math.nan), ValueError, ("radius must be finite",)),
    ("linearize", lambda: linearize(torch.nn.Linear(2, 1)), TypeError, ("net", "Linear")),  # type: ignore[arg-type]
    ("twice", lambda: linearize(linearize(NET)), TypeError, ("net", "LinearizedNet")),
    ("lost", lambda: linearize(lost()), ValueError, ("net", "finite weights", "1 NaN", "weight")),
    (
        "meta",
        lambda: linearize(TwoLayerNet(2, 4).to("meta")),
        ValueError,
        ("net", "weights with entries"),
    ),
    (
        "of C",
        lambda: FGSM()(math.sin, X, Y, perturbation=CAP, loss=LOSS),  # type: ignore[arg-type]
        ValueError,
        ("the model cannot be asked", "(6, 2)"),
    ),
]

KERNELS: list[Row] = [
    ("ntk 1-d", lambda: ntk(X[0]), ValueError, ("x must have shape (n, d)", "(2,)")),
    ("ntk no columns", lambda: ntk(X[:, :0]), ValueError, ("x must have shape", "(6, 0)")),
    ("ntk nan", lambda: ntk(changed(X, 0, math.nan)), ValueError, ("x must be finite", "2")),
    ("ntk integers", lambda: ntk(X.long()), TypeError, ("x must be float32 or float64", "int64")),
    ("ntk list", lambda: ntk(X.tolist()), TypeError, ("x must be a torch.Tensor", "list")),  # type: ignore[arg-type]
    ("ntk dtypes", lambda: ntk(X, X.float()), TypeError, ("z is torch.float32", "x is")),
    ("ntk columns", lambda: ntk(X, X[:, :1]), ValueError, ("as many columns", "(6, 1)", "(6, 2)")),
    ("ntk devices", lambda: nngp(X, torch.ones(1, 2).double().to("meta")), ValueError, ("meta",)),
    ("ntk layers", lambda: ntk(X, trained="frist"), ValueError, ("trained", "mean 'first'?")),
    ("ntk name", lambda: nngp(X, activation="rleu"), ValueError, ("mean 'relu'?",)),
    ("ntk depth", lambda: ntk(X, depth=0, trained="all"), ValueError, ("depth", "at least 1")),
    ("ntk deep first", lambda: ntk(X, depth=2), ValueError, ("two-layer", "depth=2", "hidden")),
    ("net", lambda: empirical_ntk(len, X), TypeError, ("net must be a torch.nn.Module", "builtin")),  # type: ignore[arg-type]
    ("net float32", lambda: empirical_ntk(NET, X.float()), TypeError, ("float32", "the net")),
    ("net overflow", lambda: empirical_ntk(NET, 1e160 * X), ValueError, ("x", "overflows")),
    ("net columns", lambda: empirical_ntk(DEEP, X[:, :1]), ValueError, ("(n, 2)", "(6, 1)")),
    (
        "two outputs",
        lambda: empirical_ntk(torch.nn.Linear(2, 3).double(), X),
        ValueError,
        ("one output per example", "(1, 3)"),
    ),
    (
        "nothing trained",
        lambda: empirical_ntk(torch.nn.Flatten(), X),
        ValueError,
        ("no trainable parameters",),
    ),
    ("robust 1-d", lambda: robust_gram(NET, X[0]), ValueError, ("attacked", "(T, n, d)", "(2,)")),
    ("robust flat", lambda: robust_gram(NET, X[:, :0]), ValueError, ("attacked", "(6, 0)")),
    ("robust none", lambda: robust_gram(NET, X[:0]), ValueError, ("at least one", "(0, 2)")),
    ("spectrum d", lambda: kernel_spectrum(0), ValueError, ("d must be at least 1, got 0",)),
    (
        "spectrum degree",
        lambda: kernel_spectrum(3, max_degree=-1),
        ValueError,
        ("max_degree", "-1"),
    ),
    (
        "not square",
        lambda: kernel_regression(X, Y),
        ValueError,
        ("K must be a kernel matrix: square", "(6, 2)"),
    ),
    ("short labels", lambda: kernel_regression(ntk(X), Y[:5]), ValueError, ("y", "(6,)", "(5,)")),
    ("ridge", lambda: kernel_regression(ntk(X), Y, ridge=-1), ValueError, ("ridge", "-1")),
    ("y float32", lambda: kernel_regression(ntk(X), Y.float()), TypeError, ("y is", "K is")),
    (
        "predict",
        lambda: kernel_regression(ntk(X), Y)(ntk(X)[:, :5]),
        ValueError,
        ("K must have shape (m, 6)", "(6, 5)"),
    ),
    (
        "flow loss",
        lambda: kernel_flow(ntk(X), Y, loss="square", times=[1.0]),
        ValueError,
        ("'squared'", "PseudoHuber()", "'square'"),
    ),
    (
        "flow times",
        lambda: kernel_flow(ntk(X), Y, loss="squared", times=[2.0, 1.0]),
        ValueError,
        ("non-negative and increasing", "[2.0, 1.0]"),
    ),
    (
        "flow beyond",
        lambda: kernel_flow(ntk(X), Y, loss="squared", times=[10**400]),
        TypeError,
        ("times must be a list of numbers",),
    ),
    (
        "flow complex",
        lambda: kernel_flow(ntk(X), Y, loss="squared", times=torch.ones(1) * 1j),
        TypeError,
        ("times must be a list of numbers", "1.j"),
    ),
    (
        "flow infinite",
        lambda: kernel_flow(ntk(X), Y, loss="squared", times=[math.inf]),
        ValueError,
        ("times must be finite",),
    ),
    (
        "flow weight",
        lambda: kernel_flow(ntk(X), Y, loss="squared", times=[1.0], weights=-Y),
        ValueError,
        ("weights must be non-negative", "-1"),
    ),
    (
        "flow weights",
        lambda: kernel_flow(ntk(X), Y, loss="squared", times=[1.0], weights=Y[:2]),
        ValueError,
        ("weights must have shape (6,)", "(2,)"),
    ),
]

LINEAR = linearize(NET)
SMOOTH = TwoLayerNet(2, 4, activation="tanh")
CAP = SphereCap(0.2)
HEXAGON = hexagon()
LOSS = PseudoHuber()
RUN = adversarial_training(
    LINEAR, hexagon(), perturbation=CAP, attack=NoAttack(), loss=LOSS, step_size=1.0, steps=2
)
NO_STEPS = adversarial_training(
    LINEAR, hexagon(), perturbation=CAP, attack=NoAttack(), loss=LOSS, step_size=1.0, steps=0
)


def ball(model: object = LINEAR, sample: object = HEXAGON, **change: object) -> Comparator:
    arguments = {"perturbation": CAP, "radius": 1.0, "loss": LOSS, **change}
    return best_in_ball(model, sample, **arguments)  # type: ignore[arg-type]


def compared(comparator: object) -> object:
    return adversarial_training(
        LINEAR,
        hexagon(),
        perturbation=CAP,
        attack=NoAttack(),
        loss=LOSS,
        step_size=1.0,
        steps=1,
        comparator=comparator,  # type: ignore[arg-type]
    )


def learnt(
    sample: object = HEXAGON, kernel: object = ntk, on: object = HEXAGON, **change: object
) -> object:
    arguments = {"perturbation": CAP, "attack": NoAttack(), "loss": LOSS, "start": 1.0}
    arguments |= {"step_size": 1.0, "steps": 1, **change}
    return adv_ntk(kernel, sample, on, **arguments)  # type: ignore[arg-type]


REGRET: list[Row] = [
    ("learnt start", lambda: learnt(start=-1.0), ValueError, ("start", "-1")),
    ("learnt step", lambda: learnt(step_size=0.0), ValueError, ("step_size", "0")),
    ("learnt kernel", lambda: learnt(kernel="relu"), TypeError, ("kernel(x, z)", "'relu'")),
    ("learnt sample", lambda: learnt(X), TypeError, ("sample", "Tensor")),
    ("learnt on", lambda: learnt(on=X), TypeError, ("validation must have points", "Tensor")),
    ("ball of a net", lambda: ball(NET), TypeError, ("TwoLayerNet", "linearize(net)")),
    ("ball of text", lambda: ball("relu"), TypeError, ("kernel(x, z)", "'relu'")),
    (
        "kernel shape",
        lambda: ball(lambda x, z: ntk(x, z)[:, :1]),
        ValueError,
        ("model", "(6, 6)", "(6, 1)"),
    ),
    ("radius", lambda: ball(radius=-1.0), ValueError, ("radius", "at least 0", "-1")),
    ("no bound", lambda: ball(radius=math.inf), ValueError, ("radius must be finite", "inf")),
    ("tolerance", lambda: ball(tolerance=0.0), ValueError, ("tolerance", "greater than 0")),
    ("judge", lambda: ball(judge="exact"), TypeError, ("judge", "must be an attack", "'exact'")),
    ("no points", lambda: ball(sample=SimpleNamespace(x=X[:0], y=Y[:0])), ValueError, ("sample",)),
    ("no labels", lambda: ball(sample=X), TypeError, ("sample must have points x and labels y",)),
    (
        "single",
        lambda: ball(sample=hexagon().to(dtype=torch.float32)),
        TypeError,
        ("float64", "torch.float32", "net.double()"),
    ),
    ("regret of no steps", lambda: regret(NO_STEPS, ball()), ValueError, ("at least one step",)),
    ("no record", lambda: regret(RUN, ball()), ValueError, ("this comparator", "neither")),
    ("of a kernel", lambda: regret(RUN, ball(ntk)), ValueError, ("no weights", "linearize(net)")),
    (
        "certificate record",
        lambda: ball_lower_bound(RUN, radius=1.0),
        ValueError,
        ("record=('attacked', 'weights')",),
    ),
    (
        "certificate after",
        lambda: ball_lower_bound(RUN, radius=1.0, after=2),
        ValueError,
        ("after must be less than the 2 steps", "got 2"),
    ),
    (
        "compare with a net",
        lambda: compared(NET),
        TypeError,
        ("comparator must be a Comparator or a tuple", "TwoLayerNet"),
    ),
    (
        "compare with a kernel",
        lambda: compared(ball(ntk)),
        ValueError,
        ("comparator has no weights", "linearize(net)"),
    ),
    (
        "compare shapes",
        lambda: compared((X,)),
        ValueError,
        ("comparator", "one tensor per trained layer", "(4, 3)", "(6, 2)"),
    ),
    (
        "compare dtypes",
        lambda: compared(tuple(w.float() for w in NET.start())),
        TypeError,
        ("comparator is torch.float32", "torch.float64"),
    ),
    (
        "not smooth",
        lambda: two_layer_schedule(NET, loss=LOSS, radius=1.0, epsilon=0.1),
        ValueError,
        ("bounded slope and curvature", "'relu'"),
    ),
    (
        "no schedule",
        lambda: projected_schedule(LINEAR, loss=LOSS, radius=1.0),
        ValueError,
        ("exactly one of steps and epsilon",),
    ),
    (
        "deep schedule",
        lambda: projected_schedule(DEEP, loss=LOSS, radius=1.0, steps=5),
        ValueError,
        ("gradient must be given", "empirical_ntk"),
    ),
    (
        "fast and sharp",
        lambda: realisable_schedule(LINEAR, loss=Hinge(), radius=1.0, steps=5),
        ValueError,
        ("loss must be smooth", "Hinge()"),
    ),
    (
        "no gradient",
        lambda: realisable_schedule(LINEAR, loss=LOSS, radius=1.0, steps=5, gradient=1e-300),
        ValueError,
        ("gradient must be from 1e-60 to 1e+60", "1e-300"),
    ),
    (
        "no horizon",
        lambda: two_layer_schedule(SMOOTH, loss=LOSS, radius=1e300, epsilon=0.1),
        ValueError,
        ("radius must be from 1e-60 to 1e+60", "1e+300"),
    ),
    (
        "long way",
        lambda: two_layer_schedule(SMOOTH, loss=LOSS, radius=1e30, epsilon=0.1),
        ValueError,
        ("epsilon must be larger, or radius smaller", "0.1", "2^62 steps"),
    ),
]


def norm_of(sets: Perturbation | None = None, **options: object) -> object:
    """The least norm on the hexagon with caps of radius 0.1."""
    return min_norm_interpolant(hexagon(), sets or SphereCap(0.1), **options)  # type: ignore[arg-type]


OFF = Finite(torch.stack([X, 1.1 * X], 1))
EXPRESSIVITY: list[Row] = [
    ("neither", lambda: norm_of(), ValueError, ("exactly one of tolerance and margin", "None")),
    (
        "both",
        lambda: norm_of(tolerance=0.1, margin=1.0),
        ValueError,
        ("exactly one", "tolerance=0.1", "margin=1.0"),
    ),
    (
        "tolerance 0",
        lambda: norm_of(tolerance=0.0),
        ValueError,
        ("tolerance must be greater than 0, got 0", "constant on a cap", "margin=1"),
    ),
    ("tolerance < 0", lambda: norm_of(tolerance=-0.1), ValueError, ("greater than 0, got -0.1",)),
    ("tolerance nan", lambda: norm_of(tolerance=math.nan), ValueError, ("tolerance", "finite")),
    ("margin 0", lambda: norm_of(margin=0), ValueError, ("margin must be greater than 0, got 0",)),
    (
        "margin 1e300",
        lambda: norm_of(margin=1e300),
        ValueError,
        ("margin", "to 1e+100, got 1e+300"),
    ),
    ("margin text", lambda: norm_of(margin="1"), TypeError, ("margin must be a real number",)),
    (
        "sets off the sphere",
        lambda: norm_of(L2Ball(0.1), margin=1.0),
        TypeError,
        ("unit sphere", "SphereCap or Finite", "L2Ball", "on_sphere = True"),
    ),
    (
        "candidates off the sphere",
        lambda: norm_of(OFF, margin=1.0),
        ValueError,
        ("unit sphere", "norm 1.1", "candidate 1 of example 0"),
    ),
    (
        "no sample",
        lambda: min_norm_interpolant(X, SphereCap(0.1), margin=1.0),  # type: ignore[arg-type]
        TypeError,
        ("sample must be a Sample", "Tensor"),
    ),
    ("kernel", lambda: norm_of(margin=1, activation="rleu"), ValueError, ("mean 'relu'?",)),
    ("sets meet", lambda: norm_of(SphereCap(0.6), margin=1), ValueError, ("0 and 1 meet",)),
    (
        "odd degrees",
        lambda: norm_of(margin=1, bias=False),
        ValueError,
        ("odd harmonics", "degree 1 only", "examples 0 and 3", "different labels", "bias=True"),
    ),
    (
        "deep net",
        lambda: norm_of(margin=1, trained="all").to_network(4),  # type: ignore[attr-defined]
        ValueError,
        ('trained="first"', "all layers"),
    ),
    (
        "odd net",
        lambda: norm_of(margin=1).to_network(5),  # type: ignore[attr-defined]
        ValueError,
        ("width must be even", "got 5"),
    ),
    (
        "report depth",
        lambda: expressiveness(hexagon(), SphereCap(0.1), depth=2),
        ValueError,
        ("depth=2",),
    ),
]

WEIGHTS = NET.start()
LOSSES: list[Row] = [
    (
        f"{type(loss).__name__} {name}",
        lambda call=call, f=f, y=y: call(f, y),  # type: ignore[misc]
        error,
        texts,
    )
    for loss in (PseudoHuber(), LogCosh(), Logistic(), Hinge())
    for name, call, f, y, error, texts in (
        ("column", loss, Y[:, None], Y, ValueError, ("y must have shape (6, 1) like f", "(6,)")),
        ("slope", loss.derivative, Y[:, None], Y, ValueError, ("y", "(6, 1)", "(6,)")),
        ("short", loss, Y, Y[:1], ValueError, ("y must have shape (6,) like f", "(1,)")),
        ("list", loss, Y.tolist(), Y, TypeError, ("f must be a torch.Tensor", "list")),
        ("labels", loss.derivative, Y, [1.0], TypeError, ("y must be a torch.Tensor", "list")),
    )
]

LAYERS: list[Row] = [
    ("no layers", lambda: DEEP.evaluate((), X), ValueError, ("weights", "[(4, 4), (4, 4)]", "[]")),
    ("one too many", lambda: NET.evaluate(WEIGHTS * 2, X), ValueError, ("weights", "[(4, 3)]")),
    (
        "broadcast",
        lambda: linearize(NET).evaluate((WEIGHTS[0][:1],), X),
        ValueError,
        ("weights must have the shapes [(4, 3)], got [(1, 3)]",),
    ),
    ("bare tensor", lambda: NET.evaluate(WEIGHTS[0], X), TypeError, ("tuple of 1", "Tensor")),  # type: ignore[arg-type]
    ("other dtype", lambda: NET.expand((WEIGHTS[0].float(),), X), TypeError, ("step", "float32")),
    ("steps", lambda: DEEP.expand(WEIGHTS, X), ValueError, ("step must have the shapes", "(4, 3)")),
    ("x list", lambda: NET(X.tolist()), TypeError, ("x must be a torch.Tensor", "list")),
    ("bias text", lambda: TwoLayerNet(2, 4, bias="no"), TypeError, ("bias", "True or", "'no'")),  # type: ignore[arg-type]
    ("deep bias", lambda: DeepNet(2, 4, 1, bias=1), TypeError, ("bias", "True or False", "1")),  # type: ignore[arg-type]
    ("symmetric", lambda: TwoLayerNet(2, 4, symmetric="no"), TypeError, ("symmetric", "'no'")),  # type: ignore[arg-type]
    ("kernel bias", lambda: ntk(X, bias="no"), TypeError, ("bias must be True or False", "'no'")),  # type: ignore[arg-type]
    ("spectrum bias", lambda: kernel_spectrum(3, bias="no"), TypeError, ("bias", "'no'")),  # type: ignore[arg-type]
    ("LinearizedNet", lambda: LinearizedNet(NET.weight), TypeError, ("net", "Parameter")),  # type: ignore[arg-type]
    ("sample dtype", lambda: hexagon().to(dtype="half"), TypeError, ("torch.float64", "'half'")),  # type: ignore[arg-type]
    ("no classes", lambda: digits(3), ValueError, ("classes must be a pair", "got 3")),  # type: ignore[arg-type]
    ("openml classes", lambda: openml(classes=(1, 1)), ValueError, ("different", "(1, 1)")),
    ("openml n", lambda: openml(classes=(1, 2), n=0), ValueError, ("n must be at least 1",)),
    ("openml seed", lambda: openml(classes=(1, 2), seed=-1), ValueError, ("seed", "got -1")),
    ("openml cache", lambda: openml(classes=(1, 2), cache=3), TypeError, ("cache", "3 (int)")),  # type: ignore[arg-type]
    ("load net", lambda: Trajectory.load("a", 3), TypeError, ("net must be a torch module", "int")),  # type: ignore[arg-type]
    (
        "line of no columns",
        lambda: line_net(X[:, :0], Y, 0.1),
        ValueError,
        ("x", "column", "(6, 0)"),
    ),
    (
        "narrowest of others",
        lambda: narrowest_net(HEXAGON, perturbation=Finite(HEXAGON.x[:1, None])),
        ValueError,
        ("the perturbation", "(1, 2)"),
    ),
    (
        "half a character",
        lambda: sweep(len, [{}], name="\ud800"),
        ValueError,
        ("name must be a text of whole characters", "ud800"),
    ),
    (
        "net on meta",
        lambda: trained(TwoLayerNet(2, 4).to("meta")),
        ValueError,
        ("net", "weight on the meta"),
    ),
    ("record", lambda: trained(record=3), TypeError, ("record", "('weights',)", "got 3")),
]


def trained(net: torch.nn.Module = LINEAR, **change: object) -> object:
    arguments = {"perturbation": CAP, "attack": NoAttack(), "loss": LOSS, "step_size": 1.0}
    return adversarial_training(net, HEXAGON, **{**arguments, "steps": 1, **change})  # type: ignore[arg-type]


RECORDED = trained(record=("attacked", "weights"))
SCHEDULES = (
    lambda loss: two_layer_schedule(
        TwoLayerNet(2, 4, activation="tanh"), loss=loss, radius=1.0, epsilon=0.1
    ),
    lambda loss: projected_schedule(LINEAR, loss=loss, radius=1.0, steps=5),
    lambda loss: realisable_schedule(LINEAR, loss=loss, radius=1.0, steps=5),
    lambda loss: regret(RECORDED, ball(), loss=loss),  # type: ignore[arg-type]
    lambda loss: ball_lower_bound(RECORDED, loss=loss, radius=1.0),  # type: ignore[arg-type]
    lambda loss: ball(loss=loss),
    lambda loss: kernel_flow(ntk(X), Y, loss=loss, times=[1.0]),
    lambda loss: diagnose(NET, HEXAGON, perturbation=CAP, loss=loss),
)
NO_LOSS: list[Row] = [
    (
        f"loss {k}",
        lambda call=call: call(PseudoHuber),  # type: ignore[misc]
        TypeError,
        ("loss must be a loss such as PseudoHuber(), got <class",),
    )
    for k, call in enumerate(SCHEDULES)
]

CAP = SphereCap(0.2)
INNER: list[Row] = [
    (
        "attack: a number for a model",
        lambda: NoAttack()(3, X, Y, perturbation=CAP, loss=Hinge()),  # type: ignore[arg-type]
        TypeError,
        ("model must map inputs", "got 3"),
    ),
    (
        "attack: a class for a model",
        lambda: NoAttack()(TwoLayerNet, X, Y, perturbation=CAP, loss=Hinge()),
        TypeError,
        ("model must map inputs", "TwoLayerNet"),
    ),
    (
        "robust_accuracy: an attack's class",
        lambda: robust_accuracy(NET, hexagon(), perturbation=CAP, attack=NoAttack),  # type: ignore[arg-type]
        TypeError,
        ("attack must be an attack such as PGD()", "NoAttack"),
    ),
    (
        "robust_accuracy: no such effort",
        lambda: robust_accuracy(NET, hexagon(), perturbation=CAP, effort="hard"),
        ValueError,
        ("effort must be one of", "'hard'"),
    ),
    (
        "compatible: points alone",
        lambda: compatible(X, CAP),  # type: ignore[arg-type]
        TypeError,
        ("sample must have points x and labels y", "Tensor"),
    ),
    (
        "compatible: a radius",
        lambda: compatible(hexagon(), 0.2),  # type: ignore[arg-type]
        TypeError,
        ("perturbation must be a set", "0.2"),
    ),
    (
        "output_bounds: a radius",
        lambda: output_bounds(NET, X, perturbation=0.2),  # type: ignore[arg-type]
        TypeError,
        ("perturbation must be a set", "0.2"),
    ),
]

OTHERS: list[Row] = [
    ("regret of text", lambda: regret("run", ball()), TypeError, ("trajectory", "str")),  # type: ignore[arg-type]
    ("regret to text", lambda: regret(RUN, "best"), TypeError, ("comparator", "str")),  # type: ignore[arg-type]
    (
        "certificate of text",
        lambda: ball_lower_bound("run", radius=1.0),  # type: ignore[arg-type]
        TypeError,
        ("trajectory must be a Trajectory, got str",),
    ),
    (
        "another sample",
        lambda: ball_lower_bound(RECORDED, sample=sphere(6, 3), radius=1.0),
        ValueError,
        ("sample must be that of the run, 6 points with contents",),
    ),
    (
        "diagnose points",
        lambda: diagnose(NET, X, perturbation=CAP, loss=LOSS),  # type: ignore[arg-type]
        TypeError,
        ("sample must have points x and labels y", "Tensor"),
    ),
    (
        "diagnose labels",
        lambda: diagnose(NET, SimpleNamespace(x=X, y=Y[:3]), perturbation=CAP, loss=LOSS),
        ValueError,
        ("y must have shape (6,) to fit x, got (3,)",),
    ),
    (
        "diagnose radius",
        lambda: diagnose(NET, HEXAGON, perturbation=0.1, loss=LOSS),  # type: ignore[arg-type]
        TypeError,
        ("perturbation must be a set such as L2Ball(0.1), got 0.1",),
    ),
    (
        "flow at text",
        lambda: kernel_flow(ntk(X), Y, loss="squared", times=["now"]),  # type: ignore[list-item]
        TypeError,
        ("times must be a list of numbers", "['now']"),
    ),
    (
        "direction nan",  # which proved a margin of infinity
        lambda: line_net(X, Y, 0.01, direction=X[0] * math.nan),
        ValueError,
        ("direction must be finite",),
    ),
    (
        "direction list",
        lambda: line_net(X, Y, 0.01, direction=[1.0, 0.0]),  # type: ignore[arg-type]
        TypeError,
        ("direction must be a torch.Tensor", "list"),
    ),
    (
        "centres apart",
        lambda: nearest_centre(1e160 * X, Y, 0.1),
        ValueError,
        ("x and radius must be smaller", "1e+160"),
    ),
    (
        "sparse outputs",
        lambda: FGSM()(
            lambda x: x.sum(1).to_sparse(),
            X,
            Y,
            perturbation=CAP,
            loss=LOSS,
        ),
        TypeError,
        ("the model must return a dense tensor",),
    ),
    (
        "odd widths",
        lambda: width_curve(
            HEXAGON,
            widths=[2, 3],
            perturbation=CAP,
            attack=NoAttack(),
            loss=LOSS,
            step_size=0.1,
            steps=1,
            target=0.5,
        ),
        ValueError,
        ("widths", "all even", "[2, 3]"),
    ),
    (
        "centres of images",
        lambda: nearest_centre(X[:, None], Y, 0.1),
        ValueError,
        ("x must have shape (n, d)", "(6, 1, 2)"),
    ),
    (
        "narrowest on",
        lambda: narrowest_net(HEXAGON, perturbation=0.1),  # type: ignore[arg-type]
        TypeError,
        ("perturbation must be a set such as L2Ball(0.1), got 0.1",),
    ),
    (
        "class of models",
        lambda: check_shattering(GADGET, "relu"),  # type: ignore[arg-type]
        TypeError,
        ("model_class must be a function (x, y, radius), got 'relu'",),
    ),
    (
        "fits no function",
        lambda: check_shattering(GADGET, nearest_centre),  # type: ignore[arg-type]
        TypeError,
        ("must give a function of points, got Interpolator",),
    ),
    (
        "fits columns",
        lambda: check_shattering(GADGET, lambda x, y, r: lambda z: z[:, :1]),
        ValueError,
        ("(points) must have shape (2,), got (2, 1)",),
    ),
    ("curve of x", lambda: curve(X), TypeError, ("sample must be a Sample, got Tensor",)),
    ("curve width", lambda: curve(widths=2), TypeError, ("widths must be a list", "got 2")),
    ("curve steps", lambda: curve(steps=0), ValueError, ("steps must be at least 1, got 0",)),
    ("constant nan", lambda: constants(("a", "b", math.nan)), ValueError, ("nan", "'a'")),
    ("constant text", lambda: constants(("a", "b", "c")), ValueError, ("a number", "'c'")),  # type: ignore[arg-type]
    ("constant", lambda: constants(3.0), ValueError, ("each row must be", "got 3.0")),  # type: ignore[arg-type]
    ("assumption", lambda: assumptions(3), ValueError, ("each row must be", "got 3")),  # type: ignore[arg-type]
]
GADGET = hypercube_gadget(2, 2)


def curve(sample: object = HEXAGON, **change: object) -> object:
    arguments = {"perturbation": CAP, "attack": NoAttack(), "loss": LOSS, "step_size": 1.0}
    arguments |= {"widths": [2], "steps": 1, "target": 0.1, "seeds": 1, **change}
    return width_curve(sample, **arguments)  # type: ignore[arg-type]


TABLE = SAMPLES + NETWORKS + KERNELS + REGRET + EXPRESSIVITY
TABLE += LOSSES + LAYERS + NO_LOSS + INNER + OTHERS


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_bad_input_raises_and_explains(row: Row) -> None:
    _, call, error, texts = row
    with pytest.raises(error) as caught:
        call()
    assert caught.type is error
    for text in texts:
        assert text in str(caught.value)


def test_nothing_is_written_for_a_bad_openml_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name must be letters"):
        openml("a/b", classes=(0, 1), cache=tmp_path)
    assert not list(tmp_path.iterdir())


def test_openml_asks_nobody_for_what_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "robustlib.samples.download.load", lambda *_: pytest.fail("looked for the data")
    )
    for bad in ({"classes": (1,)}, {"classes": (1, 2), "n": -1}, {"classes": (1, 2), "seed": -1}):
        with pytest.raises(ValueError, match=r"classes|n must|seed"):
            openml(**bad)  # type: ignore[arg-type]


def test_outputs_of_several_nets_keep_their_labels() -> None:
    """(T, n) outputs with (n,) labels are no mistake, nor (n, k) with (n, 1)."""
    f = torch.stack([Y, 2 * Y, 0 * Y])
    for loss in (PseudoHuber(), LogCosh(), Logistic(), Hinge()):
        expected = torch.stack([loss(row, Y) for row in f])
        assert torch.equal(loss(f, Y), expected)
        assert torch.equal(loss(f.T, Y[:, None]), expected.T)
        assert torch.equal(loss(Y, 1.0), loss(Y, torch.ones_like(Y)))  # type: ignore[arg-type]
