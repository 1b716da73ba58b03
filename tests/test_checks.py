from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from unittest.mock import Mock

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
    assert checks.check_integer("k", 2**63 - 1, minimum=0) == 2**63 - 1
    assert checks.check_text("t", "good") == "good"
    assert checks.check_list("l", iter("ab")) == ["a", "b"]
    checks.check_function("f", lambda x, y=0: x, "x, y")
    assert checks.check_device("d", "cpu") == checks.check_device("d", torch.device("cpu"))
    net = torch.nn.BatchNorm1d(2)  # which counts in integers besides
    checks.check_weights("net", net)
    rows = torch.tensor([0, 2])
    assert checks.check_indices("i", rows, 3).tolist() == [0, 2]
    assert checks.check_outputs(torch.ones(2), (2, 5)).shape == (2,)
    assert checks.check_outputs(torch.ones(2, 1), (2, 5)).shape == (2,)


def test_what_a_users_function_raises_goes_on_with_a_note() -> None:
    with pytest.raises(KeyError) as caught, checks.calling("the loss"):
        raise KeyError("own")
    assert caught.value.args == ("own",)
    assert caught.value.__notes__ == [
        "raised by the loss, which the library called as it was given"
    ]


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
ROWS = torch.tensor([0, 2])
LETTERS = "abcdefghijklm"
LOST, GONE = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2, device="meta")
torch.nn.init.constant_(LOST.bias[:1], math.nan)
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
    (lambda: checks.check_integer("k", 2**63, minimum=0), ValueError, "at most 2**63 - 1, got 92"),
    (lambda: checks.check_choice("c", "q", LETTERS), ValueError, "13 names, from 'a' to 'm'"),
    (lambda: checks.check_text("t", 3), TypeError, "t must be a string, got int"),
    (lambda: checks.check_text("t", "a\ud800"), ValueError, "whole characters, got 'a\\ud800'"),
    (lambda: checks.check_flag("b", "no"), TypeError, "b must be True or False, got 'no' (str)"),
    (lambda: checks.check_list("l", "ab"), TypeError, "l must be a list, got 'ab'"),
    (lambda: checks.check_list("l", T[0, 0]), TypeError, "l must be a list, got tensor(1.)"),
    (lambda: checks.check_function("f", 3, "x, y"), TypeError, "f must be a function (x, y), got"),
    (lambda: checks.check_function("f", float, "x"), TypeError, "f must be a function (x), got"),
    (lambda: checks.check_function("f", lambda x: x, "x, y"), TypeError, "got one of (x)"),
    (lambda: checks.check_function("f", 3, "x", "add"), TypeError, "f must add, got 3"),
    (lambda: checks.check_device("d", True), TypeError, "d must be a device such as 'cpu'"),
    (lambda: checks.check_device("d", None), TypeError, "got None (NoneType)"),
    (lambda: checks.check_device("d", "gpus"), ValueError, "or 'cuda', got 'gpus' (str)"),
    (lambda: checks.check_floats("x", T.to("meta")), ValueError, "x must have entries"),
    (lambda: checks.check_floats("x", T.to_sparse()), TypeError, "x must be a dense tensor"),
    (
        lambda: checks.check_weights("net", LOST),
        ValueError,
        "got 1 NaN or infinite entries in bias",
    ),
    (lambda: checks.check_weights("net", GONE), ValueError, "got weight on meta"),
    (lambda: checks.check_kind("x", T.to_sparse(), "y", T), TypeError, "x must be a dense tensor"),
    (lambda: checks.check_indices("i", [0], 3), TypeError, "torch.int64, got [0]"),
    (lambda: checks.check_indices("i", ROWS.int(), 3), TypeError, "got torch.int32 (2,)"),
    (lambda: checks.check_indices("i", ROWS[None], 3), TypeError, "got torch.int64 (1, 2)"),
    (lambda: checks.check_indices("i", ROWS[0], 3), TypeError, "got torch.int64 ()"),
    (lambda: checks.check_indices("i", ROWS[:0], 3), ValueError, "at least one number"),
    (lambda: checks.check_indices("i", ROWS.to_sparse(), 3), ValueError, "at least one number"),
    (lambda: checks.check_indices("i", ROWS.to("meta"), 3), ValueError, "at least one number"),
    (lambda: checks.check_indices("i", ROWS, 2), ValueError, "the 2 rows of x, from 0 on, got"),
    (lambda: checks.check_indices("i", ROWS - 1, 3), ValueError, "from 0 on, got [-1, 1]"),
    (lambda: checks.check_outputs(3.0, (2, 5)), TypeError, "return a torch.Tensor, got float"),
    (lambda: checks.check_outputs(T.to_sparse(), (2, 5)), TypeError, "return a dense tensor"),
    (lambda: checks.check_outputs(T[:1, :2], (2, 5)), ValueError, "add nn.Flatten(0) at its end"),
    (lambda: checks.check_outputs(T[:, :2], (2, 5)), ValueError, "return f[:, 1] - f[:, 0]"),
    (lambda: checks.check_outputs(T, (2, 5)), ValueError, "one column, or the difference of two"),
    (lambda: checks.check_outputs(T, (3, 5)), ValueError, "do not sum over the examples"),
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
    there = SimpleNamespace(
        is_available=lambda: True, current_accelerator=lambda: torch.device("xpu")
    )
    monkeypatch.setattr(torch, "accelerator", there, raising=False)
    assert checks.check_device("device", 1) == torch.device("xpu:1")
    there.is_available = lambda: False
    there.current_accelerator = Mock(side_effect=RuntimeError)  # as torch 2.6 does
    assert checks.check_device("device", torch.tensor(1)) == torch.device("cuda:1")
    monkeypatch.delattr(torch, "accelerator")  # as before torch 2.6
    assert checks.check_device("device", 1) == torch.device("cuda:1")
    with pytest.raises(ValueError, match="device must be a device such as 'cpu' or 'cuda', got -1"):
        checks.check_device("device", -1)
