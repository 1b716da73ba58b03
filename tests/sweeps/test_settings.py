"""Settings are plain data, and equal settings are one run."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from robustlib.sweeps.settings import check_settings, grid, key, plain


def test_the_grid_has_every_combination_once_the_last_axis_fastest() -> None:
    assert grid(a=[1, 2], b=["xy"], c=range(2)) == [
        {"a": a, "b": "xy", "c": c} for a in (1, 2) for c in (0, 1)
    ]
    assert grid() == [{}]


@pytest.mark.parametrize(
    ("axes", "error", "words"),
    [
        ({"width": 64}, TypeError, r"width must be a list of values, got 64; write \[64\]"),
        ({"loss": "hinge"}, TypeError, r"loss must be a list of values, got 'hinge'"),
        ({"seed": []}, ValueError, "seed must have at least one value, got none"),
    ],
)
def test_axes_that_are_no_lists(axes: dict[str, object], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        grid(**axes)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, np.float64(1)),
        (np.int64(7), torch.tensor(7)),
        ((1, 2), [1.0, 2]),
        ({"b": 1, "a": 2}, {"a": 2, "b": 1}),
        (0.0, -0.0),
        (1e300, 10**300 * 1.0),
    ],
)
def test_equal_values_are_one_run(one: object, other: object) -> None:
    keys = {key(setting) for setting in check_settings([{"v": one}, {"v": other}])}
    assert len(keys) == 1


def test_different_values_are_different_runs() -> None:
    values = [
        0,
        1,
        True,
        "1",
        None,
        [1],
        {"a": 1},
        0.1,
        math.nextafter(0.1, 1),
        math.inf,
        2**60 + 1,
    ]
    settings = check_settings([{"v": value} for value in values] + [{"w": 0}])
    assert len({key(setting) for setting in settings}) == len(settings)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        (None, TypeError, "settings must be a list of dicts, .* got NoneType"),
        ({"a": 1}, TypeError, "settings must be a list of dicts, .* got dict"),
        ([], ValueError, "settings must hold at least one setting"),
        ([3], TypeError, r"settings\[0\] must be a dict, got int"),
        ([{1: 2}], TypeError, r"settings\[0\] must have texts as names, got 1"),
        ([{"x": torch.ones(2)}], TypeError, r"settings\[0\]\['x'\] must be plain data .* Tensor"),
        ([{"x": np.ones(2)}], TypeError, r"settings\[0\]\['x'\] must be plain data .* ndarray"),
        ([{"x": 1j}], TypeError, r"settings\[0\]\['x'\] must be plain data .* complex"),
        (
            [{"x": [0, math.nan]}],
            ValueError,
            r"settings\[0\]\['x'\]\[1\] must be a number, got nan",
        ),
    ],
)
def test_what_is_no_table_of_settings(settings: object, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        check_settings(settings)


def test_results_may_hold_nan_and_infinities() -> None:
    found = plain({"a": math.nan, "b": [np.float32(math.inf)]}, "it", nan=True)
    assert math.isnan(found["a"])
    assert found["b"] == [math.inf]
