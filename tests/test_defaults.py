"""The user's default device and dtype change no answer; nor does the device that data are on."""

from __future__ import annotations

import ast
import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import border
import border_calls as calls
import pytest
import torch

# Nets are made in torch's default dtype, as nets of torch are, and so are those made by the way.
IN_THE_DEFAULT_DTYPE = ("TwoLayerNet", "DeepNet", "RKHSFunction.to_network", "width_curve")
FACTORIES = "tensor zeros ones empty full arange linspace eye rand randn randperm randint as_tensor"


@functools.cache
def usual(name: str) -> str:
    """What it answers under torch's own defaults."""
    return answer(name)


def answer(name: str, **changed: Any) -> str:
    """What a valid call answers under other defaults; its arguments are made under the usual."""
    call, given = calls.target(name), calls.valid(name)
    device, dtype = torch.get_default_device(), torch.get_default_dtype()
    try:
        torch.set_default_device(changed.get("device", "cpu"))
        torch.set_default_dtype(changed.get("dtype", torch.float32))
        return border.digest(plain(call(**given)))
    finally:
        torch.set_default_device(device)
        torch.set_default_dtype(dtype)


def plain(value: object, depth: int = 0) -> object:
    """What any answer holds, but for memory that is written over."""
    if hasattr(value, "__dict__") and depth < 4 and not isinstance(value, torch.Tensor | type):
        held = vars(value).items()
        return {k: plain(v, depth + 1) for k, v in held if k not in ("scratch", "path")}
    return value


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


NAMES = [name for name in border.fuzzed() if name not in ("openml", "sweep")]


@pytest.mark.parametrize("changed", [{"device": "meta"}, {"dtype": torch.float64}], ids=str)
def test_defaults_of_the_user_change_nothing(changed: dict[str, Any]) -> None:
    different = {}
    for name in NAMES:
        if "dtype" in changed and name in IN_THE_DEFAULT_DTYPE:
            continue
        try:
            if answer(name, **changed) != usual(name):
                different[name] = "another answer"
        except Exception as error:
            different[name] = f"{type(error).__name__}: {error}"
    assert different == {}


def test_everything_is_made_on_a_device_that_is_named() -> None:
    """Also where the calls above do not come by."""
    unnamed = []
    for path in sorted(calls.ROOT.rglob("*.py")):
        if "book" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                of_torch = isinstance(node.func.value, ast.Name) and node.func.value.id == "torch"
                named = "device" in {keyword.arg for keyword in node.keywords}
                if of_torch and node.func.attr in FACTORIES.split() and not named:
                    unnamed.append(f"{path.relative_to(calls.ROOT)}:{node.lineno}")
    assert unnamed == []


@pytest.mark.usefixtures("simulation")
def test_a_simulated_accelerator_answers_as_the_cpu_does() -> None:
    """In a process of its own: torch does not forget a device."""
    place = Path(__file__).parent / "simulated_device.py"
    done = subprocess.run([sys.executable, place], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout)
    assert seen["differences"] == []
    # an accelerator is quick where its host does not wait: for each step once, to ask whether all
    # numbers are finite, and a few times before the first and after the last
    assert len(seen["waits"]) == 49
    for name, steps, often, alike in seen["waits"]:
        assert often <= steps + 20, f"{name} makes the host wait {often} times"
        assert alike, f"{name} finds other points than on the CPU"
