"""The libraries that ours is compared with: python benchmarks/peers.py [--no-jax] installs them.

They live in a folder apart, ``.peers`` beside this file or the one that ROBUSTLIB_PEERS names, and
come last on the path: nothing of theirs takes the place of what is there. One that cannot be
installed or imported is a sentence in the table.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import types
import venv
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PLACE = Path(os.environ.get("ROBUSTLIB_PEERS", HERE / ".peers"))
JAX = Path(os.environ.get("ROBUSTLIB_PEERS_JAX", HERE / ".venv"))
OURS = ("scikit-learn", "cvxpy")  # which our own environment has
# What adv-lib imports and never calls here: a plot server, and nets for a perceptual distance.
UNUSED = ("visdom", "torchvision", "torchvision.models")


def pins(name: str = "requirements.txt") -> dict[str, str]:
    """Versions by package, as the file has them."""
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def install() -> None:
    """Bring what is not there, one by one, so that one failure is one failure."""
    there = installed()
    for name, version in pins().items():
        if there.get(name.lower()) == version:
            continue
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--upgrade"]
        done = subprocess.run([*pip, "--target", str(PLACE), f"{name}=={version}"])
        print(f"{name} {version}: {'could not be installed' if done.returncode else 'installed'}")


def install_jax() -> None:
    """An environment for neural-tangents, which is 2.7 GB large."""
    python = JAX / "bin" / "python"
    if not python.exists():
        venv.create(JAX, with_pip=True)
    pip = [python, "-m", "pip", "install", "-q", "-r", HERE / "requirements-jax.txt"]
    if subprocess.run(pip).returncode:
        shutil.rmtree(JAX)
    print(f"neural-tangents: {'installed' if JAX.exists() else 'could not be installed'}")


def installed() -> dict[str, str]:
    """Versions of what the folder holds, by name in small letters."""
    found = importlib.metadata.distributions(path=[str(PLACE)])
    return {one.metadata["Name"].lower(): one.version for one in found}


def versions() -> list[str]:
    """Every peer with its version, or saying that it is not there."""
    there = installed()
    helpers = ("eagerpy", "gitdb", "gitpython", "smmap")
    names = [name for name in pins() if name.lower() not in helpers]
    told = [f"{name} {there.get(name.lower(), '(not installed)')}" for name in names]
    jax = (JAX / "bin" / "python").exists()
    version = pins("requirements-jax.txt")["neural-tangents"] if jax else "(not installed)"
    ours = [f"{name} {importlib.metadata.version(name)}" for name in OURS]
    return [*told, f"neural-tangents {version}", *ours]


def peer(name: str) -> Any:
    """The module ``name`` of a peer."""
    return importlib.import_module(name)


def here() -> None:
    """Put the folder on the path, and stand-ins where nothing is called."""
    if str(PLACE) in sys.path:
        return
    sys.path.append(str(PLACE))
    missing = {name for name in ("visdom", "torchvision") if importlib.util.find_spec(name) is None}
    for name in UNUSED:
        if name.partition(".")[0] in missing:
            sys.modules[name] = _StandIn(name)


class _StandIn(types.ModuleType):
    """A module of which names may be taken; what is taken cannot be used."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__, self.__path__ = ModuleSpec(name, None), []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


here()
if __name__ == "__main__":
    install()
    if "--no-jax" not in sys.argv[1:]:
        install_jax()
