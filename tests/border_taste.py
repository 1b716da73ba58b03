"""What is a matter of taste at the border of the public API, each with its reason.

``border.py`` reads these tables; whoever adds a row says why.
"""

from __future__ import annotations

_RESULTS = [
    *("VCBound", "WidthCurve", "WidthRun", "Gadget", "Interpolator", "Narrowest", "Shattering"),
    *("Diagnosis", "Expressiveness", "ExplicitNetwork", "RKHSFunction", "RobustGram", "KernelFlow"),
    *("KernelRegression", "Spectrum", "Gram", "RegretCertificate", "Regret", "Schedule", "AdvNTK"),
    *("Compatibility", "Comparator", "Trajectory", "OutputBounds", "RobustAccuracy", "RobustLoss"),
    "Sweep",
]
ABSTRACT = ("Adversary", "Attack", "Perturbation", "Loss")

# Callables that are not looked at, and arguments of some: (callable, argument), * for all.
TASTE: dict[tuple[str, str], str] = {
    **{(name, "*"): "a result: the library makes it, users only read it" for name in _RESULTS},
    ("Trajectory.from_payload", "*"): "the other half of load, which has checked what it gives",
    ("Finite.with_radius", "*"): "refuses whatever it is given",
    ("sweep", "cluster"): "Dask looks at it, when it looks for the cluster",
    ("Finite.hull", "*"): "refuses whatever it is given",
}

_NAN = "a function of its argument: NaN for NaN, as functions of torch have it"
# Answers that would be silent: (callable or method, argument, value), * for any. The value "nan"
# stands for every answer with NaN in it.
TAKEN: dict[tuple[str, str, str], str] = {
    **{
        (m, "*", "nan"): _NAN
        for m in ("forward", "lift", "evaluate", "expand", "derivative", "input_gradient")
    },
    ("grid", "*", "nan"): "it only combines values; sweep refuses what it cannot keep",
    **{(f, "*", "nan"): _NAN for f in ("wide_outputs", "wide_gradient", "Comparator.__call__")},
    **{
        (f"{loss}.__call__", "*", "nan"): _NAN
        for loss in ("PseudoHuber", "LogCosh", "Logistic", "Hinge")
    },
}
# A count of steps, restarts, samples or parts is taken at its word, however long it takes: values
# above this one are not tried for it.
EFFORT = 200
