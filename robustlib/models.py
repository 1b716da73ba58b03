"""Models: whether one computes what its class says, and how it is asked and left as found."""

from __future__ import annotations

import copy
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from .checks import check_alike
from .numerics import same

Model = Callable[[Tensor], Tensor]
_Net = TypeVar("_Net", bound=nn.Module)

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_GLOBAL_HOOKS = tuple(f"_global{name}" for name in _HOOKS)
# What a subclass may say of itself without changing the function.
_HARMLESS = {
    *("__init__", "__repr__", "extra_repr", "__doc__", "__module__", "__qualname__", "__slots__"),
    *("__dict__", "__weakref__", "__annotations__", "__parameters__", "__orig_bases__"),
    *("__annotate_func__", "__annotations_cache__"),  # annotations since Python 3.14
    *("__abstractmethods__", "_abc_impl", "__static_attributes__", "__firstlineno__"),
    *("__constants__", "__jit_unused_properties__", "__hash__", "__eq__"),
}


# --- is it the function of its class? ----------------------------------------------------------


def known_as(
    model: object, kinds: Sequence[type[nn.Module]], *, gradients: bool = False
) -> type[nn.Module] | None:
    """The one of ``kinds`` whose formula is the function of ``model``; None where none is.

    A model is taken at its class's word only where nothing can have changed the function: see
    ``departure``. Everything that reads weights instead of calling the model asks here.
    """
    if departure(model, kinds, gradients=gradients) is not None:
        return None
    return next((kind for kind in type(model).__mro__ if kind in kinds), None)


def departure(
    model: object, kinds: Sequence[type[nn.Module]] = (), *, gradients: bool = False
) -> str | None:
    """Why ``model`` may compute something else than its class says, in words; None where it cannot.

    Looked for in it and in every module inside: hooks of any sort, also global ones; methods
    replaced on the instance, or in a class of torch; parametrisations; compilation; weights of a
    tensor class that computes in its own way; and, where the class is derived from one of
    ``kinds``, methods or attributes that it defines again. With ``gradients`` also whatever makes
    training see other gradients: frozen and shared parameters, and hooks on them.
    """
    if not isinstance(model, nn.Module):
        return None
    name = type(model).__name__
    for hooks in _GLOBAL_HOOKS:
        if getattr(torch_module, hooks, None):
            return f"{name} under a global {_spoken(hooks.removeprefix('_global'))}"
    kind = next((c for c in type(model).__mro__ if c in kinds), None)
    if kind is not None and kind is not type(model):
        own = _redefined(model, kind)
        if own:
            return f"{name}, a {kind.__name__} with {' and '.join(own[:3])} of its own"
    for place, module in model.named_modules():
        what = _altered(module)
        if what is not None:
            inner = f" in its {type(module).__name__} {place!r}" if place else ""
            return f"{name} with {what}{inner}"
    if gradients:
        named = list(model.named_parameters(remove_duplicate=False))
        for place, parameter in named:
            if not parameter.requires_grad:
                return f"{name} with its {place} frozen"
            if parameter._backward_hooks:
                return f"{name} with a gradient hook on its {place}"
        if len({id(parameter) for _, parameter in named}) < len(named):
            return f"{name} with shared parameters"
    return None


def _altered(module: nn.Module) -> str | None:
    """What may make ``module`` itself differ from its class."""
    held = vars(module)
    for hooks in _HOOKS:
        if held.get(hooks):
            return f"a {_spoken(hooks)}"
    if held.get("_compiled_call_impl") is not None:
        return "a compiled forward"
    if "parametrizations" in module._modules:
        return "a parametrised weight"
    cls = type(module)
    for name in held:
        if not name.startswith("__") and callable(getattr(cls, name, None)):
            return f"a replaced {name}"
    forward = getattr(cls, "forward", None)
    owner = next((c for c in cls.__mro__ if "forward" in vars(c)), cls)
    if owner is not nn.Module and owner.__module__.startswith("torch.nn."):
        code = forward.__code__ if isinstance(forward, types.FunctionType) else None
        if code is None or code.co_qualname != f"{owner.__qualname__}.forward":
            return "a forward replaced in its class"
    for weight in (*module._parameters.values(), *module._buffers.values()):
        if weight is not None and _peculiar(weight):
            return f"weights of the class {type(weight).__name__}"
    return None


def _peculiar(weight: Tensor) -> bool:
    """Whether its class computes in its own way; a device written in Python needs such a class."""
    own_device = torch._C._get_privateuse1_backend_name()
    return type(weight) not in (Tensor, nn.Parameter) and weight.device.type != own_device


def _redefined(model: nn.Module, kind: type[nn.Module]) -> list[str]:
    """Names that classes before ``kind`` give another meaning."""
    fields = {*vars(model), *model._parameters, *model._buffers, *model._modules}
    names: list[str] = []
    for cls in type(model).__mro__:
        if cls is kind:
            break
        names += [n for n in vars(cls) if n not in _HARMLESS and (hasattr(kind, n) or n in fields)]
    return names


def _spoken(hooks: str) -> str:
    return hooks.strip("_").removesuffix("s").replace("_", " ")


# --- asking it ---------------------------------------------------------------------------------


def ask(model: Model, z: Tensor) -> object:
    """Whatever ``model`` returns at a copy of ``z``, on which it may write; differentiable in z.

    The model's own errors pass. Where it fails because its weights are of another dtype or on
    another device than ``z``, ``TypeError`` or ``ValueError`` says so; other errors that are
    torch's own become a ``ValueError`` that names the model and its input.
    """
    try:
        return model(z.clone())
    except Exception as error:
        explain(model, z, error)
        raise


def explain(model: object, z: Tensor, error: Exception) -> None:
    """Raise a clearer error where ``error``, of ``model`` at ``z``, is torch's own.

    Only after a failure: a model may well hold weights of several kinds and convert by itself.
    """
    if isinstance(model, nn.Module):
        for name, weight in [*model.named_parameters(), *model.named_buffers()]:
            if weight.is_floating_point():
                try:
                    check_alike(f"the model's {name}", weight, "x", z)
                except (TypeError, ValueError) as mismatch:
                    raise mismatch from error
    if isinstance(error, torch.cuda.OutOfMemoryError | Warning) or not _of_torch(error):
        return
    raise ValueError(
        f"the model cannot be asked at inputs of shape {tuple(z.shape)}, {z.dtype}: "
        f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
    ) from error


def _of_torch(error: Exception) -> bool:
    """Whether torch or C, which ``ask`` called, raised it and no code of the user's or of ours."""
    if type(error) is RuntimeError:
        return True
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
    return where == __name__ or where.split(".")[0] == "torch"


# --- leaving it as found -----------------------------------------------------------------------


@contextmanager
def undisturbed(model: object, device: torch.device, *, buffers: bool = True) -> Iterator[None]:
    """Evaluation mode, gradients on, autocast off; on leaving, all is as it was found.

    Modes are set and restored one submodule at a time: ``model.train()`` would thaw a layer that
    its owner had frozen. The global random state is put back even if the model draws from it, and
    with ``buffers`` so are buffers that it writes on, such as counters.
    """
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    modes = [module.training for module in modules]
    cuda = [device] if device.type == "cuda" else []
    cells = bool(cuda) and any(isinstance(module, nn.RNNBase) for module in modules)
    with (
        # cuDNN has no backward pass of recurrent cells in evaluation mode, torch itself has
        torch.backends.cudnn.flags(enabled=False) if cells else nullcontext(),
        torch.random.fork_rng(devices=cuda),
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast(device.type, enabled=False),
    ):
        held = [entry for module in modules for entry in _buffers_of(module)] if buffers else []
        try:
            for module in modules:
                module.training = False
            yield
        finally:
            for module, mode in zip(modules, modes, strict=True):
                module.training = mode
            with torch.no_grad():
                for module, name, buffer, before in held:
                    if getattr(module, name) is not buffer:
                        setattr(module, name, buffer)
                    if buffer.layout != torch.strided or not same(buffer, before):
                        buffer.copy_(before)  # sparse ones cannot be compared


def _buffers_of(module: nn.Module) -> Iterator[tuple[nn.Module, str, Tensor, Tensor]]:
    """A module's buffers with copies; those of nets of ours, which are large, are never written."""
    if "fixed_buffers" in vars(type(module)):
        return
    for name, buffer in module._buffers.items():
        if buffer is not None and not nn.parameter.is_lazy(buffer):
            yield module, name, buffer, buffer.detach().clone()


@contextmanager
def at_weights(net: nn.Module, weights: dict[str, Tensor]) -> Iterator[None]:
    """``net`` with other numbers in the parameters named; any module, since none is replaced."""
    named = dict(net.named_parameters())
    before = {name: named[name].data for name in weights}
    try:
        for name, weight in weights.items():
            named[name].data = weight.detach()
        yield
    finally:
        for name, data in before.items():
            named[name].data = data


def copy_of(net: _Net) -> _Net:
    """A deep copy of ``net`` that is trained as ``net`` would be.

    Unlike ``copy.deepcopy``'s it has the hooks on the weights, is cut off from the original where
    that is a script, and every entry of its weights and buffers can be written to by itself.
    Raises ``TypeError`` where ``net`` cannot be copied.
    """
    try:
        with torch.no_grad():
            twin = copy.deepcopy(net)
    except Exception as error:
        raise TypeError(
            f"net must be a module that copy.deepcopy copies, got {type(net).__name__}: {error}"
        ) from error
    fresh: dict[int, Tensor] = {}  # of tensors with entries that share memory: shared ones once
    for module in twin.modules():
        both: tuple[dict[str, Any], dict[str, Any]] = (module._parameters, module._buffers)
        for held in both:
            for name, value in held.items():
                if value is not None and value.layout == torch.strided and 0 in value.stride():
                    whole = value.detach().clone(memory_format=torch.contiguous_format)
                    if isinstance(value, nn.Parameter):
                        whole = nn.Parameter(whole, value.requires_grad)
                    held[name] = fresh.setdefault(id(value), whole)
    for w, own in zip(net.parameters(), twin.parameters(), strict=True):
        own.requires_grad_(w.requires_grad)
        for hook in (w._backward_hooks or {}).values():
            own.register_hook(hook)  # type: ignore[no-untyped-call]
    return twin


def check_own_weights(net: nn.Module, twin: nn.Module, x: Tensor) -> None:
    """Raise ``TypeError`` where the copy ``twin`` still computes with weights of ``net``.

    Training the copy would train nothing. That it does is seen at ``x`` (n, ...).
    """
    if "fixed_buffers" in vars(type(net)) and departure(net) is None:
        return  # of the library: as its class says
    named = [(name, w) for name, w in net.named_parameters() if w.requires_grad]
    probe = copy_of(twin)  # asking may leave traces
    with undisturbed(probe, x.device):
        try:
            f = probe(x.detach().clone())
        except Exception:
            return  # found out, and said, where it is asked in earnest
        if not isinstance(f, Tensor) or not f.requires_grad or not f.is_floating_point():
            return
        found = torch.autograd.grad(f.sum(), [w for _, w in named], allow_unused=True)
    used = [name for (name, _), g in zip(named, found, strict=True) if g is not None]
    if used:
        raise TypeError(
            f"net must be a module that copy.deepcopy copies whole, got {type(net).__name__} whose "
            f"copy computes with the {used[0]} of the original: a forward or a hook holds on to "
            "it; make it a method of a subclass"
        )
