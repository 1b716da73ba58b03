"""Checkpoints: files of numbers that are either whole or refused, and fingerprints of a run."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import pickle
import re
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..files import check_path, existing, raw, replace

_HEADER = b"robustlib file 3\n"
_SIZE = hashlib.sha256().digest_size
_NO_RUN = bytes(_SIZE)  # the label of a file that is no checkpoint
_LATE = (torch.uint16, torch.uint32, torch.uint64)  # torch 2.4 has them, but stores none


def write(path: object, payload: dict[str, Any], fingerprint: dict[str, str] | None = None) -> None:
    """Put ``payload`` (tensors, numbers, strings, dicts and lists of them) into one file.

    A process killed at any moment leaves the old file or the new one, never a part, and several
    may write at a time. Raises ``ValueError`` where the file is that of a run with another
    ``fingerprint``, one that began after this one had looked.
    """
    target = check_path("path", path)
    label = _NO_RUN if fingerprint is None else _label(fingerprint)
    if fingerprint is not None and target.exists():
        with open(target, "rb") as file:
            start = file.read(len(_HEADER) + 2 * _SIZE)
        if start[-_SIZE:] != label:
            raise ValueError(f"{path} was written by another run meanwhile; it is left as is")
    buffer = io.BytesIO()
    torch.save(payload, buffer)
    data = buffer.getbuffer()
    total = hashlib.sha256(label)
    total.update(data)
    replace(target, (_HEADER, total.digest(), label, data))


def read(path: object, device: torch.device, *, name: str = "path") -> dict[str, Any]:
    """The payload of a file made by ``write``, its tensors on ``device``; runs no code from it.

    Raises ``ValueError`` for a file of another kind and for one that is cut or altered, and
    ``FileNotFoundError`` where there is none.
    """
    content = existing(name, path).read_bytes()
    if not content.startswith(_HEADER):
        raise ValueError(
            f"{name} {path} was not written by this version of robustlib; it is left as is"
        )
    start = len(_HEADER) + _SIZE
    if hashlib.sha256(content[start:]).digest() != content[len(_HEADER) : start]:
        raise ValueError(
            f"{name} {path} is cut or altered: its digest does not match; it is left as is"
        )
    data = io.BytesIO(content[start + _SIZE :])
    try:
        with warnings.catch_warnings():  # of torch 2.14, which says only that it looks
            warnings.filterwarnings("ignore", "Validating sparse tensor", UserWarning)
            payload = torch.load(data, map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{name} {path} holds more than numbers; it is left as is: {error}"
        ) from error
    return payload if isinstance(payload, dict) else {}


def check_storable(name: str, state: Mapping[str, object]) -> None:
    """Raise where a state holds what no file of ours does: before a run, not at its end."""
    for key, value in state.items():
        try:
            _check_plain(value)
        except TypeError as error:
            raise TypeError(f"{name} cannot be stored in a checkpoint: {key!r}: {error}") from None


def _check_plain(value: object) -> None:
    if isinstance(value, Tensor):
        for _ in raw(value[:0] if value.layout == torch.strided and value.dim() else value):
            pass
        if value.dtype in _LATE:
            try:
                torch.save(value.new_empty(0), io.BytesIO())
            except KeyError:
                raise TypeError(f"torch {torch.__version__} stores no {value.dtype}") from None
    elif isinstance(value, Mapping):
        for part in (*value.keys(), *value.values()):
            _check_plain(part)
    elif isinstance(value, list | tuple):
        for part in value:
            _check_plain(part)
    elif type(value) not in (type(None), bool, int, float, complex, str):
        raise TypeError(f"tensors, numbers and text can be, got {type(value).__name__}")


def resumed(path: object, device: torch.device, fingerprint: dict[str, str]) -> dict[str, Any]:
    """The payload of the checkpoint at ``path``, if it is of the run with this ``fingerprint``."""
    saved = read(path, device, name="checkpoint")
    if "fingerprint" not in saved:
        raise ValueError(f"checkpoint {path} is not of a run; it is left as is")
    differ = differences(saved["fingerprint"], fingerprint)
    if differ:
        raise ValueError(f"checkpoint {path} belongs to another run: {differ}; it is left as is")
    return saved


def digest(tensors: Iterable[object], text: str = "") -> str:
    """Twelve hexadecimal digits that stand for the bits, shapes and dtypes of ``tensors``."""
    total = hashlib.sha256(text.encode())
    for tensor in tensors:
        if not isinstance(tensor, Tensor):  # what a module keeps besides
            total.update(repr(tensor).encode())
            continue
        for part in raw(tensor):
            total.update(part)
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
    names = [name for name in {**old, **new} if not alike(old.get(name), new.get(name))]
    return "; ".join(
        f"{name} was {old.get(name, 'absent')}, is {new.get(name, 'absent')}" for name in names
    )


def alike(one: str | None, other: str | None) -> bool:
    """Whether two descriptions say the same: equal numbers are equal, 1 and np.float64(1.0)."""
    return one == other or (one is not None and other is not None and _words(one) == _words(other))


def _words(text: str) -> str:
    """A description with every number written in one way."""
    text = re.sub(r"np\.(?:float64|u?int\d+)\(([^()]*)\)", r"\1", text)
    return re.sub(r"(?<![\w.])(\d+)\.0(?![\w.])", r"\1", text)


def _label(fingerprint: dict[str, str]) -> bytes:
    """What stands for the run in a file's first bytes."""
    held = "\n".join(f"{name}: {_words(text)}" for name, text in sorted(fingerprint.items()))
    return hashlib.sha256(held.encode()).digest()
