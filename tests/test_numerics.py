from __future__ import annotations

import math
import random
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from robustlib import numerics
from robustlib.numerics import down, generator, up


def draw(*key: int) -> list[float]:
    values: list[float] = torch.randn(8, generator=generator(*key), dtype=torch.float64).tolist()
    return values


def test_generator_repeats_itself_and_leaves_the_global_one_alone() -> None:
    state = torch.get_rng_state()
    assert draw(3) == draw(3)
    assert draw(3, 1) == draw(3, 1)
    assert torch.equal(state, torch.get_rng_state())


def test_generator_without_stream_is_the_plain_seed() -> None:
    expected = torch.randn(8, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    assert draw(5) == expected.tolist()


@pytest.mark.parametrize(
    ("seed", "published"),
    [
        (0, [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]),
        (1234567, [6457827717110365317, 3203168211198807973, 9817491932198370423]),
    ],
)
def test_streams_begin_where_splitmix64_says(seed: int, published: list[int]) -> None:
    """The first outputs of Vigna's generator, as published for these seeds."""
    begun = [generator(seed, k).initial_seed() for k in range(3)]
    assert begun == [value % 2**63 for value in published]


def test_streams_differ_from_one_another_and_from_neighbouring_seeds() -> None:
    keys = [(s,) for s in range(20)]
    keys += [(s, t) for s in range(20) for t in range(20)]
    keys += [(s, t, u) for s in range(5) for t in range(5) for u in range(5)]
    firsts = [draw(*key)[0] for key in keys]
    assert len(set(firsts)) == len(keys)


def test_streams_are_not_correlated() -> None:
    n = 4000
    rows = torch.stack(
        [torch.randn(n, generator=generator(0, t), dtype=torch.float64) for t in range(12)]
    )
    correlation = (rows @ rows.T / n).fill_diagonal_(0)
    assert float(correlation.abs().max()) < 5 / math.sqrt(n)


@given(seed=st.integers(0, 2**63 - 1), stream=st.integers(0, 2**70))
def test_generator_takes_any_seed_and_stream(seed: int, stream: int) -> None:
    assert draw(seed, stream) == draw(seed, stream)


@given(p=st.sampled_from([1.0, 2.0, math.inf]), shape=st.sampled_from([(3, 4), (3, 2, 2), (1, 1)]))
def test_row_norm_flattens_each_example(p: float, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=generator(0), dtype=torch.float64)
    expected = []
    for row in x.reshape(shape[0], -1).abs().tolist():
        expected.append(max(row) if p == math.inf else math.fsum(v**p for v in row) ** (1 / p))
    assert numerics.row_norm(x, p).tolist() == pytest.approx(expected, rel=1e-14)
    assert numerics.row_norm(x[:0], 2).shape == (0,)


def test_choose_takes_rows_from_two_tensors() -> None:
    chosen, others = torch.arange(12.0).reshape(3, 2, 2), -torch.ones(3, 2, 2)
    mixed = numerics.choose(torch.tensor([True, False, True]), chosen, others)
    assert torch.equal(mixed, torch.stack([chosen[0], others[1], chosen[2]]))
    assert torch.equal(numerics.choose(torch.ones(3, dtype=torch.bool), chosen, others), chosen)
    assert numerics.choose(torch.zeros(3, dtype=torch.bool), chosen, others) is others
    assert float(others.max()) == -1  # nothing is written in place


def test_per_row_multiplies_row_by_row() -> None:
    x = torch.ones(3, 2, 2)
    product = numerics.per_row(torch.tensor([1.0, 2.0, 3.0]), x) * x
    assert product.flatten(1).tolist() == [[1.0] * 4, [2.0] * 4, [3.0] * 4]
    assert numerics.per_row(torch.ones(3), torch.ones(3)).shape == (3,)


def test_budget_obeys_the_variable_and_no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROBUSTLIB_BUDGET", raising=False)
    for there in (False, True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert numerics.budget() == "laptop"
    for name in numerics.BUDGETS:
        monkeypatch.setenv("ROBUSTLIB_BUDGET", name)
        assert numerics.budget() == name
    monkeypatch.setenv("ROBUSTLIB_BUDGET", "smok")
    with pytest.raises(ValueError, match=r"ROBUSTLIB_BUDGET.*did you mean 'smoke'"):
        numerics.budget()


def test_a_gpu_is_used_where_it_is_asked_for_and_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for there in (False, True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        for name in numerics.BUDGETS:
            monkeypatch.setenv("ROBUSTLIB_BUDGET", name)
            assert (numerics.device().type == "cuda") == (there and name == "gpu")


def test_significant_digits_are_those_that_an_error_leaves() -> None:
    exact = 14831.0728
    for error, text in [(0, "14831.1"), (1e-12, "14831.1"), (4e-4, "1.48e+04"), (0.9, "1e+04")]:
        assert numerics.significant(exact, error) == text


def test_a_power_of_ten_stands_above_its_number() -> None:
    assert [numerics.power_above(v) for v in (0.0, 1e-7, 1.1e-7, 3.0)] == [0.0, 1e-7, 1e-6, 10.0]


@given(st.floats(-1e300, 1e300, allow_subnormal=False), st.integers(1, 12))
def test_printed_ends_hold_the_value(value: float, digits: int) -> None:
    low, high = Fraction(down(value, digits)), Fraction(up(value, digits))
    exact = Fraction(value)
    if float(low) == value == float(high):  # the double of a short number
        assert low == high
    else:
        assert low <= exact <= high
        assert low < high
    unit = Fraction(10) ** (math.floor(math.log10(abs(value))) - digits + 2 if value else 0)
    assert high - low <= unit


def test_ends_read_as_they_are_written() -> None:
    assert (down(0.78, 3), up(0.78, 3)) == ("0.78", "0.78")
    assert (down(1 / 3, 3), up(1 / 3, 3)) == ("0.333", "0.334")
    assert (down(-1 / 3, 3), up(-1 / 3, 3)) == ("-0.334", "-0.333")
    assert (down(0.99996, 4), up(0.99996, 4)) == ("0.9999", "1")
    assert (down(1e-9 / 3, 2), up(2e9 / 3, 2)) == ("3.3e-10", "6.7e+08")
    assert (down(-math.inf, 4), up(math.inf, 4)) == ("-inf", "inf")


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.float32])
def test_same_compares_every_dtype(dtype: torch.dtype) -> None:
    one = torch.arange(3.0).to(dtype).expand(2, 3)
    assert numerics.same(one, one.clone())
    assert numerics.same(one[0, 1], one[1, 1])
    assert not numerics.same(one, torch.tensor([0.0, 1.0, 4.0]).to(dtype).expand(2, 3))


def test_what_memory_cannot_hold_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numerics, "_memory", lambda: 800)
    numerics.check_room(100, n=10, d=10)
    words = r"n=101, d=1 must be less: they ask for 8\.08e-07 GB, and there are 8e-07 GB"
    with pytest.raises(ValueError, match=words):
        numerics.check_room(101, n=101, d=1)
    with pytest.raises(ValueError, match="must be less"):
        numerics.normals(0, 0, 10**200, 10**200, n=10**200)


@pytest.mark.parametrize("limit", [-1, 2**40, 2**30])
def test_memory_is_what_the_machine_has_and_the_process_may_have(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource")
    there = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**20}
    monkeypatch.setattr("os.sysconf", there.__getitem__)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    room = 2**30 if limit == 2**30 else 2**32
    memory = numerics._memory.__wrapped__
    assert memory() == room

    def unknown(name: str) -> int:
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr("os.sysconf", unknown)
    assert memory() > 2**46  # nobody says, so nothing is refused


def test_global_random_states_are_left_as_they_were() -> None:
    def numbers() -> list[float]:
        return [float(torch.rand(())), float(np.random.rand()), random.random()]  # noqa: NPY002

    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    with numerics.steady():
        inside = numbers()
    assert numbers() == inside


def test_global_random_states_are_left_also_by_an_error() -> None:
    before = np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002

    @numerics.steady()
    def fails() -> None:
        np.random.rand()  # noqa: NPY002
        random.random()
        raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before  # noqa: NPY002


def test_most_are_more_than_half() -> None:
    for n, k, most in [(4, 2, False), (4, 3, True), (5, 2, False), (5, 3, True), (600, 300, False)]:
        flags = torch.arange(n) < k
        assert numerics.mostly(flags) is most
        assert numerics.surely(flags) is False
    assert numerics.surely(torch.ones(3, dtype=torch.bool)) is True
