"""An accelerator that is not there: tensors of a device of their own, whose numbers are the CPU's.

``python tests/simulated_device.py`` calls everything public with data and nets on that device and
names each answer that is not, bit by bit, that of the CPU; then it prints how often some attacks
make the host wait. torch knows the device from ``start()`` on, for as long as the process lives,
so that tests start a process for it.

A ``Simulated`` tensor holds a tensor of the CPU, on which every operation is carried out. As on a
GPU, operations on tensors of both devices refuse, and so does NumPy.
"""

from __future__ import annotations

import collections
import itertools
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode

NAME = "simulated"
# What a GPU cannot answer before it has done all that was asked of it.
WAITS = ("_local_scalar_dense", "nonzero", "equal", "masked_select", "_unique2", "unique_dim")
# "Sample.to" says where it is; torch makes no storage of such a device, to read a file into.
APART = ("Sample.to", "openml", "sweep", "Trajectory.load", "wide_attack", "wide_training")
ALIKE = (".answer", ".move")  # what a call of the same attack does
COUNTS: collections.Counter[str] = collections.Counter()


class Simulated(Tensor):
    """A tensor on the simulated device; ``held`` are its numbers."""

    held: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: Tensor) -> Simulated:
        made: Simulated = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device(NAME, 0),
            dispatch_sizes_strides_policy="sizes",  # they change in place, by squeeze_ for one
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, args: Any, kwargs: Any = None) -> Any:
        return carried_out(operation, args, kwargs or {})

    @property
    def data(self) -> Tensor:  # type: ignore[override]
        """The numbers apart from any graph; torch swaps what it knows of, not ``held``."""
        return self.detach()

    @data.setter
    def data(self, other: Simulated) -> None:
        torch.Tensor.data.__set__(self, other)  # type: ignore[attr-defined]
        self.held = other.held

    def tolist(self) -> Any:
        """Python's numbers, as on any device by way of the CPU."""
        return self.cpu().tolist()

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Simulated({self.held!r})"


class Device(TorchDispatchMode):
    """Sees to what is made on the device without any tensor of it, such as zeros."""

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any, kwargs: Any = None) -> Any:
        return carried_out(operation, args, kwargs or {})


def carried_out(operation: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """An operation on what the tensors hold; the answer is where torch would have it."""
    name = operation.overloadpacket.__name__
    tensors = [*tensors_of(args), *tensors_of(kwargs.values())]
    ours = [t for t in tensors if isinstance(t, Simulated)]
    asked = kwargs.get("device")
    there = bool(ours) if asked is None else torch.device(asked).type == NAME
    if name in ("copy_", "_to_copy"):
        there = isinstance(args[0], Simulated) if name == "copy_" else there
        source = args[1] if name == "copy_" else args[0]
        patient = kwargs.get("non_blocking", False) or (name == "copy_" and True in args[2:])
        if isinstance(source, Simulated) and not there:
            COUNTS["to the CPU"] += 1
        elif there and not isinstance(source, Simulated) and not patient:
            COUNTS["from the CPU"] += 1
    elif ours and any(not isinstance(t, Simulated) and t.dim() for t in tensors):
        raise RuntimeError(f"{operation}: expected all tensors to be on the same device")
    if ours and (name in WAITS or (name.startswith("index") and _by_mask(args))):
        COUNTS[name.strip("_").replace("local_scalar_dense", "item")] += 1
    if not ours and not there:
        return operation(*args, **kwargs)
    if asked is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    known = {id(t.held): t for t in ours}
    plain = {name: mapped(_held, value) for name, value in kwargs.items()}
    answer = operation(*mapped(_held, args), **plain)
    if not there:
        return answer
    return mapped(lambda t: known[id(t)] if id(t) in known else Simulated(t), answer)


# torch's own trees take most of the time here; an operation's arguments are tensors and lists.
def tensors_of(values: Any) -> Iterator[Tensor]:
    """The tensors among the values and in their lists."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from tensors_of(value)


def mapped(function: Callable[[Tensor], Any], value: Any) -> Any:
    """The value with the function of each of its tensors in the tensor's place."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, tuple | list):
        return type(value)([mapped(function, held) for held in value])
    return value


def _held(t: Tensor) -> Tensor:
    return t.held if isinstance(t, Simulated) else t


def _by_mask(args: Any) -> bool:
    return any(t.dtype == torch.bool for t in tensors_of(args[1:2]))


class _Module(backend_registration._DummyBackendModule):
    """What torch asks a backend's module for."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16]


def start() -> None:
    """Make torch know the device, until the process ends."""
    backend_registration._setup_privateuseone_for_python_backend(NAME, _Module())
    for name, function in (("empty_strided", _empty), ("_copy_from", _copied)):
        _LIBRARY.impl(name, function, "PrivateUse1")


_LIBRARY = torch.library.Library("aten", "IMPL")


def _empty(size: Any, stride: Any, *, dtype: Any = None, **_: Any) -> Tensor:
    """Room on the device; what makes tensors of Python's numbers asks past every mode."""
    return Simulated(torch.empty_strided(size, stride, dtype=dtype))


def _copied(source: Any, to: Any, non_blocking: bool = False) -> Any:
    numbers = source.held if isinstance(source, Simulated) else source
    COUNTS["from the CPU"] += numbers is source and not non_blocking
    (to.held if isinstance(to, Simulated) else to).copy_(numbers)
    return to


@contextmanager
def waits() -> Iterator[collections.Counter[str]]:
    """How often the host waits for the device, by what makes it wait."""
    COUNTS.clear()
    yield COUNTS


# --- everything public, here and there -----------------------------------------------------------


def differences() -> list[str]:
    """The callables whose answers on the device are not those on the CPU, and why."""
    import border
    import border_calls as calls

    names = [
        name
        for name in border.fuzzed()
        if name not in APART and not name.endswith(ALIKE) and name in (sys.argv[1:] or [name])
    ]
    answers: dict[str, dict[str, str]] = {}
    for device in ("cpu", NAME):
        calls.on(device)  # once: what the calls share is made anew
        answers[device] = {name: _answer(name) for name in names}
    calls.on("cpu")
    found = []
    for name in names:
        told = answers[NAME][name]
        if told != answers["cpu"][name]:
            found.append(f"{name}: {told if len(told) < 300 else 'other numbers'}")
    return found


def _answer(name: str) -> str:
    import border
    import border_calls as calls

    try:
        call, given = calls.target(name), calls.valid(name)
        return border.digest(here(call(**given)))
    except Exception as error:
        return f"{type(error).__name__}: {error}".split("\n")[0]


def here(value: Any, depth: int = 0) -> Any:
    """The answer with all its tensors on the CPU."""
    if isinstance(value, Simulated):
        return value.held.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, torch.nn.Module):
        return {k: here(v) for k, v in value.state_dict().items()}
    if isinstance(value, dict):
        return {k: here(v, depth + 1) for k, v in value.items() if k != "scratch"}
    if isinstance(value, tuple | list):
        return [here(v, depth + 1) for v in value]
    if hasattr(value, "__dict__") and not isinstance(value, type | Tensor) and depth < 5:
        return [type(value).__name__, here(vars(value), depth + 1)]
    return value


def counted() -> list[tuple[str, int, int, bool]]:
    """What an attack is and where, its steps, how often its host waits, and whether it finds there
    bit by bit what it finds on the CPU."""
    import border_calls as calls

    import robustlib as rl

    given = {}
    for device in ("cpu", NAME):
        calls.on(device)
        given[device] = calls.net(), calls.x(), calls.y()
    sets = [ball(0.2) for ball in (rl.L2Ball, rl.LinfBall, rl.L1Ball, rl.SphereCap)]
    sets += [ball(0.2, box=(-1, 1)) for ball in (rl.L2Ball, rl.LinfBall, rl.L1Ball)]
    attacks = [(rl.FGSM(), 1)]
    attacks += [(kind(steps=k), k) for kind in (rl.PGD, rl.APGD) for k in (5, 10, 40)]
    found = []
    for (attack, steps), perturbation in itertools.product(attacks, sets):
        asked = {"perturbation": perturbation, "loss": rl.PseudoHuber()}
        with waits() as counts:
            there = attack(*given[NAME], **asked)
            often = counts.total()
        alike = torch.equal(here(there), attack(*given["cpu"], **asked))
        found.append((f"{attack!r} on {perturbation!r}", steps, often, alike))
    return found


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    torch.set_num_threads(1)
    start()
    os.chdir(tempfile.mkdtemp())
    with Device():
        print(json.dumps({"differences": differences(), "waits": counted()}, indent=1))
