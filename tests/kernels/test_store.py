"""Grams on disk: the same bits as in memory, also after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from robustlib.kernels import empirical_ntk, load_gram, ntk, store_gram
from robustlib.networks import TwoLayerNet

PROGRAM = """
import sys, time, torch
from robustlib.kernels import ntk, store_gram
x = torch.randn(60, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
def slow(a, b):
    print("block", flush=True)
    time.sleep(0.05)
    return ntk(a, b, depth=2, trained="hidden")
store_gram(sys.argv[1], slow, x, block=10)
"""


def points(n: int, d: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, d, dtype=torch.float64, generator=generator).to(dtype)


@pytest.mark.parametrize("block", [1, 7, 20, 100])
def test_blocks_in_a_file_are_the_matrix(
    tmp_path: Path, block: int, dtype: torch.dtype, device: torch.device
) -> None:
    x = points(20, dtype=dtype).to(device)
    kernel = partial(ntk, depth=2, trained="hidden")
    close = 4e-7 if dtype == torch.float32 else 1e-14
    for z in (None, x[:9] * 2):
        name = "square.npy" if z is None else "cross.npy"
        found = store_gram(tmp_path / name, kernel, x, z, block=block)
        torch.testing.assert_close(found.values, kernel(x, z).cpu(), rtol=close, atol=0)
        assert found.values.dtype == dtype
        again = load_gram(tmp_path / name)
        assert torch.equal(again.values, found.values)
        assert np.array_equal(np.load(tmp_path / name), found.values.numpy())
    square = load_gram(tmp_path / "square.npy").values
    assert torch.equal(square, square.T)


def test_only_the_upper_half_is_computed(tmp_path: Path) -> None:
    calls: list[tuple[int, int | None]] = []

    def kernel(a: Tensor, b: Tensor | None) -> Tensor:
        calls.append((len(a), None if b is None else len(b)))
        return ntk(a, b)

    store_gram(tmp_path / "k.npy", kernel, points(50), block=10)
    assert len(calls) == 15
    assert sum(b is None for _, b in calls) == 5
    assert max(a for a, _ in calls) == 10  # never more than a block in memory


def test_finite_nets_go_to_disk_too(tmp_path: Path) -> None:
    net, x = TwoLayerNet(3, 64).double(), points(12)
    found = store_gram(tmp_path / "k.npy", partial(empirical_ntk, net), x, block=5)
    torch.testing.assert_close(found.values, empirical_ntk(net, x), rtol=1e-13, atol=1e-15)


def test_a_killed_run_continues_and_ends_with_the_same_bits(tmp_path: Path) -> None:
    x = points(60)
    whole = store_gram(tmp_path / "whole.npy", partial(ntk, depth=2, trained="hidden"), x, block=10)
    path = tmp_path / "killed.npy"
    command = [sys.executable, "-c", PROGRAM, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(9):  # six blocks make the first row, five the second
            assert process.stdout.readline() == "block\n"
        os.kill(process.pid, signal.SIGKILL)
    note = json.loads(path.with_suffix(".json").read_text())
    assert note["done"] == 1
    with pytest.raises(ValueError, match="not finished: 10 of 60 rows"):
        load_gram(path)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # one call looks whether the file is ours, 15 of the 21 blocks were still to be made
    assert done.stdout.count("block") == 1 + 15
    assert torch.equal(load_gram(path).values, whole.values)
    assert done.stderr == ""  # no bar off a terminal


def test_a_finished_file_is_opened_and_not_made_again(tmp_path: Path) -> None:
    x, calls = points(20), 0

    def kernel(a: Tensor, b: Tensor | None) -> Tensor:
        nonlocal calls
        calls += 1
        return ntk(a, b)

    first = store_gram(tmp_path / "k.npy", kernel, x, block=10).values.clone()
    calls, stamp = 0, (tmp_path / "k.npy").stat().st_mtime_ns
    time.sleep(0.01)
    assert torch.equal(store_gram(tmp_path / "k.npy", kernel, x, block=10).values, first)
    assert calls == 1
    assert (tmp_path / "k.npy").stat().st_mtime_ns == stamp


def test_files_of_something_else_are_refused_and_left_as_they_are(tmp_path: Path) -> None:
    x, path = points(20), tmp_path / "k.npy"
    store_gram(path, ntk, x, block=10)
    content = path.read_bytes()
    with pytest.raises(ValueError, match="other points"):
        store_gram(path, ntk, x + 1e-12, block=10)
    with pytest.raises(ValueError, match="other points"):
        store_gram(path, ntk, x, x, block=10)
    with pytest.raises(ValueError, match="another kernel"):
        store_gram(path, partial(ntk, bias=False), x, block=10)
    with pytest.raises(ValueError, match=r"blocks of 10, got block=5"):
        store_gram(path, ntk, x, block=5)
    assert path.read_bytes() == content
    np.save(tmp_path / "mine.npy", np.zeros(3))
    with pytest.raises(ValueError, match="not written by store_gram"):
        store_gram(tmp_path / "mine.npy", ntk, x)
    assert np.load(tmp_path / "mine.npy").shape == (3,)


def test_a_kernel_that_differs_little_is_another(tmp_path: Path, dtype: torch.dtype) -> None:
    x, path = points(20, dtype=dtype), tmp_path / "k.npy"
    store_gram(path, ntk, x, block=10)
    with pytest.raises(ValueError, match=r"k\.npy holds the matrix of another kernel"):
        store_gram(path, lambda a, b: 1.0001 * ntk(a, b), x, block=10)


def test_changes_in_memory_stay_there(tmp_path: Path) -> None:
    found = store_gram(tmp_path / "k.npy", ntk, points(5))
    found.values[0, 0] = 99
    assert float(load_gram(tmp_path / "k.npy").values[0, 0]) != 99


def test_a_bar_is_shown_where_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store_gram(tmp_path / "a.npy", ntk, points(5), block=2)
    assert capsys.readouterr().err == ""
    store_gram(tmp_path / "b.npy", ntk, points(5), block=2, progress=True)
    assert "3/3" in capsys.readouterr().err


def test_bad_input_and_repr(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in \.npy, got 'k\.bin'"):
        store_gram(tmp_path / "k.bin", ntk, points(3))
    with pytest.raises(ValueError, match="at least one point each, got 0 and 0"):
        store_gram(tmp_path / "k.npy", ntk, points(0))
    with pytest.raises(TypeError, match=r"z is torch\.float32"):
        store_gram(tmp_path / "k.npy", ntk, points(3), points(3).float())
    with pytest.raises(FileNotFoundError, match=r"no file k\.npy"):
        load_gram(tmp_path / "k.npy")
    assert not list(tmp_path.iterdir())
    text = repr(store_gram(tmp_path / "k.npy", ntk, points(50)))
    assert text == "A 50 x 50 kernel matrix in float64, 0.02 MB in the file k.npy."
