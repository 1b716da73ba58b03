"""Files that are either whole or refused: atomic writing, digests, fingerprints of a run."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_HEADER = b"robustlib file 2\n"
_DIGEST = hashlib.sha256().digest_size


def write(path: str | os.PathLike[str], payload: dict[str, Any]) -> None:
    """Put ``payload`` (tensors, numbers, strings, dicts and lists of them) into one file.

    A process killed at any moment leaves the old file or the new one, never a part: the bytes go
    to ``path`` + ".tmp" in the same directory, to the disk, and only then to their name.
    """
    target = Path(path)
    buffer = io.BytesIO()
    torch.save(payload, buffer)
    data = buffer.getvalue()
    temporary = target.with_name(target.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(_HEADER + hashlib.sha256(data).digest() + data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the new name is on the disk only once its directory is
        directory = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def read(path: str | os.PathLike[str], device: torch.device) -> dict[str, Any]:
    """The payload of a file made by ``write``, its tensors on ``device``; runs no code from it.

    Raises ``ValueError`` for a file of another kind and for one that is cut or altered.
    """
    content = Path(path).read_bytes()
    if not content.startswith(_HEADER):
        raise ValueError(f"{path} was not written by this version of robustlib; it is left as is")
    start = len(_HEADER) + _DIGEST
    if hashlib.sha256(content[start:]).digest() != content[len(_HEADER) : start]:
        raise ValueError(f"{path} is cut or altered: its digest does not match; it is left as is")
    payload: dict[str, Any] = torch.load(
        io.BytesIO(content[start:]), map_location=device, weights_only=True
    )
    return payload


def resumed(
    path: str | os.PathLike[str], device: torch.device, fingerprint: dict[str, str]
) -> dict[str, Any]:
    """The payload of the checkpoint at ``path``, if it is of the run with this ``fingerprint``."""
    saved = read(path, device)
    if "fingerprint" not in saved:
        raise ValueError(f"{path} is not a checkpoint of a run; it is left as is")
    differ = differences(saved["fingerprint"], fingerprint)
    if differ:
        raise ValueError(f"{path} belongs to another run: {differ}; it is left as is")
    return saved


def digest(tensors: Iterable[Tensor], text: str = "") -> str:
    """Twelve hexadecimal digits that stand for the bits, shapes and dtypes of ``tensors``."""
    total = hashlib.sha256(text.encode())
    for tensor in tensors:
        total.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:12]


def describe(value: object) -> str:
    """``repr(value)``, with a digest of the tensors that it holds as a dataclass.

    The same in every process, unless the repr is a memory address.
    """
    text = repr(value)
    if dataclasses.is_dataclass(value):
        fields = [getattr(value, field.name) for field in dataclasses.fields(value)]
        tensors = [field for field in fields if isinstance(field, Tensor)]
        if tensors:
            text += f" with contents {digest(tensors)}"
    return text


def check_lasting(fingerprint: dict[str, str]) -> None:
    """Raise where a part is known by a memory address, which the next process will not have."""
    for name, text in fingerprint.items():
        if " at 0x" in text:
            raise TypeError(
                f"{name} needs a repr that is the same in every process for a checkpoint to know "
                f"it again (a dataclass has one), got {text}"
            )


def differences(old: dict[str, str], new: dict[str, str]) -> str:
    """What differs between two fingerprints, in words; empty where nothing does."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return "; ".join(
        f"{name} was {old.get(name, 'absent')}, is {new.get(name, 'absent')}" for name in names
    )
