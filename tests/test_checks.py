from __future__ import annotations

import math

import pytest
import torch

from robustlib import checks
from robustlib.numerics import generator


def test_checks_hand_back_good_values() -> None:
    assert checks.check_integer("k", 3, minimum=3) == 3
    assert checks.check_real("r", 0, minimum=0) == 0.0
    assert isinstance(checks.check_real("r", 2), float)
    assert checks.check_choice("c", "b", iter("abc")) == "b"
    x = torch.zeros(0, 3)
    assert checks.check_floats("x", x) is x
    checks.check_alike("x", x, "y", x)
    checks.check_shape("x", x, (0, 3))


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
