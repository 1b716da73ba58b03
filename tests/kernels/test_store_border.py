"""Stored Grams: what is not right is named and left alone, or made anew, and never served.

All of it failed at commit 62c29f0.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from robustlib.kernels import load_gram, ntk, store_gram
from robustlib.samples import sphere

X = sphere(20, 3).x
FILES = ["k.json", "k.npy"]


def blocks() -> Tensor:
    """The matrix as it is made, in rows of eight."""
    found = torch.zeros(20, 20, dtype=torch.float64)
    for top in range(0, 20, 8):
        for left in range(top, 20, 8):
            part = ntk(X[top : top + 8], None if left == top else X[left : left + 8])
            found[top : top + 8, left : left + 8] = part
            found[left : left + 8, top : top + 8] = part.T
    return found


WHOLE = blocks()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "k.npy"


def made(path: Path, kernel: Callable[..., Tensor] = ntk, **options: Any) -> Tensor:
    return store_gram(path, kernel, X, **{"block": 8, **options}).values


def failing(after: int, error: Exception | None = None) -> Callable[..., Tensor]:
    """A kernel that raises, or gives one NaN, at call number ``after``."""
    calls = 0

    def kernel(a: Tensor, b: Tensor | None) -> Tensor:
        nonlocal calls
        calls += 1
        values = ntk(a, b)
        if calls <= after:
            return values
        if error is not None:
            raise error
        values[0, 0] = torch.nan
        return values

    return kernel


def test_a_kernel_that_is_not_symmetric_is_not_stored(path: Path) -> None:
    """Half of it was computed and the other half a copy: the matrix of no kernel."""
    turned = torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).double()
    with pytest.raises(
        ValueError, match=r"kernel\(x, None\) .* differ by 0\.\d+ from their mirror"
    ):
        made(path, lambda a, b: a @ turned @ (a if b is None else b).T)
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize("error", [RuntimeError("mine"), KeyboardInterrupt(), None])
def test_a_call_that_fails_at_once_leaves_nothing(path: Path, error: Any) -> None:
    with pytest.raises((RuntimeError, KeyboardInterrupt, ValueError)):
        made(path, failing(0, error))
    assert not os.listdir(path.parent)
    assert torch.equal(made(path), WHOLE)


@pytest.mark.parametrize("error", [RuntimeError("mine"), None])
@pytest.mark.parametrize("after", [1, 2, 3, 4, 5])
def test_the_same_call_continues_after_a_failure(path: Path, after: int, error: Any) -> None:
    """Six blocks, in rows of three, two and one; what is not whole is never opened."""
    with pytest.raises((RuntimeError, ValueError)):
        made(path, failing(after, error))
    done = 0 if after < 3 else 1 if after < 5 else 2
    with pytest.raises(ValueError if done else FileNotFoundError):
        load_gram(path)
    assert not path.exists()
    calls = 0

    def counted(a: Tensor, b: Tensor | None) -> Tensor:
        nonlocal calls
        calls += 1
        return ntk(a, b)

    assert torch.equal(made(path, counted), WHOLE)
    assert calls == {0: 6, 1: 1 + 3, 2: 1 + 1}[done]
    assert sorted(os.listdir(path.parent)) == FILES


def test_a_kernel_between_two_sets_continues_too(path: Path) -> None:
    z = X[:6] / 2
    with pytest.raises(RuntimeError):
        store_gram(path, failing(2, RuntimeError()), X, z, block=8)
    counted = failing(2, RuntimeError())  # one call looks at what is there, one goes on
    assert torch.equal(store_gram(path, counted, X, z, block=8).values, ntk(X, z))


def test_nan_is_named_and_not_stored(path: Path) -> None:
    with pytest.raises(ValueError, match=r"kernel\(x, z\) must be finite, got 1 NaN"):
        made(path, failing(3))
    part = path.with_name("k.npy.part").read_bytes()
    held = np.frombuffer(part[-8 * 20 * 8 :])
    assert np.isfinite(held).all()


@pytest.mark.parametrize(
    ("kernel", "error", "match"),
    [
        (lambda a, b: ntk(a, b).float(), TypeError, r"kernel\(x, z\) is torch.float32 but x is"),
        (lambda a, b: ntk(a, b).bfloat16(), TypeError, "must be float32 or float64"),
        (lambda a, b: ntk(a, b).numpy(), TypeError, "must be a torch.Tensor, got ndarray"),
        (lambda a, b: ntk(a, b)[:1], ValueError, r"must have shape \(8, 8\), got \(1, 8\)"),
    ],
)
def test_a_kernel_that_gives_something_else(
    path: Path, kernel: Any, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        made(path, kernel)
    assert not os.listdir(path.parent)


def test_a_gradient_is_no_hindrance(path: Path) -> None:
    x = X.clone().requires_grad_()
    found = store_gram(path, lambda a, b: a @ (a if b is None else b).T, x, block=8)
    torch.testing.assert_close(found.values, X @ X.T)


# --- damage ---------------------------------------------------------------------------------------


def zeroed(path: Path) -> None:
    values = np.load(path, mmap_mode="r+")
    values[9, 3] = 0
    values.flush()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def replaced(path: Path) -> None:
    np.save(path, np.zeros(3))


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (zeroed, r"k\.npy was changed since it was made: rows 8 to 15 .*delete it, and store_gram"),
        (cut, r"k\.npy is cut, or no matrix"),
        (emptied, r"k\.npy is cut, or no matrix"),
        (replaced, r"k\.npy is not what its note says, 20 x 20 in float64"),
    ],
)
def test_a_damaged_matrix_is_named_left_alone_and_made_anew_once_deleted(
    path: Path, spoil: Callable[[Path], None], match: str
) -> None:
    whole = made(path).clone()
    spoil(path)
    before = path.read_bytes()
    for call in (lambda: load_gram(path), lambda: made(path)):
        with pytest.raises(ValueError, match=match):
            call()
    assert path.read_bytes() == before
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"no file k\.npy; make it with store_gram"):
        load_gram(path)
    assert torch.equal(made(path), whole)


def test_the_checksums_can_be_left_out(path: Path) -> None:
    made(path)
    zeroed(path)
    assert float(load_gram(path, check=False).values[9, 3]) == 0


def test_a_matrix_that_lost_its_file_gives_way_to_another(path: Path) -> None:
    made(path)
    path.unlink()
    assert torch.equal(store_gram(path, ntk, X[:5]).values, ntk(X[:5]))


@pytest.mark.parametrize("where", [5, -5, 400])
def test_rows_with_other_contents_are_made_anew_while_the_matrix_is_made(
    path: Path, where: int
) -> None:
    with pytest.raises(RuntimeError):
        made(path, failing(5, RuntimeError()))
    part = path.with_name("k.npy.part")
    content = bytearray(part.read_bytes())
    content[where] ^= 1
    part.write_bytes(content)
    assert torch.equal(made(path), WHOLE)


@pytest.mark.parametrize("text", ['{"a": 1}', "{", "", "[]", "3", '{"store": "store_gram 2"}'])
def test_a_note_of_another_origin_is_named_and_left(path: Path, text: str) -> None:
    note = path.with_suffix(".json")
    for finished in (False, True):
        if finished:
            note.unlink()
            made(path)
        note.write_text(text)
        before = sorted(os.listdir(path.parent))
        for call in (lambda: load_gram(path), lambda: made(path)):
            with pytest.raises(ValueError, match=r"k\.json was not written by this version"):
                call()
        assert note.read_text() == text
        assert sorted(os.listdir(path.parent)) == before


def test_a_lost_note_is_named(path: Path) -> None:
    made(path)
    path.with_suffix(".json").unlink()
    for call in (lambda: load_gram(path), lambda: made(path)):
        with pytest.raises(ValueError, match=r"was not written by store_gram, or has lost its no"):
            call()
    path.rename(path.with_name("k.npy.part"))
    with pytest.raises(ValueError, match=r"k\.npy\.part was not written by store_gram"):
        made(path)


def test_a_note_that_says_more_than_is_there(path: Path) -> None:
    """What 62c29f0 served as finished: the matrix of zeros that an earlier call had begun."""
    with pytest.raises(RuntimeError):
        made(path, failing(3, RuntimeError()))
    note = path.with_suffix(".json")
    state = json.loads(note.read_text())
    note.write_text(json.dumps({**state, "done": 3, "sums": state["sums"] * 3}))
    with pytest.raises(ValueError, match="not finished"):
        load_gram(path)
    assert torch.equal(made(path), WHOLE)


BUSY = """
import sys, time
from robustlib.kernels import ntk, store_gram
from robustlib.samples import sphere
def slow(a, b):
    print("busy", flush=True)
    sys.stdin.readline()
    return ntk(a, b)
store_gram(sys.argv[1], slow, sphere(20, 3).x, block=8)
"""


@pytest.mark.skipif(os.name != "posix", reason="files are locked on POSIX only")
def test_a_path_that_another_process_works_on_is_refused(path: Path) -> None:
    command = [sys.executable, "-c", BUSY, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "busy\n"
        with pytest.raises(ValueError, match=r"k\.npy is being made by another process"):
            made(path)
        process.stdin.write("\n" * 20)
        process.stdin.close()
        process.stdout.read()
    assert process.returncode == 0
    assert torch.equal(load_gram(path).values, made(path))
    assert sorted(os.listdir(path.parent)) == FILES


@pytest.mark.parametrize(
    ("wrong", "error", "match"),
    [
        (3, TypeError, r"path must be the path of a file, got 3"),
        (None, TypeError, r"path must be the path of a file, got None"),
        ("", ValueError, r"path must be the path of a file, got ''"),
        ("node", ValueError, r"path must be the path of a file"),
        ("no/such/k.npy", ValueError, r"path must be in a directory that exists"),
    ],
)
def test_paths_are_named(
    wrong: Any, error: type[Exception], match: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as node:
        node.bind("node")  # no file, and harmless whatever is done to it
    with pytest.raises(error, match=match):
        load_gram(wrong)
    with pytest.raises(error, match=match):
        store_gram(wrong, ntk, X)


def test_a_folder_is_named(path: Path) -> None:
    path.mkdir()
    with pytest.raises(ValueError, match=r"path must be the path of a file"):
        load_gram(path)
