"""Odd values for arguments of any kind, and which of them may be taken.

``FITS`` says for every kind which values a call may take; a call that takes another one has
answered a question that nobody asked. Exceptions stand in ``border_taste.py``.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import math
import numbers
import os
import pathlib
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import border_calls as calls
import numpy as np
import torch
from torch import Tensor, nn

import robustlib as rl
from robustlib.activations import ACTIVATIONS

Maker = Callable[[], Any]
FLOATS = (torch.float32, torch.float64)


def offline() -> None:
    """Let ``openml`` find a small data set instead of the network, and sweeps answer at once."""
    import sys

    from robustlib.samples import download

    done = {"state": "done", "result": {"value": 1.0}, "error": "", "seconds": 0.0}
    driver: Any = sys.modules[rl.sweep.__module__]
    driver.on_this_machine = lambda jobs, *_, **__: ((key, done) for key, _ in jobs)

    data = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    download._download = lambda name: (data, np.array(["3", "8", "3", "8"]))


class Raises(Exception):
    """What a function of the user's raises on purpose: it goes through as it is."""


# --- values of any kind ------------------------------------------------------------


class Index:
    def __index__(self) -> int:
        return 2


class Real:
    def __float__(self) -> float:
        return 0.5


class Text(str):
    """A text of a class of the user's."""


class Nothing:
    """An object with nothing."""


class Pair:
    x, y = [[1.0, 0.0]], [1.0]


def raising(*_: Any, **__: Any) -> Any:
    raise Raises


def anything() -> dict[str, Maker]:
    """Values of all kinds, by a word for each."""
    f64 = torch.float64
    singles: list[Any] = [None, True, False, 0, 1, -1, 2, 3, 7, 2**31, 2**63, -(2**63), 10**30]
    singles += [10**400, -(10**400), 0.0, -0.0, 0.5, -0.5, 1.5, 2.0, 1e-300, 1e300, -1e300, 5e-324]
    singles += [math.nan, math.inf, -math.inf, 1j, 0.5 + 0j, fractions.Fraction(1, 2)]
    singles += [
        decimal.Decimal("0.5"),
        decimal.Decimal("NaN"),
        "",
        "relu",
        "nan",
        "1",
        "low",
        "cpu",
    ]
    singles += ["L2", "x" * 300, "\0", "\ud800", "é", b"bytes", bytearray(b"1"), Text("relu")]
    singles += [np.float64(0.5), np.float32(0.5), np.float16(0.5), np.int64(2), np.uint8(2)]
    singles += [np.int8(-1), np.bool_(True), np.float64("nan"), np.datetime64("2020-01-01")]
    singles += [
        np.complex128(1j),
        [],
        [1.0],
        [None],
        [[1.0, 2.0], [3.0]],
        (),
        (0.0, 1.0),
        (1, 2, 3),
    ]
    singles += [("attacked", 3), {}, {"x": 1}, set(), {1, 2}, frozenset(), range(3), slice(2)]
    singles += [Ellipsis, NotImplemented, int, str, Nothing, rl.PGD, rl.L2Ball, rl.PseudoHuber]
    singles += [len, math.sin, torch.sin, torch.relu, math, torch, raising, torch.float64]
    singles += [torch.int64, torch.strided, datetime.date(2020, 1, 1), pathlib.Path("."), Ellipsis]
    found: dict[str, Maker] = {f"{v!r:.60}": lambda v=v: v for v in singles}
    makers: dict[str, Maker] = {
        "object": Nothing,
        "index": Index,
        "real": Real,
        "pair of lists": Pair,
        "generator": lambda: (i for i in range(2)),
        "iterator": lambda: iter([1.0, 2.0]),
        "function of nothing": lambda: lambda: None,
        "function of one": lambda: lambda a: a,
        "function of two": lambda: lambda a, b: a,
        "function of four": lambda: lambda a, b, c, d: a,
        "function that gives None": lambda: lambda *a, **k: None,
        "function that gives NaN": lambda: lambda *a, **k: math.nan,
        "function that gives text": lambda: lambda *a, **k: "text",
        "function that raises": lambda: raising,
        "exception": ValueError,
        "array 0-d": lambda: np.array(0.5),
        "array 1-d": lambda: np.ones(6),
        "array 2-d": lambda: np.ones((6, 2)),
        "array empty": lambda: np.zeros(0),
        "array of objects": lambda: np.array([None, "a"], dtype=object),
        "array of text": lambda: np.array(["a", "b"]),
        "0-d": lambda: torch.tensor(0.5, dtype=f64),
        "0-d int": lambda: torch.tensor(2),
        "0-d bool": lambda: torch.tensor(True),
        "0-d nan": lambda: torch.tensor(math.nan),
        "0-d complex": lambda: torch.tensor(1j),
        "one entry": lambda: torch.ones(1, dtype=f64),
        "1-d": lambda: torch.ones(6, dtype=f64),
        "1-d short": lambda: torch.ones(2, dtype=f64),
        "2-d": lambda: torch.full((6, 2), 0.5, dtype=f64),
        "2-d float32": lambda: torch.full((6, 2), 0.5),
        "3-d": lambda: torch.ones(2, 3, 2, dtype=f64),
        "4-d": lambda: torch.ones(1, 1, 2, 2, dtype=f64),
        "empty": lambda: torch.zeros(0),
        "no rows": lambda: torch.zeros(0, 2, dtype=f64),
        "no columns": lambda: torch.zeros(6, 0, dtype=f64),
        "meta": lambda: torch.ones(6, 2, device="meta", dtype=f64),
        "meta 1-d": lambda: torch.ones(6, device="meta", dtype=f64),
        "sparse": lambda: torch.eye(2, dtype=f64).to_sparse(),
        "sparse csr": lambda: _csr(torch.eye(2, dtype=f64)),
        "int tensor": lambda: torch.ones(6, 2, dtype=torch.int64),
        "bool tensor": lambda: torch.ones(6, dtype=torch.bool),
        "half tensor": lambda: torch.ones(6, 2, dtype=torch.float16),
        "bfloat16 tensor": lambda: torch.ones(6, dtype=torch.bfloat16),
        "complex tensor": lambda: torch.ones(6, 2, dtype=torch.complex128),
        "device": lambda: torch.device("cpu"),
        "generator of torch": lambda: torch.Generator(),
        "module": nn.Module,
        "linear": lambda: nn.Linear(2, 1),
        "net": calls.net,
        "float32 net": lambda: rl.TwoLayerNet(2, 4),
        "wide net": lambda: rl.TwoLayerNet(3, 4).double(),
        "lazy": calls.lazy,
        "set": calls.own_set,
        "finite": calls.finite,
        "cap": lambda: rl.SphereCap(0.1),
        "loss": rl.PseudoHuber,
        "hinge": rl.Hinge,
        "attack": rl.FGSM,
        "sample": calls.sample,
        "other sample": lambda: rl.sphere(5, 3),
        "float32 sample": lambda: rl.hexagon().to(dtype=torch.float32),
        "activation": lambda: ACTIVATIONS["tanh"],
        "parity": lambda: rl.Parity("odd"),
        "gadget": lambda: rl.simplex_gadget(3, 2),
        "run": calls.run,
        "comparator": calls.best,
        "interpolant": calls.interpolant,
        "oracle": calls.oracle,
        "missing file": lambda: pathlib.Path("missing") / "file",
        "folder": lambda: _folder(),
        "empty file": lambda: _file("empty.npy", b""),
        "text file": lambda: _file("text.npy", b"not an array"),
    }
    return found | makers


def _csr(t: Tensor) -> Tensor:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return t.to_sparse_csr()


def _folder() -> pathlib.Path:
    place = pathlib.Path("folder.npy")
    place.mkdir(exist_ok=True)
    return place


def _file(name: str, data: bytes) -> pathlib.Path:
    place = pathlib.Path(name)
    place.write_bytes(data)
    return place


# --- values of an argument's own kind ------------------------------------------------------------

Change = Callable[[Any], Any]


def _entry(value: float) -> Change:
    def change(t: Tensor) -> Tensor:
        t = t.clone()
        if t.numel():
            t.view(-1)[t.numel() // 2] = value
        return t

    return change


class OwnTensor(Tensor):
    """A tensor of a class of the user's."""


# Words that begin with = change nothing that the value says.
TENSORS: dict[str, Change] = {
    "=strided": lambda t: torch.stack([t, t], -1)[..., 0],
    "=transposed": lambda t: t.transpose(0, -1).contiguous().transpose(0, -1) if t.dim() else t,
    "=leaf": lambda t: t.clone().requires_grad_(),
    "=parameter": lambda t: nn.Parameter(t.clone()),
    "=graph": lambda t: t.clone().requires_grad_() * 1,
    "=own class": lambda t: t.clone().as_subclass(OwnTensor),
    "=negated": lambda t: torch._neg_view(-t),
    "=inference": lambda t: _inference(t),
    "nan": _entry(math.nan),
    "inf": _entry(math.inf),
    "-inf": _entry(-math.inf),
    "huge": _entry(1e200),
    "subnormal": _entry(5e-324),
    "zero": _entry(0.0),
    "two": _entry(2.0),
    "all zero": torch.zeros_like,
    "all nan": lambda t: t * math.nan,
    "all huge": lambda t: t * 1e155,
    "all tiny": lambda t: t * 1e-300,
    "flipped": lambda t: -t,
    "float32": lambda t: t.float(),
    "half": lambda t: t.half(),
    "bfloat16": lambda t: t.bfloat16(),
    "int64": lambda t: t.long(),
    "uint8": lambda t: (t > 0).to(torch.uint8),
    "bool": lambda t: t > 0,
    "complex": lambda t: t.to(torch.complex128),
    "sparse": lambda t: t.to_sparse(),
    "meta": lambda t: t.to("meta"),
    "array": lambda t: t.detach().numpy(),
    "list": lambda t: t.tolist(),
    "fewer": lambda t: t[:-1],
    "one": lambda t: t[:1],
    "none": lambda t: t[:0],
    "twice": lambda t: torch.cat([t, t]),
    "column": lambda t: t[..., None],
    "row": lambda t: t[None],
    "flat": lambda t: t.flatten(),
    "image": lambda t: t.reshape(len(t), 1, -1) if t.dim() else t,
    "wider": lambda t: torch.cat([t, t], -1) if t.dim() else t,
    "narrow": lambda t: t[..., :1] if t.dim() else t,
    "no columns": lambda t: t[..., :0] if t.dim() else t,
    "constant": lambda t: t[:1].expand(t.shape),
}


def _inference(t: Tensor) -> Tensor:
    with torch.inference_mode():
        return t.clone()


NUMBERS: dict[str, Change] = {
    "=numpy": lambda v: np.float64(v) if isinstance(v, float) else np.int64(v),
    "=small": lambda v: np.int16(v) if isinstance(v, int) else np.float64(v),
    "=0-d": lambda v: torch.tensor(v, dtype=torch.float64 if isinstance(v, float) else None),
    "=array": lambda v: np.array(v),
    "negative": lambda v: -v,
    "half": lambda v: v / 2,
    "next": lambda v: v + 1,
    "hundred": lambda v: v * 100,
    "text": str,
    "list": lambda v: [v],
    "complex": complex,
}


class Model(nn.Module):
    """A module that answers what ``change`` makes of right outputs."""

    def __init__(self, change: Change) -> None:
        super().__init__()
        self.inner, self.change = calls.net(), change

    def forward(self, x: Tensor) -> Any:
        return self.change(self.inner(x))


MODELS: dict[str, Maker] = {
    **{
        f"model that gives {word}": lambda word=word: Model(TENSORS[word])
        for word in ("nan", "all nan", "inf", "float32", "int64", "bool", "complex", "sparse")
    },
    **{
        f"model that gives {word}": lambda word=word: Model(TENSORS[word])
        for word in ("meta", "array", "list", "fewer", "none", "twice", "column", "row")
    },
    "model that gives None": lambda: Model(lambda f: None),
    "model that gives text": lambda: Model(lambda f: "text"),
    "model that gives a pair": lambda: Model(lambda f: (f, f)),
    "model that detaches": lambda: Model(lambda f: f.detach()),
    "model that raises": lambda: Model(raising),
    "model with nan": lambda: _with(calls.net(), math.nan),
    "model with inf": lambda: _with(calls.net(), math.inf),
    "model in half": lambda: calls.net().half(),
    "model on meta": lambda: calls.net().to("meta"),
    "frozen": lambda: calls.net().requires_grad_(False),
    "training": lambda: nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 1), nn.Flatten(0)).double(),
    "no parameters": lambda: nn.Flatten(0),
    "identity": nn.Identity,
    "sequential": nn.Sequential,
}


def _with(net: nn.Module, value: float) -> nn.Module:
    with torch.no_grad():
        next(net.parameters()).view(-1)[0] = value
    return net


class OwnLoss:
    """A loss of a user's, whose values and derivatives go through a change."""

    lipschitz: Any = 1.0
    smoothness: Any = 1.0
    zero_at_label: Any = True

    def __init__(self, value: Change | None = None, slope: Change | None = None, **facts: Any):
        self.changes = value, slope
        vars(self).update(facts)

    def __repr__(self) -> str:
        return "OwnLoss()"

    def __call__(self, f: Tensor, y: Tensor) -> Any:
        value = rl.PseudoHuber()(f, y)
        return self.changes[0](value) if self.changes[0] else value

    def derivative(self, f: Tensor, y: Tensor) -> Any:
        slope = rl.PseudoHuber().derivative(f, y)
        return self.changes[1](slope) if self.changes[1] else slope


WRONG = ("nan", "all nan", "inf", "half", "int64", "complex", "meta", "array", "fewer", "column")
LOSSES: dict[str, Maker] = {
    "=loss of one's own": OwnLoss,
    **{f"loss that gives {w}": lambda w=w: OwnLoss(TENSORS[w]) for w in WRONG},
    **{f"loss of slope {w}": lambda w=w: OwnLoss(None, TENSORS[w]) for w in WRONG},
    "loss that gives None": lambda: OwnLoss(lambda v: None),
    "loss of slope None": lambda: OwnLoss(None, lambda v: None),
    "loss of the mean": lambda: OwnLoss(lambda v: v.mean()),
    "loss of wrong slope": lambda: OwnLoss(None, lambda v: -v),
    "loss that is concave": lambda: OwnLoss(lambda v: -v, lambda v: -v),
    "lipschitz nan": lambda: OwnLoss(lipschitz=math.nan),
    "lipschitz text": lambda: OwnLoss(lipschitz="1"),
    "lipschitz too small": lambda: OwnLoss(lipschitz=0.1),
    "lipschitz negative": lambda: OwnLoss(lipschitz=-1.0),
    "smoothness text": lambda: OwnLoss(smoothness="1"),
    "smoothness nan": lambda: OwnLoss(smoothness=math.nan),
    "zero_at_label text": lambda: OwnLoss(zero_at_label="no"),
    "loss that raises": lambda: OwnLoss(raising),
    "module of torch": nn.MSELoss,
    "function of torch": lambda: nn.functional.mse_loss,
}

FUNCTIONS: dict[str, Change] = {
    **{
        f"function that gives {word}": lambda f, word=word: (
            lambda *a, **k: TENSORS[word](f(*a, **k))
        )
        for word in (*WRONG, "none", "row", "list", "float32", "sparse")
    },
    "function that gives None": lambda f: lambda *a, **k: None,
    "function that wants keywords": lambda f: lambda *, x: f(x),
    "function of no arguments": lambda f: lambda: None,
    "function of nine": lambda f: lambda a, b, c, d, e, g, h, i, j: None,
}

ACTIVATION = {
    "rleu": lambda: "rleu",
    "upper": lambda: "ReLU",
    "sine": lambda: rl.Activation("sine", torch.sin, torch.cos, slope=1.0, strip=math.inf),
    "wrong slope": lambda: rl.Activation("wrong", torch.sin, torch.sin, slope=1.0),
    "wrong shape": lambda: rl.Activation("wrong", lambda z: z.sum(), torch.cos),
    "gives nan": lambda: rl.Activation("nan", lambda z: z * math.nan, torch.cos),
    "gives None": lambda: rl.Activation("none", lambda z: None, torch.cos),  # type: ignore
    "module of torch": nn.ReLU,
}


BEGINNINGS: dict[str, Any] = {
    "no such state": {"radius": 0.3},
    "no such control": {"size": 1},
    "no name": {1: 0.1},
    "text for a number": {"radius": "0.1"},
    "nan state": {"radius": math.nan},
    "list as a state": {"radius": [0.1]},
    "array as a state": {"radius": np.array([0.1, 0.2])},
    "tensor as a state": {"radius": torch.tensor([0.1, 0.2])},
    "None as a state": {"kind": None},
    "upper": {"kind": "UP"},
    "both": {"radius": 0.1, "kind": "down"},
    "nothing": {},
}


def own(kind: str, value: Any) -> dict[str, Maker]:
    """Values like ``value``, of the same kind; = says that it is the same in meaning."""
    kind = kind.rstrip("?")
    if isinstance(value, Tensor):
        return {w: lambda c=c: c(value) for w, c in TENSORS.items()}
    if kind in ("integer", "real", "effort", "rate"):
        return {w: lambda c=c: c(value) for w, c in NUMBERS.items()}
    if kind in ("model", "module", "network", "kernel"):
        extra = FUNCTIONS if kind == "kernel" else {}
        return MODELS | {w: lambda c=c: c(value) for w, c in extra.items()}
    if kind in ("loss", "flowloss"):
        return LOSSES
    if kind == "activation":
        return dict(ACTIVATION)
    if kind == "function" and value is not None:
        return {w: lambda c=c: c(value) for w, c in FUNCTIONS.items()}
    if kind in ("list", "pair", "tensors") and value is not None:
        return {
            "=tuple": lambda: tuple(value),
            "=list": lambda: list(value),
            "generator": lambda: (v for v in value),
            "nested": lambda: [value],
            "longer": lambda: [*value, *value],
            "shorter": lambda: list(value)[:-1],
            "with None": lambda: [*list(value)[:-1], None],
            "with text": lambda: [*list(value)[:-1], "text"],
            "with nan": lambda: [*list(value)[:-1], math.nan],
            "reversed": lambda: list(value)[::-1],
            "array": lambda: np.array(list(value), dtype=object),
            **{
                f"first {w}": lambda c=c: [c(value[0]), *value[1:]]
                for w, c in TENSORS.items()
                if isinstance(value[0], Tensor)
            },
        }
    if kind in ("choice", "text"):
        return {
            "=own class": lambda: Text(value),
            "upper": value.upper,
            "spaces": lambda: f" {value} ",
            "bytes": value.encode,
            "list": lambda: [value],
            "half": lambda: value[: len(value) // 2],
        }
    if kind == "begin":
        return {word: lambda held=held: held for word, held in BEGINNINGS.items()}
    if kind == "sample":
        fresh: dict[str, Maker] = {}
        for part in ("x", "y"):
            for w, c in TENSORS.items():
                fresh[f"{part} {w}".replace(f"{part} =", f"={part} ")] = lambda part=part, c=c: (
                    _labelled(value, part, c)
                )
        return fresh
    if kind == "path":
        return {"=text": lambda: str(value), "missing": lambda: pathlib.Path("no") / value.name}
    return {}


class Labelled:
    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y


def _labelled(sample: rl.Sample, part: str, change: Change) -> Labelled:
    fields = {"x": sample.x, "y": sample.y}
    return Labelled(**{**fields, part: change(fields[part])})


# --- which values may be taken ------------------------------------------------------------


def _number(value: Any, whole: bool) -> bool:
    if isinstance(value, Tensor | np.ndarray):
        if value.ndim or "complex" in str(value.dtype) or "meta" in str(value):
            return False
        value = value.item()
    if isinstance(value, bool | np.bool_):
        return False
    if isinstance(value, Index):
        return True
    if isinstance(value, numbers.Integral):
        return True
    return not whole and isinstance(value, numbers.Real | decimal.Decimal) and math.isfinite(value)


def _points(value: Any) -> bool:
    fine = isinstance(value, Tensor) and value.dtype in FLOATS
    if not fine or value.layout != torch.strided or value.device.type != "cpu":
        return False
    return bool(torch.isfinite(value).all())


def _dense(value: Any) -> bool:
    return isinstance(value, Tensor) and value.layout == torch.strided


def _signed(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype in (torch.int8, torch.int16, torch.int64)


FITS: dict[str, Callable[[Any], bool]] = {
    "integer": lambda v: _number(v, True),
    "effort": lambda v: _number(v, True),
    "real": lambda v: _number(v, False),
    "rate": lambda v: _number(v, False) or callable(v),
    "points": _points,
    "floats": lambda v: isinstance(v, Tensor) and v.dtype in FLOATS and v.layout == torch.strided,
    "loose": lambda v: (
        isinstance(v, Tensor) and v.is_floating_point() and v.layout == torch.strided
    ),
    "labels": lambda v: FITS["loose"](v) or _number(v, False) or _signed(v),
    "indices": lambda v: (
        isinstance(v, Tensor) and v.dtype == torch.int64 and v.device.type == "cpu"
    ),
    "array": lambda v: isinstance(v, Sequence | np.ndarray | Tensor) and not isinstance(v, str),
    "flag": lambda v: isinstance(v, bool | np.bool_),
    "choice": lambda v: isinstance(v, str),
    "text": lambda v: isinstance(v, str),
    "activation": lambda v: isinstance(v, str | rl.Activation),
    "adversary": lambda v: isinstance(v, rl.Adversary),
    "set": lambda v: isinstance(v, rl.Perturbation),
    "loss": lambda v: isinstance(v, OwnLoss) or type(v).__module__ == "robustlib.losses",
    "flowloss": lambda v: v == "squared" if isinstance(v, str) else FITS["loss"](v),
    "model": lambda v: callable(v) and not isinstance(v, type),
    "kernel": lambda v: callable(v) and not isinstance(v, type),
    "function": lambda v: callable(v) and not isinstance(v, type),
    "callable": callable,
    "module": lambda v: isinstance(v, nn.Module),
    "network": lambda v: isinstance(v, nn.Module),
    "sample": lambda v: _points(getattr(v, "x", None)) and _points(getattr(v, "y", None)),
    "generator": lambda v: isinstance(v, torch.Generator),
    "path": lambda v: isinstance(v, str | os.PathLike),
    "pair": lambda v: isinstance(v, Sequence) and len(v) == 2,
    "list": lambda v: isinstance(v, Iterable),
    "tensors": lambda v: isinstance(v, Sequence | nn.ParameterList) and all(map(FITS["floats"], v)),
    "dtype": lambda v: v in (torch.float32, torch.float64),
    "device": lambda v: isinstance(v, str | torch.device) or _number(v, True),
    "gadget": lambda v: isinstance(v, rl.Gadget),
    "run": lambda v: isinstance(v, rl.Trajectory),
    "comparator": lambda v: isinstance(v, rl.Comparator),
    "oracle": lambda v: type(v).__name__ == "Oracle",
    "parity": lambda v: isinstance(v, rl.Parity),
    "setting": lambda v: type(v).__name__ == "Setting",
    "state": lambda v: isinstance(v, dict),
    "begin": lambda v: isinstance(v, dict),
    "row": lambda v: isinstance(v, tuple),
    "place": lambda v: isinstance(v, slice) or _number(v, True),
    "anything": lambda v: True,
}


def fits(kind: str, value: Any) -> bool:
    """Whether a call may take ``value`` for an argument of ``kind``; a ? stands for "or None"."""
    return (kind.endswith("?") and value is None) or bool(FITS[kind.rstrip("?")](value))


def drawn(kind: str, value: Any, draw: random.Random) -> tuple[str, Maker]:
    """One more value, by chance: a number of any size, or two changes of a tensor in turn."""
    if isinstance(value, Tensor) and draw.random() < 0.7:
        one, two = draw.sample([w for w in TENSORS if w not in ("array", "list")], 2)
        # the second may be another change after the first, so that only two of no effect have none
        word = f"{one}, {two}" if two.startswith("=") else f"{one}, {two}".lstrip("=")
        return word, lambda: TENSORS[two](TENSORS[one](value))
    number = draw.choice([-1, 1]) * 10.0 ** draw.uniform(-320, 308)
    if draw.random() < 0.5 and abs(number) < 1e4:
        number = int(number)
    shape = [draw.randint(0, 7) for _ in range(draw.randint(0, 4))]
    dtype = draw.choice([torch.float64] * 4 + [torch.float32, torch.int64, torch.float16])
    choice = draw.randrange(4)
    if choice == 0:
        return f"{number:.3g}", lambda: number
    if choice == 1:
        return f"tensor {shape} {dtype}", lambda: torch.full(shape, min(number, 1e4)).to(dtype)
    if choice == 2:
        size = draw.randint(0, 4)
        return f"list of {size} {number:.3g}", lambda: [number] * size
    return f"array {shape}", lambda: np.full(shape, number)
