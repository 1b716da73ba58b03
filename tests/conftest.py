"""Fixtures for every test: devices, and one thread so that two workers share two cores."""

from __future__ import annotations

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
