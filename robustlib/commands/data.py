"""Samples by name and in files: ``.npz`` with arrays x and y, ``.csv`` with a label last."""

from __future__ import annotations

import argparse
import csv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..files import existing
from ..samples import Sample, digits, hexagon, sphere, two_caps
from .wrong import WrongCall

SAMPLES: dict[str, Callable[[int | None, Any, int], Sample]] = {
    "digits": lambda n, classes, seed: digits(classes or (3, 8), n, seed),
    "hexagon": lambda n, classes, seed: hexagon(),
    "sphere": lambda n, classes, seed: sphere(n or 100, 10, seed),
    "caps": lambda n, classes, seed: two_caps(10, 0.5, n or 100, seed),
}


def sample_of(options: argparse.Namespace) -> Sample:
    """The sample that ``options.sample`` names, or the one in that file.

    Raises ``WrongCall``, ``ValueError`` and ``TypeError`` for what is none.
    """
    name, n = options.sample, options.points
    if name in SAMPLES:
        for option, taken in (("scale", False), ("classes", name == "digits")):
            if getattr(options, option) is not None and not taken:
                raise WrongCall(f"--{option} is not for the sample {name}")
        if n is not None and name == "hexagon":
            raise WrongCall("--points is not for the sample hexagon, which has six")
        return SAMPLES[name](n, options.classes, options.seed)
    file = Path(name)
    if file.suffix not in (".npz", ".csv"):
        raise WrongCall(f"SAMPLE must be one of {', '.join(SAMPLES)}, or .npz or .csv, got {name}")
    x, y = (_npz if file.suffix == ".npz" else _csv)(existing("SAMPLE", file))
    classes = options.classes
    if classes is not None:  # as the labels are: numbers where they are numbers
        kinds = {str(label): label for label in np.asarray(y).tolist()}
        classes = [kinds.get(given, given) for given in classes]
    sample = Sample.from_arrays(x, y, scale=options.scale, classes=classes, name=file.name)
    return sample if n is None or n == sample.n else sample.split(n, options.seed)[0]


def _npz(file: Path) -> tuple[Any, Any]:
    try:
        with np.load(file) as held:  # numbers and texts only: nothing in the file is run
            return held["x"], held["y"]
    except (KeyError, ValueError, zipfile.BadZipFile, EOFError, AttributeError) as error:
        raise WrongCall(f"{file.name} must hold arrays x and y: {error}") from None


def _csv(file: Path) -> tuple[Any, Any]:
    """Rows of numbers with a label last; a first line without numbers is a heading."""
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            rows = [row for row in csv.reader(lines) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise WrongCall(f"{file.name} must be a table in UTF-8: {error}") from None
    if rows and not _number(rows[0][0]):
        del rows[0]
    if not rows or len(rows[0]) < 2:
        raise WrongCall(f"{file.name} must have rows of numbers with a label last, got none")
    d = len(rows[0]) - 1
    for k, row in enumerate(rows):
        if len(row) != d + 1 or not all(map(_number, row[:-1])):
            raise WrongCall(f"{file.name} must have {d} numbers and a label in row {k}")
    labels = [row[-1].strip() for row in rows]
    y = np.array([float(label) for label in labels] if all(map(_number, labels)) else labels)
    return np.array([[float(entry) for entry in row[:-1]] for row in rows]), y


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
