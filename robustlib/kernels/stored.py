"""A matrix on its way into a file, row of blocks by row of blocks, with a note of what is there."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..files import raw, replace, settle

try:
    import fcntl
except ImportError:  # not on POSIX: then nothing tells two processes from one another
    fcntl = None  # type: ignore[assignment]

_KIND = "store_gram 2"  # how the note of such a matrix begins

Matrix = NDArray[Any]


@dataclass
class Stored:
    """The matrix ``path``, of ``shape`` (n, m), in rows of ``block`` rows each.

    ``part`` holds the rows while they are made and is renamed in the end; ``note`` says of which
    ``points`` they are, and has the checksum of every row of blocks that is there, in ``sums``.
    """

    path: Path
    points: str
    block: int
    shape: tuple[int, int]
    dtype: str
    sums: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, path: Path) -> Stored | None:
        """What the note beside ``path`` says; None where there is neither note nor matrix.

        Raises ``ValueError`` where one of the files is of another origin.
        """
        note, part = _note(path), _part(path)
        begun = part.exists() and part.stat().st_size > 0
        if not note.exists():
            if path.exists() or begun:
                name = path.name if path.exists() else part.name
                raise ValueError(
                    f"{name} was not written by store_gram, or has lost its note {note.name}; it "
                    "is left as is: choose another path, or delete it"
                )
            return None
        try:
            held = json.loads(note.read_bytes())
            if held.pop("store") != _KIND or held.pop("done") != len(held["sums"]):
                raise ValueError
            shape = tuple(held.pop("shape"))
            found = cls(path=path, shape=(int(shape[0]), int(shape[1])), **held)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            raise ValueError(
                f"{note.name} was not written by this version of store_gram, or was cut; it is "
                "left as is: choose another path, or delete it"
            ) from None
        return found if path.exists() or begun else None

    def check_same(self, asked: Stored) -> None:
        """Raise where this is not the matrix that is ``asked`` for."""
        name = self.path.name
        if self.points != asked.points:
            raise ValueError(f"{name} holds the matrix of other points; choose another path")
        if self.block != asked.block:
            raise ValueError(f"{name} has blocks of {self.block}, got block={asked.block}")

    @property
    def part(self) -> Path:
        """The file of the rows while they are made."""
        return _part(self.path)

    @property
    def rows(self) -> int:
        """How many rows of blocks there will be."""
        return -(-self.shape[0] // self.block)

    @property
    def finished(self) -> bool:
        """Whether the matrix has its own name."""
        return self.path.exists()

    @contextlib.contextmanager
    def locked(self) -> Iterator[IO[bytes]]:
        """The file of the rows, for this process alone: ``ValueError`` where it is another's."""
        busy = f"{self.path.name} is being made by another process; wait for it to end"
        with open(os.open(self.part, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
            if fcntl is not None:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    raise ValueError(busy) from None
            yield file

    def resume(self, file: IO[bytes], sums: list[str]) -> int:
        """How many rows of blocks in ``file`` have the ``sums`` that were noted; the rest goes."""
        header = self._header()
        self.sums = []
        if file.read(len(header)) == header:
            for number, expected in enumerate(sums[: self.rows]):
                if _sum(file.read(self._size(number))) != expected:
                    break
                self.sums.append(expected)
        self._write_note()  # first: rows without a note are nobody's
        file.seek(0)
        file.truncate(len(header) + sum(map(self._size, range(len(self.sums)))))
        file.write(header)
        file.seek(0, os.SEEK_END)
        file.flush()
        return len(self.sums)

    def append(self, file: IO[bytes], strip: Matrix) -> None:
        """Add a row of blocks, and note it once it is on the disk."""
        data = np.ascontiguousarray(strip).data.cast("B")
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        self.sums.append(_sum(data))
        self._write_note()

    def stored(self) -> Matrix:
        """The rows that are there while the matrix is made."""
        there = min(len(self.sums) * self.block, self.shape[0])
        return np.memmap(
            self.part,
            mode="r",
            dtype=self.dtype,
            offset=len(self._header()),
            shape=(there, self.shape[1]),
        )

    def finish(self) -> None:
        """Give the matrix its name."""
        if self.path.exists():
            raise ValueError(f"{self.path.name} was put there meanwhile; it is left as is")
        os.replace(self.part, self.path)
        settle(self.path)

    def remove(self) -> None:
        """Leave nothing behind."""
        self.part.unlink(missing_ok=True)
        _note(self.path).unlink(missing_ok=True)

    def open(self, *, check: bool) -> Matrix:
        """The finished matrix; with ``check``, its rows are compared with their sums."""
        name = self.path.name
        if not self.finished:
            there = min(len(self.sums) * self.block, self.shape[0])
            raise ValueError(
                f"{name} is not finished: {there} of {self.shape[0]} rows are there; call "
                "store_gram again to continue"
            )
        try:
            values: Matrix = np.load(self.path, mmap_mode="c")
        except (ValueError, OSError, EOFError) as error:
            raise ValueError(
                f"{name} is cut, or no matrix: {error}; delete it, and store_gram makes it anew"
            ) from None
        same = values.shape == self.shape and values.dtype == self.dtype
        for number in range(self.rows if check and same else 0):
            top = number * self.block
            strip = np.ascontiguousarray(values[top : top + self.block]).data.cast("B")
            if number >= len(self.sums) or _sum(strip) != self.sums[number]:
                bottom = min(top + self.block, self.shape[0]) - 1
                raise ValueError(
                    f"{name} was changed since it was made: rows {top} to {bottom} are not those "
                    "that were stored; delete it, and store_gram makes it anew"
                )
        if not same or len(self.sums) != self.rows:
            raise ValueError(
                f"{name} is not what its note says, {self.shape[0]} x {self.shape[1]} in "
                f"{self.dtype}; delete it, and store_gram makes it anew"
            )
        return values

    def _header(self) -> bytes:
        stream = io.BytesIO()
        fields = {"descr": np.dtype(self.dtype).str, "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(stream, fields)
        return stream.getvalue()

    def _size(self, number: int) -> int:
        """Bytes of a row of blocks."""
        rows = min(self.block, self.shape[0] - number * self.block)
        return rows * self.shape[1] * np.dtype(self.dtype).itemsize

    def _write_note(self) -> None:
        state = {
            "store": _KIND,
            "points": self.points,
            "block": self.block,
            "shape": self.shape,
            "dtype": self.dtype,
            "done": len(self.sums),
            "sums": self.sums,
        }
        replace(_note(self.path), (json.dumps(state).encode(),))


def points_digest(x: Tensor, z: Tensor | None) -> str:
    """What stands for the points of a matrix."""
    digest = hashlib.sha256()
    for points in (x, z):
        for part in () if points is None else raw(points):
            digest.update(part)
    return digest.hexdigest()


def _sum(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def _note(path: Path) -> Path:
    return path.with_suffix(".json")


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")
