"""A small valid call of everything public: what each argument is, and which kind of thing it takes.

An argument is known by its name, since one name means one thing in the whole library; where a
callable means something else by it, ``HERE`` says so.
"""

from __future__ import annotations

import functools
import inspect
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import border_more as more
import torch
from torch import nn

import robustlib as rl
from robustlib.attacks.oracle import Oracle
from robustlib.sweeps.store import Run

Maker = Callable[[], Any]

ROOT = Path(rl.__file__).parent
NAMES = re.findall(r"import (\w+) as", (ROOT / "__init__.pyi").read_text(encoding="utf-8"))


_device = "cpu"


def on(device: str) -> None:
    """Make the arguments on this device from now on."""
    global _device
    _device = device
    for made in (run, best, flow, weighed, interpolant):
        made.cache_clear()


def put(t: Any) -> Any:
    """A tensor, a module or a sample on the device of the day."""
    return t.to(_device)


def net() -> nn.Module:
    return put(rl.TwoLayerNet(2, 4, activation="softplus").double())


def lazy() -> rl.LinearizedNet:
    return rl.linearize(net())  # type: ignore[arg-type]


def ntk(x: torch.Tensor, z: torch.Tensor | None = None) -> torch.Tensor:
    return rl.ntk(x, z)


def x() -> torch.Tensor:
    return put(rl.hexagon().x)


def y() -> torch.Tensor:
    return put(rl.hexagon().y)


def sample() -> rl.Sample:
    return put(rl.hexagon())


def direction() -> torch.Tensor:
    return put(torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(6, 2))


def finite() -> rl.Finite:
    return rl.Finite(torch.stack([x(), 0.9 * x()], 1))


def own_set() -> rl.Perturbation:
    return rl.L2Ball(0.2)


def oracle() -> Oracle:
    return Oracle(net(), x(), y(), rl.L2Ball(0.2), rl.PseudoHuber())


@functools.cache
def run() -> rl.Trajectory:
    return rl.adversarial_training(
        lazy(),
        sample(),
        perturbation=finite(),
        attack=rl.GridMax(),
        loss=rl.PseudoHuber(),
        step_size=0.5,
        steps=3,
        record=("attacked", "weights"),
        progress=False,
    )


@functools.cache
def best() -> rl.Comparator:
    return rl.best_in_ball(
        lazy(),
        sample(),
        perturbation=finite(),
        radius=1.0,
        loss=rl.PseudoHuber(),
        tolerance=1e-2,
    )


@functools.cache
def flow() -> rl.KernelFlow:
    return rl.kernel_flow(gram(), y(), loss="squared", times=[1.0, 2.0])


@functools.cache
def weighed() -> rl.AdvNTK:
    return rl.adv_ntk(
        ntk,
        sample(),
        sample(),
        perturbation=finite(),
        attack=rl.FGSM(),
        loss=rl.PseudoHuber(),
        start=1.0,
        step_size=0.1,
        steps=1,
    )


@functools.cache
def interpolant() -> rl.RKHSFunction:
    return rl.min_norm_interpolant(sample(), rl.Finite(x()[:, None]), margin=0.5)


@functools.cache
def curve() -> rl.WidthCurve:
    numbers = (2, 0, 0.5, 0.6, 0.6, 0.7, (0.5, 1.0), 1, 0.1)
    return rl.WidthCurve((rl.WidthRun(*numbers),), 0.5)


def gram() -> torch.Tensor:
    return rl.ntk(x())


def path() -> Path:
    return Path(tempfile.mkdtemp(dir=".")) / "file"


def saved() -> Path:
    place = path()
    run().save(place)
    return place


def stored() -> Path:
    return rl.store_gram(path().with_suffix(".npy"), ntk, x()).path


# --- what the arguments of each name are: kind, and a value ------------------------------------

ARGUMENTS: dict[str, tuple[str, Maker]] = {
    "K": ("points", gram),
    "activation": ("activation", lambda: "softplus"),
    "after": ("integer", lambda: 1),
    "attack": ("adversary", lambda: rl.PGD(steps=2)),
    "attacked": ("points", x),
    "bias": ("flag", lambda: True),
    "block": ("integer", lambda: 4),
    "box": ("pair?", lambda: (-2.0, 2.0)),
    "cache": ("path?", lambda: "."),
    "candidates": ("points", lambda: finite().candidates),
    "capacity": ("integer", lambda: 20),
    "checkpoint": ("path?", path),
    "classes": ("pair", lambda: (3, 8)),
    "cols": ("indices", lambda: put(torch.tensor([1, 3]))),
    "comparator": ("comparator", best),
    "curvature": ("real", lambda: 1.0),
    "d": ("integer", lambda: 2),
    "degree": ("integer?", lambda: 1),
    "delta": ("real", lambda: 1.0),
    "depth": ("integer", lambda: 2),
    "derivative": ("function", lambda: torch.cos),
    "device": ("device?", lambda: "cpu"),
    "direction": ("points?", lambda: put(torch.tensor([1.0, 0.3], dtype=torch.float64))),
    "dtype": ("dtype?", lambda: torch.float64),
    "dual": ("function?", lambda: None),
    "jet": ("function?", lambda: None),
    "effort": ("choice", lambda: "low"),
    "eps": ("real", lambda: 0.2),
    "epsilon": ("real?", lambda: 0.1),
    "every": ("integer", lambda: 2),
    "f": ("points", lambda: direction()[:, 0]),
    "function": ("function", lambda: torch.sin),
    "g": ("points", direction),
    "gadget": ("gadget", lambda: rl.hypercube_gadget(2, 2)),
    "gap": ("real", lambda: 0.5),
    "generator": ("generator?", lambda: torch.Generator().manual_seed(1)),
    "gradient": ("real?", lambda: 2.0),
    "judge": ("adversary?", lambda: rl.PGD(steps=2)),
    "kernel": ("function", lambda: ntk),
    "kind": ("choice", lambda: "even"),
    "labelling": ("points", lambda: torch.tensor([1.0, -1.0], dtype=torch.float64)),
    "linear_programs": ("effort", lambda: 100),
    "linearisation_error": ("real?", lambda: 0.1),
    "loss": ("loss", rl.PseudoHuber),
    "margin": ("real?", lambda: 0.5),
    "max_degree": ("integer", lambda: 4),
    "max_width": ("integer", lambda: 3),
    "method": ("choice", lambda: "linear"),
    "model": ("model", net),
    "model_class": ("function?", lambda: fitted),
    "module": ("function?", lambda: lambda module: False),
    "monotone": ("flag", lambda: False),
    "n": ("integer", lambda: 4),
    "name": ("text", lambda: "name"),
    "net": ("module", net),
    "nodes": ("effort", lambda: 20),
    "norm": ("choice", lambda: "l2"),
    "oracle": ("oracle", oracle),
    "parity": ("parity?", lambda: rl.Parity("odd")),
    "path": ("path", path),
    "per_pair": ("integer?", lambda: 2),
    "perturbation": ("set", own_set),
    "power": ("integer?", lambda: 1),
    "progress": ("flag?", lambda: False),
    "queries": ("effort", lambda: 20),
    "radius": ("real", lambda: 0.3),
    "random": ("effort", lambda: 20),
    "range": ("function?", lambda: lambda low, high: (-torch.ones_like(low), torch.ones_like(low))),
    "record": ("list", lambda: ("attacked",)),
    "restarts": ("effort", lambda: 2),
    "rho": ("real", lambda: 0.9),
    "ridge": ("real", lambda: 0.1),
    "robust_loss": ("real?", lambda: 0.5),
    "rows": ("indices", lambda: put(torch.tensor([0, 2]))),
    "sample": ("sample", sample),
    "samples": ("effort", lambda: 2),
    "schedule": ("choice", lambda: "falling"),
    "check": ("flag", lambda: True),
    "points": ("integer", lambda: 100),
    "validation": ("sample", sample),
    "several_outputs": ("flag", lambda: False),
    "shape": ("list?", lambda: (2,)),
    "note": ("text", lambda: "a note"),
    "scale": ("choice?", lambda: "rows"),
    "seconds": ("real?", lambda: 1.0),
    "seed": ("integer", lambda: 1),
    "seeds": ("effort", lambda: 1),
    "setting": ("setting", lambda: run().setting),
    "sharpest": ("real?", lambda: 1.5707963267948966),
    "size": ("effort", lambda: 20),
    "slope": ("real", lambda: 1.0),
    "start": ("choice", lambda: "natural"),
    "state": ("state", dict),
    "step": ("tensors", lambda: net().start()),  # type: ignore[operator]
    "step_size": ("real", lambda: 0.1),
    "steps": ("effort", lambda: 2),
    "strip": ("real?", lambda: 1.0),
    "symmetric": ("flag", lambda: True),
    "target": ("real", lambda: 0.5),
    "third": ("real", lambda: 1.0),
    "times": ("list", lambda: [1.0, 2.0]),
    "tol": ("real?", lambda: 0.1),
    "tolerance": ("real?", lambda: 0.1),
    "trained": ("choice", lambda: "all"),
    "trajectory": ("run", run),
    "weights": ("tensors", lambda: net().start()),  # type: ignore[operator]
    "width": ("integer", lambda: 4),
    "widths": ("list", lambda: [2]),
    "x": ("points", x),
    "y": ("points", y),
    "z": ("points", direction),
}


def halved(width: int) -> float:
    return width / 2


def fitted(x: torch.Tensor, y: torch.Tensor, radius: float) -> nn.Module:
    return rl.nearest_centre(x, y, radius).net


# --- where a callable means something else -------------------------------------------------------

HERE: dict[str, dict[str, tuple[str, Maker]]] = {
    "Sample": {"name": ("text", lambda: "mine")},
    "Sample.from_arrays": {
        "x": ("array", lambda: rl.hexagon().x.numpy()),
        "y": ("array", lambda: rl.hexagon().y.numpy()),
        "name": ("text", lambda: "mine"),
        "classes": ("pair?", lambda: (-1, 1)),
    },
    "adv_ntk": {"start": ("real", lambda: 1.0), "attack": ("adversary", rl.FGSM)},
    "WidthCurve.values": {"name": ("choice", lambda: "lower"), "width": ("integer", lambda: 2)},
    "Activation": {"name": ("text", lambda: "sine"), "kind": ("choice", lambda: "odd")},
    "Parity.lacks": {"degree": ("integer", lambda: 1)},
    "openml": {"name": ("text", lambda: "tiny"), "n": ("integer?", lambda: 2)},
    "digits": {"n": ("integer?", lambda: 4)},
    "linearize": {"net": ("network", net)},
    "LinearizedNet": {"net": ("network", net)},
    "two_layer_schedule": {"net": ("network", net), "epsilon": ("real", lambda: 0.1)},
    "realisable_schedule": {"net": ("network", net)},
    "projected_schedule": {"net": ("network", net), "steps": ("integer?", lambda: 4)},
    "best_in_ball": {"model": ("kernel", lambda: ntk), "tolerance": ("real", lambda: 1e-2)},
    "BranchAndBound": {"tolerance": ("real", lambda: 1e-3)},
    "min_norm_interpolant": {
        "perturbation": ("set", lambda: rl.Finite(x()[:, None])),
        "depth": ("integer", lambda: 1),
    },
    "expressiveness": {
        "perturbation": ("set", lambda: rl.SphereCap(0.1)),
        "depth": ("integer", lambda: 1),
    },
    "kernel_spectrum": {"depth": ("integer", lambda: 1)},
    "robust_accuracy": {"attack": ("adversary?", lambda: rl.PGD(steps=2))},
    "kernel_flow": {
        "loss": ("flowloss", lambda: "squared"),
        "weights": ("points?", lambda: torch.ones_like(y())),
    },
    "KernelFlow.__call__": {"K": ("points", lambda: gram()[:3])},
    "KernelRegression.__call__": {"K": ("points", lambda: gram()[:3])},
    "load_gram": {"path": ("path", stored)},
    "store_gram": {
        "path": ("path", lambda: path().with_suffix(".npy")),
        "z": ("points?", x),
        "workers": ("integer", lambda: 1),
        "cluster": ("anything?", lambda: None),
    },
    "Trajectory.load": {"path": ("path", saved), "net": ("module", lazy)},
    "empirical_ntk": {"z": ("points?", direction)},
    "ntk": {"z": ("points?", direction), "depth": ("integer", lambda: 1)},
    "nngp": {"z": ("points?", direction), "depth": ("integer", lambda: 1)},
    "SphereCap": {"rho": ("real", lambda: 0.3)},
    "cap_net": {"rho": ("real", lambda: 0.3)},
    "line_net": {"radius": ("real", lambda: 0.05)},
    "nearest_centre": {"radius": ("real", lambda: 0.3)},
    "PGD": {"step_size": ("real?", lambda: 0.1), "steps": ("effort", lambda: 2)},
    "adversarial_training": {
        "net": ("module", net),
        "comparator": ("anything?", lambda: None),
        "radius": ("real?", lambda: 1.0),
        "step_size": ("rate", lambda: 0.1),
    },
    "train_many": {
        "nets": ("list", lambda: [lazy(), lazy()]),
        "radius": ("anything?", lambda: 1.0),
        "step_size": ("rate", lambda: 0.1),
    },
    "ball_lower_bound": {"sample": ("sample?", sample), "loss": ("loss?", rl.PseudoHuber)},
    "regret": {"sample": ("sample?", sample), "loss": ("loss?", rl.PseudoHuber)},
    "width_curve": {"steps": ("effort", lambda: 2), "attack": ("adversary", rl.NoAttack)},
    "Schedule.bound": {
        "robust_loss": ("real", lambda: 0.5),
        "linearisation_error": ("real", lambda: 0.0),
    },
    "sweep": {
        "function": ("callable", lambda: halved),
        "settings": ("list", lambda: [{"width": 2}, {"width": 4}]),
        "store": ("path?", path),
        "cluster": ("anything?", lambda: None),
        "name": ("text?", lambda: "halved"),
        "workers": ("integer?", lambda: 1),
        "threads": ("integer", lambda: 1),
        "again": ("flag", lambda: False),
        "progress": ("flag", lambda: False),
    },
    "Comparator.__call__": {"x": ("floats", x)},
    "Sweep.column": {"name": ("choice", lambda: "width")},
    "narrowest_net": {"perturbation": ("set?", lambda: rl.L2Ball(0.05))},
    "RKHSFunction.to_network": {"width": ("integer", lambda: 4)},
    **more.HERE,
}

for _loss in ("PseudoHuber", "LogCosh", "Logistic", "Hinge"):
    for _method in ("__call__", "derivative"):
        HERE[f"{_loss}.{_method}"] = {
            "f": ("loose", lambda: direction()[:, 0]),
            "y": ("labels", y),
        }
for _net in ("TwoLayerNet", "DeepNet", "LinearizedNet"):
    for _method in ("forward", "lift", "evaluate", "expand", "input_gradient"):
        HERE[f"{_net}.{_method}"] = {"x": ("floats", x)}

# Options that a valid call gives besides those without a default.
GIVEN: dict[str, tuple[str, ...]] = {
    "projected_schedule": ("steps",),
    "realisable_schedule": ("gradient",),
    "min_norm_interpolant": ("margin",),
    "width_curve": ("seeds", "effort"),
    "robust_loss": ("effort",),
    "robust_accuracy": ("effort",),
    "narrowest_net": ("linear_programs",),
    "check_shattering": ("random",),
    "adversarial_training": ("progress",),
    "train_many": ("progress",),
    "store_gram": ("block",),
    "best_in_ball": ("tolerance",),
    "openml": ("name",),
    "sweep": ("progress",),
    **more.GIVEN,
}

# The objects whose methods are called.
OBJECTS: dict[str, Maker] = {
    "AdvNTK": weighed,
    "Sweep": lambda: rl.Sweep("halved", (Run({"width": 2}, "done", {"value": 1.0}, "", 0.1),)),
    "Parity": lambda: rl.Parity("even", 1),
    "APGD": lambda: rl.APGD(steps=3),
    "Square": lambda: rl.Square(queries=5),
    "GridMax": lambda: rl.GridMax(size=9),
    "LinearMax": lambda: rl.LinearMax(),
    "FGSM": lambda: rl.FGSM(),
    "PGD": lambda: rl.PGD(steps=2),
    "Reused": lambda: rl.Reused(rl.FGSM(), every=2),
    "NoAttack": lambda: rl.NoAttack(),
    "RandomNoise": lambda: rl.RandomNoise(),
    "BranchAndBound": lambda: rl.BranchAndBound(nodes=5),
    "WidthCurve": curve,
    "Gadget": lambda: rl.hypercube_gadget(2, 2),
    "ExplicitNetwork": lambda: interpolant().to_network(8),
    "RKHSFunction": interpolant,
    "KernelFlow": flow,
    "KernelRegression": lambda: rl.kernel_regression(gram(), y(), ridge=0.1),
    "Hinge": rl.Hinge,
    "LogCosh": rl.LogCosh,
    "Logistic": rl.Logistic,
    "PseudoHuber": rl.PseudoHuber,
    "TwoLayerNet": net,
    "DeepNet": lambda: put(rl.DeepNet(2, 4, 2).double()),
    "LinearizedNet": lazy,
    "Schedule": lambda: rl.projected_schedule(lazy(), loss=rl.PseudoHuber(), radius=1.0, steps=4),
    "Sample": sample,
    "Finite": finite,
    "L1Ball": lambda: rl.L1Ball(0.2),
    "L2Ball": lambda: rl.L2Ball(0.2, box=(-2, 2)),
    "LinfBall": lambda: rl.LinfBall(0.2),
    "SphereCap": lambda: rl.SphereCap(0.2),
    "Comparator": best,
    "Trajectory": run,
}
affine = nn.Linear  # LinearMax wants an affine model
HERE["LinearMax.__call__"] = {"model": ("model", lambda: linear())}
HERE["LinearMax.answer"] = HERE["LinearMax.move"] = {
    "oracle": ("oracle", lambda: Oracle(linear(), x(), y(), rl.L2Ball(0.2), rl.PseudoHuber()))
}
for _set in ("Finite", "L1Ball", "L2Ball", "LinfBall", "SphereCap"):
    HERE[f"{_set}.contains"] = HERE[f"{_set}.project"] = {}
HERE["TwoLayerNet.sum_at"] = {"weight": ("floats", lambda: net().start()[0])}
HERE["TwoLayerNet.expansion_along"] = {"step": ("floats", lambda: net().start()[0])}
for _name in ("evaluate", "expand"):
    HERE[f"DeepNet.{_name}"] |= {
        "weights": ("tensors", lambda: OBJECTS["DeepNet"]().start()),
        "step": ("tensors", lambda: OBJECTS["DeepNet"]().start()),
    }


def linear() -> nn.Module:
    torch.manual_seed(0)
    return put(nn.Sequential(nn.Linear(2, 1), nn.Flatten(0)).double())


# --- everything public ---------------------------------------------------------------------------


@functools.cache
def public() -> dict[str, Callable[..., Any]]:
    """Every public callable that takes an argument, by name; methods as ``Class.method``."""
    found: dict[str, Callable[..., Any]] = {}
    for name in NAMES:
        thing = getattr(rl, name)
        if not inspect.isclass(thing):
            found[name] = thing
            continue
        found[name] = thing
        for method in dir(thing):
            held = inspect.getattr_static(thing, method)
            function = getattr(held, "__func__", held)
            if method.startswith("_") and method != "__call__":
                continue
            if inspect.isfunction(function) and function.__module__.startswith("robustlib"):
                found[f"{name}.{method}"] = function
    found |= more.MORE
    return {name: f for name, f in found.items() if parameters(f)}


def parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The arguments that a caller gives."""
    known = inspect.signature(function).parameters
    rest = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return {k: p for k, p in known.items() if k not in ("self", "cls") and p.kind not in rest}


def argument(name: str, parameter: str) -> tuple[str, Maker]:
    """Kind of an argument of a callable, and a value."""
    return HERE.get(name, {}).get(parameter) or ARGUMENTS[parameter]


def valid(name: str) -> dict[str, Any]:
    """Arguments of a valid call, all of them made anew."""
    function, given = public()[name], GIVEN.get(name, ())
    return {
        p: argument(name, p)[1]()
        for p, about in parameters(function).items()
        if about.default is inspect.Parameter.empty or p in given
    }


def target(name: str) -> Callable[..., Any]:
    """What is called: a function, a class, or a method of a new object."""
    if name in more.MORE:
        return more.MORE[name]
    owner, _, method = name.partition(".")
    thing = getattr(rl, owner)
    if not method:
        return thing  # type: ignore[no-any-return]
    if isinstance(inspect.getattr_static(thing, method), classmethod):
        return getattr(thing, method)  # type: ignore[no-any-return]
    return getattr(OBJECTS[owner](), method)  # type: ignore[no-any-return]
