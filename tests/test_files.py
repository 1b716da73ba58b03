"""Files: written in one step whoever else writes, and bytes that tell tensors apart."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from robustlib.files import check_path, existing, raw, replace


def test_many_threads_on_one_path_leave_one_whole_file(tmp_path: Path) -> None:
    """With one name for all temporary files they took them from one another."""
    path, failed = tmp_path / "run", []

    def work(number: int) -> None:
        try:
            for _ in range(20):
                replace(path, (bytes([number]) * 100_000,))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    content = path.read_bytes()
    assert content == content[:1] * 100_000
    assert os.listdir(tmp_path) == ["run"]


def test_what_a_killed_writer_left_goes_and_the_rest_stays(tmp_path: Path) -> None:
    host = os.uname().nodename
    dead, alive = 2**22 + 1, os.getppid()  # beyond the largest number of a process
    left = [tmp_path / f"run.{host}-{number}-00.tmp" for number in (dead, alive)]
    mine = tmp_path / "run.backup.tmp"
    for file in (*left, mine):
        file.write_bytes(b"x")
    replace(tmp_path / "run", (b"",))
    assert sorted(os.listdir(tmp_path)) == sorted(["run", mine.name, left[1].name])


def test_paths_of_files_are_told_from_all_else(tmp_path: Path) -> None:
    """A file that exists, one that may be made, and a link; nothing else, by name."""
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"")
    link.symlink_to(file)
    assert check_path("p", file) == check_path("p", str(link)) == file
    assert check_path("p", tmp_path / "new") == tmp_path / "new"
    assert existing("p", link) == file
    wrong: list[tuple[object, type[Exception], str]] = [
        (3, TypeError, "p must be the path of a file, got 3"),
        (b"file", TypeError, "p must be the path of a file, got "),
        ("", ValueError, "p must be the path of a file, got '', which is none"),
        (tmp_path, ValueError, "which is none"),
        (os.devnull, ValueError, "p must be the path of a file, got '/dev/null', which is none"),
        (tmp_path / "no" / "file", ValueError, "p must be in a directory that exists, got "),
        ("a\0b", ValueError, "p must be the path of a file, got .*null"),
        (tmp_path / ("x" * 5000), ValueError, "p must be the path of a file, got .*too long"),
    ]
    for value, error, words in wrong:
        with pytest.raises(error, match=words):
            check_path("p", value)
    with pytest.raises(FileNotFoundError, match=r"there is no file new \(p\)"):
        existing("p", tmp_path / "new")


def test_the_bytes_and_then_the_name_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut may come at any moment: first the new bytes are synced, at last their folder."""
    path, synced = tmp_path / "run", []
    path.write_bytes(b"old")

    def recorded(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        synced.append((kind, path.read_bytes()))

    monkeypatch.setattr(os, "fsync", recorded)
    replace(path, (b"ne", b"w"))
    assert synced == [("file", b"old"), ("folder", b"new")]


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_bytes(b"old")

    def parts() -> Iterator[bytes]:
        yield b"new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(path, parts())
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["run"]


EYE = torch.eye(4)
APART = [
    EYE,
    EYE.double(),
    EYE.bfloat16(),
    EYE.to(torch.complex64),
    EYE.flatten(),
    EYE.to_sparse(),
    EYE.bool(),
    EYE.to(torch.complex64) * 1j,
]


@pytest.mark.filterwarnings("ignore:Sparse .* is in beta state:UserWarning")
def test_bytes_tell_tensors_apart_and_are_those_of_equal_ones() -> None:
    compressed = [EYE.to_sparse_csr(), EYE.to_sparse_csc(), EYE.to_sparse_bsr((2, 2))]
    seen = [b"".join(raw(tensor)) for tensor in (*APART, *compressed)]
    assert len(set(seen)) == len(seen)
    imaginary = APART[-1]
    same: list[tuple[Tensor, Tensor]] = [
        (EYE, EYE.T.contiguous().T),
        (EYE, EYE.clone().requires_grad_()),
        (torch.ones(3, 2), torch.ones(1, 2).expand(3, 2)),
        (imaginary.conj(), imaginary.conj().resolve_conj()),
        (imaginary.imag, EYE),
    ]
    for one, other in same:
        assert b"".join(raw(one)) == b"".join(raw(other))


def test_tensors_without_entries_are_named() -> None:
    for tensor in (torch.ones(2, device="meta"), torch.nn.LazyLinear(2).weight):
        with pytest.raises(TypeError, match="without entries cannot be stored"):
            list(raw(tensor))
