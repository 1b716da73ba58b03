"""Files that are whole or not there: paths that are checked, bytes of tensors, one-step writing."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import UninitializedBuffer, UninitializedParameter

from .checks import seen


def check_path(name: str, value: object) -> Path:
    """``value`` as the path of a file, which need not exist; links are followed.

    Raises ``TypeError`` for what is no path, and ``ValueError`` for a folder, a device or anything
    else that is no file, and for a folder above it that does not exist.
    """
    try:
        text = os.fspath(value)  # type: ignore[call-overload]
    except TypeError:
        text = None
    if not isinstance(text, str):
        raise TypeError(f"{name} must be the path of a file, got {seen(value)}")
    try:
        path = Path(os.path.realpath(text))
        mode = path.stat().st_mode if path.exists() else None
        above = path.parent.is_dir()
    except (OSError, ValueError) as error:  # a name that is too long, or has a zero in it
        raise ValueError(f"{name} must be the path of a file, got {seen(value)}: {error}") from None
    if not text or (mode is not None and not stat.S_ISREG(mode)):
        raise ValueError(f"{name} must be the path of a file, got {text!r}, which is none")
    if not above:
        raise ValueError(f"{name} must be in a directory that exists, got {text!r}")
    return path


def check_target(name: str, value: object) -> Path:
    """The same for a file that work of minutes ends in: its directory must let us write.

    Raises ``ValueError`` besides where the directory, or all of its disk, is read-only.
    """
    path = check_path(name, value)
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"{name} must be in a directory that can be written, got {str(value)!r}")
    return path


def existing(name: str, value: object) -> Path:
    """``value`` as the path of a file that exists."""
    path = check_path(name, value)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path.name} ({name})")
    return path


def replace(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Put ``parts`` into the file ``path``: a kill leaves the old file or the new one, never less.

    The bytes go to a file of another name in the same directory, which no other process or thread
    uses, to the disk, and only then to their name. What processes killed at this left behind goes.
    """
    start, here = f"{path.name}.{socket.gethostname()}-", os.getpid()
    for left in path.parent.glob(f"{_literal(start)}*.tmp"):
        owner = left.name.removeprefix(start).split("-")[0]
        if owner.isdecimal() and int(owner) != here and not _alive(int(owner)):
            left.unlink(missing_ok=True)
    temporary = path.with_name(f"{start}{here}-{os.urandom(4).hex()}.tmp")
    try:
        with open(temporary, "xb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):  # which would hide what went wrong
            temporary.unlink()
        raise
    settle(path)


def settle(path: Path) -> None:
    """See to it that the name of ``path`` is on the disk: it is once its directory is."""
    if os.name == "posix":
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def raw(tensor: Tensor) -> Iterator[bytes]:
    """What a tensor of any dtype and layout is, in bytes: first its kind, then its entries.

    Raises ``TypeError`` for quantised tensors and for those that hold no entries of their own.
    """
    if tensor.is_quantized:
        raise TypeError(f"quantised tensors cannot be stored, got one of {tensor.dtype}")
    lazy = isinstance(tensor, UninitializedParameter | UninitializedBuffer)
    if tensor.device.type == "meta" or lazy:
        raise TypeError("tensors without entries cannot be stored: on the device meta, or lazy")
    held = tensor.detach()
    yield f"{held.dtype}{tuple(held.shape)}".encode()
    if held.layout == torch.strided:
        flat = held.cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
        yield flat.view(torch.uint8).numpy().tobytes()
        return
    yield str(held.layout).encode()
    if held.layout == torch.sparse_coo:
        held = held.coalesce()
        parts = (held.indices(), held.values())
    elif held.layout in (torch.sparse_csr, torch.sparse_bsr):
        parts = (held.crow_indices(), held.col_indices(), held.values())  # type: ignore[assignment]
    elif held.layout in (torch.sparse_csc, torch.sparse_bsc):
        parts = (held.ccol_indices(), held.row_indices(), held.values())  # type: ignore[assignment]
    else:
        raise TypeError(f"tensors of the layout {held.layout} cannot be stored")
    for part in parts:
        yield from raw(part)


def _literal(name: str) -> str:
    """``name`` as a pattern that only it matches."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _alive(process: int) -> bool:
    with contextlib.suppress(ProcessLookupError, OverflowError):
        try:
            os.kill(process, 0)
        except PermissionError:
            return True
        return True
    return False
