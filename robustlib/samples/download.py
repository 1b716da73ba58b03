"""Data sets of openml.org: downloaded once, kept on disk, and hashed again at every load."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np


def load(name: str, cache: str | Path | None) -> tuple[Any, Any]:
    """Rows (n, d) and classes (n,) as text, from the cache or, the first time, from openml.org."""
    file, hash_file = _files(name, cache)
    if not (file.exists() and hash_file.exists()):
        _store(file, hash_file, *_download(name))
    expected, found = hash_file.read_text().strip(), hashlib.sha256(file.read_bytes()).hexdigest()
    if found != expected:
        raise RuntimeError(
            f"{file} has changed since it was downloaded: its SHA-256 is {found}, expected "
            f"{expected}; delete it to download it again"
        )
    with np.load(file, allow_pickle=False) as stored:
        return stored["data"], stored["target"]


def cached(name: str, cache: str | Path | None = None) -> bool:
    """Whether a copy of this data set is in the cache, so that ``load`` needs no network."""
    return all(file.exists() for file in _files(name, cache))


def _files(name: str, cache: str | Path | None) -> tuple[Path, Path]:
    """Where the data are, and their SHA-256."""
    from sklearn.datasets import get_data_home

    if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+", name):
        raise ValueError(f"name must be letters, digits, '_', '-' and '.' only, got {name!r}")
    if not isinstance(cache, str | os.PathLike | None):
        raise TypeError(f"cache must be a folder, got {cache!r} ({type(cache).__name__})")
    try:
        folder = Path(get_data_home(cache)) / "robustlib"
        folder.mkdir(parents=True, exist_ok=True)
    except ValueError:  # a zero in its name
        raise ValueError(f"cache must be a folder, got {cache!r}") from None
    return folder / f"{name}.npz", folder / f"{name}.sha256"


def _download(name: str) -> tuple[Any, Any]:
    from sklearn.datasets import fetch_openml

    try:
        with warnings.catch_warnings():  # about the retry: if that fails too, the error says it
            warnings.filterwarnings("ignore", "A network error occurred", UserWarning)
            # this parser needs no pandas; version 1 so that a new upload does not change the data
            answer = fetch_openml(
                name, version=1, as_frame=False, parser="liac-arff", cache=False, n_retries=1
            )
    except OSError as error:  # urllib's errors are among these
        raise ConnectionError(
            f"{name!r} is not in the cache and could not be downloaded from openml.org ({error}); "
            "use digits(), which needs no network, or call openml once where there is one"
        ) from error
    data, target = answer.data, answer.target
    if not isinstance(data, np.ndarray) or data.dtype.kind not in "iuf":
        raise ValueError(f"name must be a data set of dense numbers, got {name!r}, which is not")
    small = data.astype(np.uint8, casting="unsafe") if ((data >= 0) & (data <= 255)).all() else data
    return small if (small == data).all() else data, np.asarray(target).astype(str)


def _store(file: Path, hash_file: Path, data: Any, target: Any) -> None:
    """Write both files so that no half-written one is ever read."""
    # The process number keeps two downloads at a time from writing into one file.
    part = file.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as stream:
        np.savez(stream, data=data, target=target)
    digest = hashlib.sha256(part.read_bytes()).hexdigest()
    os.replace(part, file)
    part.write_text(digest + "\n")
    os.replace(part, hash_file)
