"""Gradients of any module's outputs in its weights, one example at a time or many at once."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, vmap

from ..checks import check_alike, check_floats, check_outputs
from ..models import ask, explain, undisturbed
from .tiles import place, tiles

_NUMBERS = 1 << 25  # of a Jacobian held at a time
_AGREE = 1e4  # roundings by which two ways to one gradient may differ


def by_autograd(
    net: nn.Module,
    x: Tensor,
    z: Tensor | None = None,
    *,
    several: bool = False,
    names: Sequence[str] | None = None,
) -> Tensor:
    """The tangent kernel of ``net`` at ``x`` (n, ...) and ``z`` (m, ...), whatever it computes.

    (n, m) for a net with one output, (n, m, k, k) with ``several``. Of all parameters that require
    a gradient, or of those in ``names``; one that is shared counts once. Gradients of all examples
    are taken at once where ``torch.func`` can, and where they agree with those that plain autograd
    gives for the batch; else one example after the other, as training would.
    """
    _check_points(x, z)
    with undisturbed(net, x.device):
        rows = _Rows(net, several, names)
        other = x if z is None else z
        n, m = len(x), len(other)
        if n or m:
            rows.look(x if n else other)
        k = rows.k
        gram = x.new_empty(n * k, m * k, requires_grad=False)
        chunk = max(1, _NUMBERS // (k * rows.count))
        held: tuple[slice | None, Tensor] = (None, gram)
        for r, c in tiles(n, m, chunk, symmetric=z is None):
            if held[0] != r:
                held = (r, rows(x[r]))
            columns = held[1] if z is None and r == c else rows(other[c])
            wide = (slice(s.start * k, s.stop * k) for s in (r, c))
            place(gram, held[1] @ columns.T, *wide, symmetric=z is None)
    if not several:
        return gram
    return gram.reshape(n, k, m, k).transpose(1, 2).contiguous()


def _check_points(x: Tensor, z: Tensor | None) -> None:
    """Raise where ``x`` and ``z`` are no two sets of finite points of one shape."""
    check_floats("x", x, min_dim=2)
    if z is None:
        return
    if isinstance(z, Tensor):
        check_alike("z", z, "x", x)  # before its values are looked at
    check_floats("z", z, min_dim=2)
    if z.shape[1:] != x.shape[1:]:
        raise ValueError(
            f"z must have points of the shape of those of x, got {tuple(z.shape)} and "
            f"{tuple(x.shape)}"
        )


class _Rows:
    """The gradients (n k, p) of k outputs in all p trained numbers, complex ones as two."""

    def __init__(self, net: nn.Module, several: bool, names: Sequence[str] | None) -> None:
        self._net, self._several = net, several
        trained = {
            name: w
            for name, w in net.named_parameters()
            if w.requires_grad and (names is None or name in names)
        }
        if not trained:
            raise ValueError("net has no trainable parameters, so that its tangent kernel is empty")
        self._trained = trained
        self.count = sum(w.numel() * (2 if w.is_complex() else 1) for w in trained.values())
        # a hook on a parameter acts on the parameter that training knows, and on no other
        self._at_once = not any(w._backward_hooks for w in trained.values())
        self.k = 1

    def look(self, points: Tensor) -> None:
        """See how many outputs ``k`` an example has; raises where they are none to be taken."""
        with torch.no_grad():
            self.k = len(self._values(points[:1]))

    def __call__(self, points: Tensor) -> Tensor:
        """The rows at ``points`` (n, ...), those of one example together."""
        if self._at_once and len(points):
            try:
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", "There is a performance drop")
                    found = self._all(points)
                if self._agrees(found, points):
                    return found
            except Exception:  # whatever is really wrong is found, and said, one by one
                pass
            self._at_once = False
        return self._one_by_one(points)

    def _values(self, point: Tensor) -> Tensor:
        """The outputs (k,) at one example (1, ...)."""
        f = ask(self._net, point)
        if not self._several:
            try:
                f = check_outputs(f, point.shape)
            except ValueError as error:
                more = "; several_outputs=True gives the kernel between all outputs"
                raise ValueError(f"{error}{more}") from None
        if not isinstance(f, Tensor):
            raise TypeError(f"net must return a torch.Tensor, got {type(f).__name__}")
        check_alike("the net's output", f, "x", point)
        if f.shape != (1,) and not (f.dim() == 2 and len(f) == 1):
            raise ValueError(
                "net must have outputs of shape (1,) or (1, k) for one example, got shape "
                f"{tuple(f.shape)}"
            )
        if not bool(torch.isfinite(f).all()):
            raise ValueError("net must have finite outputs, got NaN or infinity")
        return f.flatten()

    def _one_by_one(self, points: Tensor) -> Tensor:
        rows, cut = [], len(points) > 0
        for point in torch.split(points, 1):
            for f in self._values(point):
                found = self._gradients(f, point)
                cut &= all(g is None for g in found)
                pairs = zip(self._trained.values(), found, strict=True)
                given = (torch.zeros_like(w) if g is None else g for w, g in pairs)
                rows.append(_joined(given, 1, points))
        if cut:
            raise ValueError(
                "net must have outputs with a gradient to its trainable parameters, got outputs "
                "that are cut off from them (does it detach them, or run under torch.no_grad?)"
            )
        return torch.cat(rows) if rows else points.new_empty(0, self.count)

    def _gradients(self, f: Tensor, point: Tensor) -> Sequence[Tensor | None]:
        """Of one output, at one example; None for parameters that it does not depend on."""
        weights = list(self._trained.values())
        if not f.requires_grad:
            return [None] * len(weights)
        try:
            return torch.autograd.grad(f, weights, retain_graph=True, allow_unused=True)
        except Exception as error:
            explain(self._net, point, error)
            raise

    def _all(self, points: Tensor) -> Tensor:
        trained = {name: w.detach() for name, w in self._trained.items()}
        rest = dict(self._net.named_parameters()) | dict(self._net.named_buffers())
        fixed = {name: w.detach() for name, w in rest.items() if name not in trained}

        def values(weights: dict[str, Tensor], point: Tensor) -> Tensor:
            f: Tensor = functional_call(self._net, {**fixed, **weights}, (point[None],))
            return f.flatten() if self._several else f.reshape(())

        one = jacrev(values) if self._several else grad(values)
        found = vmap(one, in_dims=(None, 0), randomness="error")(trained, points.detach().clone())
        return _joined((found[name] for name in trained), len(points) * self.k, points)

    def _agrees(self, rows: Tensor, points: Tensor) -> bool:
        """Whether a sum of ``rows`` is the gradient of that sum of outputs, by plain autograd."""
        f = ask(self._net, points)
        assert isinstance(f, Tensor)
        shares = 1 + torch.arange(len(rows), dtype=f.dtype, device=f.device) / len(rows)
        weights = list(self._trained.values())
        plain = torch.autograd.grad(
            f.flatten() @ shares, weights, allow_unused=True, materialize_grads=True
        )
        apart = (shares @ rows - _joined(plain, 1, points)).abs()
        coarse = min(0.05, _AGREE * max(torch.finfo(w.dtype).eps for w in (points, *weights)))
        return bool((apart <= coarse * (shares @ rows.abs()).max()).all())


def _joined(gradients: Iterable[Tensor], rows: int, like: Tensor) -> Tensor:
    """All numbers of ``gradients`` side by side, (rows, p), real and of the dtype of ``like``."""
    parts = (torch.view_as_real(g) if g.is_complex() else g for g in gradients)
    return torch.cat([part.reshape(rows, -1).to(like.dtype) for part in parts], 1)
