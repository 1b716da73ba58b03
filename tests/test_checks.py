from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from robustlib import checks
from robustlib.numerics import generator


def test_checks_hand_back_good_values() -> None:
    assert checks.check_integer("k", 3, minimum=3) == 3
    assert checks.check_real("r", 0, minimum=0) == 0.0
    assert isinstance(checks.check_real("r", 2), float)
    assert checks.check_choice("c", "b", iter("abc")) == "b"
    assert type(checks.check_choice("c", type("Own", (str,), {})("b"), "abc")) is str
    x = torch.zeros(0, 3)
    assert checks.check_floats("x", x) is x
    checks.check_alike("x", x, "y", x)
    checks.check_shape("x", x, (0, 3))


class Index:
    """What counts as an integer for Python."""

    def __index__(self) -> int:
        return 3

    def __repr__(self) -> str:
        return "Index()"


INTEGERS = [3, np.int8(3), np.uint64(3), np.array(3), torch.tensor(3), torch.tensor(3).byte()]
REALS = [0.5, np.float16(0.5), np.float32(0.5), np.longdouble(0.5), np.array(0.5)]
REALS += [torch.tensor(0.5), torch.tensor(0.5).bfloat16(), torch.tensor(0.5, requires_grad=True)]
REALS += [Fraction(1, 2), Decimal("0.5")]


@pytest.mark.parametrize("value", [*INTEGERS, Index()], ids=repr)
def test_every_integer_is_an_integer(value: object) -> None:
    """At commit 62c29f0 so was torch.tensor(True), and a message on 10**5000 could not be made."""
    found = checks.check_integer("k", value, minimum=3)
    assert (type(found), found) == (int, 3)


@pytest.mark.parametrize("value", [*REALS, *INTEGERS], ids=repr)
def test_every_real_number_is_a_real_number(value: object) -> None:
    """At commit 62c29f0 only Python's were, and np.float64, which is one of them."""
    found = checks.check_real("r", value)
    assert type(found) is float
    assert found == (3.0 if any(value is number for number in INTEGERS) else 0.5)


@pytest.mark.parametrize(
    "value",
    [
        True,
        np.True_,
        np.array(True),
        torch.tensor(True),
        torch.ones(1),
        np.ones(1),
        torch.tensor(3, device="meta"),
        1j,
        np.complex64(1),
        torch.tensor(1j),
        "1",
        None,
    ],
    ids=repr,
)
def test_what_is_no_number(value: object) -> None:
    with pytest.raises(TypeError, match="k must be an integer"):
        checks.check_integer("k", value, minimum=0)
    with pytest.raises(TypeError, match="r must be a real number"):
        checks.check_real("r", value)


def test_numbers_beyond_floats_are_named() -> None:
    for value in (10**400, -(10**400), Fraction(10**400), Decimal("sNaN")):
        with pytest.raises(ValueError, match=r"r must be finite as a float, got "):
            checks.check_real("r", value)
    for long in (10**400, 10**5000):
        with pytest.raises(ValueError, match=r"k must be at least 0, got .*(letters|too long)"):
            checks.check_integer("k", -long, minimum=0)
        with pytest.raises(ValueError, match=r"r must be finite as a float, got .*(letters|long)"):
            checks.check_real("r", long)


T = torch.ones(2, 3)
BAD = [
    (lambda: checks.check_integer("k", 2, minimum=3), ValueError, "k must be at least 3, got 2"),
    (lambda: checks.check_integer("k", 2.0, minimum=0), TypeError, "k must be an integer"),
    (lambda: checks.check_integer("k", True, minimum=0), TypeError, "True (bool)"),
    (lambda: checks.check_real("r", -1e-9, minimum=0), ValueError, "at least 0, got -1e-09"),
    (lambda: checks.check_real("r", 0, above=0), ValueError, "greater than 0, got 0"),
    (lambda: checks.check_real("r", math.nan), ValueError, "r must be finite, got nan"),
    (lambda: checks.check_real("r", math.inf), ValueError, "r must be finite, got inf"),
    (lambda: checks.check_real("r", "1"), TypeError, "r must be a real number, got '1'"),
    (lambda: checks.check_choice("c", "rleu", ["relu", "erf"]), ValueError, "mean 'relu'"),
    (lambda: checks.check_choice("c", None, ["relu", "erf"]), ValueError, "'relu', 'erf'"),
    (lambda: checks.check_floats("x", [1.0]), TypeError, "x must be a torch.Tensor, got list"),
    (lambda: checks.check_floats("x", T.long()), TypeError, "got torch.int64"),
    (lambda: checks.check_floats("x", T.half()), TypeError, "got torch.float16"),
    (lambda: checks.check_floats("x", T, min_dim=3), ValueError, "at least 3 axes"),
    (lambda: checks.check_floats("x", T / 0), ValueError, "6 NaN or infinite"),
    (lambda: checks.check_alike("x", T, "y", T.double()), TypeError, "y is torch.float64"),
    (lambda: checks.check_alike("x", T, "y", T.to("meta")), ValueError, "y is on meta"),
    (lambda: checks.check_shape("x", T, (3, 2)), ValueError, "(3, 2), got (2, 3)"),
    (lambda: generator(-1), ValueError, "seed must be at least 0, got -1"),
    (lambda: generator(0.5), TypeError, "seed must be an integer"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("row", BAD, ids=[row[2] for row in BAD])
def test_checks_name_argument_value_and_what_is_accepted(row: tuple[object, ...]) -> None:
    call, error, text = row
    assert callable(call)
    assert isinstance(error, type)
    with pytest.raises(error) as caught:  # type: ignore[type-var]
        call()
    assert caught.type is error
    assert str(text) in str(caught.value)


def test_a_number_names_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    there = SimpleNamespace(current_accelerator=lambda: torch.device("xpu"))
    monkeypatch.setattr(torch, "accelerator", there, raising=False)
    assert checks.check_device("device", 1) == torch.device("xpu:1")
    there.current_accelerator = lambda: None
    assert checks.check_device("device", torch.tensor(1)) == torch.device("cuda:1")
    monkeypatch.delattr(torch, "accelerator")  # as before torch 2.6
    assert checks.check_device("device", 1) == torch.device("cuda:1")
    with pytest.raises(ValueError, match="device must be a device such as 'cpu' or 'cuda', got -1"):
        checks.check_device("device", -1)
