"""Fixtures for every test, one thread so that two workers share two cores, and ``--shuffle``."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from torch.utils import backend_registration

torch.set_num_threads(1)

# Devices made in Python, as tests/simulated_device.py does, are newer than the oldest torch.
SIMULATES = hasattr(backend_registration, "_setup_privateuseone_for_python_backend")
DEVICES = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> torch.device:
    """The CPU always, CUDA when there is one."""
    return torch.device(request.param)


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    """Both floating-point types that the library accepts."""
    dtype: torch.dtype = request.param
    return dtype


@pytest.fixture
def simulation() -> None:
    """For tests that start a process with a simulated device; skips them where torch has none."""
    if not SIMULATES:
        pytest.skip(f"torch {torch.__version__} makes no device in Python")


def pytest_addoption(parser: pytest.Parser) -> None:
    words = "run the files in a random order, and the tests of each in another"
    parser.addoption("--shuffle", type=int, metavar="SEED", help=words)


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Say the seed; ``-q`` would silence ``pytest_report_header``."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    seed = session.config.getoption("--shuffle")
    if reporter is not None and seed is not None:
        reporter.write_line(f"tests in random order: --shuffle {seed}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files stay together, so that what their tests share is built once."""
    seed = config.getoption("--shuffle")
    if seed is None:
        return
    draw = random.Random(seed)
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    order = [*files.values()]
    draw.shuffle(order)
    for tests in order:
        draw.shuffle(tests)
    items[:] = [item for tests in order for item in tests]
