"""``python -m robustlib gpu``: what a GPU gives, as one table, in at most eight minutes."""

from __future__ import annotations

import argparse
import datetime
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from types import FrameType
from typing import Any

import torch

from ..checks import check_real
from ..numerics import alarm
from . import options as shared
from .measures import MEASURES, SIZES, Row

_EXAMPLE = """\
    python -m robustlib gpu --out gpu.json

    values     net, outputs (float64)              2e-16                    at most 1e-13   right
    speed      training step, m = 65536, n = 1000  ... of the product peak  ... s
    claim      movement                            HOLDS                    ...             right
    ...

Values are compared with the CPU's: float64 to 1e-13, float32 to 5e-7 of the largest. Speeds are
shares of the device's own product peak. What time does not allow is a row that says so.
Without a GPU: one sentence, and exit status 3. To try the command itself: --device cpu --budget
smoke, sizes that take seconds."""


def add(commands: Any) -> None:
    """The command and its options."""
    run = shared.parser(
        commands,
        "gpu",
        does="try a GPU: values, speed, claims",
        long="Compare a GPU's values with the CPU's, measure speed, run claims at the budget gpu.",
        example=_EXAMPLE,
    )
    run.add_argument(
        "--minutes", type=float, default=8.0, help="at most so many (default: %(default)g)"
    )
    shared.share(run, "--device", "--budget", "--seed", "--out", defaults=False)
    run.set_defaults(run=run_gpu, kept=_kept)


def _kept(options: argparse.Namespace) -> str:
    return shared.kept(options.out, "--out", f"the rows so far are in {options.out}")


def run_gpu(options: argparse.Namespace) -> int:
    """Measure, print as it comes, write."""
    if options.device is None and not torch.cuda.is_available():
        print(
            "No GPU: torch sees none here, and nothing was measured "
            "(--device cpu --budget smoke tries the command itself)."
        )
        return 3
    device = shared.there(options.device or "cuda")
    seconds = 60 * check_real("--minutes", options.minutes, above=0)
    size, seed = SIZES[options.budget or "gpu"], options.seed or 0
    print(_name(device), flush=True)
    begun, rows = time.monotonic(), []
    for measure in MEASURES:
        left = seconds - (time.monotonic() - begun)
        for row in _within(left, measure(device, size, seed), measure.__name__):
            rows.append(row)
            print(row, flush=True)
            if options.out is not None:
                shared.write_json(options.out, _record(device, rows, begun))
    wrong = [row for row in rows if row.right is False]
    print(f"{len(rows)} rows in {time.monotonic() - begun:.0f} s, {len(wrong)} wrong", flush=True)
    for row in wrong:
        print(f"not: {row.what}: {row.found}", file=sys.stderr)
    return 1 if wrong else 0


def _within(seconds: float, rows: Iterator[Row], name: str) -> Iterator[Row]:
    """The rows that come in time; then, and after an error, one that says so."""
    end = time.monotonic() + seconds
    while True:
        try:
            with _alarm(end - time.monotonic()):
                row = next(rows, None)
        except TimeoutError:
            yield Row(name, "the rest", "not run: the time was up", "", None)
            return
        except Exception as error:
            words = " ".join(f"{type(error).__name__}: {error}".split())
            yield Row(name, "the rest", words[:200], "", False)
            return
        if row is None:
            return
        yield row


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise ``TimeoutError`` after so many seconds by the clock."""
    if seconds <= 0:
        raise TimeoutError

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    with alarm(seconds, stop):
        yield


def _name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device} ({platform.processor() or platform.machine()})"


def _record(device: torch.device, rows: list[Row], begun: float) -> dict[str, object]:
    return {
        "device": _name(device),
        "torch": torch.__version__,
        "date": str(datetime.date.today()),
        "seconds": round(time.monotonic() - begun),
        "rows": [asdict(row) for row in rows],
    }
